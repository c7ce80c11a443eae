"""What an import knows of each contract, and how: seen in the recording, given, or assumed.

A recording has prices and sizes, but no fees, ticks or rules. They come from `--contracts FILE`
(TOML or JSON; `docs/tape-format.md` lists its fields), or they are assumed, and what is assumed
is named in the tape and in what is printed from it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dutchbook.domain.contract import (
    Alignment,
    Contract,
    ContractMatch,
    DivergenceClass,
    Platform,
    Sizing,
)
from dutchbook.domain.fees import (
    POLYMARKET_RATES,
    FeeSchedule,
    kalshi_terms,
    polymarket_schedule,
    polymarket_terms,
    schedule_from_json,
)
from dutchbook.domain.units import PriceGrid, Quantity, decimal, money
from dutchbook.errors import DutchbookError, InvalidInput, TapeError
from dutchbook.tape.metadata import approved

PLAUSIBLE_YEARS = range(2_000, 2_100)
LONGEST_DELAY = Decimal(24 * 365)
"""Hours; a longer delay of cash is a mistake."""
LONGEST_HOLD = Decimal(60)
"""Seconds; no platform holds a taker's order back for longer."""
MILLISECOND = Decimal("0.001")


@dataclass(slots=True)
class Facts:
    """One contract's facts while they are gathered; `assumed` puts the supposed in words."""

    platform: Platform
    contract_id: str
    values: dict[str, Any] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)

    def know(self, **values: Any) -> None:
        """Take what was seen or given; it is no longer assumed."""
        self.values |= values
        for name in values:
            self.assumed.pop(name, None)

    def assume(self, name: str, value: Any, words: str) -> None:
        """Suppose `value`, unless the fact is known."""
        if name not in self.values:
            self.values[name] = value
            self.assumed[name] = words

    def contract(self) -> Contract:
        """Return the contract, every fact of which must be there by now."""
        return Contract(
            platform=self.platform,
            contract_id=self.contract_id,
            assumed=tuple(sorted(self.assumed)),
            **self.values,
        )

    def assumptions(self) -> list[str]:
        """Return a line for each assumption."""
        return [f"{self.platform.value} {name}: {self.assumed[name]}" for name in self.assumed]


def assumptions(facts: Iterable[Facts]) -> tuple[str, ...]:
    """Return every different assumption once, in the order in which they appear."""
    return tuple(dict.fromkeys(line for each in facts for line in each.assumptions()))


# The contracts file
# --------------------------------------------------------------------------------


@dataclass(slots=True)
class Overrides:
    """The tables of a contracts file, and which of them met something in the recording."""

    path: Path | None = None
    contracts: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    _used: set[int] = field(default_factory=set)

    @classmethod
    def load(cls, path: Path | None) -> Overrides:
        """Read a contracts file; None is an empty one.

        Raises:
            TapeError: Missing, neither TOML nor JSON, or of other tables than it should have.
        """
        if path is None:
            return cls()
        document = _parse(path)
        for name in document:
            if name not in ("contracts", "pairs"):
                raise TapeError(f"{path}: {name!r} is not one of its tables: contracts, pairs")
        tables = [document.get(name, []) for name in ("contracts", "pairs")]
        for name, table in zip(("contracts", "pairs"), tables, strict=True):
            if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
                raise TapeError(f"{path}: {name} is not a list of tables ([[{name}]])")
        found = cls(path, tables[0], tables[1])
        for row in found.contracts:
            found._guard(_check_keys, row, _CONTRACT_KEYS, ("platform", "contract_id"))
        for row in found.pairs:
            found._guard(_check_keys, row, _PAIR_KEYS, ("kalshi", "polymarket"))
        return found

    def apply(self, facts: Facts) -> None:
        """Give `facts` what the file says of its contract; later tables win."""
        for row in self.contracts:
            same = row["platform"] == facts.platform.value
            if same and fnmatchcase(facts.contract_id, row["contract_id"]):
                self._used.add(id(row))
                self._guard(_override, facts, row)

    def pair(self, match: ContractMatch) -> ContractMatch:
        """Return `match` as the file wants it, approved."""
        values: dict[str, Any] = {}
        for row in self.pairs:
            ours = (match.kalshi.contract_id, match.polymarket.contract_id)
            if (row["kalshi"], row["polymarket"]) == ours:
                self._used.add(id(row))
                values |= self._guard(_pair_values, row)
        fields = {
            name: values.get(name, getattr(match, name))
            for name in (
                *("match_id", "alignment", "divergence_class", "divergence_probability"),
                *("primary_leg", "cluster", "confidence"),
            )
        }
        made = self._guard(_match, match, fields)
        return approved(made)

    def refuse_unused(self) -> None:
        """Refuse a table that met nothing: it is misspelt, or of another recording.

        Raises:
            TapeError: There is one.
        """
        for row in (*self.contracts, *self.pairs):
            if id(row) not in self._used:
                names = [row.get(key) for key in ("contract_id", "kalshi", "polymarket")]
                name = " with ".join(str(each) for each in names if each)
                raise TapeError(f"{self.path}: {name} is not in the recording")

    def _guard(self, act: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return act(*arguments)
        except DutchbookError as error:
            raise TapeError(f"{self.path}: {error}") from error


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            found = json.loads(text, parse_float=Decimal)
        else:
            found = tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise TapeError(f"{path}: not {kind}: {error}") from error
    if not isinstance(found, dict):
        raise TapeError(f"{path}: not an object with the tables contracts and pairs")
    return found


def _check_keys(row: Mapping[str, Any], keys: tuple[str, ...], needed: tuple[str, ...]) -> None:
    for name in row:
        if name not in keys:
            raise InvalidInput(name, row[name], f"a field of it; there are {', '.join(keys)}")
    for name in needed:
        _text(row, name)
    if "platform" in needed:
        _choice(row, "platform", Platform)


_CONTRACT_KEYS = (
    *("platform", "contract_id", "title", "rules", "tick", "price_ranges", "size_step"),
    *("size_minimum", "notional_minimum", "cent_exact", "fee_type", "fee_multiplier"),
    *("fee_category", "fee_rate", "fees", "close_time", "resolution_time"),
    *("cash_delay_hours", "tokens", "taker_delay_seconds"),
)
_PAIR_KEYS = (
    *("kalshi", "polymarket", "match_id", "alignment", "divergence_class"),
    *("divergence_probability", "primary_leg", "cluster", "confidence"),
)


def _override(facts: Facts, row: Mapping[str, Any]) -> None:
    for name in ("title", "rules"):
        if name in row:
            facts.know(**{name: _text(row, name)})
    for name in ("close_time", "resolution_time"):
        if name in row:
            facts.know(**{name: _instant(row, name)})
    readers: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
        ("tick", "grid", PriceGrid.of_tick),
        ("price_ranges", "grid", _grid),
        ("cash_delay_hours", "cash_delay", _delay),
        ("tokens", "tokens", _tokens),
        ("taker_delay_seconds", "taker_delay", _hold),
    )
    for name, fact, read in readers:
        if name in row:
            facts.know(**{fact: read(row[name])})
    if sizing := _sizing(facts.values.get("sizing"), row):
        facts.know(sizing=sizing)
    if fees := _fees(facts.platform, row):
        facts.know(fees=fees)


def _grid(ranges: Any) -> PriceGrid:
    if not isinstance(ranges, list) or not all(isinstance(each, dict) for each in ranges):
        raise InvalidInput("price_ranges", ranges, "a list of tables with start, end and step")
    return PriceGrid.of_ranges(ranges)


def _delay(value: Any) -> timedelta:
    hours = decimal(value, "cash_delay_hours")
    if not 0 <= hours <= LONGEST_DELAY:
        raise InvalidInput("cash_delay_hours", str(hours), f"from 0 to {LONGEST_DELAY}")
    return timedelta(seconds=int(hours * 3_600))


def _hold(value: Any) -> timedelta:
    seconds = decimal(value, "taker_delay_seconds")
    if not 0 <= seconds <= LONGEST_HOLD or seconds % MILLISECOND:
        wanted = f"from 0 to {LONGEST_HOLD}, in whole milliseconds"
        raise InvalidInput("taker_delay_seconds", str(seconds), wanted)
    return timedelta(milliseconds=int(seconds / MILLISECOND))


def _tokens(value: Any) -> tuple[str, str]:
    match value:
        case [str() as yes, str() as no] if yes and no and yes != no:
            return yes, no
    raise InvalidInput("tokens", value, "the YES and the NO token, two different texts")


def _sizing(known: Sizing | None, row: Mapping[str, Any]) -> Sizing | None:
    names = ("size_step", "size_minimum", "notional_minimum", "cent_exact")
    if known is None or not any(name in row for name in names):
        return None
    step = decimal(row.get("size_step", known.step), "size_step")
    minimum = decimal(row.get("size_minimum", known.minimum), "size_minimum")
    notional = money(row.get("notional_minimum", known.minimum_notional))
    exact = row.get("cent_exact", known.cent_exact)
    if step <= 0 or step % Decimal("0.000001"):
        raise InvalidInput("size_step", str(step), "above zero and a multiple of 0.000001")
    if minimum <= 0 or minimum % step:
        raise InvalidInput("size_minimum", str(minimum), f"above zero, a multiple of {step}")
    if notional < 0:
        raise InvalidInput("notional_minimum", str(notional), "zero or more dollars")
    if not isinstance(exact, bool):
        raise InvalidInput("cent_exact", exact, "true or false")
    return Sizing(Quantity(step), Quantity(minimum), notional, exact)


def _fees(platform: Platform, row: Mapping[str, Any]) -> FeeSchedule | None:
    if "fees" in row:
        return schedule_from_json(_terms(row["fees"]))
    if platform is Platform.KALSHI:
        _refuse(row, "fee_category", "fee_rate", platform=platform)
        if "fee_type" in row or "fee_multiplier" in row:
            multiplier = decimal(row.get("fee_multiplier", 1), "fee_multiplier")
            if not 0 <= multiplier <= 1:
                raise InvalidInput("fee_multiplier", str(multiplier), "from 0 to 1")
            kind = _text({"fee_type": "quadratic"} | dict(row), "fee_type")
            return FeeSchedule((kalshi_terms(kind, multiplier),))
        return None
    _refuse(row, "fee_type", "fee_multiplier", platform=platform)
    if "fee_rate" in row:
        rate = decimal(row["fee_rate"], "fee_rate")
        if not 0 <= rate < 1:
            raise InvalidInput("fee_rate", str(rate), "from 0 to below 1")
        return FeeSchedule((polymarket_terms(rate),))
    if "fee_category" in row:
        category = _text(row, "fee_category")
        if category not in POLYMARKET_RATES:
            known = ", ".join(POLYMARKET_RATES)
            raise InvalidInput("fee_category", category, f"one of {known}")
        return polymarket_schedule(category)
    return None


def _terms(value: Any) -> list[dict[str, str]]:
    if isinstance(value, list) and all(
        isinstance(each, dict) and all(isinstance(word, str) for word in each.values())
        for each in value
    ):
        return value
    raise InvalidInput("fees", value, "a list of tables whose values are texts")


def _refuse(row: Mapping[str, Any], *names: str, platform: Platform) -> None:
    for name in names:
        if name in row:
            raise InvalidInput(name, row[name], f"a field of {platform.value} contracts")


def _pair_values(row: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("match_id", "cluster"):
        if name in row:
            values[name] = _text(row, name)
    kinds = {
        "alignment": Alignment,
        "divergence_class": DivergenceClass,
        "primary_leg": Platform,
    }
    for name, kind in kinds.items():
        if name in row:
            values[name] = _choice(row, name, kind)
    if "divergence_probability" in row:
        chance = decimal(row["divergence_probability"], "divergence_probability")
        if not 0 <= chance < 1:
            raise InvalidInput("divergence_probability", str(chance), "from 0 to below 1")
        values["divergence_probability"] = chance
    if "confidence" in row:
        values["confidence"] = decimal(row["confidence"], "confidence")
    return values


def _match(of: ContractMatch, fields: dict[str, Any]) -> ContractMatch:
    return ContractMatch(kalshi=of.kalshi, polymarket=of.polymarket, **fields)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(name, value, "a text that is not empty")
    return value


def _choice(row: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    value = row[name]
    if value not in [each.value for each in kind]:
        raise InvalidInput(name, value, f"one of {', '.join(each.value for each in kind)}")
    return kind(value)


def _instant(row: Mapping[str, Any], name: str) -> datetime:
    value = row[name]
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = row[name]
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if (
        not isinstance(value, datetime)
        or value.tzinfo is None
        or value.year not in PLAUSIBLE_YEARS
    ):
        raise InvalidInput(name, str(row[name]), "a date and time with its zone, 2000 to 2099")
    return value.astimezone(UTC)

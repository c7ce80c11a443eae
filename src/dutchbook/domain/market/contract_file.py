"""Read and check the facts about contracts and pairs that a person writes in a file.

A contracts file (`dutchbook tape import --contracts`) and a pair file (`dutchbook pairs add`)
have the same two tables; `docs/tape-format.md` lists their fields. Errors name the field, its
value and what would be right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from dutchbook.domain.market.contract import (
    DIVERGENCE,
    Alignment,
    DivergenceClass,
    Platform,
    Sizing,
)
from dutchbook.domain.market.fees import (
    POLYMARKET_RATES,
    FeeSchedule,
    kalshi_terms,
    polymarket_schedule,
    polymarket_terms,
    schedule_from_json,
)
from dutchbook.domain.values.units import MICRO, PriceGrid, Quantity, decimal, money
from dutchbook.errors import InvalidInput

Row = Mapping[str, Any]
PLAUSIBLE_YEARS = range(2_000, 2_100)
LONGEST_DELAY = Decimal(24 * 365)
"""Hours; a longer cash delay is a mistake."""
LONGEST_HOLD = Decimal(60)
"""Seconds; no platform holds a taker's order back for longer."""
MILLISECOND = Decimal("0.001")
TABLES = ("contracts", "pairs")
CONTRACT_KEYS = (
    *("platform", "contract_id", "title", "rules", "tick", "price_ranges", "size_step"),
    *("size_minimum", "notional_minimum", "cent_exact", "fee_type", "fee_multiplier"),
    *("fee_category", "fee_rate", "fees", "close_time", "resolution_time"),
    *("cash_delay_hours", "tokens", "taker_delay_seconds"),
)
PAIR_KEYS = (
    *("kalshi", "polymarket", "match_id", "alignment", "divergence_class"),
    *("divergence_probability", "primary_leg", "cluster", "confidence"),
)
_TERM_KEYS = ("effective_from", "taker_rate", "maker_rate", "rounding", "source")


def contract_key(row: Row) -> tuple[Platform, str]:
    """Return the key of a `contracts` row, after checking that all its fields are known.

    Raises:
        InvalidInput: A field is unknown, or the platform or id is missing.
    """
    _known_fields(row, CONTRACT_KEYS)
    text(row, "platform")
    return choice(row, "platform", Platform), text(row, "contract_id")


def pair_key(row: Row) -> tuple[str, str]:
    """Return the Kalshi and Polymarket contract ids of a `pairs` row; see `contract_key`."""
    _known_fields(row, PAIR_KEYS)
    return text(row, "kalshi"), text(row, "polymarket")


def _known_fields(row: Row, keys: tuple[str, ...]) -> None:
    for name in row:
        if name not in keys:
            raise InvalidInput(name, row[name], f"a field of it; there are {', '.join(keys)}")


# Contracts
# ------------------------------------------------------------------------------------------


def contract_facts(platform: Platform, row: Row, sizing: Sizing | None) -> dict[str, Any]:
    """Return the fields of a `Contract` that a row gives.

    Args:
        platform: Platform of the contract.
        row: The row of `contracts`.
        sizing: The sizing known so far, of which a row may override a part. Without it, a row
            with any size field must give step and minimum.

    Raises:
        InvalidInput: A value is not possible.
    """
    _one_of(row, "tick", "price_ranges")
    _one_of(row, "fees", "fee_type", "fee_category", "fee_rate")
    _one_of(row, "fees", "fee_multiplier")
    readers: tuple[tuple[str, str, Callable[[Row, str], Any]], ...] = (
        ("title", "title", text),
        ("rules", "rules", text),
        ("tick", "grid", lambda row, name: PriceGrid.of_tick(row[name])),
        ("price_ranges", "grid", _grid),
        ("close_time", "close_time", _instant),
        ("resolution_time", "resolution_time", _instant),
        ("cash_delay_hours", "cash_delay", _delay),
        ("tokens", "tokens", _tokens),
        ("taker_delay_seconds", "taker_delay", _hold),
    )
    found = {fact: read(row, name) for name, fact, read in readers if name in row}
    if size := _sizing(sizing, row):
        found["sizing"] = size
    if fees := _fees(platform, row):
        found["fees"] = fees
    return found


def _one_of(row: Row, *names: str) -> None:
    given = [name for name in names if name in row]
    if len(given) > 1:
        raise InvalidInput(given[1], row[given[1]], f"to stand beside {given[0]}")


def _grid(row: Row, name: str) -> PriceGrid:
    ranges = row[name]
    if not isinstance(ranges, list) or not all(isinstance(each, dict) for each in ranges):
        raise InvalidInput(name, ranges, "a list of tables with start, end and step")
    return PriceGrid.of_ranges(ranges)


def _hold(row: Row, name: str) -> timedelta:
    seconds = decimal(row[name], name)
    if not 0 <= seconds <= LONGEST_HOLD or seconds % MILLISECOND:
        wanted = f"from 0 to {LONGEST_HOLD}, in whole milliseconds"
        raise InvalidInput(name, str(seconds), wanted)
    return timedelta(milliseconds=int(seconds / MILLISECOND))


def _delay(row: Row, name: str) -> timedelta:
    hours = decimal(row[name], name)
    if not 0 <= hours <= LONGEST_DELAY:
        raise InvalidInput(name, str(hours), f"from 0 to {LONGEST_DELAY}")
    return timedelta(seconds=int(hours * 3_600))


def _tokens(row: Row, name: str) -> tuple[str, str]:
    match row[name]:
        case [str() as yes, str() as no] if yes and no and yes != no:
            return yes, no
    raise InvalidInput(name, row[name], "the YES and the NO token, two different texts")


def _sizing(known: Sizing | None, row: Row) -> Sizing | None:
    if not row.keys() & {"size_step", "size_minimum", "notional_minimum", "cent_exact"}:
        return None
    step = decimal(row.get("size_step", known and known.step), "size_step")
    minimum = decimal(row.get("size_minimum", known and known.minimum), "size_minimum")
    notional = row.get("notional_minimum", known.minimum_notional if known else 0)
    dollars = money(notional, field="notional_minimum")
    exact = row.get("cent_exact", known is not None and known.cent_exact)
    if step <= 0 or step % MICRO:
        raise InvalidInput("size_step", str(step), f"above zero and a multiple of {MICRO}")
    if minimum <= 0 or minimum % step:
        raise InvalidInput("size_minimum", str(minimum), f"above zero, a multiple of {step}")
    if dollars < 0:
        raise InvalidInput("notional_minimum", str(dollars), "zero or more dollars")
    if not isinstance(exact, bool):
        raise InvalidInput("cent_exact", exact, "true or false")
    return Sizing(Quantity(step), Quantity(minimum), dollars, exact)


def _fees(platform: Platform, row: Row) -> FeeSchedule | None:
    foreign = {
        Platform.KALSHI: ("fee_category", "fee_rate"),
        Platform.POLYMARKET: ("fee_type", "fee_multiplier"),
    }
    for name in foreign[platform]:
        if name in row:
            raise InvalidInput(name, row[name], f"a field of {platform.value} contracts")
    if "fees" in row:
        return schedule_from_json(_terms(row["fees"]))
    if platform is Platform.KALSHI:
        return _kalshi_fees(row)
    if "fee_rate" in row:
        rate = decimal(row["fee_rate"], "fee_rate")
        if not 0 <= rate < 1 or rate % MICRO:
            raise InvalidInput("fee_rate", str(rate), f"from 0 to below 1, exact to {MICRO}")
        return FeeSchedule((polymarket_terms(rate),))
    if "fee_category" in row:
        category = text(row, "fee_category")
        if category not in POLYMARKET_RATES:
            known = ", ".join(POLYMARKET_RATES)
            raise InvalidInput("fee_category", category, f"one of {known}")
        return polymarket_schedule(category)
    return None


def _kalshi_fees(row: Row) -> FeeSchedule | None:
    if "fee_type" not in row and "fee_multiplier" not in row:
        return None
    multiplier = decimal(row.get("fee_multiplier", 1), "fee_multiplier")
    if not 0 <= multiplier <= 1:
        raise InvalidInput("fee_multiplier", str(multiplier), "from 0 to 1")
    terms = kalshi_terms(text({"fee_type": "quadratic"} | dict(row), "fee_type"), multiplier)
    if terms.taker_rate % MICRO or terms.maker_rate % MICRO:
        right = f"a multiplier that leaves rates exact to {MICRO}"
        raise InvalidInput("fee_multiplier", str(multiplier), right)
    return FeeSchedule((terms,))


def _terms(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list) or not all(
        isinstance(each, dict) and all(isinstance(word, str) for word in each.values())
        for each in value
    ):
        raise InvalidInput("fees", value, "a list of tables whose values are texts")
    for each in value:
        _known_fields(each, _TERM_KEYS)
    return value


# Pairs
# ----------------------------------------------------------------------------------------------


def pair_facts(
    row: Row, probabilities: Mapping[DivergenceClass, Decimal] = DIVERGENCE
) -> dict[str, Any]:
    """Return the fields of a `ContractMatch` that a row of `pairs` gives.

    If the row gives a divergence class but no probability, that of the class is used.

    Raises:
        InvalidInput: A value is not possible.
    """
    values: dict[str, Any] = {
        name: text(row, name) for name in ("match_id", "cluster") if name in row
    }
    kinds = {
        "alignment": Alignment,
        "divergence_class": DivergenceClass,
        "primary_leg": Platform,
    }
    values |= {name: choice(row, name, kind) for name, kind in kinds.items() if name in row}
    if "divergence_probability" in row:
        chance = decimal(row["divergence_probability"], "divergence_probability")
        if not 0 <= chance < 1 or chance % MICRO:
            right = f"from 0 to below 1, exact to {MICRO}"
            raise InvalidInput("divergence_probability", str(chance), right)
        values["divergence_probability"] = chance
    elif "divergence_class" in values:
        values["divergence_probability"] = probabilities[values["divergence_class"]]
    if "confidence" in row:
        values["confidence"] = decimal(row["confidence"], "confidence")
    return values


# Single values
# --------------------------------------------------------------------------------------


def text(row: Row, name: str) -> str:
    """Read a text that is not empty and that a database can store."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(name, value, "a text that is not empty")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidInput(name, value, "a text without NUL and half characters")
    return value


def choice(row: Row, name: str, kind: type[Any]) -> Any:
    """Read a value of an enumeration."""
    value = row.get(name)
    if value not in [each.value for each in kind]:
        raise InvalidInput(name, value, f"one of {', '.join(each.value for each in kind)}")
    return kind(value)


def _instant(row: Row, name: str) -> datetime:
    value = row[name]
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if (
        not isinstance(value, datetime)
        or value.tzinfo is None
        or value.year not in PLAUSIBLE_YEARS
    ):
        raise InvalidInput(name, str(row[name]), "a date and time with its zone, 2000 to 2099")
    return value.astimezone(UTC)

"""What an import knows about each contract: seen in the recording, given, or assumed.

A recording has prices and sizes, but no fees, ticks or rules. They come from `--contracts FILE`
(TOML or JSON; `docs/tape-format.md` lists its fields), or they are assumed. The tape, and
whatever is printed from it, names each assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.domain.market.contract_file import (
    TABLES,
    contract_facts,
    contract_key,
    pair_facts,
    pair_key,
)
from dutchbook.domain.values.units import PriceGrid, from_e4, plain, to_e4
from dutchbook.errors import DutchbookError, FactsError, TapeError
from dutchbook.tape.documents import read_tables
from dutchbook.tape.metadata import approved
from dutchbook.tape.stored import Level

TICKS = tuple(map(Decimal, ("0.01", "0.001", "0.0001")))
"""Ticks that prices can prove, coarsest first."""


@dataclass(slots=True)
class Facts:
    """One contract's facts while they are collected; `assumed` describes the assumed ones."""

    platform: Platform
    contract_id: str
    values: dict[str, Any] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)

    def know(self, **values: Any) -> None:
        """Set facts that were seen or given; they are no longer assumed."""
        self.values |= values
        for name in values:
            self.assumed.pop(name, None)

    def assume(self, name: str, value: Any, words: str) -> None:
        """Assume `value`, unless the fact is known."""
        if name not in self.values:
            self.values[name] = value
            self.assumed[name] = words

    def contract(self) -> Contract:
        """Return the contract; every fact must be set by now."""
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
    """Return each distinct assumption once, in order of appearance."""
    return tuple(dict.fromkeys(line for each in facts for line in each.assumptions()))


@dataclass(slots=True)
class Grids:
    """Compares the prices of a recording with the grids that its contracts are said to have.

    A price between those of the grid proves that the contract had another one by then: as a
    tick that becomes finer near 0 and 1, which a poll does not tell.

    Attributes:
        tell: Returns the grid of a contract as the recording begins, None if nothing tells.
    """

    tell: Callable[[Platform, str], PriceGrid | None]
    _grids: dict[tuple[Platform, str], PriceGrid | None] = field(default_factory=dict)
    _valid: dict[tuple[Platform, str], set[int]] = field(default_factory=dict)

    def changed(self, platform: Platform, contract_id: str, grid: PriceGrid) -> None:
        """Note that the platform announced another grid."""
        self._grids[platform, contract_id] = grid
        self._valid.pop((platform, contract_id), None)

    def proven(
        self, platform: Platform, contract_id: str, levels: Iterable[Level]
    ) -> tuple[PriceGrid, str] | None:
        """Return the grid that prices prove, if it is another one, and what to say of it."""
        key = platform, contract_id
        if key not in self._grids:
            self._grids[key] = self.tell(platform, contract_id)
        grid = self._grids[key]
        if grid is None:
            return None
        valid = self._valid.setdefault(key, set())
        new = {price for _, price, size in levels if size > 0} - valid
        off = sorted(price for price in new if not grid.contains(from_e4(price)))
        if not off:
            valid |= new
            return None
        tick = next(each for each in TICKS if not any(price % to_e4(each) for price in off))
        found = PriceGrid.of_tick(tick)
        self.changed(*key, found)
        where = f"{platform.value} {contract_id}: a price of {plain(from_e4(off[0]))}"
        return found, f"{where} is off its grid ({grid}); {plain(tick)} is taken from there on"


# The contracts file
# --------------------------------------------------------------------------------


@dataclass(slots=True)
class Overrides:
    """The tables of a contracts file, and which of them matched the recording."""

    path: Path | None = None
    contracts: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    _used: set[int] = field(default_factory=set)

    @classmethod
    def load(cls, path: Path | None) -> Overrides:
        """Read a contracts file; a path of None means an empty one.

        Raises:
            TapeError: Missing, neither TOML nor JSON, or with unknown tables.
        """
        if path is None:
            return cls()
        try:
            contracts, pairs = read_tables(path, TABLES)
        except FactsError as error:
            raise TapeError(str(error)) from error
        found = cls(path, contracts, pairs)
        for row in found.contracts:
            found._guard(contract_key, row)
        for row in found.pairs:
            found._guard(pair_key, row)
        return found

    def apply(self, facts: Facts) -> None:
        """Set the facts that the file gives for the contract; later tables win."""
        for row in self.contracts:
            same = row["platform"] == facts.platform.value
            if same and fnmatchcase(facts.contract_id, row["contract_id"]):
                self._used.add(id(row))
                sizing = facts.values.get("sizing")
                facts.know(**self._guard(contract_facts, facts.platform, row, sizing))

    def grid(self, facts: Facts) -> PriceGrid | None:
        """Return the grid of a contract with what the file gives for it, if it is known."""
        self.apply(facts)
        found: PriceGrid | None = facts.values.get("grid")
        return found

    def pair(self, match: ContractMatch) -> ContractMatch:
        """Return `match` with the file's values, approved."""
        values: dict[str, Any] = {}
        for row in self.pairs:
            ours = (match.kalshi.contract_id, match.polymarket.contract_id)
            if (row["kalshi"], row["polymarket"]) == ours:
                self._used.add(id(row))
                values |= self._guard(pair_facts, row)
        fields = {
            name: values.get(name, getattr(match, name))
            for name in (
                *("match_id", "alignment", "divergence_class", "divergence_probability"),
                *("primary_leg", "cluster", "confidence"),
            )
        }
        made = self._guard(lambda: replace(match, **fields))
        return approved(made)

    def refuse_unused(self) -> None:
        """Reject a table that matched nothing: it is misspelt, or of another recording.

        Raises:
            TapeError: There is such a table.
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

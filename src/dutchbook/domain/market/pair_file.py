"""A pair file: pairs that a person wants to add, and their contracts.

A pair names its two contracts by id. Each contract is either in the database already, or the
file gives all its facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dutchbook.domain.market.contract import Contract, ContractMatch, DivergenceClass, Platform
from dutchbook.domain.market.contract_file import (
    Row,
    contract_facts,
    contract_key,
    pair_facts,
    pair_key,
)
from dutchbook.errors import DutchbookError, FactsError

Key = tuple[Platform, str]
MOST = 256
"""Maximum pairs in one file: a file is one commit, whose size the database limits."""
NEEDED = {
    "title": "title",
    "rules": "rules",
    "grid": "tick or price_ranges",
    "sizing": "size_step and size_minimum",
    "fees": "its fees",
    "close_time": "close_time",
    "resolution_time": "resolution_time",
    "cash_delay": "cash_delay_hours",
}
"""The mandatory facts of a contract, and the fields that give each in a file."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One requested pair: its two contract ids and the `ContractMatch` fields it gives."""

    kalshi: str
    polymarket: str
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The pair's name in errors."""
        return f"{self.kalshi} with {self.polymarket}"

    @property
    def match_id(self) -> str:
        """The pair's id: the one in the file, otherwise that of its Kalshi contract."""
        return str(self.values.get("match_id", self.kalshi))


@dataclass(frozen=True, slots=True)
class PairFile:
    """The contents of a pair file, each value checked; errors begin with `name`."""

    name: str
    contracts: Mapping[Key, Contract]
    wishes: tuple[Wish, ...]

    @classmethod
    def read(
        cls,
        name: str,
        contracts: Iterable[Row],
        pairs: Iterable[Row],
        probabilities: Mapping[DivergenceClass, Decimal],
    ) -> PairFile:
        """Read the two tables of a file.

        Raises:
            FactsError: A field is missing, unknown or not possible; a contract or pair appears
                twice; there is no pair.
        """
        found: dict[Key, Contract] = {}
        for number, row in enumerate(contracts, start=1):
            with _located(f"{name}: contract {row.get('contract_id', number)}"):
                contract = _contract(row)
                _reject_duplicate(found, (contract.platform, contract.contract_id), "it")
                found[contract.platform, contract.contract_id] = contract
        wishes = [
            _wish(f"{name}: pair {number}", row, probabilities)
            for number, row in enumerate(pairs, start=1)
        ]
        if not wishes:
            raise FactsError(f"{name}: it names no pair ([[pairs]])")
        if len(wishes) > MOST:
            raise FactsError(f"{name}: {len(wishes)} pairs; split it into files of {MOST}")
        _reject_duplicates(name, wishes)
        return cls(name, found, tuple(wishes))

    def matched(self, known: Mapping[Key, Contract]) -> tuple[ContractMatch, ...]:
        """Return the unapproved pairs, built from the file's contracts and the `known` ones.

        Raises:
            FactsError: A contract is in neither, or in both with different facts; a pair has
                two contracts of one platform; no pair names a contract of the file.
        """
        for key, contract in self.contracts.items():
            if key in known and (fact := _differing(contract, known[key])):
                subject = f"{self.name}: contract {contract.contract_id}"
                raise FactsError(
                    f"{subject}: {fact}: the database has another; name it by its id alone"
                )
        everything = {**known, **self.contracts}
        found = tuple(self._match(wish, everything) for wish in self.wishes)
        named = {(p, match.contract(p).contract_id) for match in found for p in Platform}
        for platform, contract_id in self.contracts:
            if (platform, contract_id) not in named:
                subject = f"{platform.value} contract {contract_id}"
                raise FactsError(f"{self.name}: no pair of it names its {subject}")
        return found

    def _match(self, wish: Wish, contracts: Mapping[Key, Contract]) -> ContractMatch:
        legs = {}
        ids = {Platform.KALSHI: wish.kalshi, Platform.POLYMARKET: wish.polymarket}
        for platform, contract_id in ids.items():
            if (platform, contract_id) in contracts:
                legs[platform.value] = contracts[platform, contract_id]
                continue
            subject = f"{self.name}: pair {wish.name}: {contract_id}"
            if (platform.other, contract_id) in contracts:
                other = platform.other.value
                raise FactsError(f"{subject} is of {other}; a pair has one of each platform")
            raise FactsError(
                f"{subject} is no {platform.value} contract that the database knows; "
                "give its facts in [[contracts]]"
            )
        return ContractMatch(**{"match_id": wish.match_id, **wish.values, **legs})


def _contract(row: Row) -> Contract:
    platform, contract_id = contract_key(row)
    if set(contract_id) & {"*", "?"}:
        raise FactsError("contract_id is that of one contract, without * and ?")
    facts = contract_facts(platform, row, None)
    missing = [words for fact, words in NEEDED.items() if fact not in facts]
    if missing:
        raise FactsError(f"it does not say {', '.join(missing)}")
    return Contract(platform=platform, contract_id=contract_id, **facts)


def _wish(where: str, row: Row, probabilities: Mapping[DivergenceClass, Decimal]) -> Wish:
    with _located(where):
        ids = pair_key(row)
        unclassified = {"divergence_class": DivergenceClass.UNCLASSIFIED.value}
        return Wish(*ids, pair_facts({**unclassified, **row}, probabilities))


def _reject_duplicates(name: str, wishes: Iterable[Wish]) -> None:
    pairs: dict[tuple[str, str], Wish] = {}
    ids: dict[str, Wish] = {}
    for wish in wishes:
        with _located(f"{name}: pair {wish.name}"):
            _reject_duplicate(pairs, (wish.kalshi, wish.polymarket), "it")
            _reject_duplicate(ids, wish.match_id, f"match_id {wish.match_id!r}")
        pairs[wish.kalshi, wish.polymarket] = ids[wish.match_id] = wish


def _reject_duplicate(found: Mapping[Any, Any], key: object, subject: str) -> None:
    if key in found:
        raise FactsError(f"{subject} is there twice")


def _differing(ours: Contract, theirs: Contract) -> str | None:
    """Return the field of the first fact in which two records of a contract differ."""
    names = ("title", "rules", "grid", "sizing", "fees", "close_time", "resolution_time")
    for name in (*names, "cash_delay", "tokens"):
        mine = getattr(ours, name)
        if mine != getattr(theirs, name) and not (name == "tokens" and mine is None):
            return NEEDED.get(name, name)
    return None


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Prefix every error raised inside with `where`."""
    try:
        yield
    except DutchbookError as error:
        raise FactsError(f"{where}: {error}") from error

"""A pair file: pairs that a person wants to have, and the contracts they are made of.

A pair names its two contracts by their ids. Each is either in the database already, or the file
itself gives its facts, all of them.
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
"""Pairs in one file: all of it is one commit, and a database bounds what that can be."""
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
"""The facts of a contract that nobody may leave out, and how a file gives each."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One pair that the file wants: its two ids and the fields of `ContractMatch` it gives."""

    kalshi: str
    polymarket: str
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What to call it in an error."""
        return f"{self.kalshi} with {self.polymarket}"

    @property
    def match_id(self) -> str:
        """Its id: the one that it gives, else that of its Kalshi contract."""
        return str(self.values.get("match_id", self.kalshi))


@dataclass(frozen=True, slots=True)
class PairFile:
    """What a pair file says, each value checked; `name` is what its errors begin with."""

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
            FactsError: A field is missing, unknown or cannot be; a contract or pair is there
                twice; there is no pair.
        """
        found: dict[Key, Contract] = {}
        for number, row in enumerate(contracts, start=1):
            with _told(f"{name}: contract {row.get('contract_id', number)}"):
                contract = _contract(row)
                _first(found, (contract.platform, contract.contract_id), "it")
                found[contract.platform, contract.contract_id] = contract
        wishes = [
            _wish(f"{name}: pair {number}", row, probabilities)
            for number, row in enumerate(pairs, start=1)
        ]
        if not wishes:
            raise FactsError(f"{name}: it names no pair ([[pairs]])")
        if len(wishes) > MOST:
            raise FactsError(f"{name}: {len(wishes)} pairs; split it into files of {MOST}")
        _refuse_twice(name, wishes)
        return cls(name, found, tuple(wishes))

    def matched(self, known: Mapping[Key, Contract]) -> tuple[ContractMatch, ...]:
        """Return the pairs, not approved, of the file's contracts and those that are known.

        Raises:
            FactsError: A contract that neither knows, or that both know and not alike; a pair
                of one platform; a contract of the file that no pair names.
        """
        for key, contract in self.contracts.items():
            if key in known and (fact := _differing(contract, known[key])):
                told = f"{self.name}: contract {contract.contract_id}"
                raise FactsError(
                    f"{told}: {fact}: the database has another; name it by its id alone"
                )
        everything = {**known, **self.contracts}
        found = tuple(self._match(wish, everything) for wish in self.wishes)
        named = {(p, match.contract(p).contract_id) for match in found for p in Platform}
        for platform, contract_id in self.contracts:
            if (platform, contract_id) not in named:
                told = f"{platform.value} contract {contract_id}"
                raise FactsError(f"{self.name}: no pair of it names its {told}")
        return found

    def _match(self, wish: Wish, contracts: Mapping[Key, Contract]) -> ContractMatch:
        legs = {}
        ids = {Platform.KALSHI: wish.kalshi, Platform.POLYMARKET: wish.polymarket}
        for platform, contract_id in ids.items():
            if (platform, contract_id) in contracts:
                legs[platform.value] = contracts[platform, contract_id]
                continue
            told = f"{self.name}: pair {wish.name}: {contract_id}"
            if (platform.other, contract_id) in contracts:
                other = platform.other.value
                raise FactsError(f"{told} is of {other}; a pair has one of each platform")
            raise FactsError(
                f"{told} is no {platform.value} contract that the database knows; "
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


def _wish(told: str, row: Row, probabilities: Mapping[DivergenceClass, Decimal]) -> Wish:
    with _told(told):
        ids = pair_key(row)
        unclassified = {"divergence_class": DivergenceClass.UNCLASSIFIED.value}
        return Wish(*ids, pair_facts({**unclassified, **row}, probabilities))


def _refuse_twice(name: str, wishes: Iterable[Wish]) -> None:
    pairs: dict[tuple[str, str], Wish] = {}
    ids: dict[str, Wish] = {}
    for wish in wishes:
        with _told(f"{name}: pair {wish.name}"):
            _first(pairs, (wish.kalshi, wish.polymarket), "it")
            _first(ids, wish.match_id, f"match_id {wish.match_id!r}")
        pairs[wish.kalshi, wish.polymarket] = ids[wish.match_id] = wish


def _first(found: Mapping[Any, Any], key: object, told: str) -> None:
    if key in found:
        raise FactsError(f"{told} is there twice")


def _differing(ours: Contract, theirs: Contract) -> str | None:
    """Return the first fact in which two records of one contract differ."""
    names = ("title", "rules", "grid", "sizing", "fees", "close_time", "resolution_time")
    for name in (*names, "cash_delay", "tokens"):
        mine = getattr(ours, name)
        if mine != getattr(theirs, name) and not (name == "tokens" and mine is None):
            return NEEDED.get(name, name)
    return None


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Say of every refusal inside where it is."""
    try:
        yield
    except DutchbookError as error:
        raise FactsError(f"{where}: {error}") from error

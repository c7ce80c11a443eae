"""The books of both platforms and the pairs that use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from dutchbook.domain.detection.detect import together
from dutchbook.domain.detection.quote import Hurdles, Reason
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Contract, ContractMatch, Outcome, Platform

Key = tuple[Platform, str]


@dataclass(slots=True)
class PairWatch:
    """One pair, its two books, and the latest refusal reason of each direction."""

    match: ContractMatch
    kalshi: OrderBook
    polymarket: OrderBook
    reasons: dict[Outcome, Reason | None] = field(default_factory=dict)

    @property
    def books(self) -> dict[Platform, OrderBook]:
        """Both books, by platform."""
        return {Platform.KALSHI: self.kalshi, Platform.POLYMARKET: self.polymarket}

    def comparable(self, now: datetime, hurdles: Hurdles) -> bool:
        """Return whether both books are trusted and of one moment, and the pair may trade."""
        trusted = not any(
            book.untrusted_because(now, hurdles.book_age) for book in self.books.values()
        )
        return self.match.tradable and trusted and together(self.books, hurdles.books_apart)

    def become(self, match: ContractMatch) -> None:
        """Take over what has changed of the pair."""
        self.match = match


class Watchlist:
    """Every book that we follow, and the pairs that each belongs to.

    `matches` has every pair by id, and `contracts` every contract, as they are now: readers
    may keep either, and see a change at once. `resolved` are the contracts that have a final
    result: nothing is bought there any more.

    Args:
        matches: The pairs.
        bought_until: The moment until which a pair was bought by an earlier run on the same
            tape: the offers of that time are gone.
    """

    def __init__(
        self,
        matches: Iterable[ContractMatch],
        bought_until: Mapping[str, datetime] | None = None,
    ) -> None:
        self._bought_until = dict(bought_until or {})
        self.books: dict[Key, OrderBook] = {}
        self.pairs: dict[str, PairWatch] = {}
        self.matches: dict[str, ContractMatch] = {}
        self.contracts: dict[Key, Contract] = {}
        self.resolved: set[Key] = set()
        self._by_contract: dict[Key, list[PairWatch]] = {}
        for match in matches:
            self.add(match)

    def add(self, match: ContractMatch) -> PairWatch:
        """Follow one more pair."""
        kalshi, polymarket = (
            self._book((platform, match.contract(platform).contract_id))
            for platform in Platform
        )
        watch = PairWatch(match, kalshi, polymarket)
        self.pairs[match.match_id] = watch
        self.matches[match.match_id] = match
        for platform in Platform:
            contract = match.contract(platform)
            key = (platform, contract.contract_id)
            self.contracts[key] = contract
            self._by_contract.setdefault(key, []).append(watch)
        return watch

    def decided(self, match_id: str, *, approved: bool, digest: str | None) -> None:
        """Apply a person's decision from the database; it takes precedence over a tape's."""
        decided = replace(
            self.matches[match_id], operator_approved=approved, approved_digest=digest
        )
        self._become(decided)

    def changed(self, contract: Contract) -> None:
        """Take over a contract's facts as its platform has them now.

        If its rules or dates differ from those that were approved, the approval has lapsed.
        """
        key = (contract.platform, contract.contract_id)
        self.contracts[key] = contract
        for watch in self.of(key):
            if contract.platform is Platform.KALSHI:
                self._become(replace(watch.match, kalshi=contract))
            else:
                self._become(replace(watch.match, polymarket=contract))

    def resolve(self, key: Key) -> None:
        """Record that a contract has a final result."""
        self.resolved.add(key)

    def over(self, match: ContractMatch) -> bool:
        """Return whether a contract of a pair has a final result."""
        return any((p, match.contract(p).contract_id) in self.resolved for p in Platform)

    def refusal(self, match: ContractMatch, now: datetime) -> Reason | None:
        """Return why nothing of a pair is bought any more, or not before a later moment."""
        if self.over(match):
            return Reason.RESOLVED
        until = self._bought_until.get(match.match_id)
        if until is not None and now <= until:
            return Reason.TRADED_BEFORE
        return None

    def _become(self, match: ContractMatch) -> None:
        self.matches[match.match_id] = match
        self.pairs[match.match_id].become(match)

    def of(self, key: Key) -> list[PairWatch]:
        """Return the pairs that the book of `key` belongs to."""
        return self._by_contract.get(key, [])

    def clear(self, platform: Platform) -> None:
        """Empty every book of a platform, after a gap in its stream."""
        for book in self.books.values():
            if book.platform is platform:
                book.clear()

    def _book(self, key: Key) -> OrderBook:
        return self.books.setdefault(key, OrderBook(*key))

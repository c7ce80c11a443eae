"""The books of both platforms and the pairs that use them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dutchbook.domain.detection.quote import Reason
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform

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

    def decide(self, *, approved: bool, digest: str | None) -> None:
        """Take over a person's decision about the pair."""
        self.match = replace(self.match, operator_approved=approved, approved_digest=digest)


class Watchlist:
    """Every book that we follow, and the pairs that each belongs to."""

    def __init__(self, matches: Iterable[ContractMatch]) -> None:
        self.books: dict[Key, OrderBook] = {}
        self.pairs: dict[str, PairWatch] = {}
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
        for platform in Platform:
            key = (platform, match.contract(platform).contract_id)
            self._by_contract.setdefault(key, []).append(watch)
        return watch

    def decided(self, match_id: str, *, approved: bool, digest: str | None) -> None:
        """Apply a person's decision from the database; it takes precedence over a tape's."""
        self.pairs[match_id].decide(approved=approved, digest=digest)

    @property
    def matches(self) -> dict[str, ContractMatch]:
        """Every pair that is followed, by id."""
        return {pair_id: watch.match for pair_id, watch in self.pairs.items()}

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

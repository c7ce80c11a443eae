"""MarketFeed: brings market data to the books, and to those who act on a changed book."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from dutchbook.application.market.contract_facts import ContractFacts
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Key, Watchlist
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import MarketDataBroken
from dutchbook.ports.market_data import BookUpdate, GridChange, MarketData
from dutchbook.ports.time import Clock


class BookFollower(Protocol):
    """Acts on a changed book; synchronous, and must not block."""

    def book_changed(self, key: Key) -> None:
        """Act on the book of `key`, after one update."""
        ...


class MarketFeed:
    """`MarketListener` of the engine: books first, then its followers, in their order."""

    def __init__(
        self,
        data: MarketData,
        watchlist: Watchlist,
        facts: ContractFacts,
        sessions: Sessions,
        followers: Sequence[BookFollower],
        clock: Clock,
    ) -> None:
        self._data = data
        self._watchlist = watchlist
        self._facts = facts
        self._sessions = sessions
        self._followers = followers
        self._clock = clock
        self.broken: MarketDataBroken | None = None
        """Why the market data ended before their time."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the market data to their end, or until they break or `stopping` is set."""
        following = asyncio.ensure_future(self.follow())
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            following.cancel()  # without effect on one that is done
        if not following.done():
            await asyncio.wait({following})
        if not following.cancelled():
            try:
                following.result()
            except MarketDataBroken as broken:
                self.broken = broken

    async def follow(self) -> None:
        """Subscribe to every book that the engine follows, and follow them to their end."""
        self._data.subscribe(self._watchlist.books)
        await self._data.run(self)

    def session_began(self) -> None:
        """Begin a session of every monitoring service."""
        self._sessions.began(self._clock.now())

    def connected(self, platform: Platform) -> None:
        """Count the silence of a platform's stream from now on."""
        self._sessions.stream_changed(platform, self._clock.now())

    def updated(self, update: BookUpdate) -> None:
        """Apply an update to its book; then the followers act."""
        key = (update.platform, update.contract_id)
        book = self._watchlist.books[key]
        update.apply_to(book)
        book.touch(self._clock.now(), update.sequence, update.platform_time)
        self._facts.seen(key, update.bids, update.asks)
        for each in self._followers:
            each.book_changed(key)

    def grid_changed(self, change: GridChange) -> None:
        """Take over a contract's new grid."""
        self._facts.grid_changed(change)

    def resolved(self, platform: Platform, contract_id: str) -> None:
        """Buy nothing more of a contract that has a result."""
        self._watchlist.resolve((platform, contract_id))

    def gap(self, platform: Platform) -> None:
        """Empty the books of a platform: none is traded on until it is whole again."""
        self._watchlist.clear(platform)
        self._sessions.stream_changed(platform, self._clock.now())

    def session_ended(self) -> None:
        """End the session of every monitoring service."""
        self._sessions.ended()

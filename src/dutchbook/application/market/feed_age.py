"""What the platforms' streams have said lately: read from the books, at no cost per message."""

from __future__ import annotations

from datetime import datetime, timedelta

from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Key, Watchlist
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.health import Stream


class Streams:
    """How old the books of each platform are.

    Where every book is told of on every beat (`heartbeat`: a polled tape), one that stops
    while the others go on is frozen, and is named. Where only changes are told, a quiet book
    and a frozen one look alike; neither is traded once it is older than
    `detection.book_age_seconds`.
    """

    def __init__(self, watchlist: Watchlist, sessions: Sessions, *, heartbeat: bool) -> None:
        self._watchlist = watchlist
        self._sessions = sessions
        self._heartbeat = heartbeat
        self._polled: dict[Key, datetime] = {}
        self._streamed: dict[Key, datetime | None] = {}
        self._ends: dict[Key, datetime] = {
            (platform, match.contract(platform).contract_id): match.contract(
                platform
            ).close_time
            for match in watchlist.matches.values()
            for platform in Platform
        }

    def of(self, platform: Platform, now: datetime, silence: timedelta) -> Stream | None:
        """Return how a platform's stream is at `now`; None where we follow no book of it.

        A book that has not spoken in this session, or whose contract has closed, is not
        expected to.
        """
        books = [book for book in self._watchlist.books.values() if book.platform is platform]
        if not books:
            return None
        spoke = [(at, b.contract_id) for b in books if (at := self._spoke(b)) is not None]
        newest = max((at for at, _ in spoke), default=self._sessions.began_at or now)
        silent = [
            contract_id
            for at, contract_id in spoke
            if self._heartbeat
            and now - at >= silence
            and now < self._ends[platform, contract_id]
        ]
        return Stream(now - newest, heard=bool(spoke), silent_books=tuple(sorted(silent)))

    def polled(self, book: OrderBook, at: datetime) -> None:
        """Note that a book is young because we asked, and not because the stream spoke."""
        key = (book.platform, book.contract_id)
        self._streamed[key] = self._spoke(book)
        self._polled[key] = at
        book.touch(at, book.sequence)

    def _spoke(self, book: OrderBook) -> datetime | None:
        """Return when the stream last told of a book; None if not in this session."""
        key = (book.platform, book.contract_id)
        by_us = book.updated_at is not None and book.updated_at == self._polled.get(key)
        return self._streamed[key] if by_us else book.updated_at

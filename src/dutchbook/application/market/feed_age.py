"""Age of each platform's stream, read from the books at no cost per message."""

from __future__ import annotations

from datetime import datetime, timedelta

from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Key, Watchlist
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.health import Stream


class Streams:
    """Reports how old the books of each platform are.

    Where every book is updated at each interval (`heartbeat`: a polled tape), a book that stops
    while the others continue is frozen, and is named. Where only changes are sent, a quiet book
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
        """Return a platform's stream as it is at `now`; None if we follow none of its books.

        A book without an update in this session, or whose contract has closed, is never silent.
        """
        books = [book for book in self._watchlist.books.values() if book.platform is platform]
        if not books:
            return None
        updated = [
            (at, b.contract_id) for b in books if (at := self._last_update(b)) is not None
        ]
        since = self._sessions.stream_since(platform) or now
        newest = max((at for at, _ in updated), default=since)
        silent = [
            contract_id
            for at, contract_id in updated
            if self._heartbeat
            and now - at >= silence
            and now < self._ends[platform, contract_id]
        ]
        return Stream(now - newest, received=bool(updated), silent_books=tuple(sorted(silent)))

    def polled(self, book: OrderBook, at: datetime) -> None:
        """Record that a book is fresh because we polled it, not because of the stream."""
        key = (book.platform, book.contract_id)
        self._streamed[key] = self._last_update(book)
        self._polled[key] = at
        book.touch(at, book.sequence)

    def _last_update(self, book: OrderBook) -> datetime | None:
        """Return when the stream last updated a book; None if not in this session."""
        key = (book.platform, book.contract_id)
        polled_last = book.updated_at is not None and book.updated_at == self._polled.get(key)
        return self._streamed[key] if polled_last else book.updated_at

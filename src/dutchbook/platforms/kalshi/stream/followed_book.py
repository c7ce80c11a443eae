"""One contract's book as the stream reports it, and whether it can be trusted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from dutchbook.domain.market.book import BID, OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.platforms.kalshi.book_codec import change, level_of, sides_of
from dutchbook.platforms.kalshi.stream.fields import instant
from dutchbook.platforms.kalshi.stream.market_messages import Delta, Snapshot
from dutchbook.platforms.kalshi.stream.top_check import Top, TopCheck
from dutchbook.ports.market_data import BookUpdate

MOST_HELD = 10_000
"""Changes kept while a whole book is awaited."""
OVERLAP = timedelta(seconds=10)
"""How long after a whole book changes may arrive that it includes."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=60)
"""Between two requests for one book: the pause doubles until a whole book comes."""
CROSSED_FOR = timedelta(seconds=2)
"""How long a book may be crossed: one action of the platform makes several changes."""
Doubt: TypeAlias = str
"""Why a book is no longer trusted."""


class FollowedBook:
    """The book of one contract, from whole books and changes in the order of their numbers.

    Nothing of it counts until a whole book has come. Changes that come before are held: those
    with a clock up to that of the whole book are in it (docs.kalshi.com, orderbook_delta,
    2026-10), the others are made when it comes. Changes without a clock are in it as well.

    Attributes:
        asked_at: When a whole book was asked for; None if none is awaited.
        again: Whether it was asked for by subscribing anew.
        reconnected: Whether the connection was given up because it did not come.
        due: Whether it has to be requested as soon as the pause since the last request is over.
    """

    def __init__(self, contract_id: str, *, yes_price: bool) -> None:
        self._book = OrderBook(Platform.KALSHI, contract_id)
        self._yes_price = yes_price
        self._held: list[Delta] = []
        self._lost_clock = 0
        self._clock = 0
        self._newest_clock = 0
        self._whole_at: datetime | None = None
        self._crossed_since: datetime | None = None
        self._time: datetime | None = None
        self._check = TopCheck()
        self.asked_at: datetime | None = None
        self.again = False
        self.reconnected = False
        self.due = False
        self._next_request: datetime | None = None
        self._pause = FIRST_PAUSE

    @property
    def contract_id(self) -> str:
        """The contract's ticker."""
        return self._book.contract_id

    @property
    def live(self) -> bool:
        """Whether the book is whole and nothing speaks against it."""
        return self._book.whole

    @property
    def top(self) -> Top:
        """Best bid and best ask in 10⁻⁴ dollars."""
        return self._book.best_bid, self._book.best_ask

    def doubt(self) -> None:
        """Trust the book no more, until a whole one comes."""
        self._book.clear()
        self._held.clear()
        self._check.clear()
        self._lost_clock = self._clock = self._newest_clock = 0
        self._whole_at = self._crossed_since = None

    def await_whole(self, now: datetime) -> None:
        """Await a whole book from now on; one that is awaited already is late no later."""
        self.asked_at = now if self.asked_at is None else self.asked_at

    def await_anew(self, now: datetime, *, reconnected: bool = False) -> None:
        """Await a whole book, since its contract or all are subscribed anew."""
        self.asked_at, self.again = now, True
        self.reconnected = self.reconnected or reconnected

    def await_no_longer(self) -> None:
        """Await no whole book."""
        self.asked_at = None

    def disconnect(self) -> None:
        """Doubt the book, and await none: the connection has ended."""
        self.doubt()
        self.asked_at = self._next_request = None
        self.again = self.due = False
        self._pause = FIRST_PAUSE

    def may_request(self, now: datetime) -> bool:
        """Return whether to request the book now; if not, note that it is due later."""
        self.due = self._next_request is not None and now < self._next_request
        if self.due:
            return False
        self._next_request = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True

    # Messages
    # ------------------------------------------------------------------------------------

    def replace(self, message: Snapshot, now: datetime) -> BookUpdate | Doubt:
        """Take a whole book, and make the held changes that are later than it."""
        clock = message.msg.clock or 0
        if message.msg.clock is not None and clock < max(self._newest_clock, self._lost_clock):
            return "a whole book is older than the changes before it"
        self._book.replace(*sides_of(message.msg, yes_price=self._yes_price))
        self._clock = self._newest_clock = clock
        self._lost_clock = 0
        self._whole_at, self.asked_at = now, None
        self.again = self.reconnected = self.due = False
        self._pause = FIRST_PAUSE
        stated = message.sending_ts_ms
        self._time = None if stated is None else instant(stated)
        held, self._held = self._held, []
        for each in held:
            if each.msg.clock is not None and each.msg.clock > clock:
                made = self._change(each)
                if isinstance(made, Doubt):
                    return made
        self._book.number(message.seq)
        self._look(now)
        return self.whole()

    def change(self, message: Delta, now: datetime) -> BookUpdate | Doubt | None:
        """Take a change of one level; None if it says nothing new, or is held."""
        clock = message.msg.clock
        if not self.live:
            self._hold(message)
            return None
        if clock is not None:
            if clock < self._newest_clock and self._newest_clock > self._clock:
                return "the platform's clock fell"
            if clock <= self._clock:
                return None if self._just_whole(now) else "the platform's clock fell"
        made = self._change(message)
        self._look(now)
        return made

    def ticker(self, top: Top, now: datetime) -> None:
        """Take the best prices that the platform reports on another channel."""
        if self.live:
            self._check.reported(top, now)

    def doubted(self, now: datetime) -> Doubt | None:
        """Return what time has shown to be wrong with a live book, if anything."""
        if not self.live:
            return None
        if self._crossed_since is not None and now - self._crossed_since >= CROSSED_FOR:
            return "the book is crossed"
        if self._check.disagrees(now):
            return "the book's best prices are not those that the platform reports"
        return None

    # Results
    # ------------------------------------------------------------------------------------

    def whole(self) -> BookUpdate:
        """Return the whole book as an update."""
        book = self._book
        return BookUpdate(
            book.platform,
            book.contract_id,
            whole=True,
            bids=tuple(book.bids.items()),
            asks=tuple(book.asks.items()),
            sequence=book.sequence,
            platform_time=self._time,
        )

    def _hold(self, message: Delta) -> None:
        if message.msg.clock is None:
            return
        if len(self._held) < MOST_HELD:
            self._held.append(message)
        else:
            self._lost_clock = max(self._lost_clock, message.msg.clock)

    def _just_whole(self, now: datetime) -> bool:
        return self._whole_at is not None and now - self._whole_at <= OVERLAP

    def _change(self, message: Delta) -> BookUpdate | Doubt:
        book, body = self._book, message.msg
        level = level_of(body, yes_price=self._yes_price)
        size = change(book, level)
        if size < 0:
            return "a change takes more than there is"
        if body.clock is not None:
            self._newest_clock = body.clock
        self._time = body.at
        book.number(message.seq)
        changed, none = ((level[1], size),), ()
        return BookUpdate(
            book.platform,
            book.contract_id,
            whole=False,
            bids=changed if level[0] == BID else none,
            asks=none if level[0] == BID else changed,
            sequence=message.seq,
            platform_time=self._time,
        )

    def _look(self, now: datetime) -> None:
        """Note whether the book is crossed, and what its best prices are."""
        self._check.seen(self.top, now)
        if not self._book.crossed:
            self._crossed_since = None
        elif self._crossed_since is None:
            self._crossed_since = now

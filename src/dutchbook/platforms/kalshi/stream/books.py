"""All followed books of a connection: what each message makes of them, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from dutchbook.platforms.kalshi.stream.commands import BOOKS, TICKERS
from dutchbook.platforms.kalshi.stream.followed_book import FollowedBook
from dutchbook.platforms.kalshi.stream.market_messages import Delta, Snapshot, Ticker
from dutchbook.platforms.kalshi.stream.outputs import BooksUnknown, Output, Reconnect, Silent
from dutchbook.platforms.kalshi.stream.subscriptions import Subscriptions
from dutchbook.ports.market_data import BookUpdate

FIRST_BOOK_WITHIN = timedelta(seconds=30)
"""How long a whole book may take, before its contract is subscribed anew."""


class Books:
    """The followed books, in the order in which they were asked for.

    A book that is in doubt is reported as a gap, which empties every book of the platform; so
    the books that are not in doubt follow it at once. No change of a book is passed on before
    its whole book.
    """

    def __init__(self, subscriptions: Subscriptions, *, yes_price: bool) -> None:
        self._subscriptions = subscriptions
        self._yes_price = yes_price
        self._followed: dict[str, FollowedBook] = {}
        self._connected = False

    def __contains__(self, contract_id: str) -> bool:
        return contract_id in self._followed

    @property
    def live(self) -> frozenset[str]:
        """The contracts whose books are whole and trusted."""
        return frozenset(name for name, each in self._followed.items() if each.live)

    # Which books
    # ------------------------------------------------------------------------------------

    def follow(self, contract_ids: Iterable[str], now: datetime) -> Iterator[Output]:
        """Follow more contracts; those that are followed already change nothing."""
        new = [name for name in dict.fromkeys(contract_ids) if name not in self._followed]
        for name in new:
            self._followed[name] = FollowedBook(name, yes_price=self._yes_price)
        if self._connected:
            yield from self._subscribe(new, now)

    def leave(self, contract_ids: Iterable[str]) -> Iterator[Output]:
        """Follow some contracts no longer."""
        gone = [name for name in dict.fromkeys(contract_ids) if name in self._followed]
        for name in gone:
            del self._followed[name]
        self._subscriptions.withdraw(gone)
        yield from self._delete(gone, BOOKS)
        yield from self._delete(gone, TICKERS)

    def acknowledged(self, channel: str, contract_ids: Iterable[str]) -> Iterator[Output]:
        """Take contracts that a new subscription has; some may be followed no longer."""
        gone = [name for name in contract_ids if name not in self._followed]
        yield from self._delete(gone, channel)

    def refused(self, contract_ids: Iterable[str]) -> None:
        """Await no book of contracts that the server does not add to a subscription."""
        for name in contract_ids:
            if name in self._followed:
                self._followed[name].await_no_longer()

    def connect(self, now: datetime) -> Iterator[Output]:
        """Subscribe to every followed book on a new connection."""
        self._connected = True
        yield from self._subscribe(list(self._followed), now)

    def disconnect(self) -> None:
        """Doubt every book, and await none: the connection has ended."""
        self._connected = False
        for each in self._followed.values():
            each.disconnect()

    def _subscribe(self, names: list[str], now: datetime) -> Iterator[Output]:
        for name in names:
            self._followed[name].await_whole(now)
        yield from self._subscriptions.begin(BOOKS, names)
        yield from self._subscriptions.begin(TICKERS, names)

    def _delete(self, names: list[str], channel: str) -> Iterator[Output]:
        found = self._subscriptions.of(channel)
        if found is None or not names:
            return
        found.withhold(names)
        if found.sid is not None:
            yield from self._subscriptions.change(found, "delete_markets", names)

    # Messages
    # ------------------------------------------------------------------------------------

    def snapshot(self, message: Snapshot, now: datetime) -> Iterator[Output]:
        """Take a whole book, unless it answers a request from before a later doubt."""
        name = message.msg.market_ticker
        found = self._followed.get(name)
        stale = message.id and not self._subscriptions.requested(message.id, name)
        if found is None or stale:
            return
        self._subscriptions.withdraw((name,))
        yield from self._made(found, found.replace(message, now), now)

    def delta(self, message: Delta, now: datetime) -> Iterator[Output]:
        """Take a change of a book."""
        found = self._followed.get(message.msg.market_ticker)
        if found is not None:
            yield from self._made(found, found.change(message, now), now)

    def ticker(self, message: Ticker, now: datetime) -> None:
        """Take the best prices of a contract, to compare them with its book."""
        found = self._followed.get(message.msg.market_ticker)
        if found is not None:
            found.ticker(message.msg.top_e4, now)

    def _made(
        self, book: FollowedBook, made: BookUpdate | str | None, now: datetime
    ) -> Iterator[Output]:
        if isinstance(made, str):
            yield from self.doubt((book.contract_id,), made, now)
        elif made is not None:
            yield made

    # Doubts
    # ------------------------------------------------------------------------------------

    def doubt_all(self, reason: str, now: datetime) -> Iterator[Output]:
        """Doubt every book, and ask for whole ones."""
        yield from self.doubt(tuple(self._followed), reason, now)

    def doubt_unread(self, contract_id: str | None, now: datetime) -> Iterator[Output]:
        """Doubt what a message that could not be read may have changed.

        That is the book of the contract that it names, if it names one and no other message is
        missing; else every book.
        """
        names = (contract_id,) if contract_id in self._followed else tuple(self._followed)
        yield from self.doubt(names, "a message could not be read", now)

    def restart(self, channel: str, reason: str, now: datetime) -> Iterator[Output]:
        """Subscribe anew to a channel of all contracts, after its subscription has ended."""
        if channel == BOOKS:
            yield from self.doubt_all(reason, now)
        yield from self._subscriptions.begin(channel, list(self._followed))

    def doubt(
        self, contract_ids: Iterable[str], reason: str, now: datetime
    ) -> Iterator[Output]:
        """Doubt some books, and ask for whole ones: no earlier request counts any more."""
        books = [self._followed[name] for name in contract_ids if name in self._followed]
        names = tuple(each.contract_id for each in books)
        known = any(each.live for each in books)
        for each in books:
            each.doubt()
            each.await_whole(now)
        if known:
            yield BooksUnknown(reason, names)
            yield from (each.whole() for each in self._followed.values() if each.live)
        self._subscriptions.withdraw(names)
        yield from self._request(books, now)

    def _request(self, books: Iterable[FollowedBook], now: datetime) -> Iterator[Output]:
        """Request whole books, unless their subscription is still to bring them."""
        found = self._subscriptions.of(BOOKS)
        if found is None or found.sid is None:
            return
        waiting = frozenset(found.waiting)
        ready = [
            each.contract_id
            for each in books
            if each.contract_id not in waiting and each.may_request(now)
        ]
        yield from self._subscriptions.change(found, "get_snapshot", ready)

    def tick(self, now: datetime) -> Iterator[Output]:
        """Doubt what time has shown to be wrong, and ask again for what has not come."""
        for each in list(self._followed.values()):
            if reason := each.doubted(now):
                yield from self.doubt((each.contract_id,), reason, now)
        due = [each for each in self._followed.values() if each.due and not each.live]
        yield from self._request(due, now)
        late = [
            each
            for each in self._followed.values()
            if each.asked_at is not None and now - each.asked_at >= FIRST_BOOK_WITHIN
        ]
        yield from self._late(late, now)

    def _late(self, late: list[FollowedBook], now: datetime) -> Iterator[Output]:
        """Subscribe anew to late books; give up the connection for those that stay late.

        A contract for which even that was done sends no book: it is not awaited any more, so
        that one dead contract does not cost the others their connection again and again.
        """
        for each in late:
            if each.again and each.reconnected:
                each.await_no_longer()
                yield Silent(each.contract_id)
        stubborn = [each for each in late if each.again and each.asked_at is not None]
        for each in stubborn:
            each.await_anew(now, reconnected=True)
        if stubborn:
            yield Reconnect(f"no book of {stubborn[0].contract_id}, subscribed anew")
            return
        names = [each.contract_id for each in late if each.asked_at is not None]
        for name in names:
            self._followed[name].await_anew(now)
        if names:
            self._subscriptions.withdraw(names)
            yield from self._delete(names, BOOKS)
            yield from self._anew(names, now)

    def _anew(self, names: list[str], now: datetime) -> Iterator[Output]:
        found = self._subscriptions.of(BOOKS)
        if found is not None and found.sid is None:
            found.end()  # never acknowledged: ask for all of them once more
            names = list(self._followed)
            for each in self._followed.values():
                each.await_whole(now)
        yield from self._subscriptions.begin(BOOKS, names)

"""KalshiStream: one connection to Kalshi's WebSocket as a state machine without a socket.

Bytes and instants go in, outputs come out (`outputs.py`): frames to send, news for the engine,
troubles. Nothing waits, and nothing is random, so that recorded traffic replays exactly.
Source: docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dutchbook.errors import InvalidInput, MalformedMessage
from dutchbook.platforms.kalshi.book_codec import KALSHI
from dutchbook.platforms.kalshi.stream import commands
from dutchbook.platforms.kalshi.stream.account import Account, OrderLookup
from dutchbook.platforms.kalshi.stream.account_messages import Fill, UserOrder
from dutchbook.platforms.kalshi.stream.answers import (
    Failed,
    Ok,
    Reason,
    Subscribed,
    Unsubscribed,
)
from dutchbook.platforms.kalshi.stream.books import Books
from dutchbook.platforms.kalshi.stream.contracts import Contracts
from dutchbook.platforms.kalshi.stream.lifecycle_messages import MarketLifecycle
from dutchbook.platforms.kalshi.stream.market_messages import Delta, Snapshot, Ticker
from dutchbook.platforms.kalshi.stream.messages import (
    Message,
    Unknown,
    decode,
    envelope,
    number_of,
)
from dutchbook.platforms.kalshi.stream.outputs import (
    Announced,
    BooksConnected,
    BooksUnknown,
    CommandFailed,
    Degraded,
    Missed,
    Output,
    Reconnect,
    Unreadable,
)
from dutchbook.platforms.kalshi.stream.subscriptions import (
    Pending,
    Subscription,
    Subscriptions,
    Verdict,
)

ENDED = (7, 10, 25)
"""Errors after which there is no subscription: its number is unknown, its channel failed, or
its buffer ran over (docs.kalshi.com, AsyncAPI, error codes, 2026-10)."""
TOO_MANY = 26
"""The error of a subscription that would have more contracts than it may."""
MOST_FAILURES = 3
"""How often a subscription may end by itself before the connection is given up."""
DEGRADED_AFTER = 10
"""Messages in a row that cannot be read, after which the stream is degraded."""
MOST_NAMES = 100
"""Unknown types of messages that are counted by name."""
INQUIRE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What a connection subscribes to.

    Attributes:
        yes_price: Whether asks are sent at their YES price. It is always sent explicitly: the
            default is false and will become true, then the choice will go (docs.kalshi.com,
            order_direction, 2026-10).
        tickers: Whether best prices are subscribed to as well, to check the books.
        account: Whether our own trades, orders and positions are subscribed to.
    """

    yes_price: bool = True
    tickers: bool = True
    account: bool = True

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels to subscribe to."""
        prices = (commands.TICKERS,) if self.tickers else ()
        return (commands.BOOKS, *prices, *self.whole_channels)

    @property
    def whole_channels(self) -> tuple[str, ...]:
        """Those that report all there is, whatever the contract."""
        ours = (commands.FILLS, commands.ORDERS, commands.POSITIONS, commands.GROUPS)
        return (commands.LIFECYCLE, *(ours if self.account else ()))


class KalshiStream:
    """Follows books and the account over one connection after another.

    Attributes:
        unknown: Messages of unknown types, by type.
        repeated: Messages that came again or out of order; they are ignored.
        early: Messages of subscriptions that were not acknowledged; they are ignored.
    """

    def __init__(self, settings: StreamSettings, orders: OrderLookup) -> None:
        self._settings = settings
        self._subscriptions = Subscriptions(settings.channels, yes_price=settings.yes_price)
        self._books = Books(self._subscriptions, yes_price=settings.yes_price)
        self._contracts = Contracts(self._books)
        self._account = Account(orders)
        self._malformed = 0
        self._open = False
        self._inquired: datetime | None = None
        self.unknown: Counter[str] = Counter()
        self.repeated = 0
        self.early = 0

    @property
    def live(self) -> frozenset[str]:
        """The contracts whose books are whole and trusted."""
        return self._books.live

    # Commands of the engine
    # ------------------------------------------------------------------------------------

    def follow(self, contract_ids: Iterable[str], now: datetime) -> list[Output]:
        """Follow the books of contracts, from now on or from the next connection."""
        return list(self._books.follow(contract_ids, now))

    def leave(self, contract_ids: Iterable[str]) -> list[Output]:
        """Follow the books of contracts no longer."""
        return list(self._books.leave(contract_ids))

    # The connection
    # ------------------------------------------------------------------------------------

    def opened(self, now: datetime) -> list[Output]:
        """Subscribe to everything on a new connection."""
        assert not self._open, "opened twice"
        self._open, self._malformed, self._inquired = True, 0, now
        outputs = list(self._books.connect(now))
        for channel in self._settings.whole_channels:
            outputs += self._subscriptions.begin(channel)
        return outputs

    def closed(self) -> list[Output]:
        """Take the end of a connection: books are unknown, and trades may be missing."""
        self._open = False
        self._subscriptions.reset()
        self._books.disconnect()
        return [BooksUnknown("the connection ended"), *self._account.broken()]

    def tick(self, now: datetime) -> list[Output]:
        """Do what is due: call it about once a second while connected."""
        if not self._open:
            return []
        outputs = list(self._books.tick(now))
        if self._inquired is None or now - self._inquired >= INQUIRE_EVERY:
            self._inquired = now
            outputs += self._subscriptions.inquire()
        return outputs

    def received(self, raw: bytes, now: datetime) -> list[Output]:
        """Take one message of the server. No error escapes, whatever the bytes."""
        outputs: list[Output] = []
        try:
            for output in self._take(decode(raw), raw, now):
                outputs.append(output)  # noqa: PERF402 - what precedes an error counts
        except MalformedMessage as error:
            outputs += self._unreadable(error, now)
        except InvalidInput as error:
            outputs += self._unreadable(MalformedMessage(KALSHI, str(error), raw), now)
        else:
            self._malformed = 0
            self._account.heard(now)
        return outputs

    # Messages
    # ------------------------------------------------------------------------------------

    def _take(self, message: Message | Unknown, raw: bytes, now: datetime) -> Iterator[Output]:
        match message:
            case Subscribed():
                yield from self._subscribed(message, now)
                return
            case Unknown():
                known = message.type in self.unknown or len(self.unknown) < MOST_NAMES
                self.unknown[message.type if known else "other types"] += 1
        found = self._subscriptions.on(message.sid)
        if found is not None:
            reply = isinstance(message, Snapshot) and bool(message.id)
            verdict = found.judge(number_of(message), raw, reply=reply)
            if verdict is Verdict.AGAIN:
                self.repeated += 1
                return
            if verdict is Verdict.GAP:
                yield from self._gap(found, now)
        match message:
            case Ok() | Failed() | Unsubscribed():
                yield from self._answered(message, found, now)
            case Unknown():
                pass
            case _ if found is None:
                self.early += 1
            case _:
                yield from self._data(message, found, now)

    def _data(
        self, message: Message, subscription: Subscription, now: datetime
    ) -> Iterator[Output]:
        """Take a message of a subscription that was acknowledged."""
        match message:
            case Delta() if subscription.channel == commands.BOOKS:
                yield from self._books.delta(message, now)
            case Snapshot() if subscription.channel == commands.BOOKS:
                yield from self._books.snapshot(message, now)
            case Delta() | Snapshot():
                raise InvalidInput("sid", subscription.sid, "that of the books")
            case Ticker():
                self._books.ticker(message, now)
            case Fill(msg=body):
                yield from self._account.fill(body)
            case UserOrder(msg=order):
                yield from self._account.order(order)
            case MarketLifecycle(msg=life):
                yield from self._contracts.lived(life, now)
                yield Announced(message)
            case _:
                yield Announced(message)

    def _gap(self, subscription: Subscription, now: datetime) -> Iterator[Output]:
        """Take a gap in the numbers of a subscription."""
        if subscription.channel == commands.BOOKS:
            yield from self._books.doubt_all("messages are missing", now)
        else:
            yield Missed(subscription.channel)

    # Answers
    # ------------------------------------------------------------------------------------

    def _subscribed(self, message: Subscribed, now: datetime) -> Iterator[Output]:
        """Take the beginning of a subscription; the channel's data follow."""
        command = self._subscriptions.answer(message.id)
        found = self._subscriptions.of(message.msg.channel)
        before = None if found is None else found.sid
        found = self._subscriptions.acknowledge(message.msg.channel, message.msg.sid)
        if found is None:
            yield from self._subscriptions.unsubscribe((message.msg.sid,))
            return
        yield from self._subscriptions.flush(found)
        if command is not None:
            yield from self._books.acknowledged(found.channel, command.tickers)
        if found.channel == commands.BOOKS and before != found.sid:
            yield BooksConnected()
            if before is not None:
                yield from self._books.doubt_all("another subscription", now)
        elif found.channel == commands.FILLS and before is None:
            yield from self._account.connected(now)

    def _answered(
        self, message: Ok | Failed | Unsubscribed, found: Subscription | None, now: datetime
    ) -> Iterator[Output]:
        command = self._subscriptions.answer(message.id)
        match message:
            case Ok(msg=tuple() as listed):
                yield from self._listed({each.sid for each in listed}, now)
            case Failed(msg=reason):
                yield from self._failed(reason, command, found, now)
            case Unsubscribed() if found is not None:
                yield from self._ended(found, "unsubscribed", now)

    def _failed(
        self,
        reason: Reason,
        command: Pending | None,
        found: Subscription | None,
        now: datetime,
    ) -> Iterator[Output]:
        """Take an error: of a command, of a subscription, or of both."""
        names = command.tickers if command is not None else ()
        yield CommandFailed(reason.code, reason.msg, names)
        if found is None and command is not None:
            found = self._subscriptions.of(command.channel)
        if reason.code == TOO_MANY:
            self._books.refused(names)
        if found is None:
            return
        if reason.code in ENDED:
            yield from self._ended(found, f"error {reason.code}", now)
        elif found.sid is None and command is not None and command.action is None:
            self._subscriptions.end(found)  # a book that is awaited is subscribed anew

    def _listed(self, sids: set[int], now: datetime) -> Iterator[Output]:
        """Compare the server's list of subscriptions with ours, unless one is beginning."""
        if self._subscriptions.beginning:
            return
        yield from self._subscriptions.unsubscribe(sorted(sids - self._subscriptions.sids))
        for sid in sorted(self._subscriptions.sids - sids):
            found = self._subscriptions.on(sid)
            assert found is not None, "it was listed a moment ago"
            yield from self._ended(found, "the server does not list it", now)

    def _ended(
        self, subscription: Subscription, reason: str, now: datetime
    ) -> Iterator[Output]:
        """Subscribe anew to a channel whose subscription has ended by itself."""
        failures = subscription.fail()
        self._subscriptions.end(subscription)
        channel, why = subscription.channel, f"{subscription.channel}: {reason}"
        if channel == commands.FILLS:
            yield from self._account.broken()
        elif channel not in commands.BY_TICKER:
            yield Missed(channel)
        if failures > MOST_FAILURES:
            if channel == commands.BOOKS:
                yield from self._books.doubt_all(why, now)
            yield Reconnect(why)
        elif channel in commands.BY_TICKER:
            yield from self._books.restart(channel, why, now)
        else:
            yield from self._subscriptions.begin(channel)

    # Malformed messages
    # ------------------------------------------------------------------------------------

    def _unreadable(self, error: MalformedMessage, now: datetime) -> Iterator[Output]:
        """Hand out a message that cannot be read, and doubt what it may have changed."""
        yield Unreadable(error)
        self._malformed += 1
        if self._malformed == DEGRADED_AFTER:
            yield Degraded(self._malformed)
        said = envelope(error.raw)
        found = self._subscriptions.on(said.sid) if said is not None else None
        follows = False
        if said is not None and found is not None:
            follows = (
                said.seq is not None and found.judge(said.seq, error.raw) is not Verdict.GAP
            )
        if found is None or found.channel == commands.BOOKS:
            one = said.contract_id if said is not None and follows else None
            yield from self._books.doubt_unread(one, now)
        if found is None or found.channel in (commands.FILLS, commands.ORDERS):
            for each in self._account.broken():
                yield each
                yield from self._account.connected(now)

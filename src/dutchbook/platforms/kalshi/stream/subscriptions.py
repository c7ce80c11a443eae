"""The subscriptions of one connection: their ids, their numbers, and commands under way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from dutchbook.platforms.kalshi.stream import commands
from dutchbook.platforms.kalshi.stream.commands import BY_TICKER, Action
from dutchbook.platforms.kalshi.stream.outputs import Send

MOST_PENDING = 1_000
"""Commands without an answer that are remembered; the oldest are forgotten first."""


class Verdict(Enum):
    """What the number of a message says of it."""

    NEXT = "next"
    AGAIN = "again"
    GAP = "gap"


@dataclass(slots=True)
class Subscription:
    """One subscription: a channel, and for some channels its contracts.

    Attributes:
        channel: The channel's name.
        sid: The server's number for it; None until it is acknowledged.
        asked: Whether a command that begins it is under way or was acknowledged.
        waiting: Contracts to be added as soon as it is acknowledged.
        failures: How often it ended by itself on this connection.
        last: The number of its last message.
    """

    channel: str
    sid: int | None = None
    asked: bool = False
    waiting: list[str] = field(default_factory=list)
    failures: int = 0
    last: int = 0
    _raw: bytes = b""
    _was_reply: bool = False

    def begin(self, sid: int) -> None:
        """Take the server's number; one that it already has goes on counting."""
        if self.sid != sid:
            self.sid, self.last, self._raw, self._was_reply = sid, 0, b"", False

    def ask(self, waiting: Sequence[str]) -> None:
        """Note that it is asked for, and the contracts that are to be added to it later."""
        self.asked, self.waiting = True, list(waiting)

    def add_later(self, tickers: Sequence[str]) -> None:
        """Note more contracts that are to be added to it."""
        self.waiting += tickers

    def withhold(self, tickers: Collection[str]) -> None:
        """Forget contracts that were to be added to it."""
        self.waiting = [each for each in self.waiting if each not in tickers]

    def release(self) -> list[str]:
        """Return the contracts that were to be added to it, and forget them."""
        waiting, self.waiting = self.waiting, []
        return waiting

    def fail(self) -> int:
        """Count an end that nobody asked for; return how many there were."""
        self.failures += 1
        return self.failures

    def reset(self) -> None:
        """Forget everything: its connection has ended."""
        self.end()
        self.failures = 0

    def end(self) -> None:
        """Forget the subscription: it has ended, or its connection has."""
        self.sid, self.asked = None, False
        self.waiting.clear()

    def judge(self, seq: int | None, raw: bytes, *, reply: bool = False) -> Verdict:
        """Take the number of a message, and return what it says.

        Numbers count every message of the subscription (docs.kalshi.com, 2026-10). Whether the
        answer to ``get_snapshot`` uses up a number of its own is not documented, so both are
        accepted: it may repeat the last number, or the next message may repeat its own.

        Args:
            seq: The number; None where the channel has none.
            raw: The message, to recognise it when it comes again.
            reply: Whether it answers a ``get_snapshot`` of ours.
        """
        if seq is None:
            return Verdict.NEXT
        if seq < self.last or (seq == self.last and raw == self._raw):
            return Verdict.AGAIN
        follows = seq == self.last + 1 or (seq == self.last and (reply or self._was_reply))
        self.last, self._raw, self._was_reply = seq, raw, reply
        return Verdict.NEXT if follows else Verdict.GAP


@dataclass(frozen=True, slots=True)
class Pending:
    """A command that the server has not answered."""

    channel: str
    tickers: tuple[str, ...] = ()
    action: Action | None = None


class Subscriptions:
    """All subscriptions of a connection, and the commands that make and change them."""

    def __init__(self, channels: Sequence[str], *, yes_price: bool) -> None:
        self._yes_price = yes_price
        self._ids = 0
        self._pending: dict[int, Pending] = {}
        self._channels = {name: Subscription(name) for name in channels}
        self._by_sid: dict[int, Subscription] = {}

    def reset(self) -> None:
        """Forget everything of a connection that has ended."""
        self._ids = 0
        self._pending.clear()
        self._by_sid.clear()
        for each in self._channels.values():
            each.reset()

    # Looking up
    # ------------------------------------------------------------------------------------

    def on(self, sid: int | None) -> Subscription | None:
        """Return the acknowledged subscription of this number."""
        return None if sid is None else self._by_sid.get(sid)

    def of(self, channel: str) -> Subscription | None:
        """Return the subscription to a channel, if it is one of ours."""
        return self._channels.get(channel)

    def pending(self, command_id: int | None) -> Pending | None:
        """Return the command of this id, if it has not been answered."""
        return None if command_id is None else self._pending.get(command_id)

    @property
    def beginning(self) -> bool:
        """Whether a subscription is asked for and not acknowledged."""
        return any(each.asked and each.sid is None for each in self._channels.values())

    @property
    def sids(self) -> frozenset[int]:
        """The numbers of all acknowledged subscriptions."""
        return frozenset(self._by_sid)

    # Answers
    # ------------------------------------------------------------------------------------

    def acknowledge(self, channel: str, sid: int) -> Subscription | None:
        """Take the beginning of a subscription; return it if it is one of ours."""
        found = self._channels.get(channel)
        if found is None or not found.asked:
            return None
        if found.sid is not None and found.sid != sid:
            self._by_sid.pop(found.sid, None)
        found.begin(sid)
        self._by_sid[sid] = found
        return found

    def answer(self, command_id: int | None) -> Pending | None:
        """Take the answer to a command, and return the command."""
        return None if command_id is None else self._pending.pop(command_id, None)

    def end(self, subscription: Subscription) -> None:
        """Forget a subscription that has ended, and the commands about it."""
        if subscription.sid is not None:
            self._by_sid.pop(subscription.sid, None)
        subscription.end()
        for number, each in list(self._pending.items()):
            if each.channel == subscription.channel:
                del self._pending[number]

    # Commands
    # ------------------------------------------------------------------------------------

    def begin(self, channel: str, tickers: Sequence[str] = ()) -> Iterator[Send]:
        """Subscribe to a channel, or add contracts to its subscription.

        Contracts that do not fit the first frame are added once it is acknowledged.
        """
        found = self._channels.get(channel)
        if found is None or (channel in BY_TICKER and not tickers):
            return
        if found.sid is not None:
            yield from self.change(found, "add_markets", tickers)
            return
        if found.asked:
            found.add_later(tickers)
            return
        first, rest = tickers[: commands.MOST_TICKERS], tickers[commands.MOST_TICKERS :]
        found.ask(rest)
        number = self._number(Pending(channel, tuple(first)))
        yield Send(commands.subscribe(number, channel, first, yes_price=self._yes_price))

    def flush(self, subscription: Subscription) -> Iterator[Send]:
        """Add the contracts that waited for the acknowledgement."""
        yield from self.change(subscription, "add_markets", subscription.release())

    def change(
        self, subscription: Subscription, action: Action, tickers: Sequence[str]
    ) -> Iterator[Send]:
        """Change the contracts of an acknowledged subscription, or request their books."""
        assert subscription.sid is not None, "changed before it was acknowledged"
        for piece in commands.frames(tickers):
            number = self._number(Pending(subscription.channel, tuple(piece), action))
            yield Send(commands.update(number, subscription.sid, action, piece))

    def unsubscribe(self, sids: Sequence[int]) -> Iterator[Send]:
        """End subscriptions that are none of ours."""
        if sids:
            yield Send(commands.unsubscribe(self._number(Pending("")), sids))

    def inquire(self) -> Iterator[Send]:
        """Ask which subscriptions there are."""
        yield Send(commands.list_subscriptions(self._number(Pending(""))))

    def requested(self, command_id: int | None, ticker: str) -> bool:
        """Return whether a command of ours that is not answered asks for a contract's book."""
        found = self.pending(command_id)
        return found is not None and found.action == "get_snapshot" and ticker in found.tickers

    def withdraw(self, tickers: Collection[str]) -> None:
        """Forget requests for the books of contracts: they came, or they came too late."""
        for number, each in list(self._pending.items()):
            if each.action != "get_snapshot":
                continue
            left = tuple(ticker for ticker in each.tickers if ticker not in tickers)
            if not left:
                del self._pending[number]
            elif len(left) < len(each.tickers):
                self._pending[number] = replace(each, tickers=left)

    def _number(self, command: Pending) -> int:
        self._ids += 1
        self._pending[self._ids] = command
        if len(self._pending) > MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        return self._ids

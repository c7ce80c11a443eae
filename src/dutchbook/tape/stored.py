"""A message as a tape stores it: everything that its recording contained, in integers.

`TapeMessage` is what a replay needs; `StoredMessage` is what was received. The difference is
trades, messages of other types, the platform's own form of a change, and nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.market_data import BookUpdate
from dutchbook.tape.message import TapeMessage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Level = tuple[int, int, int]
"""Side (`BID` or `ASK`), price in 10⁻⁴ YES dollars, size in 10⁻⁶ contracts."""


class StoredKind(IntEnum):
    """What a stored message does.

    `SNAPSHOT`: the book is these levels. `LEVEL`: these levels have these sizes. `CHANGE`:
    these sizes are added to these levels. `TRADE`: its side is what the taker did with YES.
    `OTHER`: only `raw` has the content.
    """

    SNAPSHOT = 0
    LEVEL = 1
    CHANGE = 2
    TRADE = 3
    OTHER = 4


@dataclass(slots=True)
class StoredMessage:
    """One message as it was received.

    Attributes:
        at_ns: When it was received, in nanoseconds since 1970.
        step: The tape step; it never decreases.
        session: Number of the session; books start empty when it changes.
        platform: The platform that sent it.
        contract_id: The contract, None if the message is about none.
        kind: What it does.
        levels: Side, price and size of each level.
        cycle_ns: When its poll began, in nanoseconds since 1970; None on a stream.
        stream: The platform's number of the subscription, None if it gives none.
        sequence: The platform's number of the message, None if it gives none.
        platform_us: The platform's own time, in microseconds since 1970.
        trade_id: The 16 bytes of a trade's id.
        raw: The message's JSON, if the other attributes do not hold all of it.
    """

    at_ns: int
    step: int
    session: int
    platform: Platform
    contract_id: str | None
    kind: StoredKind
    levels: tuple[Level, ...] = ()
    cycle_ns: int | None = None
    stream: int | None = None
    sequence: int | None = None
    platform_us: int | None = None
    trade_id: bytes | None = None
    raw: str | None = None


def store(message: TapeMessage) -> StoredMessage:
    """Return `message` as a tape stores it."""
    update = message.update
    sides = ((BID, update.bids), (ASK, update.asks))
    return StoredMessage(
        at_ns=microseconds(message.at) * 1_000,
        step=message.step,
        session=message.session,
        platform=update.platform,
        contract_id=update.contract_id,
        kind=StoredKind.SNAPSHOT if update.whole else StoredKind.LEVEL,
        levels=tuple((side, price, size) for side, each in sides for price, size in each),
        sequence=update.sequence or None,
        platform_us=None
        if update.platform_time is None
        else microseconds(update.platform_time),
    )


def microseconds(instant: datetime) -> int:
    """Return the microseconds from 1970 to `instant`, exactly."""
    return (instant - EPOCH) // MICROSECOND


def instant(us: int) -> datetime:
    """Return the instant `us` microseconds after 1970."""
    return EPOCH + us * MICROSECOND


@dataclass(slots=True)
class _Sizes:
    """Sizes of every level of a session, needed to turn a change into a new size."""

    session: int | None = None
    books: dict[tuple[Platform, str], dict[tuple[int, int], int]] = field(default_factory=dict)

    def apply(self, message: StoredMessage, contract_id: str) -> tuple[Level, ...]:
        """Apply `message` and return its levels with their sizes after it."""
        if message.session != self.session:
            self.session = message.session
            self.books.clear()
        key = (message.platform, contract_id)
        if message.kind is StoredKind.SNAPSHOT:
            self.books[key] = {(side, price): size for side, price, size in message.levels}
            return message.levels
        book = self.books.setdefault(key, {})
        levels = []
        for side, price, size in message.levels:
            added = message.kind is StoredKind.CHANGE
            after = size + book.get((side, price), 0) if added else size
            if after:
                book[side, price] = after
            else:
                book.pop((side, price), None)
            # A size falls below zero if the recording missed a message: nothing is offered.
            levels.append((side, price, max(after, 0)))
        return tuple(levels)


def replayed(stored: Iterable[StoredMessage]) -> Iterator[TapeMessage]:
    """Yield the book updates among `stored`, each level with its whole size."""
    sizes = _Sizes()
    for each in stored:
        if each.kind in (StoredKind.TRADE, StoredKind.OTHER) or each.contract_id is None:
            continue
        levels = sizes.apply(each, each.contract_id)
        update = BookUpdate(
            platform=each.platform,
            contract_id=each.contract_id,
            whole=each.kind is StoredKind.SNAPSHOT,
            bids=tuple((price, size) for side, price, size in levels if side == BID),
            asks=tuple((price, size) for side, price, size in levels if side == ASK),
            sequence=each.sequence or 0,
            platform_time=None if each.platform_us is None else instant(each.platform_us),
        )
        yield TapeMessage(instant(each.at_ns // 1_000), update, each.step, each.session)

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
from dutchbook.domain.values.units import E4, PriceGrid, from_e4, from_e6, plain, to_e4, to_e6
from dutchbook.errors import InvalidInput
from dutchbook.ports.market_data import BookUpdate, GridChange
from dutchbook.tape.message import TapeMessage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Level = tuple[int, int, int]
"""Side (`BID` or `ASK`), price in 10⁻⁴ YES dollars, size in 10⁻⁶ contracts."""


class StoredKind(IntEnum):
    """What a stored message does.

    `SNAPSHOT`: the book is these levels. `LEVEL`: these levels have these sizes. `CHANGE`:
    these sizes are added to these levels. `TRADE`: its side is what the taker did with YES.
    `OTHER`: only `raw` has the content. `GAP`: messages of the platform may be missing here;
    it is a note of ours, and no message. `GRID`: the contract is quoted on another grid from
    here on; each of its bands is two levels, `BID` where it begins with the step as size, and
    `ASK` where it ends. Without `raw` it is a note of ours, taken from the prices.
    """

    SNAPSHOT = 0
    LEVEL = 1
    CHANGE = 2
    TRADE = 3
    OTHER = 4
    GAP = 5
    GRID = 6


BOOKS = frozenset({StoredKind.SNAPSHOT, StoredKind.LEVEL, StoredKind.CHANGE})
"""Kinds that change a book."""


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

    @property
    def is_note(self) -> bool:
        """Whether it is a note of ours between the messages that were received."""
        bare = self.kind is StoredKind.GRID and self.raw is None
        return bare or self.kind is StoredKind.GAP

    @property
    def impossible(self) -> str | None:
        """What no platform can have said, if its levels say it."""
        if self.kind is StoredKind.GRID:
            return _impossible_grid(self)
        for _, price, size in self.levels:
            if not 0 < price < E4:
                return f"a price of {plain(from_e4(price))} dollars is not between 0 and 1"
            if size < 0 and self.kind is not StoredKind.CHANGE:
                return f"a size of {plain(from_e6(size))} is below zero"
        return None


def grid_levels(grid: PriceGrid) -> tuple[Level, ...]:
    """Return a grid as the levels of a stored message."""
    return tuple(
        level
        for band in grid.bands
        for level in (
            (BID, to_e4(band.start), to_e6(band.step)),
            (ASK, to_e4(band.end), 0),
        )
    )


def stored_grid(levels: tuple[Level, ...]) -> PriceGrid:
    """Return the grid that is stored as `levels`.

    Raises:
        InvalidInput: They are none.
    """
    starts, ends = levels[::2], levels[1::2]
    if [side for side, _, _ in levels] != [BID, ASK] * len(starts):
        raise InvalidInput("levels", levels, "the start and the end of each band of a grid")
    return PriceGrid.of_ranges(
        [
            {
                "start": str(from_e4(start)),
                "end": str(from_e4(end)),
                "step": str(from_e6(step)),
            }
            for (_, start, step), (_, end, _) in zip(starts, ends, strict=True)
        ]
    )


def _impossible_grid(message: StoredMessage) -> str | None:
    try:
        stored_grid(message.levels)
    except InvalidInput as error:
        return str(error)
    return None if message.contract_id else "a grid of no contract"


def store(message: TapeMessage) -> Iterator[StoredMessage]:
    """Yield `message` as a tape stores it, after the notes that precede it."""
    update, at_ns = message.update, microseconds(message.at) * 1_000
    for gap in message.gaps:
        yield StoredMessage(at_ns, message.step, message.session, gap, None, StoredKind.GAP)
    for change in message.grids:
        yield StoredMessage(
            at_ns,
            message.step,
            message.session,
            change.platform,
            change.contract_id,
            StoredKind.GRID,
            grid_levels(change.grid),
        )
    yield _stored_update(message, update, at_ns)


def _stored_update(message: TapeMessage, update: BookUpdate, at_ns: int) -> StoredMessage:
    sides = ((BID, update.bids), (ASK, update.asks))
    return StoredMessage(
        at_ns=at_ns,
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
class Sizes:
    """Sizes of every level of a session, needed to turn a change into a new size.

    Attributes:
        impossible: Number of changes that took more from a level than it held: an earlier
            message is missing. Nothing is left there then, as in a book that follows a stream.
    """

    impossible: int = 0
    _session: int | None = None
    _books: dict[tuple[Platform, str], dict[tuple[int, int], int]] = field(default_factory=dict)

    def apply(self, message: StoredMessage, contract_id: str) -> tuple[Level, ...]:
        """Apply `message` and return its levels with their sizes after it."""
        if message.session != self._session:
            self._session = message.session
            self._books.clear()
        key = (message.platform, contract_id)
        if message.kind is StoredKind.SNAPSHOT:
            self._books[key] = {(side, price): size for side, price, size in message.levels}
            return message.levels
        book = self._books.setdefault(key, {})
        levels = []
        for side, price, size in message.levels:
            added = message.kind is StoredKind.CHANGE
            after = size + book.get((side, price), 0) if added else size
            self.impossible += after < 0
            if after > 0:
                book[side, price] = after
            else:
                book.pop((side, price), None)
            levels.append((side, price, max(after, 0)))
        return tuple(levels)


def replayed(stored: Iterable[StoredMessage]) -> Iterator[TapeMessage]:
    """Yield the book updates among `stored`, each level with its whole size.

    A gap or another grid is in force from the next message of any book.
    """
    sizes, gaps, grids = Sizes(), tuple[Platform, ...](), tuple[GridChange, ...]()
    for each in stored:
        if each.kind is StoredKind.GRID and each.contract_id is not None:
            grid = stored_grid(each.levels)
            grids = (*grids, GridChange(each.platform, each.contract_id, grid))
        if each.kind is StoredKind.GAP and each.platform not in gaps:
            gaps = (*gaps, each.platform)
        if each.contract_id is None or each.kind not in BOOKS:
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
        at = instant(each.at_ns // 1_000)
        yield TapeMessage(at, update, each.step, each.session, gaps, grids)
        gaps, grids = (), ()

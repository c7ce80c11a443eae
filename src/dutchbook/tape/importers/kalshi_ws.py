"""Recordings of Kalshi's websocket: gold markets of August 2026, bitcoin ones of May 2026.

Each line is one message in the order of receipt: ``recv_ms`` (gold) or ``recv_ns`` (bitcoin)
and the ``event`` itself. Gold has one file per market and UTC date, all in one session; bitcoin
has one file per run of its recorder, which is a session. Messages other than books and trades
(ticker, and the recorder's own) are kept as text.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import msgspec

from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import E4, PriceGrid, price, signed, to_e4, to_e6
from dutchbook.errors import InvalidInput, TapeError
from dutchbook.tape.importers.continuity import Continuity, Notices, Stream, Verdict
from dutchbook.tape.importers.facts import Grids, assumptions
from dutchbook.tape.importers.kalshi_facts import Markets
from dutchbook.tape.importers.rebuild import NS_PER_MS, kalshi_event
from dutchbook.tape.importers.source import (
    Imported,
    Layout,
    Line,
    Meter,
    Source,
    Wish,
    cut_off,
    in_order,
    lines,
    plain_name,
)
from dutchbook.tape.message import TapeMeta
from dutchbook.tape.metadata import RecordedFile, Recording
from dutchbook.tape.rows import Rows
from dutchbook.tape.stored import (
    BOOKS,
    Level,
    Sizes,
    StoredKind,
    StoredMessage,
    grid_levels,
    instant,
    microseconds,
)

SOURCES = {
    Layout.KALSHI_MS: "Kalshi websocket, gold 15-minute markets, August 2026",
    Layout.KALSHI_NS: "Kalshi websocket, bitcoin 15-minute markets, May 2026",
}
LIFECYCLE, NEW_GRID = "market_lifecycle_v2", "price_level_structure_updated"
NOT_COUNTED = (Verdict.REPEATED, Verdict.OUT_OF_ORDER)
BREAKS = (Verdict.AFTER_GAP, Verdict.OUT_OF_ORDER, Verdict.RESTARTED)
EARLIEST_NS, LATEST_NS = 1_262_304_000 * 10**9, 4_102_444_800 * 10**9
"""The years 2010 and 2100; no recording is from another time."""
NS_PER_SECOND = 10**9


class _Received(msgspec.Struct):
    event: msgspec.Raw
    recv_ms: int | None = None
    recv_ns: int | None = None


_line = msgspec.json.Decoder(_Received)
_event = msgspec.json.Decoder(dict[str, Any])


class _Delta(msgspec.Struct):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts: str | None = None


class _Trade(msgspec.Struct):
    market_ticker: str
    trade_id: UUID
    yes_price_dollars: str
    count_fp: str
    taker_side: Literal["yes", "no"]
    ts_ms: int


class _Snapshot(msgspec.Struct):
    market_ticker: str
    yes_dollars_fp: list[tuple[str, str]] = []
    no_dollars_fp: list[tuple[str, str]] = []


@dataclass(slots=True)
class _Entry:
    """One line with its time parsed."""

    at_ns: int
    line: Line
    raw: msgspec.Raw


@dataclass(slots=True)
class _Reading:
    """State of an import: what is known about the recording so far."""

    layout: Layout
    markets: Markets
    rows: Rows
    continuity: Continuity
    grids: Grids
    notices: Notices = field(default_factory=Notices)
    recording: Recording = field(init=False)
    first_ns: int = 0
    last_ns: int = 0
    _sizes: Sizes = field(default_factory=Sizes)

    def __post_init__(self) -> None:
        self.recording = Recording(self.layout.value, [])

    def take(self, entry: _Entry, session: int) -> None:
        """Store one line."""
        made = partial(StoredMessage, entry.at_ns, self.rows.messages, session, Platform.KALSHI)
        try:
            event = _event.decode(entry.raw)
            stream, sequence = _whole(event, "sid"), _whole(event, "seq")
            message = _content(event, partial(made, stream=stream, sequence=sequence))
            verdict = self._judged(entry, message, (session, stream), sequence)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidInput) as error:
            raise entry.line.error(error) from error
        if message is None or verdict in NOT_COUNTED:
            self.markets.watch(event)
            message = self._announced(entry, event, made)
        else:
            self._note(message, event["msg"])
            if kalshi_event(message, self.recording.market_ids) != event:
                message = replace(message, raw=_text(entry))
        self.first_ns = self.first_ns or entry.at_ns
        self.last_ns = entry.at_ns
        if self._breaks(message, verdict, (session, stream)):
            self.rows.add(made(None, StoredKind.GAP))
        if message.kind in BOOKS and message.contract_id is not None:
            self._check_grid(message, message.contract_id, made)
        self.rows.add(message)

    def _announced(
        self, entry: _Entry, event: Mapping[str, Any], made: partial[StoredMessage]
    ) -> StoredMessage:
        """Make a message that is neither book nor trade: another grid, or just its text."""
        text = _text(entry)
        try:
            change = _grid_change(event)
        except InvalidInput as error:
            raise entry.line.error(error) from error
        if change is None or not self.markets.announced(*change):
            return made(None, StoredKind.OTHER, raw=text)
        self.grids.changed(Platform.KALSHI, *change)
        return made(change[0], StoredKind.GRID, grid_levels(change[1]), raw=text)

    def _check_grid(
        self, message: StoredMessage, ticker: str, made: partial[StoredMessage]
    ) -> None:
        """Store another grid first, if a price proves one."""
        if found := self.grids.proven(Platform.KALSHI, ticker, message.levels):
            self.notices.note(found[1])
            self.rows.add(made(ticker, StoredKind.GRID, grid_levels(found[0])))

    def _judged(
        self, entry: _Entry, message: StoredMessage | None, stream: Stream, number: int | None
    ) -> Verdict:
        """Return what the number of a message says of it."""
        if number is None:
            return Verdict.NEXT
        name = "no contract" if message is None else str(message.contract_id)
        whole = message is None or message.kind is StoredKind.SNAPSHOT
        return self.continuity.judge(stream, number, bytes(entry.raw), name, whole=whole)

    def _breaks(self, message: StoredMessage, verdict: Verdict, stream: Stream) -> bool:
        """Return whether the books that follow a subscription are unknown from here on."""
        broken, impossible = verdict in BREAKS, self._sizes.impossible
        if message.contract_id is not None and message.kind in BOOKS:
            self._sizes.apply(message, message.contract_id)
            if self._sizes.impossible > impossible:
                self.continuity.impossible(stream, message.contract_id)
                broken = True
        unknown = broken and self.continuity.distrust(stream)
        if message.kind is StoredKind.SNAPSHOT:
            self.continuity.whole(stream)
        return unknown

    def _note(self, message: StoredMessage, payload: Mapping[str, Any]) -> None:
        contract_id, market_id = payload["market_ticker"], payload.get("market_id")
        if isinstance(market_id, str):
            self.recording.market_ids.setdefault(contract_id, market_id)
        self.markets.seen(contract_id, message.at_ns // 1_000, message.levels)


def read(source: Source, wish: Wish) -> Imported:
    """Read the recording at `source`.

    Raises:
        TapeError: Names the file and the line.
    """
    markets = Markets.of(source.path)
    grids = Grids(lambda _, ticker: wish.overrides.grid(markets.grid(ticker)))
    reading = _Reading(source.layout, markets, wish.rows, Continuity(wish.partial), grids)
    meter = Meter(source.size, wish.progress)
    _read_files(reading, source, meter)
    facts = reading.markets.facts()
    if not facts:
        raise TapeError(f"{source.path}: it holds no book of any market")
    for each in facts:
        wish.overrides.apply(each)
    meta = TapeMeta(
        name=source.path.resolve().name.split(".")[0],
        source=SOURCES[source.layout],
        contracts=tuple(each.contract() for each in facts),
        pairs=(),
        polled=False,
        assumed=assumptions(facts),
        seed=None,
        messages=reading.rows.messages,
        first=instant(reading.first_ns // 1_000),
        last=instant(reading.last_ns // 1_000),
        noticed=reading.notices.lines(reading.continuity.lines()),
    )
    return Imported(reading.rows, meta, reading.recording)


def _read_files(reading: _Reading, source: Source, meter: Meter) -> None:
    """Read all files: those of one session merged by time, the sessions in sequence."""
    if source.layout is Layout.KALSHI_MS:
        files = [_entries(file, source.layout, meter, reading.notices) for file in source.files]
        for entry in heapq.merge(*files, key=lambda entry: entry.at_ns):
            reading.take(entry, 0)
            reading.recording.count(plain_name(entry.line.file))
        return
    for session, file in enumerate(source.files):
        before = reading.rows.messages
        for entry in _entries(file, source.layout, meter, reading.notices):
            if entry.at_ns < reading.last_ns:
                raise entry.line.error("received before the run that precedes it had ended")
            reading.take(entry, session)
        held = reading.rows.messages - before
        reading.recording.files.append(RecordedFile(plain_name(file), held))


def _entries(file: Path, layout: Layout, meter: Meter, notices: Notices) -> Iterator[_Entry]:
    last = 0
    name = "recv_ms" if layout is Layout.KALSHI_MS else "recv_ns"
    for line in lines(file, meter, notices):
        try:
            found = _line.decode(line.text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if cut_off(line, notices):
                return
            raise line.error(error) from error
        value = found.recv_ms if layout is Layout.KALSHI_MS else found.recv_ns
        at_ns = 0 if value is None else value * (NS_PER_MS if name == "recv_ms" else 1)
        if not EARLIEST_NS <= at_ns <= LATEST_NS:
            raise line.error(InvalidInput(name, value, "the time of receipt since 1970"))
        try:
            last = in_order(line, at_ns, last, NS_PER_SECOND, notices)
        except InvalidInput as error:
            raise line.error(error) from error
        yield _Entry(last, line, found.event)


def _whole(event: Mapping[str, Any], name: str) -> int | None:
    value = event.get(name)
    if value is not None and (type(value) is not int or not 0 <= value < 2**62):
        raise InvalidInput(f"event.{name}", value, "a whole number from zero")
    return value


@lru_cache(maxsize=20_000)
def _price(text: str) -> int:
    return to_e4(price(text))


@lru_cache(maxsize=100_000)
def _size(text: str, name: str) -> int:
    if number := signed(text, field=name):
        return to_e6(number)
    raise InvalidInput(name, text, "contracts other than zero, exact to 0.000001")


def _level(side: str, text: str, size: int) -> Level:
    if side == "yes":
        return BID, _price(text), size
    return ASK, E4 - _price(text), size


def _text(entry: _Entry) -> str:
    return bytes(entry.raw).decode()


def _content(event: Mapping[str, Any], made: partial[StoredMessage]) -> StoredMessage | None:
    """Make a book or trade message with its content; None for a message of another type."""
    payload = event.get("msg")
    match event.get("type"):
        case "orderbook_delta":
            return _delta(msgspec.convert(payload, _Delta), made)
        case "orderbook_snapshot":
            return _snapshot(msgspec.convert(payload, _Snapshot), made)
        case "trade":
            return _trade(msgspec.convert(payload, _Trade), made)
        case str():
            return None
        case other:
            raise InvalidInput("event.type", other, "the name of a message type")


def _delta(found: _Delta, made: partial[StoredMessage]) -> StoredMessage:
    level = _level(found.side, found.price_dollars, _size(found.delta_fp, "delta_fp"))
    at_us = _own_time(found.ts)
    return made(found.market_ticker, StoredKind.CHANGE, (level,), platform_us=at_us)


def _grid_change(event: Mapping[str, Any]) -> tuple[str, PriceGrid] | None:
    """Return the market and the grid that an event of its life announces, if it does.

    Source: docs.kalshi.com, WebSocket `market_lifecycle_v2`, 2026-10.
    """
    payload = event.get("msg")
    if event.get("type") != LIFECYCLE or not isinstance(payload, dict):
        return None
    ticker, ranges = payload.get("market_ticker"), payload.get("price_ranges")
    if payload.get("event_type") != NEW_GRID or not isinstance(ticker, str):
        return None
    if not isinstance(ranges, list) or not all(isinstance(each, dict) for each in ranges):
        raise InvalidInput("price_ranges", ranges, "a list of bands")
    return ticker, PriceGrid.of_ranges(ranges)


def _own_time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return microseconds(datetime.fromisoformat(text))
    except (ValueError, TypeError):
        raise InvalidInput("ts", text, "an instant in UTC") from None


def _snapshot(found: _Snapshot, made: partial[StoredMessage]) -> StoredMessage:
    sides = (("yes", found.yes_dollars_fp), ("no", found.no_dollars_fp))
    levels = [
        _level(side, text, _size(size, f"{side}_dollars_fp"))
        for side, each in sides
        for text, size in each
    ]
    for _, _, size in levels:
        if size < 0:
            raise InvalidInput("orderbook_snapshot", size, "a book of sizes above zero")
    if len({level[:2] for level in levels}) < len(levels):
        raise InvalidInput("orderbook_snapshot", found.market_ticker, "each price once")
    return made(found.market_ticker, StoredKind.SNAPSHOT, tuple(levels))


def _trade(found: _Trade, made: partial[StoredMessage]) -> StoredMessage:
    side = BID if found.taker_side == "yes" else ASK
    size = _size(found.count_fp, "count_fp")
    if size < 0:
        raise InvalidInput("count_fp", found.count_fp, "above zero")
    level = side, _price(found.yes_price_dollars), size
    if not EARLIEST_NS <= found.ts_ms * NS_PER_MS <= LATEST_NS:
        raise InvalidInput("ts_ms", found.ts_ms, "milliseconds since 1970")
    return made(
        found.market_ticker,
        StoredKind.TRADE,
        (level,),
        platform_us=found.ts_ms * 1_000,
        trade_id=found.trade_id.bytes,
    )

"""Kalshi's stream on recorded traffic: real frames decode, and books equal those recorded."""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import zstandard
from independent.kalshi_stream import SlowReader
from support.kalshi_stream import Engine
from support.recordings import BITCOIN, DATA, GOLD, needs

from dutchbook.domain.market.book import OrderBook
from dutchbook.errors import MalformedMessage
from dutchbook.platforms.kalshi.stream.answers import Failed, Subscribed
from dutchbook.platforms.kalshi.stream.connection import StreamSettings
from dutchbook.platforms.kalshi.stream.market_messages import Delta, Snapshot
from dutchbook.platforms.kalshi.stream.messages import Unknown, decode
from dutchbook.platforms.kalshi.stream.outputs import BooksUnknown, Unreadable

FRAMES = DATA / "api_fixtures" / "kalshi_ws_frames"
COCKPIT = DATA / "api_fixtures" / "kalshi_cockpit"
WINDOW = "KXGOLD15M-26AUG102130-30"
RUNS = ("20260511T053113Z", "20260513T055211Z", "20260514T010746Z", "20260513T171256Z")
"""Runs of the bitcoin recorder, the last of which spans a quarter of an hour."""
STALE = "20260511T150125Z"
"""A run that lacks all changes between each first book and the close."""
NUMBER = re.compile(rb'"seq":\d+')
BOOK = (b'"type":"orderbook_delta"', b'"type":"orderbook_snapshot"')
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AS_NO = StreamSettings(yes_price=False, tickers=False, account=False)
CHECKED = StreamSettings(yes_price=False, tickers=True, account=False)


def compressed(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))


def connected(name: str, settings: StreamSettings, now: datetime) -> Engine:
    engine = Engine(settings, now=now)
    engine.follow(name)
    engine.open()
    for sid, channel in enumerate(settings.channels, 1):
        told = {"channel": channel, "sid": sid}
        engine.receive({"type": "subscribed", "id": sid, "msg": told})
    return engine


# Frames --------------------------------------------------------------------------------------


@needs(FRAMES)
def test_recorded_frames_are_read_without_loss() -> None:
    slow, kinds = SlowReader(yes_price=False), defaultdict[type, int](int)
    engine = Engine(AS_NO)
    for line in (FRAMES / "kalshi_ws_frames.jsonl").read_text().splitlines():
        text = json.loads(line)["raw"]
        message = decode(text.encode())
        kinds[type(message)] += 1
        slow.read(text)
        if kinds[type(message)] == 1 and isinstance(message, Subscribed):
            tickers = FRAMES / "kalshi_ws_frames.jsonl"
            names = sorted(set(re.findall(r"KXBTC-26APR1817-B\d+", tickers.read_text())))
            engine.follow(*names)
            engine.open()
        engine.receive(text.encode())

    assert dict(kinds) == {Subscribed: 2, Snapshot: 8, Failed: 3, Delta: 61}
    assert not any(isinstance(each, Unreadable) for each in engine.outputs)
    assert engine.stream.live == set(slow.books)
    for name, expected in slow.books.items():
        assert (engine.book(name).bids, engine.book(name).asks) == expected.integers()


@needs(COCKPIT)
def test_recorded_shapes_of_another_recorder_are_read() -> None:
    recorded = json.loads((COCKPIT / "ws_orderbook_stream.json").read_text())
    frames = [each for value in recorded.values() for each in _frames(value)]
    unreadable = []
    for frame in frames:
        try:
            assert not isinstance(decode(json.dumps(frame).encode()), Unknown)
        except MalformedMessage as error:
            unreadable.append(str(error))

    assert len(frames) > 200
    assert unreadable == []


def _frames(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every message within a JSON document."""
    if isinstance(value, list):
        for each in value:
            yield from _frames(each)
    elif isinstance(value, dict):
        if "type" in value and ("sid" in value or "id" in value):
            yield value
        else:
            for each in value.values():
                yield from _frames(each)
    elif isinstance(value, str) and value.startswith("{"):
        yield from _frames(json.loads(value))


# Gold ----------------------------------------------------------------------------------------

Sides = dict[int, tuple[dict[int, int], dict[int, int]]]


def recorded_books() -> Sides:
    """Return the recorded books by time: their bids and asks in YES terms."""
    table = pq.read_table(GOLD / "snapshots_100ms" / f"{WINDOW}.parquet").to_pydict()
    found: Sides = defaultdict(lambda: ({}, {}))
    columns = (table[name] for name in ("ts_ms", "side", "price_1e4", "size_1e2"))
    for at, side, price, size in zip(*columns, strict=True):
        bids, asks = found[at]
        if side == "yes":
            bids[price] = size * 10_000
        else:
            asks[10_000 - price] = size * 10_000
    return found


def gold_events() -> Iterator[tuple[int, bytes]]:
    """Yield the window's book messages with their time of receipt, numbered for themselves.

    In the recording they share their numbers with other contracts, which are left out here.
    """
    number = 0
    (path,) = (GOLD / "events").glob(f"{WINDOW}__*.ndjson.zst")
    for line in compressed(path):
        head, event = line.split(b',"event":', 1)
        if any(each in event for each in BOOK):
            number += 1
            at = int(head.split(b":")[1])
            yield at, NUMBER.sub(b'"seq":%d' % number, event.rstrip()[:-1], count=1)


@needs(GOLD)
def test_the_books_of_a_window_are_those_that_were_recorded_every_100_ms() -> None:
    """A book was recorded after all messages before its millisecond, and some of it."""
    books, equal = recorded_books(), 0
    times = iter(sorted(books))
    engine = connected(WINDOW, AS_NO, EPOCH)
    book = engine.book(WINDOW)
    due, met = next(times), False
    for at, frame in gold_events():
        while at > due:
            equal += met or _same(book, books[due])
            due, met = next(times, 1 << 62), False
        if at == due and not met:
            met = _same(book, books[due])
        engine.now = EPOCH + timedelta(milliseconds=at)
        engine.receive(frame)
    while due < 1 << 62:
        equal += met or _same(book, books[due])
        due, met = next(times, 1 << 62), False

    assert [each for each in engine.outputs if isinstance(each, BooksUnknown)] == []
    assert equal == len(books) == 8_845


def _same(book: OrderBook, expected: tuple[dict[int, int], dict[int, int]]) -> bool:
    return (book.bids, book.asks) == expected


# Bitcoin -------------------------------------------------------------------------------------


def checkpoints(run: str) -> dict[tuple[str, int], dict[str, Any]]:
    found = map(json.loads, compressed(BITCOIN / f"{run}.checkpoints.ndjson.zst"))
    return {(each["market_ticker"], each["sequence_number"]): each for each in found}


def within_a_cent(book: OrderBook, recorded: dict[str, Any]) -> bool:
    """Whether both best bids are the recorded ones, which are floored to cents."""
    pairs = (
        (book.best_bid, recorded["yes_bid_prices"]),
        (10_000 - book.best_ask, recorded["no_bid_prices"]),
    )
    return all(abs(ours - (theirs[0] if theirs else 0) * 100) < 100 for ours, theirs in pairs)


class Run:
    """A run of the recorder, each contract of which had a subscription of its own."""

    def __init__(self, run: str) -> None:
        self.engines: dict[str, Engine] = {}
        self.closing: dict[str, datetime] = {}
        self.early_doubts: list[str] = []
        self.slow = SlowReader(yes_price=False)
        self.checked = self.near = self.unequal = 0
        self._due = checkpoints(run)
        for line in compressed(BITCOIN / f"{run}.ndjson.zst"):
            entry = json.loads(line)
            event = entry["event"]
            if event["type"] == "watch_market":
                closing = datetime.fromisoformat(event["msg"]["close_time"])
                self.closing[event["msg"]["market_ticker"]] = closing
            if event["type"] in ("orderbook_snapshot", "orderbook_delta", "ticker"):
                now = EPOCH + timedelta(microseconds=entry["recv_ns"] // 1_000)
                self._take(event, now)

    def _take(self, event: dict[str, Any], now: datetime) -> None:
        name = event["msg"]["market_ticker"]
        if name not in self.engines:
            self.engines[name] = connected(name, CHECKED, now)
        engine = self.engines[name]
        outputs = []
        if now - engine.now > timedelta(seconds=1):
            outputs += engine.wait((now - engine.now).total_seconds())
        event["sid"] = 2 if event["type"] == "ticker" else 1
        outputs += engine.receive(event)
        if name not in self.closing or now < self.closing[name]:
            found = (each for each in outputs if isinstance(each, BooksUnknown))
            self.early_doubts += (each.reason for each in found)
        if event["type"] == "ticker":
            return
        self.slow.read(json.dumps(event))
        recorded = self._due.pop((name, event["seq"]), None)
        if recorded is not None and name in engine.stream.live:
            book = engine.book(name)
            self.checked += 1
            self.near += within_a_cent(book, recorded)
            self.unequal += (book.bids, book.asks) != self.slow.books[name].integers()


@needs(BITCOIN)
def test_the_books_of_runs_equal_a_slow_rebuild_and_are_near_the_recorder_s() -> None:
    """Best prices disagree only after a contract has closed: its book is no longer changed."""
    checked = near = 0
    for name in RUNS:
        run = Run(name)
        assert run.unequal == 0
        assert run.early_doubts == []
        checked += run.checked
        near += run.near

    assert checked > 500
    assert near >= 0.98 * checked


@needs(BITCOIN)
def test_a_book_whose_changes_are_missing_is_noticed_by_the_best_prices() -> None:
    """That run lacks the changes after each first book, so that no number tells of them."""
    run = Run(STALE)

    assert run.early_doubts == [
        "the book's best prices are not those that the platform reports"
    ] * (len(run.engines) - 1)

"""Time from a message's bytes to an updated book and a checked pair.

Compared with `json.loads` of the same bytes, and with the least that any Python loop could do.
"""

from __future__ import annotations

import json
import statistics
import time
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal

import msgspec
import zstandard

from dutchbook.domain.detection.detect import possible
from dutchbook.domain.market.book import BID, OrderBook
from dutchbook.domain.market.contract import Alignment, Platform
from dutchbook.domain.values.units import E4, E6, from_e4, from_e6, plain
from dutchbook.platforms.kalshi.book_codec import KalshiBooks
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.message import Tape

MINIMUM_E4 = 80
SAME = Alignment.SAME
ROUNDS = 5
TURNS = 15
FEW, MANY = 100, 10_000
BIDS, ASKS = tuple(range(3_000, 5_000, 100)), tuple(range(5_100, 7_000, 100))
Messages = list[bytes]


def compare(messages: Messages) -> list[str]:
    """Return the ratios of our path to `json.loads` and to the inlined floor."""
    rounds = [
        tuple(_timed(each, messages) for each in (_ours, _json, _floor)) for _ in range(ROUNDS)
    ]
    to_json = statistics.median(ours / plain_json for ours, plain_json, _ in rounds)
    to_floor = statistics.median(ours / floor for ours, _, floor in rounds)
    each = statistics.median(ours for ours, _, _ in rounds) / len(messages) * 1e6
    return [
        f"bytes to updated book and checked pair: {each:.2f} us each of {len(messages):,}",
        f"  {to_json:.2f} x json.loads of the same bytes",
        f"  {to_floor:.2f} x the inlined floor",
    ]


def scale(messages: int) -> list[str]:
    """Return the cost of a message with ten thousand pairs relative to a hundred.

    Each is the best of many alternating rounds, since other load on the machine only adds time.
    """
    few, many = _spread(FEW, messages), _spread(MANY, messages)
    even = _spread(MANY, messages, evenly=True)
    rounds = [tuple(_timed(_ours, each) for each in (even, many, few)) for _ in range(TURNS)]
    spread, most, least = (min(each) for each in zip(*rounds, strict=True))
    return [
        f"{MANY:,} pairs against {FEW}: {most / least:.2f} x per message",
        f"  {spread / least:.2f} x with the messages spread evenly over them, as no feed is",
    ]


def recorded(folder: Path, most: int) -> Messages:
    """Return the first messages of a recording, as the platform sent them."""
    line = msgspec.json.Decoder(dict[str, msgspec.Raw])
    files = sorted((folder / "events").glob("*.ndjson.zst"))
    texts = (text for file in files for text in _lines(file))
    return [bytes(line.decode(text)["event"]) for text in islice(texts, most)]


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as packed:
        yield from zstandard.ZstdDecompressor().stream_reader(packed).readall().splitlines()


def told(tape: Tape, most: int) -> Messages:
    """Return a tape's Kalshi messages in the format that the platform sends."""
    books: dict[str, OrderBook] = {}
    found: Messages = []
    for update in (message.update for message in tape.messages()):
        if update.platform is not Platform.KALSHI:
            continue
        book = books.setdefault(
            update.contract_id, OrderBook(Platform.KALSHI, update.contract_id)
        )
        if update.whole and not (book.bids or book.asks):
            book.replace(update.bids, update.asks)
            found.append(_snapshot(book))
            continue
        for side, levels in enumerate((update.bids, update.asks)):
            held = (book.asks if side else book.bids) if update.whole else ()
            changes = dict.fromkeys(held, 0) | dict(levels)
            found += [_delta(book, side, price, size) for price, size in changes.items()]
        if len(found) >= most:
            break
    return found


def _snapshot(book: OrderBook) -> bytes:
    yes = [[str(from_e4(p)), str(from_e6(s))] for p, s in sorted(book.bids.items())]
    no = [[str(from_e4(E4 - p)), str(from_e6(s))] for p, s in sorted(book.asks.items())]
    body = {"market_ticker": book.contract_id, "yes_dollars_fp": yes, "no_dollars_fp": no}
    return _message("orderbook_snapshot", body)


def _delta(book: OrderBook, side: int, price_e4: int, size_e6: int) -> bytes:
    held = (book.bids if side == BID else book.asks).get(price_e4, 0)
    book.apply(side, price_e4, size_e6)
    body = {
        "market_ticker": book.contract_id,
        "market_id": "00000000-0000-0000-0000-000000000000",
        "price_dollars": f"{from_e4(price_e4 if side == BID else E4 - price_e4):.4f}",
        "delta_fp": plain(from_e6(size_e6 - held)),
        "side": "yes" if side == BID else "no",
        "ts": "2026-01-01T00:00:00.000000Z",
    }
    return _message("orderbook_delta", body)


def _message(name: str, body: Mapping[str, object]) -> bytes:
    return msgspec.json.encode({"type": name, "sid": 1, "seq": 1, "msg": body})


def _spread(pairs: int, messages: int, *, evenly: bool = False) -> Messages:
    """Return deltas away from the best price.

    Every pair gets as many if they are spread evenly, else the n-th 1/n of the first one's.
    """
    chance = Seeded(1)
    books = [_filled(f"KXPAIR-{number:05d}") for number in range(pairs)]
    weights = (1 if evenly else 1 / number for number in range(1, pairs + 1))
    shares = list(accumulate(weights))
    found = []
    for number in range(messages):
        book = books[bisect(shares, chance.between(0, 10**9) * shares[-1] / 10**9) % pairs]
        found.append(_delta(book, BID, 3_000 + 100 * (number % 7), (number % 5 + 1) * E6))
    return found


def _filled(name: str) -> OrderBook:
    book = OrderBook(Platform.KALSHI, name)
    book.replace(((price, E6) for price in BIDS), ((price, E6) for price in ASKS))
    return book


# What is timed ------------------------------------------------------------------------------


def _timed(prepare: Callable[[Messages], Callable[[], object]], messages: Messages) -> float:
    work = prepare(messages)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _json(messages: Messages) -> Callable[[], object]:
    def work() -> None:
        for raw in messages:
            json.loads(raw)

    return work


def _ours(messages: Messages) -> Callable[[], object]:
    """Update the books, and check the pair of each book whose best price changed."""
    books = {name: _filled(name) for name in sorted(_tickers(messages))}
    others = {name: OrderBook(Platform.POLYMARKET, name) for name in books}
    feed = KalshiBooks(books).feed

    def work() -> int:
        found = 0
        for raw in messages:
            book = feed(raw)
            if book is not None:
                found += len(possible(book, others[book.contract_id], SAME, MINIMUM_E4))
        return found

    return work


class _Body(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str = "0"
    delta_fp: str = "0"
    side: Literal["yes", "no"] = "yes"


class _Any(msgspec.Struct, gc=False):
    msg: _Body


def _floor(messages: Messages) -> Callable[[], object]:
    """Decode with types, add to one entry of a dict, compare with the best; nothing else.

    Prices and sizes are parsed before the clock starts.
    """
    decode = msgspec.json.Decoder(_Any).decode
    bodies = [decode(raw).msg for raw in messages]
    prices = {body.price_dollars: int(Decimal(body.price_dollars) * E4) for body in bodies}
    sizes = {body.delta_fp: int(Decimal(body.delta_fp) * E6) for body in bodies}
    sides: dict[str, dict[str, dict[int, int]]] = {
        body.market_ticker: {"yes": {}, "no": {}} for body in bodies
    }

    def work() -> int:
        found = best = 0
        for raw in messages:
            body = decode(raw).msg
            price = prices[body.price_dollars]
            levels = sides[body.market_ticker][body.side]
            levels[price] = levels.get(price, 0) + sizes[body.delta_fp]
            if price > best:
                best = price
                found += 1
        return found

    return work


def _tickers(messages: Iterable[bytes]) -> set[str]:
    decode = msgspec.json.Decoder(_Any).decode
    return {decode(raw).msg.market_ticker for raw in messages}

"""Tapes of one pair, defined poll by poll."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.ports.market_data import BookUpdate
from dutchbook.tape.message import MemoryTape, TapeMessage, TapeMeta
from support.pairs import NOW, pair

Book = tuple[int, int, int, int]
"""A bid with its size and an ask with its size, in cents of YES and contracts."""
CHEAP: tuple[Book, Book] = ((38, 500, 40, 300), (47, 400, 49, 500))
"""YES for 40 on Kalshi and NO for 53 on Polymarket: 93 cents for a payout of a dollar."""
FAIR: tuple[Book, Book] = ((45, 500, 47, 500), (47, 500, 49, 500))
"""Nothing to enter; contracts bought at `CHEAP` sell for 45 and 51."""
RICH: tuple[Book, Book] = ((60, 500, 62, 500), (43, 500, 45, 500))
"""Contracts bought at `CHEAP` sell for 60 and 55, more than a dollar.

The other direction costs 97.
"""
CUP = {platform: f"{platform}-cup" for platform in Platform}


def polls(
    *steps: tuple[Book, Book], seconds: int = 4, match: ContractMatch | None = None
) -> MemoryTape:
    """Return a tape whose steps are polls of both books."""
    match = match or pair()
    rows = [
        _message(step, platform, book, seconds)
        for step, books in enumerate(steps)
        for platform, book in zip(Platform, books, strict=True)
    ]
    return _tape("polls", (match,), rows, polled=True)


def _message(step: int, platform: Platform, book: Sequence[int], seconds: int) -> TapeMessage:
    bid, bid_size, ask, ask_size = book
    update = BookUpdate(
        platform=platform,
        contract_id=CUP[platform],
        whole=True,
        bids=((bid * 100, bid_size * 1_000_000),),
        asks=((ask * 100, ask_size * 1_000_000),),
    )
    return TapeMessage(NOW + timedelta(seconds=seconds * step), update, step)


def streamed(tape: MemoryTape) -> MemoryTape:
    """Return a polled tape as a stream: each change of a level is a message and a step.

    The levels of a book that are gone come first, so that no message crosses it.
    """
    rows: list[TapeMessage] = []
    books: dict[str, BookUpdate] = {}
    for row in tape.rows:
        whole = row.update
        before = books.get(whole.contract_id)
        books[whole.contract_id] = whole
        for number, update in enumerate(_changes(before, whole) if before else (whole,)):
            at = row.at + number * timedelta(milliseconds=1)
            rows.append(TapeMessage(at, replace(update, sequence=len(rows) + 1), len(rows)))
    meta = replace(tape.meta, polled=False, messages=len(rows), last=rows[-1].at)
    return MemoryTape(meta, rows)


def _changes(before: BookUpdate, whole: BookUpdate) -> Iterator[BookUpdate]:
    sides = (
        (BID, dict(before.bids), dict(whole.bids)),
        (ASK, dict(before.asks), dict(whole.asks)),
    )
    gone = [(side, price, 0) for side, old, new in sides for price in old if price not in new]
    sizes = [
        (side, price, size)
        for side, old, new in sides
        for price, size in new.items()
        if old.get(price) != size
    ]
    for side, price, size in (*gone, *sizes):
        bids, asks = [((price, size),), ()] if side == BID else [(), ((price, size),)]
        yield replace(whole, whole=False, bids=bids, asks=asks)


Quote = tuple[Platform, str, tuple[float, int], tuple[float, int]]
"""A contract, its bid with its size, and its ask with its size, in cents and contracts."""


def quotes(pairs: Sequence[ContractMatch], *shown: Quote) -> MemoryTape:
    """Return a tape on which one book after the other is shown, half a second apart."""
    rows = []
    for number, (platform, name, bid, ask) in enumerate(shown):
        bids, asks = (((round(price * 100), size * 1_000_000),) for price, size in (bid, ask))
        update = BookUpdate(platform, name, whole=True, bids=bids, asks=asks)
        rows.append(TapeMessage(NOW + timedelta(seconds=number / 2), update, number))
    return _tape("quotes", pairs, rows, polled=False)


def _tape(
    name: str, pairs: Sequence[ContractMatch], rows: list[TapeMessage], *, polled: bool
) -> MemoryTape:
    contracts = {
        (each.platform, each.contract_id): each
        for match in pairs
        for each in (match.kalshi, match.polymarket)
    }
    meta = TapeMeta(
        name=name,
        source="written by hand",
        contracts=tuple(contracts.values()),
        pairs=tuple(pairs),
        polled=polled,
        assumed=(),
        seed=None,
        messages=len(rows),
        first=rows[0].at,
        last=rows[-1].at,
    )
    return MemoryTape(meta, rows)

"""Tapes of one pair, defined poll by poll."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.tape.message import Kind, MemoryTape, TapeMessage, TapeMeta
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
    meta = TapeMeta(
        name="polls",
        source="written by hand",
        contracts=(match.kalshi, match.polymarket),
        pairs=(match,),
        polled=True,
        assumed=(),
        seed=None,
        messages=len(rows),
        first=rows[0].at,
        last=rows[-1].at,
    )
    return MemoryTape(meta, rows)


def _message(step: int, platform: Platform, book: Sequence[int], seconds: int) -> TapeMessage:
    bid, bid_size, ask, ask_size = book
    return TapeMessage(
        at=NOW + timedelta(seconds=seconds * step),
        platform=platform,
        contract_id=CUP[platform],
        kind=Kind.SNAPSHOT,
        bids=((bid * 100, bid_size * 1_000_000),),
        asks=((ask * 100, ask_size * 1_000_000),),
        step=step,
    )

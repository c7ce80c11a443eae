"""What the lives of followed contracts mean for the engine: results and other grids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dutchbook.platforms.kalshi.stream.books import Books
from dutchbook.platforms.kalshi.stream.lifecycle_messages import Life
from dutchbook.platforms.kalshi.stream.outputs import KALSHI, Output, Resolved
from dutchbook.ports.market_data import GridChange

RESULTS = ("determined", "settled")
"""The result may be disputed until it is settled, but nothing trades any more
(docs.kalshi.com, market_lifecycle, 2026-10)."""


class Contracts:
    """Reports results and other grids of followed contracts."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._resolved: set[str] = set()

    def lived(self, life: Life, now: datetime) -> Iterator[Output]:
        """Take what has happened to a contract.

        A contract with another grid has another book: resting orders are kept, but whether the
        levels of the old one are reported again is not documented, so a whole book is awaited.
        """
        name = life.market_ticker
        if name not in self._books:
            return
        if life.event_type in RESULTS and name not in self._resolved:
            self._resolved.add(name)
            yield Resolved(name)
        if life.event_type == "price_level_structure_updated" and life.grid is not None:
            yield GridChange(KALSHI, name, life.grid)
            yield from self._books.doubt((name,), "its prices have another grid", now)

"""Stragglers: fills that a platform's stream tells of and that nobody has booked.

As a rule a fill is told twice, by the answer to its order and by the stream, in either order.
One that is still in no record after a while, and whose order nobody asks about any more, came
to light after its order had ended: the sides are compared then rather than at the next time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from dutchbook.application.holdings import Holdings, TradeKey
from dutchbook.ports import Clock, FillReport, Journal

PATIENCE = timedelta(seconds=10)
"""So long an answer to an order may be behind the stream."""


class Stragglers:
    """Remembers what was told of and is unknown, and asks for a comparison when it stays so."""

    def __init__(
        self, journal: Journal, holdings: Holdings, clock: Clock, compare: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._holdings = holdings
        self._clock = clock
        self._compare = compare
        self._told: dict[TradeKey, tuple[float, str | None]] = {}
        self._wake = asyncio.Event()

    def heard(self, report: FillReport) -> None:
        """Take note of a fill that a stream tells of."""
        key = (report.platform, report.trade_id)
        if self._holdings.by_trade(key) is None:
            self._told.setdefault(key, (self._clock.monotonic(), report.client_order_id))
            self._wake.set()

    async def start(self) -> None:
        """Begin with nothing: the comparison at the start finds what came before."""

    async def run(self) -> None:
        """Look at each when its time has come, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._told:
                key, (since, client_order_id) = next(iter(self._told.items()))
                due = since + PATIENCE.total_seconds()
                await self._clock.sleep(max(due - self._clock.monotonic(), 0))
                del self._told[key]
                if not await self._expected(key, client_order_id):
                    self._compare()

    async def drained(self) -> None:
        """Wait for nothing: what is not booked by now is found at the next start."""

    async def _expected(self, key: TradeKey, client_order_id: str | None) -> bool:
        """Tell whether a fill is booked, or its order is still asked about."""
        if self._holdings.by_trade(key) is not None:
            return True
        platform, trade_id = key
        where = {"platform": platform, "trade_id": trade_id}
        if await self._journal.rows("fills", where):
            return True
        orders = await self._journal.rows("orders", {"client_order_id": client_order_id})
        return any(row["working_size"] for row in orders)

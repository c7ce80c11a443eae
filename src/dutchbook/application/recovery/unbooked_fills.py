"""Stragglers: fills that a platform's stream tells of and that nobody has booked.

As a rule a fill is told twice, by the answer to its order and by the stream, in either order.
One that is still in no record after a while, and whose order nobody asks about any more, came
to light after its order had ended: what it belongs to is taken up again, however long ago that
was, and the sides are compared then rather than at the next time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from dutchbook.application.pair_trades.store import Holdings, TradeKey
from dutchbook.ports.gateway import FillReport
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock

PATIENCE = timedelta(seconds=10)
"""So long an answer to an order may be behind the stream."""


class Stragglers:
    """Remembers what was told of and is unknown, and asks for a comparison when it stays so."""

    def __init__(
        self,
        journal: Journal,
        holdings: Holdings,
        clock: Clock,
        recall: Callable[[Mapping[str, Any]], Awaitable[None]],
        compare: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._holdings = holdings
        self._clock = clock
        self._recall = recall
        self._compare = compare
        self._told: dict[TradeKey, tuple[float, FillReport]] = {}
        self._wake = asyncio.Event()

    def heard(self, report: FillReport) -> None:
        """Take note of a fill that a stream tells of."""
        key = (report.platform, report.trade_id)
        if self._holdings.by_trade(key) is None:
            self._told.setdefault(key, (self._clock.monotonic(), report))
            self._wake.set()

    async def start(self) -> None:
        """Begin with nothing: the comparison at the start finds what came before."""

    async def run(self) -> None:
        """Look at each when its time has come, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._told:
                key, (since, report) = next(iter(self._told.items()))
                due = since + PATIENCE.total_seconds()
                await self._clock.sleep(max(due - self._clock.monotonic(), 0))
                del self._told[key]
                if not await self._expected(key, report):
                    self._compare()

    async def drained(self) -> None:
        """Wait for nothing: what is not booked by now is found at the next start."""

    async def _expected(self, key: TradeKey, report: FillReport) -> bool:
        """Tell whether a fill is booked, or its order is still asked about."""
        if self._holdings.by_trade(key) is not None:
            return True
        platform, trade_id = key
        if await self._journal.rows("fills", {"platform": platform, "trade_id": trade_id}):
            return True
        orders = await self._orders(report)
        for row in orders:
            await self._recall(row)
        return any(row["working_size"] for row in orders)

    async def _orders(self, report: FillReport) -> list[dict[str, Any]]:
        """Return the order that a fill is of, by either of its names."""
        mine = {"client_order_id": report.client_order_id}
        theirs = {"platform": report.platform, "platform_order_id": report.platform_order_id}
        if report.client_order_id is not None:
            return await self._journal.rows("orders", mine)
        return await self._journal.rows("orders", theirs)

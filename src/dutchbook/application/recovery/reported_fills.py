"""Fills that a platform's stream reported and that no pair trade has yet."""

from __future__ import annotations

import asyncio
from typing import Any

from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.domain.pair_trades.trade import TradeKey
from dutchbook.ports.journal import Journal
from dutchbook.ports.orders import FillReport
from dutchbook.ports.time import Clock


class ReportedFills:
    """Keeps such fills, each with the time of its first report, until they are checked."""

    def __init__(self, trades: PairTrades, clock: Clock) -> None:
        self._trades = trades
        self._clock = clock
        self._waiting: dict[TradeKey, tuple[float, FillReport]] = {}
        self._wake = asyncio.Event()

    def note(self, report: FillReport) -> None:
        """Note a fill that a stream has reported."""
        key = (report.platform, report.trade_id)
        trade = self._trades.by_fill(key)
        if trade is None or not trade.opened:
            self._waiting.setdefault(key, (self._clock.monotonic(), report))
            self._wake.set()

    async def noticed(self) -> None:
        """Wait until a fill is noted."""
        await self._wake.wait()
        self._wake.clear()

    def first(self) -> tuple[TradeKey, float, FillReport] | None:
        """Return the fill that waits longest: its key, its monotonic time, and its report."""
        for key, (since, report) in self._waiting.items():
            return key, since, report
        return None

    def drop(self, key: TradeKey) -> None:
        """Remove a fill that was checked."""
        del self._waiting[key]


async def booked(journal: Journal, report: FillReport) -> bool:
    """Return whether a fill is in our record, however long ago its pair trade ended."""
    key = {"platform": report.platform, "trade_id": report.trade_id}
    return bool(await journal.rows("fills", key))


async def orders_of(journal: Journal, report: FillReport) -> list[dict[str, Any]]:
    """Return the row of the order of a fill, by our id or by the platform's; none if unknown.

    Not every report has both ids, and not every order has the platform's yet.
    """
    if report.client_order_id is not None:
        named = {"client_order_id": report.client_order_id}
        if rows := await journal.rows("orders", named):
            return rows
    theirs = {"platform": report.platform, "platform_order_id": report.platform_order_id}
    return await journal.rows("orders", theirs)

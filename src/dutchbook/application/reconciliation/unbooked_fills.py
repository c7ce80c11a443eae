"""Stragglers: fills that a platform's stream tells of and that nobody has booked.

As a rule a fill is told twice, by the answer to its order and by the stream, in either order.
One that is still in no record after a while, and whose order nobody asks about any more, came
to light after its order had ended: what it belongs to is taken up again, however long ago that
was, and the sides are compared then rather than at the next time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.reconciliation.our_state import OurStateReader
from dutchbook.application.reconciliation.service import StartupReconciliationService
from dutchbook.application.recovery.reported_fills import ReportedFills
from dutchbook.domain.pair_trades.trade import TradeKey
from dutchbook.ports.gateway import FillReport
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock

PATIENCE = timedelta(seconds=10)
"""So long an answer to an order may be behind the stream."""


class UnbookedFills:
    """Asks for a comparison when a fill was reported and stays unknown."""

    def __init__(
        self,
        journal: Journal,
        trades: PairTrades,
        reported: ReportedFills,
        own: OurStateReader,
        reconciliation: StartupReconciliationService,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._trades = trades
        self._reported = reported
        self._own = own
        self._reconciliation = reconciliation
        self._clock = clock

    async def start(self) -> None:
        """Begin with nothing: the comparison at the start finds what came before."""

    async def run(self) -> None:
        """Look at each when its time has come, until cancelled."""
        while True:
            await self._reported.noticed()
            while (waiting := self._reported.first()) is not None:
                key, since, report = waiting
                due = since + PATIENCE.total_seconds()
                await self._clock.sleep(max(due - self._clock.monotonic(), 0))
                self._reported.drop(key)
                if not await self._expected(key, report):
                    self._reconciliation.soon()

    async def drained(self) -> None:
        """Wait for nothing: what is not booked by now is found at the next start."""

    async def _expected(self, key: TradeKey, report: FillReport) -> bool:
        """Tell whether a fill is booked, or its order is still asked about."""
        trade = self._trades.by_fill(key)
        if trade is not None and trade.opened:
            return True
        platform, trade_id = key
        if await self._journal.rows("fills", {"platform": platform, "trade_id": trade_id}):
            return True
        orders = await self._orders(report)
        for row in orders:
            await self._own.recall(row)
        return any(row["working_size"] for row in orders)

    async def _orders(self, report: FillReport) -> list[dict[str, Any]]:
        """Return the order that a fill is of, by either of its names."""
        mine = {"client_order_id": report.client_order_id}
        theirs = {"platform": report.platform, "platform_order_id": report.platform_order_id}
        if report.client_order_id is not None:
            return await self._journal.rows("orders", mine)
        return await self._journal.rows("orders", theirs)

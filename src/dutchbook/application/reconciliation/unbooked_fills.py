"""Unbooked fills: fills that a platform's stream has reported and that we have not booked.

Usually a fill is reported twice, by the answer to its order and by the stream, in either order.
If it is still unbooked after `ANSWER_LAG`, and its order is no longer queried, it came to light
after its order had ended. Its pair trade is then loaded again, however long ago it ended, and a
comparison runs at once rather than at its next time.
"""

from __future__ import annotations

from datetime import timedelta

from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.reconciliation.our_state import OurStateReader
from dutchbook.application.reconciliation.service import StartupReconciliationService
from dutchbook.application.recovery.reported_fills import ReportedFills, booked, orders_of
from dutchbook.domain.pair_trades.trade import TradeKey
from dutchbook.ports.journal import Journal
from dutchbook.ports.orders import FillReport
from dutchbook.ports.time import Clock

ANSWER_LAG = timedelta(seconds=10)
"""How far the answer to an order may lag behind the stream."""


class UnbookedFills:
    """Requests a comparison if a reported fill stays unbooked."""

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
        """Do nothing: the comparison at start finds earlier fills."""

    async def run(self) -> None:
        """Check each reported fill after `ANSWER_LAG`, until cancelled."""
        while True:
            await self._reported.noticed()
            while (waiting := self._reported.first()) is not None:
                key, since, report = waiting
                due = since + ANSWER_LAG.total_seconds()
                await self._clock.sleep(max(due - self._clock.monotonic(), 0))
                self._reported.drop(key)
                if not await self._expected(key, report):
                    self._reconciliation.soon()

    async def drained(self) -> None:
        """Do nothing: the next start finds fills that are not booked by now."""

    async def _expected(self, key: TradeKey, report: FillReport) -> bool:
        """Return whether a fill is booked, or its order is still queried."""
        trade = self._trades.by_fill(key)
        if trade is not None and trade.opened:
            return True
        if await booked(self._journal, report):
            return True
        orders = await orders_of(self._journal, report)
        for row in orders:
            await self._own.recall(row)
        return any(row["working_size"] for row in orders)

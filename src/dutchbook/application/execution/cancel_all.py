"""Cancels all our working orders on both platforms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.domain.execution.order import Order, OrderStatus
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import Conflict, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.crash_points import AFTER, BEFORE, CANCEL, crashpoint
from dutchbook.ports.journal import Journal
from dutchbook.ports.orders import OrderGateway, OrderReport
from dutchbook.ports.tables.trading import ORDERS

AT_ONCE = 32
WORKING = (OrderStatus.PENDING, OrderStatus.PARTIAL)


class OrderCanceller:
    """Asks the platforms to cancel; without an answer, the recorded order stays as it is."""

    def __init__(
        self,
        journal: Journal,
        trades: PairTrades,
        recovery: Recovery,
        executions: ExecutionService,
        gateways: Mapping[Platform, OrderGateway],
        answer_seconds: int,
    ) -> None:
        self._journal = journal
        self._trades = trades
        self._recovery = recovery
        self._executions = executions
        self._gateways = gateways
        self._answer_seconds = answer_seconds

    async def cancel_all(self) -> dict[str, str]:
        """Cancel all orders that may work and have a platform id, unknown outcomes included.

        Returns:
            The result for each order, by id: cancelled, rejected with the platform's reason,
            unknown, or that its platform has not given it an id yet.
        """
        rows = [
            row for s in WORKING for row in await self._journal.rows("orders", {"status": s})
        ]
        orders = [ORDERS.value(row) for row in rows if row["working_size"]]
        slots = asyncio.Semaphore(AT_ONCE)
        return dict(await asyncio.gather(*(self._cancel(order, slots) for order in orders)))

    async def _cancel(self, order: Order, slots: asyncio.Semaphore) -> tuple[str, str]:
        """Cancel one order; return its id with the result."""
        return order.order_id, await self._cancelled(order, slots)

    async def _cancelled(self, order: Order, slots: asyncio.Semaphore) -> str:
        if order.platform_order_id is None:
            return "its platform has not returned an id yet: it is being queried"
        report = await self._asked(order, slots)
        if isinstance(report, str):
            return report
        await self._record(order, report)
        return "cancelled"

    async def cancel_unrecorded(self) -> None:
        """Cancel what this engine knows to work, without the database, which is gone.

        The next start asks what became of these orders.
        """
        slots, orders = asyncio.Semaphore(AT_ONCE), self._trades.open_orders
        known = [order for order in orders if order.platform_order_id is not None]
        await asyncio.gather(*(self._asked(order, slots) for order in known))

    async def _asked(self, order: Order, slots: asyncio.Semaphore) -> OrderReport | str:
        """Return a platform's answer to a cancel, or what is known without one."""
        async with slots:
            try:
                async with asyncio.timeout(self._answer_seconds):
                    crashpoint(BEFORE, CANCEL)
                    report = await self._gateways[order.platform].cancel(order)
                    crashpoint(AFTER, CANCEL)
            except PlatformRejected as rejected:
                return f"rejected: {rejected.reason}"
            except (OutcomeUnknown, NotSent, TimeoutError):
                return "unknown"
        return report

    async def _record(self, order: Order, report: OrderReport) -> None:
        """Record the platform's answer.

        A running execution handles the answer itself. Reconciliation handles unbooked fills: it
        queries the order as long as it counts as working.
        """
        filled = sum(fill.size for fill in report.fills)
        trade = self._trades.find(order.execution_id)
        executing = self._executions.is_executing(order.execution_id)
        if trade is None or executing or filled != order.filled:
            return
        # An adjustment holds the lock of its position until it has its answer: do not wait.
        lock = self._trades.lock(trade.position_id)
        with contextlib.suppress(Conflict):  # another answer was booked first
            async with contextlib.nullcontext() if trade.ended else lock:
                await self._recovery.answered(trade, order.order_id, report)

"""The paper platform behind the port that the real ones implement: lag, latency and faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from dutchbook.domain.contract import Leg, Outcome, Platform
from dutchbook.domain.order import Finality, Order, TimeInForce
from dutchbook.domain.risk import Approved
from dutchbook.domain.units import Quantity, floor_to
from dutchbook.errors import NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import PARTS, Fault, FaultPlan
from dutchbook.ports import Clock, FillReport, OrderReport, PlatformBalance


class StepLag:
    """How many tape steps pass between a second leg's sending and its meeting the book.

    On a polled tape a step is one poll cycle: with a lag of one the order meets the books of
    the next poll. A tape or session that ends lets everything waiting meet the last books there
    were.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._now = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def wait(self) -> None:
        """Return when the order may meet the book."""
        if not self._steps:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._now + self._steps, future))
        await future

    def began(self, step: int) -> None:
        """Note the step whose messages are being applied."""
        self._now = step

    def ended(self, step: int) -> None:
        """All messages of `step` were applied: whoever waited for it goes on."""
        self._release(step)

    def release(self) -> None:
        """The tape or a session of it is over: nobody waits any longer."""
        self._release(None)

    def _release(self, step: int | None) -> None:
        due = [each for each in self._waiting if step is None or each[0] <= step]
        self._waiting = [each for each in self._waiting if each not in due]
        for _, future in due:
            if not future.done():
                future.set_result(None)


class PaperGateway:
    """`PlatformGateway` over a `PaperExchange`."""

    def __init__(
        self, exchange: PaperExchange, clock: Clock, lag: StepLag, faults: FaultPlan
    ) -> None:
        self.platform: Platform = exchange.platform
        self._exchange = exchange
        self._clock = clock
        self._lag = lag
        self._faults = faults
        self._reports: asyncio.Queue[FillReport] = asyncio.Queue(maxsize=10_000)
        self._finalising: set[asyncio.Task[None]] = set()

    async def submit(self, order: Approved[Order]) -> OrderReport:
        """Send an order; see `PlatformGateway`."""
        sent = order.subject
        key = sent.client_order_id
        if self._faults.strikes(Fault.NOT_SENT, key):
            raise NotSent(self.platform, "the connection was refused")
        await self._travel(key)
        if sent.leg is Leg.SECONDARY:
            await self._lag.wait()
        if held := self._exchange.contracts[sent.contract_id].taker_delay:
            await self._clock.sleep(held.total_seconds())
        if self._faults.strikes(Fault.REJECTED, key):
            raise PlatformRejected(self.platform, "insufficient_balance")
        if self._faults.strikes(Fault.PAUSED, key):
            raise PlatformRejected(self.platform, "trading_is_paused")
        report = self._exchange.submit(self._cut(sent), self._clock.now())
        self._follow(report)
        if self._faults.strikes(Fault.LOST_ANSWER, key):
            raise OutcomeUnknown(self.platform, "the connection broke before an answer came")
        return report

    def _cut(self, order: Order) -> Order:
        """Under a partial-fill fault, an order that may fill in part finds only part of it."""
        whole = order.time_in_force is TimeInForce.FOK
        if whole or not self._faults.strikes(Fault.PARTIAL, order.client_order_id):
            return order
        contract = self._exchange.contracts[order.contract_id]
        share = order.size * self._faults.share(order.client_order_id) / PARTS
        size = floor_to(share, contract.lot)
        return replace(order, size=Quantity(max(size, contract.smallest(order.price))))

    async def find_order(self, client_order_id: str) -> OrderReport | None:
        """Ask what became of an order; None proves nothing."""
        await self._travel(f"find.{client_order_id}")
        return self._exchange.find(client_order_id)

    async def cancel(self, platform_order_id: str) -> OrderReport:
        """Remove what still works of an order."""
        await self._travel(f"cancel.{platform_order_id}")
        return self._exchange.cancel(platform_order_id)

    async def balance(self) -> PlatformBalance:
        """Return the cash that the platform shows."""
        wallet = self._exchange.wallet
        return PlatformBalance(type(wallet.cash)(wallet.cash - wallet.held), wallet.held)

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return the contracts that the platform shows, by contract and outcome."""
        held: dict[str, dict[Outcome, Quantity]] = {}
        for (contract_id, outcome), size in sorted(self._exchange.wallet.contracts.items()):
            if size:
                held.setdefault(contract_id, {})[outcome] = size
        return held

    async def reports(self) -> AsyncIterator[FillReport]:
        """Yield fills as their settlement becomes known."""
        while True:
            yield await self._reports.get()

    async def settled(self) -> None:
        """Wait until no fill is provisional any more and every report was taken."""
        while self._finalising:
            await asyncio.wait(self._finalising)
        while not self._reports.empty():
            await self._clock.sleep(0.001)

    async def _travel(self, key: str) -> None:
        if delay := self._faults.delay_ms(key):
            await self._clock.sleep(delay / 1000)

    def _follow(self, report: OrderReport) -> None:
        """Let each provisional fill become final, or fail, when its time has come."""
        for fill in report.fills:
            if fill.finality is Finality.PROVISIONAL:
                task = asyncio.get_running_loop().create_task(self._finalise(fill))
                self._finalising.add(task)
                task.add_done_callback(self._finalising.discard)

    async def _finalise(self, fill: FillReport) -> None:
        await self._clock.sleep(self._faults.settle_ms / 1000)
        failed = self._faults.strikes(Fault.FAILED_FILL, fill.trade_id)
        after = self._exchange.finalise(fill.platform_order_id, fill.trade_id, failed=failed)
        await self._reports.put(after)

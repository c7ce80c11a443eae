"""A paper platform that outlives the engine, with more faults, and one engine's line to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dutchbook.domain.contract import Leg
from dutchbook.domain.order import Order, Purpose, TimeInForce
from dutchbook.domain.units import Quantity, floor_to
from dutchbook.platforms.answers import Answer
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import PARTS, Fault
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.server import PaperServer, StepLag
from dutchbook.ports import Clock, FillReport
from prove.catalogue import NUMBERS, PHASE, Tally
from prove.plan import Plan

LONGEST = 120
"""So many seconds after its time, at most, a fill fails to settle."""


class _Hits(Counter[Fault]):
    """Passes what the paper platform counts on to the tally."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def __setitem__(self, fault: Fault, count: int) -> None:
        super().__setitem__(fault, count)
        self._tally.hit(NUMBERS[fault])


class Platform(PaperServer):
    """A paper platform's side of the wire, and what can go wrong there beyond its own plan."""

    def __init__(
        self, exchange: PaperExchange, clock: Clock, lag: StepLag, plan: Plan, tally: Tally
    ) -> None:
        super().__init__(exchange, clock, lag, plan.platform())
        self.hits = _Hits(tally)
        self.plan = plan
        self.tally = tally
        self.final: list[FillReport] = []
        self.closed: Callable[[str], bool] = lambda _: False
        self._accepted: dict[str, datetime] = {}
        self._questions: Counter[str] = Counter()

    def calm(self) -> None:
        """From now on all is well here."""
        self._faults = self.plan.calm()

    async def create(self, order: Order) -> Answer:
        """Answer an order, perhaps after its fills were told on the stream."""
        answer = await super().create(order)
        key = order.client_order_id
        taken = self.exchange.find(key)
        if taken is not None and taken.fills:
            if any(fill.price != order.price for fill in taken.fills):
                self.tally.hit(18)
            if self.plan.strikes(16, key):
                self.tally.hit(16)
                for fill in taken.fills:
                    await self.reports.put(fill)
                await self._clock.sleep(2)
        return answer

    async def order(self, order: Order) -> Answer:
        """Answer what became of an order; one that is new may not be shown yet."""
        key = order.client_order_id
        accepted = self._accepted.get(key)
        hidden = timedelta(seconds=self.plan.hidden_seconds)
        if accepted is None or not self.plan.on or self._clock.now() >= accepted + hidden:
            return await super().order(order)
        await self.travel(f"find.{key}")
        self.tally.hit(20)
        return self._wire.encode_order(order, None)

    def as_of(self) -> datetime:
        """Return how new the answers here are."""
        hidden = self.plan.hidden_seconds if self.plan.on else 0
        return self._clock.now() - timedelta(seconds=hidden)

    def _matched(self, order: Order) -> Answer:
        broken = self._broken(order)
        answer = super()._matched(broken)
        key = order.client_order_id
        if (taken := self.exchange.find(key)) is not None:
            if self.plan.strikes(20, key):
                self._accepted[key] = self._clock.now()
            if broken is not order and taken.fills:
                self.tally.hit(15)
        return answer

    def _broken(self, order: Order) -> Order:
        """An order for all or nothing that is filled in part nevertheless."""
        key = order.client_order_id
        if order.time_in_force is not TimeInForce.FOK or not self.plan.strikes(15, key):
            return order
        contract = self.exchange.contracts[order.contract_id]
        part = floor_to(order.size * (self.plan.draw(15, key) % PARTS) / PARTS, contract.lot)
        part = max(part, contract.smallest(order.price))
        if part >= order.size:
            return order
        return replace(order, size=Quantity(part), time_in_force=TimeInForce.IOC)

    async def _finalise(self, fill: FillReport) -> None:
        PHASE.set("settlement")
        if self.plan.strikes(28, fill.trade_id):
            for _ in range(2):
                await self._clock.sleep(self._faults.settle_ms / 1000)
                self.tally.hit(28)
                await self.reports.put(fill)
        await self._clock.sleep(self._faults.settle_ms / 1000)
        failed = self.plan.strikes(29, fill.trade_id)
        if failed:
            await self._clock.sleep(self.plan.draw(29, f"{fill.trade_id}.after") % LONGEST)
            closed = self.closed(fill.client_order_id or "")
            self.tally.hit(30 if closed else 29)
        after = self.exchange.finalise(fill.platform_order_id, fill.trade_id, failed=failed)
        self.final.append(after)
        await self.reports.put(after)

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """What goes on here whether an engine lives or not."""
        return self._finalising


class Line:
    """One engine's connection: what it sent stays sent, and nothing passes once it is dead.

    `step` is told of every point at which the engine can be made to die.
    """

    def __init__(
        self,
        platform: Platform,
        step: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        sending: Callable[[Order], None],
    ) -> None:
        self._platform = platform
        self._step = step
        self._spawn = spawn
        self._sending = sending
        self.reports: asyncio.Queue[FillReport] = asyncio.Queue()
        self.hits = platform.hits
        self.silent = False

    async def create(self, order: Order) -> Answer:
        """Carry an order over, and its answer back."""
        PHASE.set(_phase(order))
        self._step("before a send")
        self._sending(order)
        answer: Answer = await asyncio.shield(self._spawn(self._platform.create(order)))
        self._step("after an answer")
        return answer

    async def order(self, order: Order) -> Answer:
        """Carry a question over, and its answer back."""
        PHASE.set("question")
        self._step("before a question")
        answer: Answer = await asyncio.shield(self._spawn(self._platform.order(order)))
        self._step("after a question")
        return answer

    async def merge(self, contract_id: str, size: Quantity) -> None:
        """Carry a merge over."""
        await self._called(self._platform.merge(contract_id, size))

    async def redeem(self, contract_id: str) -> None:
        """Carry a redemption over."""
        await self._called(self._platform.redeem(contract_id))

    async def _called(self, call: Coroutine[Any, Any, None]) -> None:
        PHASE.set("settlement")
        self._step("before a call")
        await asyncio.shield(self._spawn(call))
        self._step("after a call")

    def fills(self, order: Order) -> Answer:
        """Return the trades of an order."""
        return self._platform.fills(order)

    def reached(self) -> None:
        """Let a question pass."""
        self._platform.reached()

    def now(self) -> datetime:
        """Return how new the platform's answers are."""
        return self._platform.as_of()

    async def travel(self, key: str) -> None:
        """Let a question take its time."""
        await self._platform.travel(key)

    async def settled(self) -> None:
        """Wait until nothing is provisional and every report was taken."""
        await self._platform.settled()
        while not self.reports.empty():  # noqa: ASYNC110 - a queue tells nobody that it is empty
            await asyncio.sleep(0.001)


def _phase(order: Order) -> str:
    if order.purpose is Purpose.ENTRY:
        return "first leg"
    if order.purpose is Purpose.HEDGE and order.leg is Leg.PRIMARY:
        return "adjustment"
    return "second leg" if order.purpose is Purpose.HEDGE else "adjustment"


class Gateway(PaperGateway):
    """What one engine knows a platform by; a new engine has a new one."""

    def __init__(self, platform: Platform, clock: Clock, lag: StepLag, line: Line) -> None:
        super().__init__(platform.exchange, clock, lag, platform.plan.calm())
        self._server = line  # type: ignore[assignment]

"""A paper platform that outlives the engine, with more faults, and one engine's line to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dutchbook.domain.execution.order import Finality, Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import Leg
from dutchbook.domain.market.contract import Platform as Name
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import Quantity, floor_to
from dutchbook.errors import OutcomeUnknown, PlatformRejected
from dutchbook.platforms.order_answers import Answer
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import PARTS, Fault
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.liquidity import Liquidity, Replenishment
from dutchbook.platforms.paper.server import PaperServer, StepLag
from dutchbook.ports.gateway import FillReport, OrderReport
from dutchbook.ports.time import Clock
from prove.catalogue import NUMBERS, PHASE, Tally
from prove.plan import Plan

LONGEST = 120
"""Longest delay in seconds before a fill fails to settle."""
CANARY = "canary-4f1d0c"
"""Stands for an API key of ours: answers may repeat it; no row and no event may contain it."""
_ERRORS = 400
_ECHO = f'"request":{{"POLY_API_KEY":"{CANARY}","KALSHI-ACCESS-KEY":"{CANARY}"}},'.encode()


class _Hits(Counter[Fault]):
    """Forwards the paper platform's fault counts to the tally."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def __setitem__(self, fault: Fault, count: int) -> None:
        super().__setitem__(fault, count)
        self._tally.hit(NUMBERS[fault])


class Platform(PaperServer):
    """The platform's end of the connection, with more faults than the paper platform's own."""

    def __init__(
        self, exchange: PaperExchange, clock: Clock, lag: StepLag, plan: Plan, tally: Tally
    ) -> None:
        super().__init__(exchange, clock, lag, plan.platform())
        self.hits = _Hits(tally)
        self.plan = plan
        self.tally = tally
        self.final: list[FillReport] = []
        self.closed: Callable[[str], bool] = lambda _: False
        self.taken: Callable[[str], None] = lambda _: None
        self._accepted: dict[str, datetime] = {}
        self._standing: dict[str, datetime] = {}
        self._late: dict[str, str] = {}
        self._lit: set[str] = set()
        self.strange: dict[str, int] = {}

    def calm(self) -> None:
        """Stop injecting faults."""
        self._faults = self.plan.calm()

    async def create(self, order: Order) -> Answer:
        """Answer an order, sometimes after its fills were reported on the stream."""
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
        """Answer a query about an order; a new or finished order may be reported missing."""
        key = order.client_order_id
        if self._hidden(key):
            await self.travel(f"find.{key}")
            self.tally.hit(20)
            return self._wire.encode_order(order, None)
        done = self.exchange.find(key)
        forgotten = done is not None and not done.working and self.plan.strikes(19, key)
        if forgotten and self.exchange.platform is Name.POLYMARKET:
            await self.travel(f"find.{key}")
            self.tally.hit(19)
            return self._wire.encode_order(order, None)
        return await super().order(order)

    def shown(self, client_order_id: str) -> OrderReport | None:
        """Return the report behind answers to queries, which may differ from the real state."""
        report = super().shown(client_order_id)
        if report is None or self._hidden(client_order_id):
            return None
        if self._clock.now() < self._standing.get(client_order_id, self._clock.now()):
            self.tally.hit(17)
            known = self.exchange.known(client_order_id)
            return replace(report, working=known.size) if known else report
        late = self._late.get(client_order_id)
        if late is not None and client_order_id not in self._lit:
            self.tally.hit(14)
            fills = tuple(fill for fill in report.fills if fill.trade_id != late)
            return replace(report, fills=fills)
        return report

    def _hidden(self, key: str) -> bool:
        accepted = self._accepted.get(key)
        hidden = timedelta(seconds=self.plan.hidden_seconds)
        return accepted is not None and self.plan.on and self._clock.now() < accepted + hidden

    def untold(self, key: str, booked: Collection[str]) -> list[str]:
        """Return an order's trades that are not among `booked`, and whether it still works.

        A fill that appears after the order was shown as over is not included.
        """
        report = self.exchange.find(key)
        if report is None:
            return []
        trades = {fill.trade_id for fill in report.fills} - {*booked, self._late.get(key)}
        return sorted(trades) + ["it still works"] * bool(report.working)

    def as_of(self) -> datetime:
        """Return the instant that the answers here reflect."""
        hidden = self.plan.hidden_seconds if self.plan.on else 0
        return self._clock.now() - timedelta(seconds=hidden)

    def _matched(self, order: Order) -> Answer:
        key = order.client_order_id
        if self.plan.strikes(17, key):
            return self._taken_back(order)
        broken = self._broken(order)
        answer = super()._matched(broken)
        if (taken := self.exchange.find(key)) is not None:
            self.taken(key)
            hidden = self.plan.strikes(20, key)
            if hidden:
                self._accepted[key] = self._clock.now()
            if broken is not order and taken.fills:
                self.tally.hit(15)
            if taken.fills and not hidden and self.plan.strikes(14, key):
                self._late[key] = taken.fills[-1].trade_id
                task = asyncio.get_running_loop().create_task(self._comes_to_light(key))
                self._finalising.add(task)
                task.add_done_callback(self._finalising.discard)
                shown = self.shown(key)
                assert shown is not None, "it was taken"
                answer = self._wire.encode_placed(order, shown)
        return answer

    def _arriving(self, answer: Answer) -> Answer:
        """Let an error repeat the request that it answers, keys included."""
        seen = super()._arriving(answer)
        if seen.status is None or seen.status < _ERRORS:
            return seen
        whole = seen.body.startswith(b"{") and seen.body.endswith(b"}")
        return replace(seen, body=b"{" + _ECHO + seen.body[1:] if whole else seen.body + _ECHO)

    async def _comes_to_light(self, key: str) -> None:
        """Report another fill of an order after everybody saw that the order had ended."""
        await self._clock.sleep(1 + self.plan.draw(14, f"{key}.after") % 45)
        self._lit.add(key)
        report = self.exchange.find(key)
        assert report is not None, "it was taken"
        await self.reports.put(next(f for f in report.fills if f.trade_id == self._late[key]))

    def _taken_back(self, order: Order) -> Answer:
        """Accept an order, show it as working for a while, then end it without a fill."""
        key, books = order.client_order_id, self.exchange.liquidity
        real = books[order.contract_id]
        books[order.contract_id] = Liquidity(Replenishment.NEVER)
        try:
            taken = replace(order, time_in_force=TimeInForce.IOC)
            report = self.exchange.submit(taken, self._clock.now())
        except (PlatformRejected, OutcomeUnknown) as refusal:
            return self._wire.encode_refused(refusal.reason, order)
        finally:
            books[order.contract_id] = real
        seconds = 1 + self.plan.draw(17, f"{key}.after") % 30
        self._standing[key] = self._clock.now() + timedelta(seconds=seconds)
        self.tally.hit(17)
        return self._wire.encode_placed(order, replace(report, working=order.size))

    def _broken(self, order: Order) -> Order:
        """Fill an all-or-nothing order in part, against its terms."""
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
        elif self.plan.strikes(30, fill.trade_id):
            failed = await self._closed_first(fill)
        if failed:
            closed = self.closed(fill.client_order_id or "")
            self.tally.hit(30 if closed else 29)
        after = self.exchange.finalise(fill.platform_order_id, fill.trade_id, failed=failed)
        self.final.append(after)
        await self.reports.put(after)

    async def _closed_first(self, fill: FillReport) -> bool:
        """Wait for the position to close before its fill is final; return whether it did."""
        for _ in range(0, LONGEST, 5):
            if self.closed(fill.client_order_id or ""):
                return True
            await self._clock.sleep(5)
        return False

    def provisional(self, contract_id: str) -> bool:
        """Return whether a fill of a contract can still be reversed."""
        return any(
            fill.finality is Finality.PROVISIONAL
            for working in self.exchange._orders.values()
            if working.order.contract_id == contract_id
            for fill in working.fills
        )

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """Tasks that run whether an engine is alive or not."""
        return self._finalising


class Line:
    """One engine's line: sent orders stay sent, and nothing passes once the engine is dead.

    `step` is called at every point at which the engine can be made to die.
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
        """Forward an order and return its answer."""
        PHASE.set(_phase(order))
        self._step("before a send")
        self._sending(order)
        answer: Answer = await asyncio.shield(self._spawn(self._platform.create(order)))
        self._step("after an answer")
        return answer

    async def order(self, order: Order) -> Answer:
        """Forward a query and return its answer."""
        PHASE.set("question")
        self._step("before a question")
        answer: Answer = await asyncio.shield(self._spawn(self._platform.order(order)))
        self._step("after a question")
        return answer

    async def merge(self, contract_id: str, size: Quantity) -> None:
        """Forward a merge."""
        await self._called(self._platform.merge(contract_id, size))

    async def redeem(self, contract_id: str) -> None:
        """Forward a redemption."""
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
        """Let a query pass."""
        self._platform.reached()

    def now(self) -> datetime:
        """Return the instant that the platform's answers reflect."""
        return self._platform.as_of()

    async def travel(self, key: str) -> None:
        """Wait as long as a query takes."""
        await self._platform.travel(key)

    async def settled(self) -> None:
        """Wait until no fill is provisional and every report was consumed."""
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
    """One engine's gateway to a platform; every engine has one of its own."""

    def __init__(self, platform: Platform, clock: Clock, lag: StepLag, line: Line) -> None:
        super().__init__(platform.exchange, clock, lag, platform.plan.calm())
        self._server = line  # type: ignore[assignment]
        self._theirs = platform

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return results, some of which contradict the assumption behind the pair."""
        found = await super().results(contract_ids)
        for contract_id in sorted(found):
            if fault := self._theirs.strange.get(contract_id, 0):
                self._theirs.tally.hit(fault, "settlement")
        return found

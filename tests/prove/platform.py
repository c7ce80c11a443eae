"""A paper platform that outlives the engine, with more faults, and one engine's line to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from dutchbook.domain.execution.order import Finality, Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import Leg
from dutchbook.domain.market.contract import Platform as Name
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import Quantity, floor_to
from dutchbook.errors import OutcomeUnknown, PlatformRejected
from dutchbook.platforms.kalshi.order_encoder import encode_orders
from dutchbook.platforms.order_answers import Answer
from dutchbook.platforms.paper.faults import PARTS, Fault, FaultPlan
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.liquidity import Liquidity, Replenishment
from dutchbook.platforms.paper.server import PaperServer
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.platforms.polymarket.order_encoder import encode_order
from dutchbook.ports.account import Listing, NamedCash
from dutchbook.ports.orders import FillReport, OrderReport, TradeUpdate
from dutchbook.ports.settlement import RequestState
from dutchbook.ports.time import Clock
from prove.catalogue import (
    HELD_FILLED,
    HELD_REFUSED,
    HELD_UNMATCHED,
    INCOMPLETE,
    LATE,
    NUMBERS,
    PHASE,
    Tally,
)
from prove.named_cash import Exchange, NamedCashBook
from prove.plan import SELDOM, Plan

LONGEST = 120
"""Longest delay in seconds before a fill fails to settle."""
CANARY = "canary-4f1d0c"
"""Stands for an API key of ours: answers may repeat it; no row and no event may contain it."""
_ERRORS = 400
_ECHO = f'"request":{{"POLY_API_KEY":"{CANARY}","KALSHI-ACCESS-KEY":"{CANARY}"}},'.encode()


LAG_MS = (300, 1_000)
"""Kalshi's reads lag behind its acknowledgements by so much."""
REFUSED_PARTS = 100_000
"""Share of held-back orders that are refused in the end, in parts per million."""


CALLS = ("merge.", "redeem.")
IN_PART_PARTS = 40_000
"""Share of lists that are read in part."""
T = TypeVar("T")


class Watching(Protocol):
    """Judges one check."""

    def __call__(self, invariant: str, what: str, *, holds: bool) -> None:
        """Record a violation of an invariant unless it `holds`."""


def _nobody(invariant: str, what: str, *, holds: bool) -> None:
    """Judge nothing."""


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
        self, exchange: Exchange, clock: Clock, lag: StepLag, plan: Plan, tally: Tally
    ) -> None:
        super().__init__(exchange, clock, lag, _lagging(exchange.platform, plan.platform()))
        self.cash = exchange.cash = NamedCashBook(exchange, clock, plan, tally)
        self.hits = _Hits(tally)
        self.plan = plan
        self.tally = tally
        self.final: list[FillReport] = []
        self.closed: Callable[[str], bool] = lambda _: False
        self.taken: Callable[[str], None] = lambda _: None
        self.watching: Watching = _nobody
        self._covered: dict[str, datetime] = {}
        self._standing: dict[str, datetime] = {}
        self._late: dict[str, str] = {}
        self._lit: set[str] = set()
        self.strange: dict[str, int] = {}
        self._lists = 0

    def calm(self) -> None:
        """Stop injecting faults."""
        self._faults = _lagging(self.exchange.platform, self.plan.calm())

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
                    await self._report(fill)
                await self._clock.sleep(2)
        return answer

    async def order(self, order: Order) -> Answer:
        """Answer a query about an order; a new or finished order may be reported missing."""
        key = order.client_order_id
        if self._hidden(key):
            await self.travel(f"find.{key}")
            self.tally.hit(20)
            return self._absent(order)
        if self.exchange.platform is Name.KALSHI and self._in_part("orders"):
            await self.travel(f"find.{key}")
            return encode_orders([], last=False)
        done = self.exchange.find(key)
        forgotten = done is not None and not done.working and self.plan.strikes(19, key)
        if forgotten and self.exchange.platform is Name.POLYMARKET:
            await self.travel(f"find.{key}")
            self.tally.hit(19)
            return self._absent(order)
        return await super().order(order)

    def _absent(self, order: Order) -> Answer:
        """Return the answer to a query about an order that is not shown."""
        if self.exchange.platform is Name.POLYMARKET:
            return encode_order(order, None)
        return encode_orders([])

    def _page(self, order: Order, report: OrderReport) -> Answer:
        """Encode an order's trades; sometimes the last of them stand on a page not read."""
        if report.fills and self._in_part("fills"):
            part = replace(report, fills=report.fills[:-1])
            return self._encoder.encode_fills(order, part, last=False)
        return super()._page(order, report)

    def listed(self, items: Sequence[T]) -> Listing[T]:
        """Return a list, sometimes without its last items, which stand on a page not read."""
        if self._in_part("list"):
            return Listing(tuple(items[:-1]), complete=False)
        return super().listed(items)

    def _in_part(self, what: str) -> bool:
        """Return whether a list is read in part, and count it."""
        self._lists += 1
        part = self.plan.habit(INCOMPLETE, f"{what}.{self._lists}", IN_PART_PARTS)
        if part and self.plan.on:
            self.tally.hit(INCOMPLETE, "question")
        return part and self.plan.on

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
            return self._without_late(client_order_id, report)
        return report

    def _hidden(self, key: str) -> bool:
        accepted = self._covered.get(key)
        hidden = timedelta(seconds=self.plan.hidden_seconds)
        return accepted is not None and self.plan.on and self._clock.now() < accepted + hidden

    def untold(self, key: str, booked: Collection[str], stated: Decimal) -> list[str]:
        """Return an order's trades that are neither booked nor stated, and whether it works.

        A fill that appears after the order was shown as over is not included, nor one that
        has failed: it holds nothing, and the next comparison books it.

        Args:
            key: The order's client id.
            booked: Its booked trades.
            stated: The contracts that were stated and are not listed yet.
        """
        report = self.exchange.find(key)
        if report is None:
            return []
        known = {*booked, self._late.get(key)}
        fills = (fill for fill in report.fills if fill.finality is not Finality.FAILED)
        trades = [fill for fill in fills if fill.trade_id not in known]
        if sum((fill.size for fill in trades), start=Decimal(0)) <= stated:
            trades = []
        return [fill.trade_id for fill in trades] + ["it still works"] * bool(report.working)

    def as_of(self) -> datetime | None:
        """Return the instant that the answers here reflect."""
        newest = super().as_of()
        hidden = self.plan.hidden_seconds if self.plan.on else 0
        return None if newest is None else newest - timedelta(seconds=hidden)

    def _matched(self, order: Order) -> Answer:
        key = order.client_order_id
        if self.plan.strikes(17, key):
            return self._taken_back(order)
        broken = self._broken(order)
        answer = super()._matched(broken)
        if (taken := self.exchange.find(key)) is not None:
            self.taken(key)
            if self.plan.strikes(20, key):
                self._covered[key] = self._clock.now()
            if broken is not order and taken.fills:
                self.tally.hit(15)
            if key in self._late:
                answer = self._encoder.encode_placed(order, self._without_late(key, taken))
        return answer

    def follow(self, report: OrderReport) -> None:
        """Report fills on the stream; one of an order may come to light only later."""
        key = report.fills[-1].client_order_id or "" if report.fills else ""
        hidden = self.plan.strikes(20, key)
        if report.fills and not hidden and self.plan.strikes(14, key):
            self._late[key] = report.fills[-1].trade_id
            self._begin(self._comes_to_light(key))
        super().follow(self._without_late(key, report))

    def _without_late(self, key: str, report: OrderReport) -> OrderReport:
        late = self._late.get(key)
        return replace(report, fills=tuple(f for f in report.fills if f.trade_id != late))

    async def _match_later(self, order: Order, hold: timedelta) -> None:
        """Decide about an order that was held back; sometimes refuse it."""
        PHASE.set(_phase(order))
        key = order.client_order_id
        if self.plan.habit(HELD_REFUSED, key, REFUSED_PARTS):
            await self._clock.sleep(hold.total_seconds())
            self._held.discard(self.exchange.order_id(key))
            self.exchange.kill(order, self._clock.now())
            self.tally.hit(HELD_REFUSED)
            return
        await super()._match_later(order, hold)
        found = self.exchange.find(key)
        self.tally.hit(HELD_FILLED if found and found.fills else HELD_UNMATCHED)

    async def _stream(self, fill: FillReport) -> None:
        await super()._stream(fill)
        if fill.finality is Finality.SETTLED:
            self.tally.hit(LATE, "settlement")
            self.final.append(fill)

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
        late = next(f for f in report.fills if f.trade_id == self._late[key])
        await self._stream(late)

    def _taken_back(self, order: Order) -> Answer:
        """Accept an order, show it as working for a while, then end it without a fill."""
        key, books = order.client_order_id, self.exchange.liquidity
        real = books[order.contract_id]
        books[order.contract_id] = Liquidity(Replenishment.NEVER)
        try:
            taken = replace(order, time_in_force=TimeInForce.IOC)
            report = self.exchange.submit(taken, self._clock.now())
        except (PlatformRejected, OutcomeUnknown) as refusal:
            return self._encoder.encode_refused(refusal.reason, order)
        finally:
            books[order.contract_id] = real
        seconds = 1 + self.plan.draw(17, f"{key}.after") % 30
        self._standing[key] = self._clock.now() + timedelta(seconds=seconds)
        self.tally.hit(17)
        return self._encoder.encode_placed(order, replace(report, working=order.size))

    def _strikes(self, fault: Fault, key: str) -> bool:
        """Return whether a fault strikes, and count it; calls meet it often: they are few."""
        number = NUMBERS[fault] if key.startswith(CALLS) else 0
        if number not in self.plan.rates:
            return super()._strikes(fault, key)
        struck = self.plan.on and self.plan.habit(number, key, SELDOM)
        if struck:
            self.hits[fault] += 1
        return struck

    def _cut(self, order: Order) -> Order:
        """Reduce an order; the few first legs that may fill in part are cut often."""
        usual = self._faults
        if 13 in self.plan.rates and self.plan.on and order.purpose is Purpose.ENTRY:
            self._faults = replace(usual, rates=((Fault.PARTIAL, SELDOM),))
        try:
            return super()._cut(order)
        finally:
            self._faults = usual

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
                await self._report(fill)
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
        await self._report(after)

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
        return self._tasks


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
        hedged: Callable[[Order], bool],
    ) -> None:
        self._platform = platform
        self._step = step
        self._spawn = spawn
        self._sending = sending
        self.updates: asyncio.Queue[TradeUpdate] = asyncio.Queue()
        self._hedged: Callable[[Order], bool] = hedged
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
        """Forward a query and return its answer; none comes between two legs (I-32)."""
        what = f"{order.order_id} was asked about before its hedge was sent"
        self._platform.watching("I-32", what, holds=self._hedged(order))
        PHASE.set("question")
        self._step("before a question")
        answer: Answer = await asyncio.shield(self._spawn(self._platform.order(order)))
        self._step("after a question")
        return answer

    async def merge(self, contract_id: str, size: Quantity, request_id: str) -> None:
        """Forward a merge."""
        await self._called(lambda: self._platform.merge(contract_id, size, request_id))

    def merged(self, request_id: str, requested_at: datetime) -> RequestState:
        """Return what became of a merge."""
        return self._platform.merged(request_id, requested_at)

    async def redeem(self, contract_id: str) -> None:
        """Forward a redemption."""
        await self._called(lambda: self._platform.redeem(contract_id))

    async def _called(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        PHASE.set("settlement")
        self._step("before a call")
        await asyncio.shield(self._spawn(call()))
        self._step("after a call")

    def fills(self, order: Order) -> Answer:
        """Return the trades of an order."""
        return self._platform.fills(order)

    def trades(self, since: datetime) -> list[FillReport]:
        """Return the trades since an instant."""
        return self._platform.trades(since)

    def listed(self, items: Sequence[T]) -> Listing[T]:
        """Return a list as the platform shows it."""
        return self._platform.listed(items)

    async def run(self) -> None:
        """Do nothing: the world breaks streams off."""

    def reached(self) -> None:
        """Let a query pass."""
        self._platform.reached()

    def as_of(self) -> datetime | None:
        """Return the instant that the platform's answers reflect."""
        return self._platform.as_of()

    def delayed(self, platform_order_id: str) -> bool:
        """Return whether an order is held back."""
        return self._platform.delayed(platform_order_id)

    async def travel(self, key: str) -> None:
        """Wait as long as a query takes."""
        await self._platform.travel(key)

    async def settled(self) -> None:
        """Wait until no fill is provisional and every report was consumed."""
        await self._platform.settled()
        while not self.updates.empty():  # noqa: ASYNC110 - a queue tells nobody that it is empty
            await asyncio.sleep(0.001)


def _lagging(platform: Name, plan: FaultPlan) -> FaultPlan:
    """Return a plan with the lag of Kalshi's reads; Polymarket's do not lag."""
    return replace(plan, lag_ms=LAG_MS) if platform is Name.KALSHI else plan


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

    async def movements(self, since: datetime | None) -> Listing[NamedCash]:
        """Return the movements of cash that the platform lists."""
        await super().movements(since)
        return self._theirs.listed(self._theirs.cash.listed(since))

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return results, some of which contradict the assumption behind the pair."""
        found = await super().results(contract_ids)
        for contract_id in sorted(found):
            if fault := self._theirs.strange.get(contract_id, 0):
                self._theirs.tally.hit(fault, "settlement")
        return found

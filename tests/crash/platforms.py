"""Paper platforms that continue from the state in which the last process left them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dutchbook.bootstrap.paper import PaperRun
from dutchbook.domain.execution.order import Order, TimeInForce
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money, Quantity, floor_to, to_e6
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.platforms.order_answers import SILENCE, Answer
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.server import PaperServer
from dutchbook.platforms.paper.working import Working
from dutchbook.ports.orders import OrderReport
from dutchbook.ports.time import Clock

from .scenario import Fate, Scenario
from .truth import DONE, SENT, STATE, Truth

LATEST_ARRIVAL = 50
"""Longest delay in seconds of an order that was on its way when its sender died."""
SETTLING = 10
"""Seconds from a result on Kalshi to its cash."""
MISSED = timedelta(seconds=45)
"""Time until a comparison has reported unexplained cash, its grace period included."""
RESTING = timedelta(seconds=25)
"""How long half of an immediate order keeps working, against its terms."""
SLOW = "02468ace"
"""Last digits of our ids of the orders that keep working.

Later books trade with those on Kalshi. On Polymarket they do not, and the answer is lost: as
the engine knows the ids of its orders there before it sends them, it can cancel them.
"""
CALM = 3
"""From this life on no order keeps working, so the next life closes what a tape left open."""
LOST = 2
"""Calls of each kind that are lost in each life."""
KEPT = ("_orders", "_by_client", "_counter", "results")
CHANGES = ("submit", "cancel", "finalise", "settle", "resolve", "_rest_meets")


@dataclass(slots=True)
class Story:
    """What happened on a platform besides orders.

    Attributes:
        paid: Dollars that each resolved contract has paid.
        merged: Pairs of each contract that became dollars.
        foreign: Dollars that came or went without us.
        done: The fates that have happened.
    """

    paid: Counter[str] = field(default_factory=Counter)
    merged: Counter[str] = field(default_factory=Counter)
    foreign: Decimal = Decimal(0)
    done: set[Fate] = field(default_factory=set)


class Lasting:
    """Connects an engine's paper platforms to the file of their state."""

    def __init__(
        self, paper: PaperRun, truth: Truth, chance: random.Random, scenario: Scenario
    ) -> None:
        self._pairs = paper.engine.pairs
        self._clock: Clock = paper.engine.clock
        self._truth = truth
        self._kind = scenario.kind
        self._tasks: list[asyncio.Task[None]] = []
        self._lost: Counter[str] = Counter()
        self._late: set[str] = set()
        self._stories = {platform: Story() for platform in Platform}
        servers = {p: gateway._server for p, gateway in paper.platforms.gateways.items()}
        self._servers = servers
        for server in servers.values():
            self._restore(server)
            self._follow(server)
        for order in list(truth.flying.values()):
            truth.write(DONE, order.client_order_id)
            if chance.randrange(2):
                self._late.add(order.client_order_id)
                self._later(self._arrive(servers[order.platform], order, chance.random()))
        for server in servers.values():
            for working in server.exchange._orders.values():
                server.follow(working.report())
                if working.left > 0:
                    self._later(self._ends(server.exchange, working))
            setattr(server, "create", self._watched(server, server.create))  # noqa: B010
            if self._kind.loses:
                for name in ("merge", "redeem"):
                    setattr(server, name, self._losing(server, name, getattr(server, name)))
        self._began = truth.began or self._clock.now()
        for fate in self._kind.fates:
            self._later(self._fated(fate, paper.platforms.exchanges[fate.platform]))

    @property
    def fated_until(self) -> datetime:
        """When the last fate has happened, and its cash has arrived or was reported missing.

        Missing cash shows only once every fill is final.
        """
        last = max((each.seconds for each in self._kind.fates), default=0)
        foreign = any(each.foreign for each in self._kind.fates)
        over = self._began + timedelta(seconds=last + SETTLING)
        return max(over, self._clock.now()) + (MISSED if foreign else timedelta(0))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    # State that lasts
    # ------------------------------------------------------------------------------------

    def _restore(self, server: PaperServer) -> None:
        exchange = server.exchange
        state = self._truth.states.get(exchange.platform.value)
        if state is None:
            self._write(exchange)
            return
        server._merged = state["requests"]
        for name in KEPT:
            setattr(exchange, name, state[name])
        exchange.wallet = state["wallet"]
        self._stories[exchange.platform] = state["story"]

    def _write(self, exchange: PaperExchange) -> None:
        state: dict[str, Any] = {name: getattr(exchange, name) for name in KEPT}
        state["wallet"] = exchange.wallet
        state["story"] = self._stories[exchange.platform]
        state["requests"] = self._servers[exchange.platform]._merged
        self._truth.write(STATE, (exchange.platform.value, state), self._clock.now())

    def _follow(self, server: PaperServer) -> None:
        """Write every change of a platform to the file before anybody is notified of it."""
        exchange, merge = server.exchange, server._merge
        story, settle = self._stories[exchange.platform], exchange.settle

        def settled(contract_id: str) -> Money:
            amount = settle(contract_id)
            story.paid[contract_id] += amount  # type: ignore[assignment]
            return amount

        def merged(contract_id: str, size: Quantity, request_id: str) -> None:
            merge(contract_id, size, request_id)
            story.merged[contract_id] += size  # type: ignore[assignment]

        setattr(exchange, "settle", settled)  # noqa: B010
        setattr(server, "_merge", self._kept(exchange, merged))  # noqa: B010
        if self._kind.rests and self._truth.life < CALM:
            setattr(exchange, "submit", self._halved(exchange, exchange.submit))  # noqa: B010
            if exchange.platform is Platform.POLYMARKET:
                setattr(exchange, "_rest_meets", lambda *_: ())  # noqa: B010
        for name in CHANGES:
            setattr(exchange, name, self._kept(exchange, getattr(exchange, name)))

    def _kept(self, exchange: PaperExchange, do: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **named: Any) -> Any:
            try:
                return do(*arguments, **named)
            finally:
                self._write(exchange)

        return done

    def _watched(self, server: PaperServer, create: Callable[[Order], Any]) -> Any:
        async def created(order: Order) -> Answer:
            self._truth.write(SENT, order, self._clock.now())
            try:
                answer: Answer = await create(order)
            except NotSent:
                self._truth.write(DONE, order.client_order_id, self._clock.now())
                raise
            self._truth.write(DONE, order.client_order_id, self._clock.now())
            unheard = order.platform is Platform.POLYMARKET and self.works(
                order.client_order_id
            )
            return SILENCE if unheard else answer

        assert server is not None, "a platform has a server"
        return created

    async def _arrive(self, server: PaperServer, order: Order, share: float) -> None:
        """Deliver an order whose sender is dead, unless it has arrived already."""
        await self._clock.sleep(share * LATEST_ARRIVAL)
        if server.exchange.known(order.client_order_id) is None:
            await PaperServer.create(server, order)
        self._late.discard(order.client_order_id)

    def may_have(self, client_order_id: str) -> bool:
        """Return whether a platform has an order, or can still receive it."""
        there = (each.exchange.known(client_order_id) for each in self._servers.values())
        flying = self._truth.flying.keys() | self._late
        return client_order_id in flying or any(order is not None for order in there)

    def works(self, client_order_id: str) -> bool:
        """Return whether a part of an order can still fill."""
        every = (o for each in self._servers.values() for o, _ in each.exchange.resting())
        return any(order.client_order_id == client_order_id for order in every)

    # Faults
    # ---------------------------------------------------------------------------------

    def _losing(self, server: PaperServer, name: str, call: Callable[..., Any]) -> Any:
        """Lose the first calls without reporting it."""

        async def called(contract_id: str, *more: Any) -> None:
            self._lost[name] += 1
            if self._lost[name] <= LOST:
                raise OutcomeUnknown(server.exchange.platform, "no answer")
            await call(contract_id, *more)

        return called

    def _halved(self, exchange: PaperExchange, submit: Callable[..., Any]) -> Any:
        """Fill half of some orders and let the rest work on, although they are immediate."""

        def submitted(order: Order, now: datetime) -> OrderReport:
            lot = exchange.contracts[order.contract_id].lot
            half = Quantity(floor_to(order.size / 2, lot))
            slow = order.client_order_id[-1] in SLOW
            if not slow or order.time_in_force is TimeInForce.FOK or not half:
                report: OrderReport = submit(order, now)
                return report
            submit(replace(order, size=half), now)
            working = exchange._orders[exchange.order_id(order.client_order_id)]
            working.order = order
            working.left = to_e6(order.size) - to_e6(_filled(working))
            exchange._hold()
            self._later(self._ends(exchange, working))
            return working.report()

        return submitted

    async def _ends(self, exchange: PaperExchange, working: Working) -> None:
        """End what still works of an order when its time has come."""
        await self._clock.sleep_until(working.order.created_at + RESTING)
        if working.left > 0:
            working.left = 0
            exchange._hold()
            self._write(exchange)

    async def _fated(self, fate: Fate, exchange: PaperExchange) -> None:
        story = self._stories[exchange.platform]
        await self._clock.sleep_until(self._began + timedelta(seconds=fate.seconds))
        if fate.foreign:
            if fate not in story.done:
                story.done.add(fate)
                self._comes(fate, exchange)
                self._write(exchange)
            return
        contract_id = self._contract_of(fate)
        if contract_id not in exchange.results:
            exchange.resolve(contract_id, fate.figure, self._clock.now())
        if fate.platform is Platform.KALSHI:
            await self._clock.sleep_until(
                exchange.results[contract_id].at + timedelta(seconds=SETTLING)
            )
            if not exchange.results[contract_id].cash:
                exchange.settle(contract_id)

    def _comes(self, fate: Fate, exchange: PaperExchange) -> None:
        """Let cash or contracts come or go without us."""
        wallet = exchange.wallet
        if fate.outcome is None:
            self._stories[exchange.platform].foreign += fate.figure
            wallet.cash = Money(wallet.cash + fate.figure)
            return
        key = (self._contract_of(fate), fate.outcome)
        wallet.contracts[key] = Quantity(wallet.contracts.get(key, ZERO) + fate.figure)

    def _contract_of(self, fate: Fate) -> str:
        return self._pairs[fate.pair or 0].contract(fate.platform).contract_id


def _filled(working: Working) -> Decimal:
    return sum((fill.size for fill in working.fills), start=Decimal(0))

"""One engine from its start to its end, which may come at any step."""

from __future__ import annotations

import asyncio
import contextlib
import random
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dutchbook import __version__
from dutchbook.application.market.pairs import decide_pair
from dutchbook.application.pair_trades.discrepancies import Dispute
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.lease import Fence, take
from dutchbook.application.records.shielding import retrieve_result
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, Platforms, build_paper
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import Event
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform as Name
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.settlement import Key
from dutchbook.domain.reconciliation.findings import Choice, DiscrepancyType
from dutchbook.domain.values.units import Money
from dutchbook.errors import (
    InvalidInput,
    InvalidPositionState,
    LeaseLost,
    StorageError,
    UnknownId,
)
from dutchbook.ports.market_data import MarketListener
from dutchbook.runtime.ids import SeededIds
from prove.catalogue import PHASE
from prove.journal import Connection
from prove.platform import CANARY, Gateway, Line
from prove.rivals import TERM

if TYPE_CHECKING:
    from prove.world import World

BETWEEN, HEDGE = ("primary_sent", "secondary_sent"), "hedge"
EXPOSED = (PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)
REFUSALS = (InvalidInput, InvalidPositionState, UnknownId)


class Planted(RuntimeError):
    """An exception that no part of the engine expects."""


class Stream:
    """`MarketData` of one engine: whatever the world shows while `follow` runs."""

    def __init__(self, follow: Callable[[MarketListener], Coroutine[Any, Any, None]]) -> None:
        self._follow = follow

    def subscribe(self, keys: Iterable[Key]) -> None:
        """Show every book."""

    async def run(self, listener: MarketListener) -> None:
        """Show books until `follow` ends."""
        await self._follow(listener)


class Life:
    """An engine on the world's platforms and database, with connections of its own to them."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.dead = False
        self.trading = False
        self.planted = False
        self.ousted = False
        self.name = f"engine-{number}"
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._sent: set[str] = set()
        self._killed = asyncio.get_running_loop().create_future()
        self._chance = random.Random(f"operator {world.plan.seed} {number}")  # noqa: S311
        self.connection = Connection(
            world.store, world.plan, world.tally, self.step, world.clock
        )
        self.lines = {
            name: Line(platform, self.step, self._spawn, self._sending, self._hedged)
            for name, platform in world.platforms.items()
        }
        self.gateways = {
            name: Gateway(world.platforms[name], world.clock, world.lag, line)
            for name, line in self.lines.items()
        }
        self.paper: PaperRun

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.paper.engine

    def _built(self, fence: Fence, feed: Stream) -> PaperRun:
        world = self.world
        return build_paper(
            world.settings,
            world.tape,
            self.connection,
            world.engine_clock,
            seed=world.plan.seed,
            run=self.number,
            fence=fence,
            outages=self.connection.outages,
            platforms=Platforms(world.exchanges, self.gateways, world.lag),
            feed=feed,
        )

    def _hear(self, event: Event, sequence: int) -> None:
        if sequence:
            self.world.on_event(event, sequence)
        else:
            shown = CANARY in repr(event)
            self.world.oracle.check("I-30", f"{event.wire} shows a key", holds=not shown)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.world.spawn(work)

    def _sending(self, order: Order) -> None:
        self._sent.add(order.order_id)
        row = self.world.oracle.sending(order.client_order_id)
        if row is not None:
            self.world.watch.sending(row)

    def _hedged(self, order: Order) -> bool:
        """Return whether nothing that this engine bought waits for its hedge to be sent now.

        A row of the hedge is no hedge yet: it is written before the order is sent.
        """
        execution = self.world.oracle.executions.get(order.execution_id)
        if execution is None or str(execution["phase"]) not in BETWEEN:
            return True
        orders = self.world.oracle.of_execution[order.execution_id].values()
        mine = [each for each in orders if str(each["order_id"]) in self._sent]
        bought = any(each["fill_size"] and str(each["purpose"]) != HEDGE for each in mine)
        return not bought or any(str(each["purpose"]) == HEDGE for each in mine)

    # Its end
    # ------------------------------------------------------------------------------------

    def step(self, name: str) -> None:
        """Pass a point at which the engine may die; once dead, every call is cancelled."""
        if self.dead:
            raise asyncio.CancelledError
        phase = "commit" if "commit" in name or "box" in name else PHASE.get()
        number = self.world.fatal(phase)
        if not number:
            return
        self.world.tally.hit(number, phase)
        if number == 35:
            self.die()
            raise asyncio.CancelledError
        self.planted = True
        raise Planted(f"{name}, with {CANARY}")

    def die(self) -> None:
        """Die at once."""
        self.dead, self.trading = True, False
        if not self._killed.done():
            self._killed.set_result(None)

    async def run(self, done: asyncio.Event, *, trades: bool) -> bool:
        """Run until `done`, drain and stop; return whether the engine got that far."""
        engine = asyncio.ensure_future(self._live(done, trades=trades))
        engine.add_done_callback(
            retrieve_result
        )  # may end after the operator's failure was judged
        operator = asyncio.ensure_future(self._operate() if trades else self._killed)
        waited: set[asyncio.Future[Any]] = {engine, operator, self._killed}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in (engine, operator) if task.done() and not task.cancelled()]
        errors = [error for task in ended if (error := task.exception()) is not None]
        whole = engine.done() and not errors and not self.dead and not engine.cancelled()
        self.dead, self.trading = True, False
        for error in errors:
            self._judge(error)
        await self.world.bury()
        return whole

    def _judge(self, error: BaseException) -> None:
        """Report a violation unless an injected fault explains why the engine ended."""
        expected = self.planted or self.connection.failed
        for leaf in _leaves(error):
            if expected and isinstance(leaf, Planted | StorageError | asyncio.CancelledError):
                continue
            if self.ousted and isinstance(leaf, LeaseLost):
                continue
            where = "".join(traceback.format_exception(leaf)[-3:])
            self.world.oracle.wrong("L-3", f"the engine died: {leaf!r}\n{where}")

    async def _live(self, done: asyncio.Event, *, trades: bool) -> None:
        world = self.world
        world.watch.began(self.number)
        gone = world.gone.__contains__
        fence = await take(self.connection, world.engine_clock, self.name, TERM, gone)
        world.watch.turn.epoch = fence.epoch

        def follow(listener: MarketListener) -> Coroutine[Any, Any, None]:
            return self._follow(listener, done, trades=trades)

        self.paper = self._built(fence, Stream(follow))
        self.engine.committer.subscribe(self._hear)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(fence.keep(self.connection))
            await self._works()
            keeping.cancel()
        await fence.release(self.connection)

    async def _works(self) -> None:
        engine, world = self.engine, self.world
        await engine.lifecycle.start(
            world.tape.meta.contracts,
            world.tape.meta.pairs,
            {name: Money(world.cash) for name in Name},
            mode="paper",
            run=self.number,
            version=__version__,
            checks=(engine.reconciling.service.reconcile, engine.trading.take_up),
        )
        world.watch.started(str(reason) for reason in engine.risk.capital.state.halt_reasons)

        settled: list[Callable[[], Coroutine[Any, Any, None]]] = []
        settled += [line.settled for line in self.lines.values()]
        await engine.lifecycle.run(engine.feed.follow, settled)
        await engine.lifecycle.stop("asked to stop")
        counts = engine.monitoring.exposures.counts
        world.watch.ended((counts.by_month, counts.by_week))

    async def _follow(
        self, listener: MarketListener, done: asyncio.Event, *, trades: bool
    ) -> None:
        """Let the world show its books until `done`, in a session if the engine `trades`."""
        world = self.world
        self.trading = world.watch.turn.trading = trades and not self.dead
        if trades:
            listener.session_began()
        world.connected(books=trades)
        await done.wait()
        self._closing = True
        await self._idle.wait()
        self.engine.feed.session_ended()
        self.trading = world.watch.turn.trading = False
        world.rested = world.clock.now()

    # The operator
    # ---------------------------------------------------------------------------------

    async def _operate(self) -> None:
        """Issue an operator's action now and then."""
        while True:
            await self.world.clock.sleep(self._chance.choice((2, 5, 11, 23)))
            if self._closing or not self.trading:
                continue
            self._idle.clear()
            task = asyncio.ensure_future(self._press())
            key = f"{self.number}.{self.world.steps}"
            if self.world.plan.strikes(33, key):
                await asyncio.wait({task}, timeout=self._chance.choice((0, 0.001, 0.02, 1, 20)))
                if not task.done():
                    self.world.tally.hit(33, "adjustment")
                    task.cancel()
            await asyncio.wait({task})
            self._idle.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _press(self) -> None:
        engine = self.engine
        roll = self._chance.randrange(20)
        if roll == 0:
            await engine.risk.halts.halt_trading(HaltReason.OPERATOR, "pressed")
            return
        halted = set(engine.risk.capital.state.halt_reasons) - {
            HaltReason.RECONCILIATION_DISCREPANCY
        }
        if halted:
            await resume(engine)
            return
        if roll == 1:
            await self._decide_pair()
            return
        if disputes := [d for d in engine.trading.disputes.open.values() if _asks(d)]:
            await self._decide(self._chance.choice(disputes))
            return
        exposed = [p for p in engine.trades.positions.values() if p.status in EXPOSED]
        if not exposed:
            return
        position_id = self._chance.choice(exposed).position_id
        try:
            await self._resolve(position_id, roll % 3)
        except REFUSALS:
            return

    async def _decide_pair(self) -> None:
        """Revoke a pair's approval from another process, or approve it again."""
        pair = self._chance.choice(sorted(self.world.watch.pairs))
        approved = bool(self.world.watch.pairs[pair]["operator_approved"])
        committer = Committer(
            self.world.store, self.engine.clock, SeededIds(self.world.beside(), self.number)
        )
        await decide_pair(
            self.world.store,
            committer,
            self.engine.clock,
            pair,
            "looked at it",
            approve=not approved,
        )

    async def _decide(self, dispute: Dispute) -> None:
        """Decide a discrepancy: usually in the platform's favour, rarely in ours."""
        choice = self._chance.choice((Choice.ADOPT_PLATFORM,) * 6 + (Choice.ACKNOWLEDGE,))
        if not dispute.halts:
            # A person who looks on the platform's own page sees whether the order is there.
            order = self.world.oracle.orders[dispute.found.order_id or ""]
            truth = self.world.exchanges[dispute.found.platform].find(order["client_order_id"])
            if truth is not None and (truth.fills or truth.working):
                return
            choice = Choice.ADOPT_PLATFORM
        subject = dispute.found.position_id or dispute.dispute_id
        resolver = self.engine.reconciling.resolver
        held = self.engine.trades.known(dispute.found.position_id or "")
        said = {dispute.found.order_id, *(held.orders if held else ())}
        self.world.watch.said |= {order_id for order_id in said if order_id}
        with contextlib.suppress(*REFUSALS):
            await resolver.resolve(subject, choice, "looked at it on the platform")

    async def _resolve(self, position_id: str, way: int) -> None:
        single_leg = self.engine.trading.single_leg
        if way == 0:
            price = f"0.{self._chance.randrange(5, 96):02d}"
            await single_leg.retry_leg(position_id, price)
        elif way == 1:
            await single_leg.close_leg(position_id)
        else:
            await single_leg.complement(position_id)


async def resume(engine: Engine) -> None:
    """Clear every reason of a halt (L-4)."""
    for reason in sorted(engine.risk.capital.state.halt_reasons):
        # Another resumption, or the end of a discrepancy, may have cleared it already.
        with contextlib.suppress(InvalidInput):
            await engine.risk.halts.resume_trading(HaltReason(reason), "looked at it")


def _asks(dispute: Dispute) -> bool:
    """Return whether a person must decide about a discrepancy."""
    return dispute.halts or dispute.found.kind is DiscrepancyType.ORDER_NOT_FOUND


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error

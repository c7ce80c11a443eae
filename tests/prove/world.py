"""One run of a seed: platforms and a database that last, and engines that start and die."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from dutchbook.bootstrap.engine import Engine
from dutchbook.config import load
from dutchbook.domain.events import Event
from dutchbook.domain.market.contract import Platform as Name
from dutchbook.domain.values.units import Money
from dutchbook.persistence.database import Database
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.platforms.paper.server import MERGE_DEADLINE
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.ports.orders import TradeUpdate
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import TapeMessage
from prove.catalogue import Tally
from prove.durable import MEMORY, Durable, database
from prove.endings import PAYS_AFTER, endings
from prove.journal import Store
from prove.life import Life, resume
from prove.limits import LOSS, Bounds, Limits
from prove.named_cash import Exchange
from prove.oracle import Oracle, Violation
from prove.plan import Plan
from prove.platform import Platform
from prove.quiet import Truth, judge
from prove.rivals import alarm, rival
from prove.streams import Stream
from prove.watch import Watch
from prove.workload import START, STEP, spoiled, tape

T = TypeVar("T")
PAIRS = 8
STEPS = 40
CALM = 0.7
"""Share of the tape after which no more faults are injected."""
GRACE = 200
IDLE = 130
ARRIVES = timedelta(minutes=2)
"""Longer than any signature is accepted, and than a request for a payout stays alone."""
KNOWN = MERGE_DEADLINE + timedelta(seconds=1)
"""When a platform can say of a merge without an answer that it will not happen."""
REST, LAST = "at rest", "after restart 2"
PATIENCE = 3_000
"""Steps for which an engine's end waits for what it is aimed at."""


class SteppedClock(TapeClock):
    """The engine's clock, which faults set forward or back."""

    off = timedelta(0)

    def now(self) -> datetime:
        """Return the time that the engine believes."""
        return super().now() + self.off

    async def sleep_until(self, instant: datetime) -> None:
        """Wait until this clock shows `instant`."""
        await super().sleep_until(instant - self.off)


@dataclass(slots=True)
class Outcome:
    """The outcome of a seed."""

    seed: int
    violations: list[Violation]
    tally: Tally
    executions: int
    both: int
    reached: Counter[str]
    lives: int
    steps: int
    checks: int
    known: int
    head: str
    limits: Counter[str]


@dataclass
class World:
    """Everything that outlives an engine."""

    plan: Plan
    size: int = STEPS
    only: str = ""
    database: Database | None = None
    tally: Tally = field(default_factory=Tally)
    steps: int = 0
    lives: int = 0
    life: Life | None = None
    cash: Decimal = Decimal(1_000_000)
    born: datetime = START
    rested: datetime = START

    def __post_init__(self) -> None:
        self.settings = load(None, self.plan.settings)
        self.tape = tape(self.plan.seed, steps=self.size, pairs=PAIRS, related=True)
        self.clock = TapeClock(self.tape.meta.first)
        self.engine_clock = SteppedClock(self.tape.meta.first)
        self.lag = StepLag(self.settings.paper.lag_steps)
        self.oracle = Oracle(lambda: f"step {self.steps}", only=self.only)
        if self.database is None:
            self.store = Store(self.oracle)
        else:
            self.store = Durable(self.oracle, self.database, self.spawn)
        self.watch = Watch(self.oracle, self.store, self.clock, self.engine_clock)
        self.store.watch = self.watch
        limits = Limits(self.oracle, Bounds.of(self.plan.settings), self.clock)
        self.limits = self.store.limits = limits
        self.gone: set[str] = set()
        self._endings = endings(self.plan, self.tape.meta.pairs, self.size)
        self.exchanges = {name: self._exchange(name) for name in Name}
        self.platforms = {
            name: Platform(each, self.clock, self.lag, self.plan, self.tally)
            for name, each in self.exchanges.items()
        }
        for platform in self.platforms.values():
            platform.closed = self._closed
            platform.taken = self.watch.taken
            platform.watching = self.oracle.check
        self.watch.platforms = self.platforms
        self.heard: dict[int, Event] = {}
        self.told = 0
        self._deaths = list(self.plan.deaths)
        self._aim = self.plan.aim
        self._commands = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._streams = {
            name: Stream(each, partial(self._line, name), self.clock)
            for name, each in self.platforms.items()
        }
        self._latest: dict[tuple[Name, str], TapeMessage] = {}
        self._clogged: list[TapeMessage] = []
        self._silent: dict[Name, int] = {}
        self._chance = random.Random(f"streams {self.plan.seed}")  # noqa: S311

    def _exchange(self, name: Name) -> Exchange:
        contracts = [each for each in self.tape.meta.contracts if each.platform is name]
        kind = Replenishment(self.settings.paper.replenishment)
        numbers = map(str, itertools.count(1))  # each platform numbers its own trades
        return Exchange(name, contracts, kind, Money(self.cash), numbers)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that runs whether an engine is alive or not."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def on_event(self, event: Event, sequence: int) -> None:
        """Receive an event that an engine delivered."""
        after = self.told + 1 if self.told else min(sequence, len(self.heard) + 1)
        told = f"event {sequence} was told where {after} is next"
        self.oracle.check("I-27", told, holds=sequence == after)
        row = self.store.row("audit_log", sequence)
        stands = row is not None and row["event_id"] == event.stamp.event_id
        self.oracle.check("I-27", f"event {sequence} is not in the log", holds=stands)
        self.heard[sequence], self.told = event, sequence
        alarm(self, event)

    def beside(self) -> int:
        """Number the operator commands; each has ids of its own."""
        self._commands += 1
        return 1_000_000 * self._commands + self.plan.seed

    def fatal(self, phase: str) -> int:
        """Count one step; return the fault that ends the engine here, 0 for none.

        The first end waits for what it is aimed at, unless that does not come.
        """
        self.steps += 1
        if not self.plan.on or not self._deaths or self.steps < self._deaths[0]:
            return 0
        waits = self.steps < self._deaths[0] + PATIENCE
        if self._aim not in ("", phase) and waits:
            return 0
        self._deaths.pop(0)
        self._aim = ""
        ways = [number for number in (34, 35) if number in self.plan.rates]
        return ways[self.steps % len(ways)]

    async def bury(self) -> None:
        """Cancel every task of a dead engine; commits that it had begun are completed."""
        await self.store.rests()
        if self.life is not None:
            self.gone.add(self.life.name)
        self.life = None
        kept = {*self._tasks, asyncio.current_task()}
        for platform in self.platforms.values():
            kept |= platform.tasks
        for _ in range(50):
            left = [task for task in asyncio.all_tasks() if task not in kept]
            if not left:
                return
            for task in sorted(left, key=lambda each: int(each.get_name().split("-")[1])):
                task.cancel()
            await asyncio.sleep(0)
        self.oracle.wrong("L-3", f"tasks that do not end: {left}")

    # The run
    # -------------------------------------------------------------------------------------

    async def run(self) -> Outcome:
        """Run with faults, without faults, then restart twice; judge at each rest."""
        await self.store.begin()
        calm, done, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
        playing = self.spawn(self._play(calm, done))
        # If the tape fails, the run must still end.
        playing.add_done_callback(lambda _: done.set())
        background = [playing]
        background += [self.spawn(stream.run()) for stream in self._streams.values()]
        await self._lives(done, trades=True)
        if playing.done():
            playing.result()
        await self._judge(REST)
        await self._expired()
        for count in (1, 2):
            before = self._business() if count == 2 else None
            never.clear()
            timer = asyncio.get_running_loop().call_later(IDLE, never.set)
            await self._lives(never, trades=False)
            timer.cancel()
            await self._judge(f"after restart {count}")
            if before is not None and before != self._business():
                self.oracle.wrong("I-22", "a second restart changed what the first had left")
        for task in background:
            task.cancel()
        await self.store.close()
        return self._outcome()

    async def _expired(self) -> None:
        """Wait until no order or merge can arrive any more, and payouts may be requested again.

        One that was signed by a clock that was ahead can, until its platform's clock is there,
        and one that was requested by such a clock may be on its way until then. Whether a merge
        happened is known after its deadline, and its contract pays once that is known.
        """
        sent = [r["created_at"] for r in self.store.table("orders") if r["working_size"]]
        asked = [r for r in self.store.table("settlements") if str(r["status"]) == "pending"]
        sent += [row["requested_at"] for row in asked]
        over = [at + ARRIVES for at in sent if at > self.clock.now()]
        over += [r["requested_at"] + KNOWN for r in asked if str(r["kind"]) == "merge"]
        if over and max(over) > self.clock.now():
            await self.clock.sleep_until(max(over))

    async def _lives(self, done: asyncio.Event, *, trades: bool) -> None:
        while not self.oracle.violations:
            self.lives += 1
            self.told = 0
            await self.store.renew()
            self.life = Life(self, self.lives)
            self.born = self.clock.now()
            if await self.life.run(done, trades=trades):
                return
            if self.lives > 60:
                self.oracle.wrong("L-3", "sixty engines have died")
            await self.clock.sleep(self._chance.choice((0, 1, 9)))

    async def _judge(self, when: str) -> None:
        if self.oracle.violations:
            return
        await self.store.compared()
        if when == REST:
            self.watch.at_rest(self.born, self.rested)
        moved = {name: tuple(each.cash.moved) for name, each in self.platforms.items()}
        truth = Truth(self.exchanges, frozenset(self.oracle.failed), moved)
        last = when == LAST
        for invariant, what in judge(self.store, truth, self.heard, replay=last):
            self.oracle.wrong(invariant, f"{when}: {what}")

    def _business(self) -> list[Any]:
        names = ("orders", "fills", "open_positions", "reservations", "accounts", "executions")
        return [self.store.table(name) for name in names]

    def _closed(self, client_order_id: str) -> bool:
        order = self.oracle.orders.get(self.oracle.clients.get(client_order_id, ""))
        position = self.store.row("open_positions", str(order and order["position_id"]))
        return position is not None and str(position["status"]) == "CLOSED"

    def _outcome(self) -> Outcome:
        platforms: dict[str, set[str]] = {}
        for fill in self.store.table("fills"):
            platforms.setdefault(fill["execution_id"], set()).add(str(fill["platform"]))
        executions = self.store.table("executions")
        reached = Counter(s for each in self.oracle.reached.values() for s in each)
        return Outcome(
            self.plan.seed,
            self.oracle.violations,
            self.tally,
            len(executions),
            sum(len(platforms.get(e["execution_id"], ())) == 2 for e in executions),
            reached,
            self.lives,
            self.steps,
            self.oracle.checks,
            sum(self.oracle.known.values()),
            self.store.head,
            self.limits.bound,
        )

    # The tape, and what the streams make of it
    # -------------------------------------------------------------------------------

    async def _play(self, calm: asyncio.Event, done: asyncio.Event) -> None:
        """Play the tape to the platforms, engine or not; then refresh the last books."""
        rows, step = list(self.tape.messages()), -1
        last = rows[-1].step
        for row in rows:
            await self.clock.sleep_until(row.at)
            if row.step != step:
                self._stepped(step, row.step)
                step = row.step
                for platform in self.platforms.values():
                    platform.cash.stepped(step)
                if step >= last * CALM and not calm.is_set():
                    calm.set()
                    self._calm()
            self._moved(row)
        until = self.clock.now() + timedelta(seconds=GRACE)
        while True:
            await self.clock.sleep(STEP.total_seconds())
            step += 1
            self._stepped(step - 1, step)
            for row in self._latest.values():
                self._moved(row)
            if self.clock.now() > until and not done.is_set():
                if self.life is not None and self.life.engine.risk.capital.state.trading_halted:
                    await self._resumed(self.life.engine)
                done.set()

    async def _resumed(self, engine: Engine) -> None:
        """Check that a halt can be lifted once no discrepancy is open (L-4).

        A loss that stands at its limit may halt again as soon as that halt was lifted.
        """
        before = len(self.store.table("audit_log"))
        await resume(engine)
        disputed = any(each.halts for each in engine.trading.disputes.open.values())
        stands = engine.risk.capital.state.halt_reasons
        again = stands == {LOSS} and self._lifted(before, LOSS)
        told = f"halted by {sorted(stands)} after all was resumed"
        self.oracle.check("L-4", told, holds=disputed or again or not stands)

    def _lifted(self, after: int, reason: str) -> bool:
        """Return whether the log tells, after an entry, that a reason of a halt was lifted."""
        return any(
            row["name"] == "system.trading.resumed"
            and json.loads(row["payload"])["reason"] == reason
            for row in self.store.table("audit_log")[after:]
        )

    def _stepped(self, before: int, now: int) -> None:
        self.lag.ended(before)
        self.lag.began(now)
        key = f"step.{now}"
        plan = self.plan
        for name in Name:
            if plan.strikes(24, f"{key}.{name}"):
                self._silent[name] = now + 5
            if plan.strikes(25, f"{key}.{name}") and self.life and self.life.trading:
                self._reconnected(name)
        self._resolved(now)
        if self.life is not None and self.life.trading and plan.strikes(40, key):
            self.spawn(rival(self, key))
        if plan.strikes(36, key):
            hours = (plan.draw(36, f"{key}.way") % 3) - 1
            self.engine_clock.off = timedelta(hours=hours)
            self.tally.hit(36, "books")
        if self._clogged and not plan.strikes(27, f"{key}.still"):
            waiting, self._clogged = self._clogged, []
            self._chance.shuffle(waiting)
            for row in waiting:
                self._shown(row, row)

    def _resolved(self, step: int) -> None:
        """Resolve the contracts that are due, and let Kalshi pay a while later."""
        for each in list(self._endings):
            kalshi, polymarket = (each.match.contract(name).contract_id for name in Name)
            now = self.clock.now()
            if each.step <= step and kalshi not in self.exchanges[Name.KALSHI].results:
                for name in Name:
                    contract_id = each.match.contract(name).contract_id
                    if name is Name.KALSHI or not self.platforms[name].provisional(contract_id):
                        self.exchanges[name].resolve(contract_id, each.pays[name], now)
                        self.platforms[name].strange[contract_id] = each.fault
                each.step = step + PAYS_AFTER
                continue
            if each.step > step:
                continue
            results = self.exchanges[Name.POLYMARKET].results
            if polymarket in results:
                self.exchanges[Name.KALSHI].settle(kalshi)
                self._endings.remove(each)
            elif not self.platforms[Name.POLYMARKET].provisional(polymarket):
                pays = each.pays[Name.POLYMARKET]
                self.exchanges[Name.POLYMARKET].resolve(polymarket, pays, now)
                self.platforms[Name.POLYMARKET].strange[polymarket] = each.fault

    def _calm(self) -> None:
        self.plan.on = False
        self.engine_clock.off = timedelta(0)
        for platform in self.platforms.values():
            platform.calm()
        self._silent.clear()
        self._clogged.clear()
        if self.life is not None:
            self.connected(books=True)

    def _moved(self, row: TapeMessage) -> None:
        """Update one book on its platform, and pass the engine what its stream shows."""
        update = row.update
        self.exchanges[update.platform].update(
            update.contract_id,
            update.bids,
            update.asks,
            whole=update.whole,
            now=self.clock.now(),
        )
        key = (update.platform, update.contract_id)
        old = self._latest.get(key)
        self._latest[key] = row
        if self.life is None or not self.life.trading:
            return
        if self._silent.get(update.platform, -1) >= row.step:
            self.tally.hit(24, "books")
            return
        name = f"{row.step}.{update.contract_id}"
        if self.plan.strikes(27, name):
            self.tally.hit(27, "books")
            self._clogged.append(row)
            return
        faults = {n: self.plan.strikes(n, name) for n in (21, 22, 23, 26)}
        if faults[21]:
            self.tally.hit(21, "books")
        for fault, message in spoiled([row], faults, old):
            if fault:
                self.tally.hit(fault, "books")
            self._shown(message, row)

    def _shown(self, message: TapeMessage, true: TapeMessage) -> None:
        """Show the engine a book: the current one, or the one of an older message."""
        if self.life is None or not self.life.trading:
            return
        engine, update = self.life.engine, message.update
        key = (update.platform, update.contract_id)
        if message is true and self._latest[key] is message:
            self.life.paper.market.show(update)
            return
        book = engine.watchlist.books[key]
        book.replace(update.bids, update.asks)
        book.touch(engine.clock.now(), 0)
        engine.trading.second_legs.book_changed(key)
        engine.detection.book_changed(key)

    def _reconnected(self, name: Name) -> None:
        assert self.life is not None, "somebody connects"
        self.tally.hit(25, "books")
        feed = self.life.engine.feed
        for _ in range(3):
            feed.gap(name)
            feed.connected(name)
            for key, row in self._latest.items():
                if key[0] is name:
                    self._shown(row, row)
        self._streams[name].told_again()

    def _line(self, name: Name) -> asyncio.Queue[TradeUpdate] | None:
        life = self.life
        return None if life is None or life.dead else life.lines[name].updates

    def connected(self, *, books: bool) -> None:
        """Begin a stream with the present state: books, and every fill that is final."""
        for name in Name:
            self._streams[name].told_again()
        if books:
            for row in self._latest.values():
                self._shown(row, row)


def run(seed: int, *, size: int = STEPS, only: str = "", on: str = MEMORY) -> Outcome:
    """Run one seed from its beginning to its last restart; see `durable.database` for `on`."""

    async def main(where: Database | None) -> Outcome:
        return await World(Plan.of(seed), size, only, where).run()

    # Everything that a seed allocates becomes garbage at once, after it.
    gc.disable()
    try:
        with database(on) as where:
            return run_virtual(main(where))
    finally:
        gc.enable()
        gc.collect()

"""An engine with one pair whose books the test moves itself, instead of a tape.

The book that the engine sees and the book that a platform matches against can differ, as on a
real network. An order then fills in part, or not at all, for the same reason as on one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.operator.command_rows import EXPIRY, command_row
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, build_paper
from dutchbook.config import load
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.positions.settlement import Key
from dutchbook.domain.values.units import Money
from dutchbook.persistence.log.verify import problems
from dutchbook.platforms.paper.faults import Fault
from dutchbook.ports.hooks import Programs
from dutchbook.ports.journal import Batch, Insert, Receipt
from dutchbook.ports.market_data import BookUpdate, MarketListener
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape, TapeMeta
from support.pairs import NOW, pair
from support.runs import AS_THEY_COME, WatchedJournal, conserved, stored, verified

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
Levels = dict[int, str]
"""Contracts at each price, in cents of YES."""
NOBODY: Levels = {}
OFF = "execution.auto_policy=off"
RATE = 1_000_000


def _levels(levels: Levels) -> tuple[tuple[int, int], ...]:
    return tuple((p * 100, int(Decimal(size) * RATE)) for p, size in levels.items())


@dataclass
class Bench:
    """A started engine, with control of its books, platforms and commands."""

    paper: PaperRun
    journal: DyingJournal
    step: int = 0

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.paper.engine

    @property
    def service(self) -> SingleLegResolutionService:
        """The service under test."""
        return self.engine.trading.single_leg

    @property
    def held(self) -> PairTrade:
        """The only position that can still change, with its orders and fills."""
        (held,) = self.engine.trades.all()
        return held

    @property
    def position(self) -> OpenPosition:
        """The only position that can still change."""
        return self.held.position

    @property
    def id(self) -> str:
        """The id of that position."""
        return self.position.position_id

    def _update(self, platform: Platform, bids: Levels, asks: Levels) -> BookUpdate:
        self.step += 1
        return BookUpdate(
            platform, f"{platform}-cup", True, _levels(bids), _levels(asks), self.step
        )

    def show(self, platform: Platform, bids: Levels, asks: Levels) -> None:
        """Set a platform's book, and show it to the engine."""
        self.paper.market.updated(self._update(platform, bids, asks))

    def empty_books(self) -> None:
        """Begin a session, in which every book is empty at first."""
        begin(self.paper.market)

    def moved(self, platform: Platform, bids: Levels, asks: Levels) -> None:
        """Set a platform's book while the engine still sees the old one."""
        update = self._update(platform, bids, asks)
        self.paper.platforms.exchanges[platform].update(
            update.contract_id,
            update.bids,
            update.asks,
            whole=True,
            now=self.engine.clock.now(),
        )

    def fault(self, platform: Platform, *faults: Fault) -> None:
        """Apply faults to every request to a platform from now on; none restores it."""
        server = self.paper.platforms.gateways[platform]._server
        server._faults = replace(server._faults, rates=tuple((f, RATE) for f in faults))

    async def rest(self, seconds: float = 0.2) -> None:
        """Let the engine work for a while."""
        await self.engine.clock.sleep(seconds)

    def execute(
        self, held: Platform = KALSHI, *, first: str = "100", second: str = "0"
    ) -> None:
        """Start an execution of 100 that fills `first` on `held` and `second` on the other.

        YES costs 40 cents on Kalshi and NO 53 on Polymarket.
        """
        sizes = {held: first, held.other: second}
        kalshi = ({38: "500"}, {40: "100"}), ({38: "500"}, {40: sizes[KALSHI]})
        polymarket = ({47: "100"}, {49: "500"}), ({47: sizes[POLYMARKET]}, {49: "500"})
        books = {KALSHI: kalshi, POLYMARKET: polymarket}
        for platform in (held.other, held):
            self.show(platform, *books[platform][0])
            self.moved(platform, *books[platform][1])

    async def expose(
        self,
        held: Platform = KALSHI,
        *,
        first: str = "100",
        second: str = "0",
        bids: Levels | None = None,
        asks: Levels | None = None,
    ) -> str:
        """Let an execution end with an unhedged leg, and return its position's id.

        Afterwards the engine sees both books as they are. `bids` and `asks` replace the usual
        book of the missing leg.
        """
        self.execute(held, first=first, second=second)
        await self.rest()
        self.usual(held.other, bids, asks)
        self.usual(held)
        return self.id

    def usual(
        self, platform: Platform, bids: Levels | None = None, asks: Levels | None = None
    ) -> None:
        """Show a book without an edge: YES 41/45 on Kalshi, 47/49 on Polymarket."""
        kalshi = ({41: "500"}, {45: "500"})
        polymarket = ({47: "500"}, {49: "500"})
        mine = kalshi if platform is KALSHI else polymarket
        self.show(
            platform, mine[0] if bids is None else bids, mine[1] if asks is None else asks
        )

    def orders(self) -> list[Order]:
        """Return the orders of the position, oldest first."""
        return list(self.held.orders.values())

    async def ask(
        self, name: str, rationale: str = "", expiry: timedelta = EXPIRY, **arguments: Any
    ) -> str:
        """Write a command row as another process does, and return its id."""
        key = f"command-{len(await self.journal.rows('operator_commands'))}"
        row = command_row(key, name, arguments, rationale, "me", self.engine.clock, expiry)
        await self.journal.commit(Batch((Insert("operator_commands", row),)))
        return key

    async def fold(self) -> None:
        """Let the engine read new command rows."""
        await self.engine.lifecycle.commands.fold()

    async def answer(self, key: str) -> Any:
        """Return the answer to a command, None while there is none."""
        rows = await self.journal.rows("operator_commands", {"command_id": key})
        return rows[0]["answer"]

    async def told(self, name: str, rationale: str = "", **arguments: Any) -> Any:
        """Write a command, let the engine perform it, and return the answer."""
        key = await self.ask(name, rationale, **arguments)
        await self.fold()
        await self.rest(1)
        return await self.answer(key)


@dataclass(repr=False)  # as `runs.Finished`
class Ended:
    """The result of a bench: what its work returned, and all rows of the database."""

    answer: Any
    tables: dict[str, list[dict[str, Any]]]
    left: Left

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of the audit log of one name, oldest first."""
        return [row for row in self.tables["audit_log"] if row["name"] == name]

    @property
    def position(self) -> dict[str, Any]:
        """The row of the only position."""
        (row,) = self.tables["open_positions"]
        return row


def near(figure: Decimal | None, exact: Decimal) -> bool:
    """Return whether a figure at an acknowledgement is what the trades will make of it.

    Kalshi states averages of four decimals: for a hundred contracts, exact to a cent.
    """
    return figure is not None and abs(figure - exact) <= Decimal("0.01")


def tape(match: ContractMatch) -> MemoryTape:
    """Return a tape of one pair without messages."""
    meta = TapeMeta(
        name="bench",
        source="test",
        contracts=(match.kalshi, match.polymarket),
        pairs=(match,),
        polled=False,
        assumed=(),
        seed=None,
        messages=0,
        first=NOW,
        last=NOW,
    )
    return MemoryTape(meta, ())


class When(StrEnum):
    """On which side of a commit an engine dies."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Left:
    """The state that the next engine takes over: the database, the platforms and the time."""

    paper: PaperRun
    journal: DyingJournal
    at: datetime
    run: int


class Died(Exception):
    """The engine died in the middle of its work."""

    def __init__(self, left: Left) -> None:
        super().__init__("died")
        self.left = left


class Death(BaseException):
    """Ends a dying engine; no code in the engine catches it."""


class DyingJournal(WatchedJournal):
    """A journal that can make its process die at a commit."""

    def __init__(self) -> None:
        super().__init__(conserved)
        self.dies: Callable[[Batch], When | None] | None = None
        self.dead = False

    async def commit(self, batch: Batch) -> Receipt:
        if self.dead:
            raise Death
        when = self.dies(batch) if self.dies else None
        if when is not When.BEFORE:
            receipt = await super().commit(batch)
        if when is not None:
            self.dead = True
            raise Death
        return receipt


def bench(
    work: Callable[[Bench], Awaitable[Any]],
    *settings: str,
    first: Platform = KALSHI,
    after: Left | None = None,
    dies: Callable[[Batch], When | None] | None = None,
    programs: Programs | None = None,
    cluster: str | None = None,
) -> Ended:
    """Do `work` on a running engine whose first legs are on `first`, then drain it.

    Conservation of capital is checked after each commit, and the log twice at the end.

    Args:
        work: The test's actions, in place of a tape.
        settings: Settings as on a command line.
        first: The platform of the first leg.
        after: The state that the previous engine left.
        dies: Returns on which side of a commit this engine dies, None where it survives it.
        programs: Starts those of the hooks.
        cluster: That of the pair.

    Raises:
        Died: The engine died.
    """

    async def main() -> Ended:
        journal = after.journal if after else DyingJournal()
        journal.dies, journal.dead = dies, False
        made = tape(pair(primary_leg=first, cluster=cluster))
        chosen = (OFF, AS_THEY_COME, "paper.lag_steps=0", *settings)
        run = after.run + 1 if after else 1
        clock = TapeClock(after.at if after else NOW)
        feed = WorkFeed(lambda: work(at))
        paper = build_paper(
            load(None, chosen),
            made,
            journal,
            clock,
            seed=7,
            run=run,
            feed=feed,
            programs=programs,
        )
        at = Bench(paper, journal)
        if after:
            _same_platforms(after.paper, paper)
        try:
            return await _run(at, feed, run)
        except Death:
            raise Died(Left(paper, journal, clock.now(), run)) from None
        except BaseExceptionGroup as group:
            if group.subgroup(Death) is None:
                raise
            raise Died(Left(paper, journal, clock.now(), run)) from None

    return run_virtual(main())


def begin(listener: MarketListener) -> None:
    """Begin a session with empty books."""
    for platform in Platform:
        listener.gap(platform)
    listener.session_began()


class WorkFeed:
    """`MarketData` in place of a tape: one session, in which a test's work shows the books."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._work = work
        self.answers: list[Any] = []

    def subscribe(self, keys: Iterable[Key]) -> None:
        """Show what the work shows."""

    async def run(self, listener: MarketListener) -> None:
        """Run the work in a session of its own."""
        begin(listener)
        self.answers.append(await self._work())
        listener.session_ended()


async def _run(at: Bench, feed: WorkFeed, run: int) -> Ended:
    engine, journal, meta = at.engine, at.journal, at.paper.tape.meta
    opening = {platform: Money(Decimal(5_000)) for platform in Platform}
    await engine.lifecycle.start(
        meta.contracts, meta.pairs, opening, mode="paper", run=run, version="x"
    )
    await engine.trading.take_up()
    settled = [gateway.settled for gateway in at.paper.platforms.gateways.values()]
    await engine.lifecycle.run(engine.feed.follow, settled)
    await engine.lifecycle.stop("the test ended")
    assert problems(await stored(journal)) == []
    assert await verified(journal) == []
    tables = {name: await journal.rows(name) for name in journal._tables}
    return Ended(feed.answers[0], tables, Left(at.paper, journal, engine.clock.now(), run))


def _same_platforms(before: PaperRun, now: PaperRun) -> None:
    """Give a new engine the platforms in the state in which the previous engine left them."""
    for platform, exchange in now.platforms.exchanges.items():
        taken = exchange.on_taken
        exchange.__dict__.update(before.platforms.exchanges[platform].__dict__)
        exchange.subscribe(taken)


YES, NO = Outcome.YES, Outcome.NO

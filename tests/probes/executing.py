"""Settings of orders, answers, commands, and of the ends of a run."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from support.bench import KALSHI, POLYMARKET, Bench, Ended, WorkFeed, bench, tape
from support.memory_journal import MemoryJournal
from support.pairs import NOW, pair
from support.tapes import CHEAP, polls

from dutchbook.bootstrap.paper import PaperRun, build_paper
from dutchbook.bootstrap.paper_run import Options, run
from dutchbook.config import load
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import OutcomeUnknown
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.format import write_tape
from probes.entering import SMALL, outcome, show
from probes.row import Row
from probes.stored import database

SECOND = timedelta(seconds=1)
UNKNOWN, PERSON = "execution.order.outcome_unknown", "execution.order.needs_person"


def first(run: Ended, name: str) -> dict[str, Any]:
    return run.events(name)[0]


def seconds(begin: datetime, end: datetime) -> int:
    return round((end - begin) / SECOND)


class Mute:
    """Makes a platform answer to no order, and to no question about one; counts those."""

    def __init__(self, at: Bench, platform: Platform = KALSHI) -> None:
        self.asked = 0
        self._well = asyncio.Event()
        self._gateway: Any = at.paper.platforms.gateways[platform]
        vars(self._gateway).update(submit=self._never, find_order=self._ask)

    async def _never(self, order: Any) -> None:
        del order
        await self._well.wait()
        raise OutcomeUnknown("kalshi", "silence")

    async def _ask(self, order: Any) -> None:
        del order
        self.asked += 1
        raise OutcomeUnknown("kalshi", "silence")

    def over(self) -> None:
        """Let the platform answer again."""
        self._well.set()
        del self._gateway.submit, self._gateway.find_order


def unanswered(*settings: str) -> int:
    """How many seconds after it was sent is the outcome of an entry unknown?"""

    async def work(at: Bench) -> None:
        mute = Mute(at)
        show(at)
        await at.rest(100)
        mute.over()

    run = bench(work, *settings)
    sent = first(run, "execution.order.placed")["occurred_at"]
    return seconds(sent, first(run, UNKNOWN)["occurred_at"])


def unanswered_exit(*settings: str) -> int:
    """The same of an order that closes an exposure."""

    async def work(at: Bench) -> datetime:
        await at.expose()
        mute = Mute(at)
        await at.ask("close_leg", position=at.id)
        began = at.engine.clock.now()
        await at.fold()
        await at.rest(100)
        mute.over()
        return began

    run = bench(work, "exits.unhedged_stop=false", *settings)
    return seconds(run.answer, first(run, UNKNOWN)["occurred_at"])


def questions(*settings: str) -> int:
    """How often does an execution ask about an order before it goes on without an answer?"""

    async def work(at: Bench) -> int:
        mute = Mute(at)
        show(at)
        for _ in range(1_000):
            await at.rest(0.5)
            if mute.asked and not at.engine.queue.running:
                break
        asked = mute.asked
        mute.over()
        return asked

    return int(bench(work, *settings).answer)


def person(*settings: str) -> int:
    """How many seconds after an outcome became unknown is a person asked?"""

    async def work(at: Bench) -> None:
        mute = Mute(at)
        show(at)
        await at.rest(400)
        mute.over()

    run = bench(work, "execution.queries=1", "execution.answer_seconds=1", *settings)
    begin = first(run, UNKNOWN)["occurred_at"]
    return seconds(begin, first(run, PERSON)["occurred_at"])


def command(*settings: str) -> int:
    """How long does a command for a position wait for a live book?"""

    async def work(at: Bench) -> int:
        await at.expose()
        at.empty_books()
        key, began = await at.ask("close_leg", position=at.id), at.engine.clock.now()
        await at.fold()
        for _ in range(1_000):
            if await at.answer(key) is not None:
                break
            await at.rest(1)
        return seconds(began, at.engine.clock.now())

    return int(bench(work, *settings).answer)


def policy(*settings: str) -> list[str]:
    """What is sent for an unhedged leg that can be completed, or sold at a loss?"""

    async def work(at: Bench) -> list[str]:
        await at.expose(bids={45: "500"}, asks={49: "500"})
        for _ in range(18):
            await at.rest(4)
            at.usual(KALSHI)
        return [str(order.purpose) for order in at.orders()]

    found: list[str] = bench(work, "exits.unhedged_stop=false", *settings).answer
    return found


def drain(*settings: str) -> int:
    """How long does a stop wait for an order without an answer?"""

    async def main() -> int:
        made, journal, clock = tape(pair()), MemoryJournal(), TapeClock(NOW)
        times: list[datetime] = []

        async def work() -> None:
            mute.append(Mute(at))
            show(at)
            await clock.sleep(1)
            times.append(clock.now())
            paper.engine.stopping.set()

        async def cancelled() -> None:
            times.append(clock.now())
            mute[0].over()

        mute: list[Mute] = []
        paper = build_paper(
            load(None, settings), made, journal, clock, seed=1, feed=WorkFeed(work)
        )
        at = Bench(paper, journal)  # type: ignore[arg-type]
        paper.engine.lifecycle._cancelling.cancel_all = cancelled  # type: ignore[assignment,method-assign]
        await paper.engine.trade(1)
        return seconds(*times)

    return run_virtual(main())


def remedied(*settings: str) -> list[str]:
    """What is sent at once for a leg that loses 5 to 6 cents a contract at least?"""

    async def work(at: Bench) -> list[str]:
        at.execute()
        at.show(POLYMARKET, {36: "500"}, {49: "500"})
        await at.rest(5)
        return [str(order.purpose) for order in at.orders()[1:]]

    beside = ("execution.auto_policy=complete_then_unwind", "exits.unhedged_stop=false")
    found: list[str] = bench(work, *beside, *settings).answer
    return found


def patience(*settings: str) -> int:
    """After how many seconds is a leg sold at a loss?"""

    async def work(at: Bench) -> int:
        await at.expose()
        for _ in range(60):
            await at.rest(1)
            at.usual(KALSHI)
        first, *_, last = at.orders()
        return seconds(first.created_at, last.created_at)

    return int(bench(work, "execution.auto_policy=unwind", *settings).answer)


def beside_a_leg(*settings: str) -> str:
    """Why is a pair with an unhedged leg not entered?"""

    async def work(at: Bench) -> None:
        await at.expose()
        show(at, SMALL)
        await at.rest(1)

    beside = ("execution.cool_down_seconds=0", "paper.replenishment=every")
    run = bench(work, *beside, *settings)
    return "entered" if len(run.tables["executions"]) > 1 else outcome(run, refused=True)


class Leased:
    """A screen that looks how long the lease of a run was taken for."""

    found = 0

    def line(self, text: str) -> None:
        """Ignore `text`."""

    async def trade(self, paper: PaperRun, number: int, *, live: bool) -> dict[str, Any]:
        """Look at the lease and trade nothing."""
        del number, live
        (row,) = await paper.engine.journal.rows("leases")
        self.found = seconds(row["acquired_at"], row["expires_at"])
        return {}


def lease(*settings: str) -> int:
    """How long may an engine be silent until another one may replace it?"""
    with database() as url:
        path, screen = Path(url.removeprefix("sqlite:///")).with_name("short.tape"), Leased()
        write_tape(path, polls(CHEAP))
        run(Options(load(None, settings), str(path), url, speed=None, seed=1), screen)
        return screen.found


ROWS = (
    Row("execution.answer_seconds", unanswered, {7: 7, 11: 11}, at="entry"),
    Row("execution.answer_seconds", unanswered_exit, {7: 7, 11: 11}, at="exit"),
    Row("execution.queries", questions, {2: 2, 3: 3}),
    Row("execution.person_after_seconds", person, {20: 31, 40: 63}),
    Row("execution.command_timeout_seconds", command, {7: 8, 11: 12}),
    Row(
        "execution.auto_policy",
        policy,
        {
            "off": ["entry", "hedge"],
            "unwind": ["entry", "hedge", "unwind"],
            "complete_then_unwind": ["entry", "hedge", "hedge", "hedge"],
        },
    ),
    Row(
        "execution.rescue_limit",
        remedied,
        {"0.05": [], "0.06": ["unwind"]},
        at="remedy",
    ),
    Row("exposure.patience_seconds", patience, {10: 10, 40: 40}),
    Row(
        "exposure.blocks_entries",
        beside_a_leg,
        {"true": "unhedged_leg", "false": "entered"},
    ),
    Row("execution.drain_seconds", drain, {9: 9, 14: 14}),
    Row("execution.lease_seconds", lease, {77: 77, 300: 300}),
)

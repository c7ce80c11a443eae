"""One life of an engine: from opening the database to its end, or until it is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from dutchbook import __version__
from dutchbook.application.market.pairs import traded_pairs
from dutchbook.application.records.lease import take
from dutchbook.application.records.runs import count_run
from dutchbook.bootstrap.paper import PaperRun, build_paper
from dutchbook.domain.events import Event
from dutchbook.errors import LeaseHeld
from dutchbook.persistence.database import Database
from dutchbook.persistence.log.anchors import AnchorFile
from dutchbook.ports.crash_points import listen, points
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.clock import SystemClock, TapeClock
from dutchbook.runtime.halt_file import FileOfHalt
from dutchbook.runtime.process import gone, myself
from dutchbook.runtime.virtual_time import run_virtual, turnstile

from .awaits import Awaits
from .person import Person
from .platforms import Lasting
from .scenario import AGAIN, FIRST, Scenario
from .stores import rows
from .truth import HEARD, Truth

TERM = timedelta(seconds=60)
KNOWN = frozenset(points())
PATIENCE = timedelta(minutes=10)
"""Timeout for the cash of results."""
LONGEST = 1_800.0
"""Seconds of the tape after which an engine that does not stop by itself is killed."""
OPENING = 10.0
"""Seconds until the server has noticed that a killed engine is gone."""
WITHIN = "in a batch"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Life:
    """A life of a scenario, in a folder; `fresh`: it also creates the database."""

    folder: Path
    url: str
    scenario: Scenario
    number: int
    fresh: bool = False

    @property
    def truth(self) -> Path:
        """File of what the platforms know."""
        return self.folder / "truth"

    @property
    def anchors(self) -> Path:
        """File of the heads of the log that are kept outside the database."""
        return self.folder / "engine.anchors"

    @property
    def mark(self) -> Path:
        """File that shows that an injection struck without killing the process."""
        return self.folder / "struck"

    @property
    def halt_file(self) -> Path:
        """File that halts trading."""
        return self.folder / "engine.db.HALT"


class Passed:
    """Counts the points that are passed, and kills the process at one of them."""

    def __init__(self, at: Callable[[str, int, int], bool] = lambda *_: False) -> None:
        self.counts: Counter[str] = Counter()
        self.within: Counter[str] = Counter()
        self._at = at

    def __call__(self, name: str) -> None:
        assert name in KNOWN, f"{name} is not among the crash points"
        self.counts[name] += 1
        if self._at(name, self.counts[name], self.counts.total()):
            os.kill(os.getpid(), signal.SIGKILL)


def live(life: Life, passed: Passed, awaits: Awaits | None = None) -> None:
    """Run the life to its end; `awaits` observes every pause of every task."""
    listen(passed)
    if life.fresh:
        Database.at(life.url).prepare("paper")
    truth = Truth.read(life.truth, life.number)
    truth.open()
    chance = random.Random(f"{life.scenario.chance.random()}.{life.number}")  # noqa: S311 - a test's draws
    start = _start(life, truth, chance)

    async def lived() -> None:
        if awaits is not None:
            loop = asyncio.get_running_loop()
            loop.set_task_factory(awaits.factory)  # type: ignore[arg-type] # what asyncio passes
            # A task that waits for a cancelled one may wait for ever, so it is killed from
            # outside.
            loop.call_later(LONGEST, os.kill, os.getpid(), signal.SIGKILL)
        await asyncio.ensure_future(_live(life, truth, chance, start, passed))

    run_virtual(lived())


async def _live(
    life: Life, truth: Truth, chance: random.Random, start: datetime, passed: Passed
) -> None:
    tape = life.scenario.tape_from(start, AGAIN if life.number else FIRST)
    clock = TapeClock(tape.meta.first)
    journal = await _opened(life)
    _noted(journal, passed)
    reader, fence = Database.at(life.url).journal(turnstile()), None
    try:
        await reader.open()
        file = FileOfHalt(life.halt_file)
        fence = await take(journal, SystemClock(), myself(), TERM, gone, file)
        number = await count_run(journal, fence)
        paper = build_paper(
            life.scenario.settings,
            tape,
            journal,
            clock,
            seed=life.scenario.seed,
            run=number,
            pairs=await traded_pairs(journal, tape.meta.contracts, tape.meta.pairs),
            fence=fence,
            poll_seconds=5,
            anchors=AnchorFile(life.anchors, SystemClock(), turnstile()),
            lease_reader=reader,
        )
        await _trade(life, paper, truth, number, chance)
        await fence.release(journal)
    finally:
        await reader.close(fenced_off=True)
        await journal.close(fenced_off=fence is not None and not fence.held)


async def _opened(life: Life) -> Any:
    """Open the journal; a server may still hold the lock of a killed engine."""
    until = time.monotonic() + OPENING
    while True:
        journal = Database.at(life.url).journal(turnstile(), alone=True)
        try:
            await journal.open()
        except LeaseHeld:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)  # noqa: ASYNC251 - nothing else is under way, and time is real here
            continue
        return journal


def _noted(journal: Any, passed: Passed) -> None:
    """Count every event that is committed, first in its batch or not."""
    commit = journal.commit

    async def committed(batch: Batch) -> Receipt:
        passed.within.update(f"{WITHIN} commit {event.wire}" for event in batch.events)
        receipt: Receipt = await commit(batch)
        return receipt

    journal.commit = committed


def _start(life: Life, truth: Truth, chance: random.Random) -> datetime:
    """Return when this life begins: a while after the last trace of the previous one."""
    seen = [truth.now] if truth.now else []
    latest = rows(life.url, "SELECT max(occurred_at) AS at FROM audit_log")[0]["at"]
    if latest is not None:
        seen.append(EPOCH + timedelta(microseconds=latest))
    if not seen:
        return life.scenario.tape(AGAIN).meta.first
    return max(seen) + timedelta(seconds=chance.choice((1, 5, 30)))


async def _trade(
    life: Life, paper: PaperRun, truth: Truth, number: int, chance: random.Random
) -> None:
    """Do what `PaperRun.trade` does, on platforms that already exist."""
    engine, around = paper.engine, paper.engine.surroundings
    lasting = Lasting(paper, truth, chance, life.scenario)

    def on_event(event: Event, sequence: int) -> None:
        if sequence:
            truth.write(HEARD, (sequence, event.stamp.event_id))

    engine.committer.subscribe(on_event)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, engine.stopping.set)
    await engine.lifecycle.start(
        around.contracts,
        engine.pairs,
        around.opening,
        mode=around.mode,
        run=number,
        version=__version__,
        checks=(engine.reconciling.service.reconcile, engine.trading.take_up),
    )
    person = Person(
        engine,
        life.scenario.asks,
        f"{life.number}",
        life.halt_file,
        lasting.may_have,
        lasting.works,
    )

    async def resolved() -> None:
        fates = life.scenario.kind.fates
        if fates and await paper.resolution.until(lasting.fated_until):
            held = [
                (
                    each.platform,
                    engine.pairs[each.pair or 0].contract(each.platform).contract_id,
                )
                for each in fates
                if not each.foreign
            ]
            await engine.exiting.settlement.finish(held, PATIENCE)

    settled = [gateway.settled for gateway in paper.platforms.gateways.values()]
    ends = (*settled, engine.exiting.merging.drained, resolved, person.rests, *settled)
    following = partial(engine.feed.run, engine.stopping)
    await engine.lifecycle.run(following, ends, engine.stopping)
    await engine.lifecycle.stop(around.ended)
    assert engine.anchoring is not None, "there is a file for heads of the log"
    await engine.anchoring.keep()

"""One life of an engine: from the opening of the database to its end, or until it is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dutchbook import __version__
from dutchbook.application.commands import command_row
from dutchbook.application.lease import take
from dutchbook.application.lifecycle import count_run
from dutchbook.application.pairs import traded_pairs
from dutchbook.bootstrap import build
from dutchbook.crashpoints import listen, points
from dutchbook.domain.contract import Platform
from dutchbook.domain.events import Event
from dutchbook.domain.units import Money
from dutchbook.engine import Engine
from dutchbook.persistence.database import Database
from dutchbook.ports import Batch, Insert
from dutchbook.runtime.clock import SystemClock, TapeClock
from dutchbook.runtime.halt_file import FileOfHalt
from dutchbook.runtime.process import gone, myself
from dutchbook.runtime.virtual_time import run_virtual, turnstile

from .platforms import Lasting
from .scenario import Scenario
from .truth import HEARD, Truth

TERM = timedelta(seconds=60)
KNOWN = frozenset(points())
MINUTES, AGAIN = 3, 1
"""How long the tape of a first life is, and of each later one."""


@dataclass(frozen=True, slots=True)
class Life:
    """Which life of which scenario, in which folder; `fresh` makes the database itself."""

    folder: Path
    scenario: Scenario
    number: int
    fresh: bool = False

    @property
    def database(self) -> str:
        """The path of the database."""
        return str(self.folder / "engine.db")

    @property
    def truth(self) -> Path:
        """The path of what the platforms know."""
        return self.folder / "truth"


class Passed:
    """Counts the points that are passed; at one of them it may end."""

    def __init__(self, at: Callable[[str, int, int], bool] = lambda *_: False) -> None:
        self.counts: Counter[str] = Counter()
        self._at = at

    def __call__(self, name: str) -> None:
        assert name in KNOWN, f"{name} is not among the crash points"
        self.counts[name] += 1
        if self._at(name, self.counts[name], self.counts.total()):
            os.kill(os.getpid(), signal.SIGKILL)


def live(life: Life, passed: Passed) -> None:
    """Live to the end."""
    listen(passed)
    if life.fresh:
        Database.at(f"sqlite:///{life.database}").prepare("paper")
    run_virtual(_live(life))


async def _live(life: Life) -> None:
    truth = Truth.read(life.truth, life.number)
    truth.open()
    chance = random.Random(f"{life.scenario.chance.random()}.{life.number}")  # noqa: S311 - a test's draws
    start = _start(life, truth, chance)
    tape = life.scenario.tape_from(start, AGAIN if life.number else MINUTES)
    clock = TapeClock(tape.meta.first)
    database = Database.at(f"sqlite:///{life.database}")
    journal = database.journal(turnstile(), alone=True)
    await journal.open()
    fence = None
    try:
        file = FileOfHalt(life.folder / "engine.db.HALT")
        fence = await take(journal, SystemClock(), myself(), TERM, gone, file)
        number = await count_run(journal, fence)
        engine = build(
            life.scenario.settings,
            tape,
            journal,
            clock,
            seed=life.scenario.seed,
            run=number,
            pairs=await traded_pairs(journal, tape.meta.contracts, tape.meta.pairs),
            fence=fence,
            poll_seconds=5,
        )
        await _trade(life, engine, truth, number, chance)
        await fence.release(journal)
    finally:
        await journal.close(fenced_off=fence is not None and not fence.believed)


def _start(life: Life, truth: Truth, chance: random.Random) -> datetime:
    """Return when this life begins: a while after the last trace of the one before."""
    seen = [truth.now] if truth.now else []
    with sqlite3.connect(life.database) as connection:
        (latest,) = connection.execute("SELECT max(occurred_at) FROM audit_log").fetchone()
    connection.close()
    if latest is not None:
        seen.append(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=latest))
    if not seen:
        return life.scenario.tape(1).meta.first
    return max(seen) + timedelta(seconds=chance.choice((1, 5, 30)))


async def _trade(
    life: Life, engine: Engine, truth: Truth, number: int, chance: random.Random
) -> None:
    """Do as `Engine.trade` does, on platforms that are not made afresh."""
    lasting = Lasting(engine, truth, chance)

    def hear(event: Event, sequence: int) -> None:
        if sequence:
            truth.write(HEARD, (sequence, event.stamp.event_id))

    engine.bus.subscribe(hear)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, engine.stopping.set)
    paper = engine.settings.paper
    opening = {
        Platform.KALSHI: Money(paper.kalshi_cash),
        Platform.POLYMARKET: Money(paper.polymarket_cash),
    }
    await engine.lifecycle.start(
        engine.tape.meta.contracts,
        engine.pairs,
        opening,
        mode="paper",
        run=number,
        version=__version__,
        checks=(engine.reconciling.service.reconcile, engine.carrying.take_up),
    )
    person = asyncio.ensure_future(_person(life, engine))
    settled = [gateway.settled for gateway in engine.gateways.values()]
    await engine.lifecycle.run(engine._feed, settled, engine.stopping)
    person.cancel()
    await engine.lifecycle.stop("the tape ended")
    assert lasting is not None, "the platforms last until here"


async def _person(life: Life, engine: Engine) -> None:
    """Halt trading and resume it, as commands of another process."""
    if not life.scenario.asks:
        return
    pair = engine.pairs[0].match_id
    wishes: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("override", 20, {"target": pair, "amount": "50"}),
        ("halt", 15, {"all": False}),
        ("resume", 20, {"reason": "operator"}),
        ("override", 20, {"target": pair, "amount": "90000"}),
        ("halt", 40, {"all": False}),
        ("resume", 15, {"reason": "operator"}),
    )
    for turn, (name, seconds, arguments) in enumerate(wishes):
        await engine.clock.sleep(seconds)
        command = f"{life.number}.{turn}.{engine.clock.now().isoformat()}"
        row = command_row(command, name, arguments, "a test of crashes", "tester", engine.clock)
        await engine.journal.commit(Batch((Insert("operator_commands", row),)))

"""Time from a halt's commit in another process to its effect in the engine."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import timedelta
from typing import Any

from dutchbook.application.operator.command_rows import command_row, halting
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.lease import ENGINE, TABLE, Fence, take
from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.bootstrap.paper_run import REDRAW_SECONDS
from dutchbook.config import load
from dutchbook.domain.capital.limits import Grade, HaltReason
from dutchbook.errors import Halted
from dutchbook.persistence.database import Database
from dutchbook.ports.journal import Batch, Insert, Journal
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.live import run_live
from dutchbook.runtime.process import gone, myself
from dutchbook.runtime.virtual_time import turnstile

TERM = timedelta(minutes=10)
MS = 1_000
AIM_MS = 100
"""Target from a halt's commit until entries are rejected, whatever the engine knows."""


def compare(halts: int) -> list[str]:
    """Return how long halts took from their commit, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/halts.db"
        Database.at(url).prepare("paper")
        refused, folded = run_live(_measure(url, halts))
    return [
        f"halt to the first refused entry: {_summary(refused)} ms (aim: under {AIM_MS})",
        f"halt to the risk state, looked for every {REDRAW_SECONDS} s: {_summary(folded)} ms",
    ]


def _summary(seconds: list[float]) -> str:
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"{middle * MS:.1f} ({low * MS:.1f} to {high * MS:.1f})"


async def _measure(url: str, halts: int) -> tuple[list[float], list[float]]:
    journal, other = (Database.at(url).journal(turnstile()) for _ in range(2))
    await journal.open()
    await other.open()
    clock, tape, folded = SystemClock(), generated_tape(1, minutes=1), asyncio.Event()
    fence = await take(journal, clock, myself(), TERM, gone)
    paper = build_paper(load(), tape, journal, clock, seed=1, ids=RandomIds(), fence=fence)
    engine = paper.engine
    meta = tape.meta
    await engine.lifecycle.start(
        meta.contracts, meta.pairs, {}, mode="paper", run=1, version="bench"
    )

    def on_folded() -> None:
        if HaltReason.OPERATOR in engine.risk.capital.state.halt_reasons:
            folded.set()

    following = asyncio.ensure_future(
        engine.lifecycle.commands.follow(REDRAW_SECONDS, on_folded)
    )
    first, shown = [], []
    for _ in range(halts):
        began = await _halt(other)
        await _expect_rejection(engine.committer, fence)
        first.append(time.perf_counter() - began)
        await folded.wait()
        shown.append(time.perf_counter() - began)
        folded.clear()
        await engine.risk.halts.resume_trading(HaltReason.OPERATOR, "measured")
    following.cancel()
    await journal.close()
    await other.close()
    return first, shown


async def _halt(journal: Journal) -> float:
    """Halt as another process does, and return when the halt was durable."""
    row = command_row(
        RandomIds().new("command", "bench"), "halt", {}, "measured", "bench", SystemClock()
    )
    lease = (await journal.rows(TABLE, ENGINE))[0]
    writes = (Insert("operator_commands", row), halting(lease, Grade.NO_ENTRIES))
    await journal.commit(Batch(writes))
    return time.perf_counter()


async def _expect_rejection(committer: Committer, fence: Fence) -> None:
    """Commit an entry intent, as an engine unaware of the halt; this must fail."""
    assert not fence.halted, "nothing was read since"
    order: dict[str, Any] = {"order_id": "never", "purpose": "entry", "working_size": 1}
    try:
        await committer.commit(Batch((Insert("orders", order),)))
    except Halted:
        return
    raise AssertionError("a halt was committed, and an entry after it")

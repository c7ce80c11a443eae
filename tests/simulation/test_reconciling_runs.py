"""The comparison with the platforms, on whole runs: at rest nothing is left to repair."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from simulation.test_spoiled_answers import ALL, BUSY, REFUSED, UNANSWERED
from simulation.test_whole_runs import FAULTS
from support.runs import WatchedJournal, conserved

from dutchbook.application.lifecycle import count_run
from dutchbook.application.reconciliation import Reconciled
from dutchbook.bootstrap import build, generated_tape
from dutchbook.config import load
from dutchbook.domain.reconciliation import Involvement
from dutchbook.engine import Engine
from dutchbook.persistence.memory import MemoryJournal
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

SPOILED = [(*BUSY, f"paper.fault_{each.value}=400000") for each in (*REFUSED, *UNANSWERED)]
PLANS = [*FAULTS, *SPOILED, (*BUSY, *ALL)]
Work = Callable[[Engine], Awaitable[Any]]


def after(
    work: Work, *settings: str, seed: int = 1, journal: MemoryJournal | None = None
) -> Any:
    """Run an engine to the end of its tape, and do `work` with what it left."""

    async def main() -> Any:
        kept = journal or WatchedJournal(conserved)
        tape = generated_tape(seed, minutes=60)
        number = await count_run(kept)
        clock = TapeClock(tape.meta.first)
        engine = build(load(None, settings), tape, kept, clock, seed=seed, run=number)
        await engine.trade(number)
        return await work(engine)

    return run_virtual(main())


async def twice(engine: Engine) -> tuple[Reconciled, Reconciled]:
    return (
        await engine.reconciling.service.reconcile(),
        await engine.reconciling.service.reconcile(),
    )


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: ",".join(plan)[-60:] or "none")
def test_a_second_comparison_repairs_nothing_and_both_sides_agree(
    plan: tuple[str, ...],
) -> None:
    first, second = after(twice, *plan)

    decided = [d for d in second.discrepancies if d.involvement is Involvement.DECIDES]
    assert second.repairs == 0
    assert second.discrepancies == first.discrepancies or first.repairs
    assert [(d.kind, d.subject, d.ours, d.theirs) for d in decided] == []

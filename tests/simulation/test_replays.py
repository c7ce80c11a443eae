"""After every kind of run the log alone rebuilds the tables exactly (I-26)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from support.faults import ALL, BUSY, FAULTS, REFUSED, UNANSWERED
from support.memory_journal import MemoryJournal
from support.runs import stored, verified

from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.persistence.log.audit import Audit, audited
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

SPOILED = [(*BUSY, f"paper.fault_{each.value}=400000") for each in (*REFUSED, *UNANSWERED)]
LATE = (*BUSY, "paper.latency_ms=2000", "execution.answer_seconds=1", "execution.queries=1")
OFF = ("execution.auto_policy=off", "paper.fault_rejected=300000")
KINDS: list[tuple[str, ...]] = [*FAULTS, *SPOILED, (*BUSY, *ALL), LATE, OFF]


def lived(*settings: str, seed: int, runs: int = 1, dies: Sequence[int] = ()) -> Audit:
    """Run an engine on one journal repeatedly; `dies` names the runs that break off."""

    async def main() -> Audit:
        journal = MemoryJournal()
        for run in range(1, runs + 1):
            tape = generated_tape(seed + run, minutes=10)
            clock = TapeClock(tape.meta.first)
            paper = build_paper(load(None, settings), tape, journal, clock, seed=seed, run=run)
            await (broken_off(paper, run) if run in dies else paper.trade(run))
        read = await stored(journal)
        assert all(read(name) for name in ("orders", "reservations", "risk_states"))
        assert await verified(journal) == []
        return audited(read)

    return run_virtual(main())


async def broken_off(paper: PaperRun, run: int) -> None:
    """Let an engine die in the middle of its tape, with whatever is in progress."""
    trading = asyncio.ensure_future(paper.trade(run))
    await paper.engine.clock.sleep(300)
    trading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trading


@pytest.mark.parametrize(
    "settings", KINDS, ids=lambda settings: settings[-1] if settings else "-"
)
def test_replaying_the_log_rebuilds_every_table_whatever_went_wrong(
    settings: tuple[str, ...],
) -> None:
    audit = lived(*settings, seed=6)

    assert audit.problems == ()
    assert audit.since == 1
    assert audit.entries > 0


@pytest.mark.parametrize("settings", [(), FAULTS[-1], (*BUSY, *ALL), LATE, OFF])
@pytest.mark.parametrize("dies", [(), (1,), (1, 2)])
def test_replaying_rebuilds_every_table_over_restarts_clean_or_not(
    settings: tuple[str, ...], dies: tuple[int, ...]
) -> None:
    audit = lived(*settings, seed=3, runs=3, dies=dies)

    assert audit.problems == ()
    assert audit.since == 1


def test_a_write_that_bypasses_the_log_is_found() -> None:
    async def main() -> Audit:
        journal = MemoryJournal()
        tape = generated_tape(7, minutes=5)
        paper = build_paper(load(None), tape, journal, TapeClock(tape.meta.first), seed=7)
        await paper.trade(1)
        for row in journal._tables["risk_states"].values():
            row["trading_halted"] = True
        return audited(await stored(journal))

    audit = run_virtual(main())

    assert audit.problems == ("risk_states default: the log says otherwise of trading_halted",)

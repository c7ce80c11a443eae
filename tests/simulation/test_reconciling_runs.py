"""The comparison with the platforms, on whole runs: at rest nothing is left to repair."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.faults import ALL, BUSY, FAULTS, REFUSED, UNANSWERED
from support.memory_journal import MemoryJournal
from support.runs import AS_THEY_COME, WatchedJournal, conserved

from dutchbook.application.reconciliation.service import Reconciled
from dutchbook.application.records.runs import count_run
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.events import Event, OrderPlaced, PositionOpened
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.findings import Discrepancy, DiscrepancyType, Involvement
from dutchbook.platforms.paper.faults import FaultPlan
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

SPOILED = [(*BUSY, f"paper.fault_{each.value}=400000") for each in (*REFUSED, *UNANSWERED)]
PLANS = [*FAULTS, *SPOILED, (*BUSY, *ALL)]
Work = Callable[[PaperRun], Awaitable[Any]]


def after(
    work: Work,
    *settings: str,
    seed: int = 1,
    minutes: int = 30,
    journal: MemoryJournal | None = None,
    prepare: Callable[[PaperRun], None] = lambda _: None,
) -> Any:
    """Run an engine to the end of its tape, then run `work` with that engine."""

    async def main() -> Any:
        kept = journal or WatchedJournal(conserved)
        tape = generated_tape(seed, minutes=minutes)
        number = await count_run(kept)
        clock = TapeClock(tape.meta.first)
        paper = build_paper(
            load(None, (AS_THEY_COME, *settings)), tape, kept, clock, seed=seed, run=number
        )
        prepare(paper)
        await paper.trade(number)
        return await work(paper)

    return run_virtual(main())


async def twice(paper: PaperRun) -> tuple[Reconciled, Reconciled]:
    """Compare twice, once no faults are injected any more."""
    for gateway in paper.platforms.gateways.values():
        gateway._server._faults = FaultPlan()
        gateway._server._again = None
    return (
        await paper.engine.reconciling.service.reconcile(),
        await paper.engine.reconciling.service.reconcile(),
    )


def never_arrived(found: Discrepancy) -> bool:
    """Polymarket does not say how recent its reads are, so that nothing proves an absence."""
    missing = found.kind is DiscrepancyType.ORDER_NOT_FOUND
    unanswered = bool(found.ours["awaiting_answer"]) if missing else False
    return unanswered and found.platform is Platform.POLYMARKET


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: ",".join(plan)[-60:] or "none")
def test_a_second_comparison_repairs_nothing_and_both_states_agree(
    plan: tuple[str, ...],
) -> None:
    first, second = after(twice, *plan, seed=7, minutes=12)

    decided = [
        d
        for d in second.discrepancies
        if d.involvement is Involvement.DECIDES and not never_arrived(d)
    ]
    assert second.event.repairs == 0
    assert (first.not_reached, second.not_reached) == ((), ())
    assert [(d.kind, d.subject, d.ours, d.theirs) for d in decided] == []


def test_what_a_stopped_run_left_is_settled_before_the_next_one_trades() -> None:
    """I-23: an order was out and its fills were provisional when the process was gone."""
    kept = MemoryJournal()

    async def left(paper: PaperRun) -> list[str]:
        return [str(row["status"]) for row in await paper.engine.journal.rows("orders")]

    stopped = after(left, "paper.latency_ms=3600000", journal=kept, prepare=stop_at_an_order)

    async def found(paper: PaperRun) -> Any:
        log = await paper.engine.journal.rows("audit_log")
        names = [row["name"] for row in log]
        begun = len(names) - names[::-1].index("system.started") - 1
        rows = await paper.engine.journal.rows("orders", {}, ("created_at",))
        return (
            names[begun:],
            str(rows[0]["status"]),
            await paper.engine.journal.rows("discrepancies"),
        )

    names, first, disputes = after(found, journal=kept)

    assert stopped == ["PENDING"]
    assert first == "CANCELLED"
    compared = names.index("system.reconciliation.complete")
    assert compared < names.index("execution.order.placed")
    assert disputes == []


def stop_at_an_order(paper: PaperRun) -> None:
    def on_event(event: Event, sequence: int) -> None:
        if isinstance(event, OrderPlaced) and sequence:
            paper.engine.stopping.set()

    paper.engine.committer.subscribe(on_event)


def test_provisional_fills_of_an_earlier_run_become_final_in_the_next() -> None:
    kept = MemoryJournal()

    async def provisional(paper: PaperRun) -> int:
        rows = await paper.engine.journal.rows("fills")
        return sum(row["finality"] == "provisional" for row in rows)

    before = after(
        provisional, "paper.settle_ms=86400000", journal=kept, prepare=stop_at_a_position
    )
    later = after(provisional, journal=kept)

    assert before > 0
    assert later == 0


def stop_at_a_position(paper: PaperRun) -> None:
    def on_event(event: Event, sequence: int) -> None:
        if isinstance(event, PositionOpened) and sequence:
            paper.engine.stopping.set()

    paper.engine.committer.subscribe(on_event)


@pytest.mark.parametrize("seed", [4, 7])
def test_what_an_unanswered_order_may_have_filled_is_not_called_unexplained(seed: int) -> None:
    """Platforms that seldom answer: totals change by fills that were not reported to us."""
    silent = ("paper.fault_lost_answer=800000", "paper.fault_failed_fill=500000")

    async def kinds(paper: PaperRun) -> set[str]:
        return {row["kind"] for row in await paper.engine.journal.rows("discrepancies")}

    found = after(kinds, *BUSY, *silent, "paper.settle_ms=70000", seed=seed, minutes=12)

    assert found <= {"fill_failed"}

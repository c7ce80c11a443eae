"""What a pair's row says of when, and how often, it was traded."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from support.memory_journal import MemoryJournal
from support.runs import HELD, play

from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.ports.journal import Batch, Update
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape

FIRST = "first_traded_timestamp"


def ends(tables: dict[str, list[dict[str, Any]]], pair_id: str) -> list[datetime]:
    """Return when the executions of a pair that bought something ended, in order."""
    rows = (row for row in tables["executions"] if row["pair_id"] == pair_id)
    return sorted(row["ended_at"] for row in rows if str(row["phase"]) != "failed")


def test_a_pair_says_when_it_was_traded_for_the_first_and_the_last_time() -> None:
    run = play(*HELD, seed=7, minutes=30)

    (row, *_) = (r for r in run.tables["contract_matches"] if r["total_cycles_traded"] > 1)
    traded = ends(run.tables, row["match_id"])
    assert row["total_cycles_traded"] == len(traded)
    assert (row[FIRST], row["last_traded_timestamp"]) == (traded[0], traded[-1])


def test_a_pair_whose_executions_bought_nothing_was_not_traded() -> None:
    run = play("paper.fault_rejected=1000000", minutes=10)

    assert run.tables["executions"]
    assert {row[FIRST] for row in run.tables["contract_matches"]} == {None}


def _hours_later(hours: int) -> MemoryTape:
    """Return the generated tape with all its times some hours later."""
    tape, by = generated_tape(7, minutes=5), timedelta(hours=hours)
    meta = replace(tape.meta, first=tape.meta.first + by, last=tape.meta.last + by)
    return MemoryTape(meta, [replace(row, at=row.at + by) for row in tape.rows])


async def _trade(journal: MemoryJournal, number: int) -> dict[str, Any]:
    """Run an engine for the `number`th time; return when each pair was first traded."""
    tape = _hours_later(number)
    clock = TapeClock(tape.meta.first)
    paper = build_paper(load(None, HELD), tape, journal, clock, seed=7, run=number)
    summary = await paper.trade(number)
    assert summary["executions"]["hedged"] >= number, "each run trades"
    rows = await journal.rows("contract_matches")
    return {row["match_id"]: row[FIRST] for row in rows if row[FIRST] is not None}


def test_a_later_run_changes_nothing_about_the_first_time() -> None:
    async def main() -> list[dict[str, Any]]:
        journal = MemoryJournal()
        return [await _trade(journal, number) for number in (1, 2)]

    first, second = run_virtual(main())

    assert first
    assert first.items() <= second.items()


def test_a_record_that_lacks_the_first_time_gets_it_with_the_next_trade() -> None:
    async def main() -> list[dict[str, Any]]:
        journal = MemoryJournal()
        first = await _trade(journal, 1)
        forgotten = (
            Update("contract_matches", {"match_id": n}, put={FIRST: None}) for n in first
        )
        await journal.commit(Batch(tuple(forgotten)))
        return [first, await _trade(journal, 2)]

    first, second = run_virtual(main())

    assert first.items() <= second.items()

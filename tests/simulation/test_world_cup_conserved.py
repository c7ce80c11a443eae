"""The World Cup recording, with the books of our capital checked after every commit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from support.recordings import WORLD_CUP, needs
from support.runs import Finished, WatchedJournal, conserved, play

from dutchbook.domain.events import BudgetCommitted
from dutchbook.ports.journal import Batch, Insert
from dutchbook.tape.format import open_tape
from dutchbook.tape.message import Tape

SETTINGS = ("detection.minimum_net_edge=0.001",)
FAULTS = {
    "lost_answer": 150_000,
    "failed_fill": 150_000,
    "partial": 150_000,
    "rejected": 150_000,
    "not_sent": 100_000,
}
MANY = ("risk.max_open_pairs=100", "execution.cool_down_seconds=1")
"""Enough entries that every fault strikes some."""

pytestmark = needs(WORLD_CUP)


@pytest.fixture(scope="module")
def tape(world_cup_tape: Path) -> Tape:
    return open_tape(world_cup_tape)


def _moved(run: Finished) -> int:
    """Count the events that accompany a change of capital."""
    names = ("risk.budget.reserved", "risk.budget.committed", "risk.budget.released")
    return sum(row["name"] in names for row in run.tables["audit_log"])


def test_capital_is_conserved_after_every_commit_of_the_recording(tape: Tape) -> None:
    run = play(*SETTINGS, tape=tape, check=conserved)

    assert run.summary["positions"]["total"] == 21
    assert run.summary["positions"]["CLOSED"] == 18
    assert run.checked >= _moved(run) == 50
    assert not [row for row in run.tables["reservations"] if row["status"] == "reserved"]


def test_capital_is_conserved_after_every_commit_when_the_recording_meets_faults(
    tape: Tape,
) -> None:
    faults = [f"paper.fault_{name}={rate}" for name, rate in FAULTS.items()]

    run = play(*SETTINGS, *MANY, *faults, tape=tape, check=conserved)

    orders = run.tables["orders"]
    assert run.checked >= _moved(run) > 20
    assert any(row["finality"] == "failed" for row in run.tables["fills"])
    assert any(row["status"] == "REJECTED" for row in orders)
    assert any(Decimal(0) < row["fill_size"] < row["size"] for row in orders)
    assert run.summary["events"]["execution.order.outcome_unknown"] > 0
    assert run.summary["events"]["execution.single_leg.exposure"] > 0


def test_a_cent_that_appears_from_nowhere_during_the_recording_is_caught(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = WatchedJournal.commit

    async def generous(journal: WatchedJournal, batch: Batch) -> object:
        if any(isinstance(event, BudgetCommitted) for event in batch.events):
            entry = next(w for w in batch.writes if w.table == "ledger_entries")
            assert isinstance(entry, Insert)
            more = Insert("ledger_entries", {**entry.row, "entry_id": "from nowhere"})
            batch += Batch((more,))
        return await honest(journal, batch)

    monkeypatch.setattr(WatchedJournal, "commit", generous)

    with pytest.raises(BaseExceptionGroup) as caught:
        play(*SETTINGS, tape=tape, check=conserved)

    assert caught.value.subgroup(_told_of_the_ledger)


def _told_of_the_ledger(error: BaseException) -> bool:
    return isinstance(error, AssertionError) and "I-11" in str(error)

"""Which leg a run sends first, decided by counts that always agree with the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.memory_journal import MemoryJournal
from support.rows import leg_state
from support.runs import HELD, Finished, play

from dutchbook.application.market.leg_order import FirstLegs
from dutchbook.bootstrap.paper import PaperRun, generated_tape
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.leg_order import ENOUGH, Tally
from dutchbook.domain.market.contract import Contract, Platform
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape
from dutchbook.tape.metadata import approved

FAULTS = ("paper.fault_rejected=300000", "paper.fault_partial=300000")


def counted(journal: Any) -> dict[str, dict[Platform, Tally]]:
    """Count the executions in a database from scratch."""
    fresh = FirstLegs(journal)
    run_virtual(fresh.load())
    return fresh.tallies


@pytest.mark.parametrize("seed", [4, 7])
def test_counts_kept_as_executions_end_are_those_that_a_new_start_counts(seed: int) -> None:
    run = play(*FAULTS, seed=seed, minutes=20)

    tallies = run.engine.trading.first_legs.tallies
    assert tallies == counted(run.engine.journal)
    assert sum(t.attempts for each in tallies.values() for t in each.values()) > 0


def test_missed_second_legs_are_counted() -> None:
    runs = [play(*FAULTS, seed=seed, minutes=20) for seed in (4, 7)]

    missed = [
        tally.missed
        for run in runs
        for each in run.engine.trading.first_legs.tallies.values()
        for tally in each.values()
    ]
    exposed = sum(run.summary["executions"].get("exposed", 0) for run in runs)
    assert 0 < sum(missed) <= exposed


def _ended(number: int, pair_id: str) -> dict[str, Any]:
    """Return the row of an earlier run's execution whose second leg was missed."""
    return {
        "execution_id": f"earlier-{number}",
        "opportunity_id": f"earlier-{number}",
        "pair_id": pair_id,
        "direction": "kalshi_yes",
        "primary_platform": "kalshi",
        "planned_quantity": 10,
        "started_at": datetime(2026, 7, 1, tzinfo=UTC),
        "ended_at": datetime(2026, 7, 1, tzinfo=UTC),
        "shortfall": None,
        "phase": Phase.EXPOSED,
        "primary_state": leg_state(Platform.KALSHI) | {"filled": "10"},
        "secondary_state": leg_state(Platform.POLYMARKET),
        "version": 1,
    }


def _firsts(run: Finished) -> set[Platform]:
    return {
        Platform(row["primary_platform"])
        for row in run.tables["executions"]
        if not row["execution_id"].startswith("earlier")
    }


@pytest.mark.parametrize(
    ("earlier", "first"), [(0, Platform.KALSHI), (ENOUGH, Platform.POLYMARKET)]
)
def test_a_run_uses_the_missed_legs_of_earlier_runs(earlier: int, first: Platform) -> None:
    def remember(paper: PaperRun) -> None:
        engine = paper.engine

        assert isinstance(engine.journal, MemoryJournal)
        for match in paper.tape.meta.pairs:
            for number in range(earlier):
                row = _ended(number, match.match_id)
                row["execution_id"] += match.match_id
                engine.journal._tables["executions"][row["execution_id"],] = row
                seen = {"opportunity_id": row["opportunity_id"], "reason": None}
                kept = engine.journal._tables["opportunities"]
                kept[row["opportunity_id"],] = seen | {"expected_profit": Decimal(0)}

    assert _firsts(play(prepare=remember)) == {first}


def test_polymarket_goes_first_and_in_full_where_it_delays_takers() -> None:
    tape = generated_tape(7, minutes=20)
    pairs = tuple(
        approved(replace(each, polymarket=_held(each.polymarket))) for each in tape.meta.pairs
    )
    contracts = tuple(pair.contract(platform) for pair in pairs for platform in Platform)
    meta = replace(tape.meta, pairs=pairs, contracts=contracts)

    run = play(*HELD, tape=MemoryTape(meta, tape.rows))

    firsts = [row for row in run.tables["orders"] if row["purpose"] == "entry"]
    assert firsts
    assert {(row["platform"], row["time_in_force"]) for row in firsts} == {
        ("polymarket", "fok")
    }
    for row in run.tables["fills"]:
        if row["platform"] is Platform.POLYMARKET:
            order = next(o for o in firsts if o["order_id"] == row["order_id"])
            assert row["matched_at"] - order["created_at"] >= timedelta(seconds=3)


def _held(contract: Contract) -> Contract:
    return replace(contract, taker_delay=timedelta(seconds=3))

"""Which leg a run sends first, by what was seen of second legs, also by earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from support.memory_journal import MemoryJournal
from support.runs import HELD, Finished, play

from dutchbook.application.records.second_legs import NAME, Known, read
from dutchbook.bootstrap.paper import PaperRun, generated_tape
from dutchbook.domain.execution.second_leg import Evidence
from dutchbook.domain.market.contract import Contract, Platform
from dutchbook.tape.message import MemoryTape
from dutchbook.tape.metadata import approved

FAULTS = ("paper.fault_rejected=300000", "paper.fault_partial=300000")


def written(run: Finished) -> Known:
    """Return what a run has written down of second legs."""
    (row,) = (row for row in run.tables["system_metadata"] if row["key"] == NAME)
    return read(row["value"])


@pytest.mark.parametrize("seed", [4, 7])
def test_what_executions_came_to_is_written_down_at_the_end(seed: int) -> None:
    run = play(*FAULTS, seed=seed, minutes=20)

    known = written(run).evidence
    for key, each in run.engine.trading.second_legs.evidence.items():
        at = known[key].at
        assert at is not None
        assert each.faded(at) == known[key]
    ended = [row for row in run.tables["executions"] if row["phase"] in ("hedged", "exposed")]
    assert ended
    assert {(row["pair_id"], Platform(row["primary_platform"]).other) for row in ended} <= {
        *known
    }


def test_missed_second_legs_are_counted() -> None:
    runs = [play(*FAULTS, seed=seed, minutes=20) for seed in (4, 7)]

    assert any(each.missed for run in runs for each in written(run).evidence.values())


def _remembered(missed: int) -> Callable[[PaperRun], None]:
    """Let an earlier run have seen what became of second legs on Polymarket."""

    def remember(paper: PaperRun) -> None:
        seen = Evidence(Decimal(10_000), Decimal(missed), paper.tape.meta.first)
        pairs = [match.match_id for match in paper.tape.meta.pairs]
        known = Known({(pair_id, Platform.POLYMARKET): seen for pair_id in pairs})
        text = known.written(paper.tape.meta.first)
        journal = paper.engine.journal
        assert isinstance(journal, MemoryJournal)
        journal._tables["system_metadata"][NAME,] = {"key": NAME, "value": text}

    return remember


def _firsts(run: Finished) -> set[Platform]:
    return {Platform(row["primary_platform"]) for row in run.tables["executions"]}


@pytest.mark.parametrize(
    ("missed", "first"), [(0, Platform.KALSHI), (10_000, Platform.POLYMARKET)]
)
def test_a_run_uses_what_earlier_runs_have_seen(missed: int, first: Platform) -> None:
    assert _firsts(play(prepare=_remembered(missed))) == {first}


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

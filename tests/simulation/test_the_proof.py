"""The simulation itself: one seed is one run, and its oracle sees what happens in it."""

from __future__ import annotations

import pytest
from prove.catalogue import FAULTS, PHASES
from prove.cells import BECAUSE, IMPOSSIBLE, POSSIBLE
from prove.limits import KINDS
from prove.plan import Plan
from prove.report import ENOUGH, Sum
from prove.tightness import TIGHT, tightened
from prove.world import Outcome, run

from dutchbook.domain.positions.position import PositionStatus


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(5, size=12)


def test_a_seed_is_the_same_run_every_time(outcome: Outcome) -> None:
    assert run(5, size=12).head == outcome.head


def test_tight_limits_cut_or_refuse_entries_and_are_never_exceeded() -> None:
    met = run(1, size=14)

    assert met.limits["cluster"] > 0
    assert met.violations == []


def test_the_oracle_sees_executions_faults_and_checks(outcome: Outcome) -> None:
    assert outcome.both
    assert outcome.checks > 1_000
    assert sum(outcome.tally.hits.values()) > 0


def long_run() -> Sum:
    """Return the totals of a run that met everything it can meet."""
    total = Sum(first=1, executions=ENOUGH, both=ENOUGH)
    total.reached.update({status.value: ENOUGH for status in PositionStatus})
    total.tally.hits.update(dict.fromkeys(POSSIBLE, ENOUGH))
    total.limits.update(dict.fromkeys(KINDS, 1))
    return total


def test_a_long_run_that_met_everything_it_can_meet_is_not_void() -> None:
    assert long_run().missing == []
    assert long_run().strange == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_run_in_which_a_limit_never_bound_is_void(kind: str) -> None:
    total = long_run()
    total.limits[kind] = 0

    assert total.missing == [f"no entry met the limit: {kind}"]


def test_a_long_run_that_never_hit_a_cell_that_it_can_hit_is_void() -> None:
    total = long_run()
    total.tally.hits[34, "settlement"] = 0

    assert total.missing == ["X34 was never hit on: settlement"]


def test_a_short_run_need_not_hit_every_cell() -> None:
    total = long_run()
    total.executions = ENOUGH - 1
    total.tally.hits[34, "settlement"] = 0

    assert total.missing == []


def test_a_hit_where_none_is_possible_shows_that_the_table_is_wrong() -> None:
    total = long_run()
    total.tally.hits[33, "books"] = 1

    assert total.strange == [f"X33 was hit on: books, though {IMPOSSIBLE[33, 'books']}"]


def test_every_cell_that_cannot_be_hit_has_one_reason() -> None:
    cells = [(n, phase) for faults, phases, _ in BECAUSE for n in faults for phase in phases]

    assert len(cells) == len(set(cells))
    assert set(cells) | set(POSSIBLE) == {(n, phase) for n in FAULTS for phase in PHASES}
    assert all(reason for _, _, reason in BECAUSE)


def test_any_few_seeds_in_a_row_have_tight_limits_of_every_kind_and_doubtful_fills() -> None:
    for first in (1, 4_242):
        seeds = range(first, first + TIGHT * len(KINDS))

        assert {kind for seed in seeds for kind in tightened(seed)} == set(KINDS)
        assert 3 * sum(14 in Plan.of(seed).rates for seed in seeds) > len(seeds)

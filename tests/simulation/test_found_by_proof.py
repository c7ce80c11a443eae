"""Seeds of the simulation that once found a bug: each must stay clean."""

from __future__ import annotations

import pytest
from prove.world import Outcome, run

FOUND = {
    3: "a recovered order was remembered with another version than its row has",
    11: "a clock that was set back kept a person from being told",
    19: "what evened an overfilled second leg was hedged again",
    25: "a fill that failed while its execution waited was paid back without having been paid",
    39: "events of a commit with an unknown result were never told",
    113: "a recovered order, likewise, after a crash",
    141: "a call that was cancelled left an order that nobody asked about",
    2140: "the risk budget was counted again while a commit that changes it was under way",
}


@pytest.mark.parametrize("seed", FOUND)
def test_a_seed_that_found_a_bug_is_clean(seed: int) -> None:
    outcome = run(seed)

    assert [str(each) for each in outcome.violations] == []
    assert outcome.executions


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(5, size=12)


def test_a_seed_is_the_same_run_every_time(outcome: Outcome) -> None:
    assert run(5, size=12).head == outcome.head


def test_the_oracle_sees_executions_faults_and_checks(outcome: Outcome) -> None:
    assert outcome.both
    assert outcome.checks > 1_000
    assert sum(outcome.tally.hits.values()) > 0

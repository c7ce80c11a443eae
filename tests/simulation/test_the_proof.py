"""The simulation itself: one seed is one run, and its oracle sees what happens in it."""

from __future__ import annotations

import pytest
from prove.world import Outcome, run


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(5, size=12)


def test_a_seed_is_the_same_run_every_time(outcome: Outcome) -> None:
    assert run(5, size=12).head == outcome.head


def test_the_oracle_sees_executions_faults_and_checks(outcome: Outcome) -> None:
    assert outcome.both
    assert outcome.checks > 1_000
    assert sum(outcome.tally.hits.values()) > 0

"""How an execution ends: failed, hedged, or exposed by a difference with a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.executions import FIRST, SECOND, execution, q, takes

from dutchbook.domain.execution.decide import (
    CommitReservation,
    Execution,
    Intent,
    LegEnded,
    Phase,
    RaiseExposure,
    ReleaseReservation,
    decide,
)
from dutchbook.domain.market.contract import Leg


def ends(before: Execution, phase: Phase, *intents: Intent) -> None:
    takes(before, LegEnded(SECOND), *intents, after=replace(before, phase=phase))


@pytest.mark.parametrize(
    ("failure", "reason"), [("closed", "closed"), (None, "nothing was filled")]
)
def test_an_execution_that_bought_nothing_fails_and_releases_its_capital(
    failure: str | None, reason: str
) -> None:
    ends(execution({"failure": failure}), Phase.FAILED, ReleaseReservation(reason))


@pytest.mark.parametrize("second", ["10", "10.009999", "9.990001"])
def test_legs_that_differ_by_less_than_dust_are_hedged(second: str) -> None:
    before = execution({"filled": "10"}, {"sent": "10", "filled": second})

    ends(before, Phase.HEDGED, CommitReservation())


EXPOSED: dict[str, tuple[dict[str, Any], dict[str, Any], Leg, str, str, int]] = {
    "the second leg lacks dust, and holds something": (
        {"filled": "10"},
        {"sent": "10", "filled": "9.99"},
        FIRST,
        "0.01",
        "too small to hedge",
        2001,
    ),
    "only dust was bought, and of one leg": (
        {"filled": "0.005"},
        {"sent": "10"},
        FIRST,
        "0.005",
        "too small to hedge",
        2001,
    ),
    "the second leg lacks less than its smallest order": (
        {"filled": "14.5"},
        {"sent": "14.5", "filled": "10"},
        FIRST,
        "4.5",
        "too small to hedge",
        2001,
    ),
    "the second leg lacks its smallest order": (
        {"filled": "15"},
        {"sent": "15", "filled": "10"},
        FIRST,
        "5",
        "only a part of it was filled",
        2001,
    ),
    "nothing of the second leg was filled": (
        {"filled": "5"},
        {"sent": "5"},
        FIRST,
        "5",
        "nothing of it was filled",
        2001,
    ),
    "the second leg had no depth": (
        {"filled": "50"},
        {"failure": "depth"},
        FIRST,
        "50",
        "depth",
        2001,
    ),
    "the second leg was rejected": (
        {"filled": "50"},
        {"failure": "closed"},
        FIRST,
        "50",
        "closed",
        2004,
    ),
    "the first leg lacks less than its smallest order": (
        {"filled": "10", "failure": None},
        {"filled": "12.5", "failure": "closed"},
        SECOND,
        "2.5",
        "too small to hedge",
        2001,
    ),
    "nothing of the first leg was filled": (
        {},
        {"filled": "3"},
        SECOND,
        "3",
        "nothing of it was filled",
        2001,
    ),
    "the first leg was rejected when it was to be rebalanced": (
        {"filled": "10", "failure": "closed"},
        {"filled": "20"},
        SECOND,
        "10",
        "closed",
        2004,
    ),
}


@pytest.mark.parametrize(
    ("first", "second", "long", "size", "reason", "code"), EXPOSED.values(), ids=EXPOSED
)
def test_legs_that_differ_are_exposed_by_the_difference_with_the_reason_of_the_shorter_leg(
    first: dict[str, Any], second: dict[str, Any], long: Leg, size: str, reason: str, code: int
) -> None:
    ends(
        execution(first, second, evened=True),
        Phase.EXPOSED,
        CommitReservation(),
        RaiseExposure(long, q(size), reason, code),
    )


@pytest.mark.parametrize(
    ("second", "smallest"), [("12.9", "3"), ("10.009", "0.001")], ids=["too small", "dust"]
)
def test_an_excess_too_small_to_order_is_not_rebalanced(second: str, smallest: str) -> None:
    before = execution(
        {"sent": "10", "filled": "10", "smallest": smallest, "step": "0.001"},
        {"sent": "10", "filled": second},
    )

    after, intents = decide(before, LegEnded(SECOND))

    assert intents[0] == CommitReservation()
    assert not after.evened

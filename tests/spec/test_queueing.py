"""What the queue refuses, in which order it executes, and what it does about each result."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest
from support.queueing import FOUND, MOST, Queueing, on

from dutchbook.domain.capital.reservation import BudgetRequest
from dutchbook.domain.detection.quote import Opportunity, Reason
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money
from dutchbook.runtime.virtual_time import run_virtual

WHOLE = Reason.QUEUE_FULL


# Refusals
# ----------------------------------------------------------------------------------------

OBSTACLES: list[tuple[dict[str, Any], Reason]] = [
    ({"halted": True}, Reason.TRADING_HALTED),
    ({"closed": Reason.CLOSING_SOON}, Reason.CLOSING_SOON),
    ({"used": True}, Reason.IN_EXECUTION),
    ({"asked": True}, Reason.OUTCOME_UNKNOWN),
    ({"disputed": True}, Reason.DISCREPANCY_OPEN),
    ({"unhedged": True}, Reason.UNHEDGED_LEG),
    ({"opposed": True}, Reason.OPPOSITE_POSITION),
    ({"entered": MOST + 1}, Reason.MAX_OPEN_PAIRS),
]


def test_an_execution_may_start_if_nothing_is_in_its_way() -> None:
    at = Queueing()

    assert at.refusal() is None
    assert at.refusal(locked=True) is None
    assert at.queue.running == 0


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize(("facts", "reason"), OBSTACLES)
def test_each_obstacle_is_named(facts: dict[str, Any], reason: Reason, locked: bool) -> None:
    assert Queueing(**facts).refusal(locked=locked) is reason


@pytest.mark.parametrize("number", range(len(OBSTACLES)))
def test_of_several_obstacles_the_first_one_is_named(number: int) -> None:
    facts: dict[str, Any] = {}
    for each, _ in OBSTACLES[number:]:
        facts |= each

    assert Queueing(**facts).refusal() is OBSTACLES[number][1]


def test_while_a_platform_is_degraded_nothing_starts() -> None:
    at = Queueing(used=True)

    at.queue.degrade((Platform.KALSHI,))
    assert at.refusal() is Reason.PLATFORM_DEGRADED
    at.queue.degrade(())
    assert at.refusal() is Reason.IN_EXECUTION


def test_one_further_pair_than_allowed_may_be_entered_with_an_override() -> None:
    assert Queueing(entered=MOST + 1, lifted=True).refusal() is None


@pytest.mark.parametrize(
    ("after", "reason"),
    [(29.999, Reason.COOLING_DOWN), (30, None), (31, None)],
)
def test_a_pair_cools_down_after_an_execution(after: float, reason: Reason | None) -> None:
    at = Queueing()
    at.process(on("cup"))

    at.clock.elapsed = after

    assert at.refusal() is reason
    assert at.refusal(on("another").match) is None
    assert at.queue.running == 0


def test_a_pair_is_locked_while_its_execution_runs() -> None:
    at = Queueing(seconds=2)

    async def main() -> list[Any]:
        running = asyncio.ensure_future(at.queue.process_opportunities([on("cup")]))
        await asyncio.sleep(1)
        seen = [
            at.refusal(),
            at.refusal(locked=True),
            at.refusal(on("another").match),
            at.queue.running,
        ]
        await running
        return seen

    assert run_virtual(main()) == [Reason.IN_EXECUTION, None, None, 1]


# Results
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        (Phase.HEDGED, [("concluded", "cup", True)]),
        (Phase.EXPOSED, [("concluded", "cup", False)]),
        (Phase.FAILED, [("concluded", "cup", False)]),
        (Phase.WAITING, []),
    ],
)
def test_the_breaker_is_told_how_an_execution_ended(phase: Phase, told: list[Any]) -> None:
    at = Queueing(phase=phase)

    at.process(on("cup"))

    assert at.did == [("prepared", "cup"), ("executed", "cup"), *told]


def test_the_worst_case_of_each_leg_and_the_cost_of_both_is_requested() -> None:
    at = Queueing()

    at.process(on("cup"))

    budgets = {platform: FOUND.leg(platform).budget for platform in Platform}
    assert at.requests == [
        BudgetRequest("execution on cup", "cup", budgets, Money(Decimal(93)))
    ]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"no_capital": "pair_limit"}, []),
        ({"rejected": "rejected_by_database"}, []),
        ({"rejected": "pair_not_approved"}, ["reloaded"]),
    ],
)
def test_a_rejected_reservation_is_forgotten_and_counted(
    facts: dict[str, str], told: list[str]
) -> None:
    at = Queueing(**cast("Any", facts))

    at.process(on("a"), on("b"))

    (reason,) = facts.values()
    for pair in ("a", "b"):
        mine = [each for each in at.did if each[1].endswith(pair)]
        assert mine == [
            ("prepared", pair),
            ("forgot", f"execution on {pair}"),
            *((name, pair) for name in told),
        ]
    assert at.queue.refused == {reason: 2}


# Order and bounds
# ----------------------------------------------------------------------------------------


def test_the_best_return_is_executed_first_then_the_most_profit_then_by_name() -> None:
    at = Queueing(at_once={"at_once": 1})

    at.process(
        on("a", "1", 1, "x"),
        on("b", "1", 2, "x"),
        on("c", "2", 1, "x"),
        on("d", "1", 1, "y"),
    )

    assert [each[1] for each in at.did if each[0] == "executed"] == ["c", "b", "d", "a"]
    assert at.most_at_once == 1


def test_sixteen_executions_run_at_once() -> None:
    at = Queueing()

    at.process(*(on(f"pair-{number}") for number in range(20)))

    assert at.most_at_once == 16
    assert sum(each[0] == "executed" for each in at.did) == 20


def test_a_refused_opportunity_is_counted_and_its_pair_does_not_cool_down() -> None:
    at = Queueing(disputed=True)

    at.process(on("cup"), on("another"))

    assert (at.did, at.queue.refused) == ([], {"discrepancy_open": 2})
    at.disputed = False
    assert at.refusal() is None


def test_an_obstacle_that_appears_during_the_wait_for_a_slot_prevents_the_execution() -> None:
    at = Queueing(at_once={"at_once": 1}, seconds=2)

    async def main() -> None:
        running = asyncio.ensure_future(
            at.queue.process_opportunities([on("a", "3"), on("b", "2"), on("c", "1")])
        )
        await asyncio.sleep(1)
        at.asked = True
        await running

    run_virtual(main())

    assert [each for each in at.did if each[0] == "prepared"] == [("prepared", "a")]
    assert at.queue.refused == {"outcome_unknown": 2}
    assert at.queue.running == 0


def test_of_two_opportunities_on_one_pair_the_better_one_is_executed() -> None:
    at = Queueing()

    at.process(on("cup", "1", name="x"), on("cup", "2", name="y"))

    assert at.did[:2] == [("prepared", "cup"), ("executed", "cup")]
    assert at.queue.refused == {"in_execution": 1}


# Offers
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "answers", "waiting", "dropped"),
    [
        ([on("a"), on("b")], [None] * 2, {"a": "1", "b": "1"}, 0),
        # In place of the pair's own, unless that ranks higher; of equals the later one waits.
        ([on("a", "2"), on("b"), on("a", "3")], [None] * 3, {"a": "3", "b": "1"}, 0),
        ([on("a", "2"), on("b"), on("a", "1")], [None] * 3, {"a": "2", "b": "1"}, 0),
        # Another pair, in place of the worst one that waits, if it ranks higher than that.
        ([on("a", "2"), on("b"), on("c", "3")], [None] * 3, {"a": "2", "c": "3"}, 1),
        ([on("a", "2"), on("b"), on("c", "0")], [None, None, WHOLE], {"a": "2", "b": "1"}, 0),
        ([on("a", "2"), on("b"), on("c", "1")], [None, None, WHOLE], {"a": "2", "b": "1"}, 0),
        (
            [on("a", "2"), on("b"), on("c", "3"), on("d", "4")],
            [None] * 4,
            {"c": "3", "d": "4"},
            2,
        ),
    ],
)
def test_a_queue_of_two_keeps_the_best_opportunity_of_the_best_pairs(
    given: list[Opportunity],
    answers: list[Reason | None],
    waiting: dict[str, str],
    dropped: int,
) -> None:
    at = Queueing()

    assert [at.queue.offer(each) for each in given] == answers

    held = at.queue._waiting
    assert {pair: str(each.rate_per_day) for pair, each in held.items()} == waiting
    assert at.queue.refused == ({"queue_full": dropped} if dropped else {})


def test_of_two_equal_opportunities_on_a_pair_the_later_one_waits() -> None:
    at, later = Queueing(), on("a")

    at.queue.offer(on("a"))
    at.queue.offer(later)

    assert at.queue._waiting["a"] is later


def test_offers_are_executed_as_they_come_until_the_queue_is_drained() -> None:
    at = Queueing(seconds=3)

    async def main() -> list[Any]:
        running = asyncio.ensure_future(at.queue.run())
        at.queue.offer(on("a"))
        await asyncio.sleep(1)
        at.queue.offer(on("b"))
        await asyncio.sleep(1)
        at.queue.offer(on("late"))  # not started yet when the queue is drained
        await at.queue.drained()
        seen = [at.queue.offer(on("c")), at.queue.running]
        running.cancel()
        return seen

    seen = run_virtual(main())

    assert seen == [Reason.TRADING_HALTED, 0]
    assert [each[1] for each in at.did if each[0] == "executed"] == ["a", "b"]

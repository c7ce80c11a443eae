"""Orders whose outcome is unknown: which are asked about, and when each is asked about next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from support.answers import order
from support.purse import Hand

from dutchbook.application.orders.questions import Question, Questions
from dutchbook.application.orders.schedule import SHORTEST, Schedule
from dutchbook.domain.market.contract import Platform
from dutchbook.runtime.virtual_time import run_virtual

ORDER = order(Platform.KALSHI)
OTHER = order(Platform.KALSHI, order_id="o2", pair_id="league")


def opened() -> tuple[Questions, Hand]:
    clock = Hand()
    return Questions(clock), clock


def due(questions: Any) -> Any:
    return run_virtual(questions.due())


# Questions


def test_an_order_is_asked_about_until_its_outcome_is_known() -> None:
    questions, _ = opened()
    questions.notice(ORDER)
    questions.notice(OTHER, 0)

    counts = [questions.count]
    for order_id in ("o1", "o1", "never asked about", "o2"):
        questions.known(order_id)
        counts.append(questions.count)

    assert counts == [2, 1, 1, 1, 0]


def test_what_is_known_is_never_due() -> None:
    questions, clock = opened()
    questions.notice(ORDER, 1)
    questions.notice(OTHER, 5)
    questions.known("o1")

    assert due(questions) == [Question(OTHER, 0.0)]
    assert clock.slept == [5]


@pytest.mark.parametrize(("wait", "slept"), [(None, 1), (0, 0), (7, 7)])
def test_an_order_is_asked_about_after_a_second_or_another_wait(
    wait: int | None, slept: int
) -> None:
    questions, clock = opened()
    questions.notice(ORDER, *([] if wait is None else [wait]))

    assert due(questions) == [Question(ORDER, 0.0)]
    assert clock.slept == [slept]


def test_a_question_has_the_time_at_which_it_was_noticed_first() -> None:
    questions, clock = opened()
    clock.instant += timedelta(seconds=4)
    questions.notice(ORDER)
    clock.instant += timedelta(seconds=1)
    questions.notice(replace(ORDER, pair_id="another"))

    assert due(questions) == [Question(ORDER, 4.0)]


def test_a_pair_is_asked_about_if_one_of_its_orders_is() -> None:
    questions, _ = opened()
    questions.notice(ORDER)
    questions.notice(OTHER)

    found = [questions.asks_on(pair_id) for pair_id in ("cup", "league", "never")]

    assert found == [True, True, False]


def test_a_question_stands_until_the_outcome_is_known_and_not_for_a_later_one() -> None:
    questions, clock = opened()
    questions.notice(ORDER)
    (question,) = due(questions)

    seen = [questions.stands(question)]
    questions.asked_person(question)
    seen.append(questions.stands(question))
    questions.known("o1")
    seen.append(questions.stands(question))
    clock.instant += timedelta(seconds=1)
    questions.notice(ORDER)
    seen.append(questions.stands(question))

    assert seen == [True, True, False, False]


def test_it_is_remembered_that_a_person_was_asked() -> None:
    questions, _ = opened()
    questions.notice(ORDER, 0)
    (question,) = due(questions)
    assert not question.person_asked

    questions.asked_person(question)

    assert due(questions) == [Question(ORDER, 0.0, person_asked=True)]


def test_each_answer_that_does_not_come_doubles_the_wait() -> None:
    questions, clock = opened()
    questions.notice(ORDER, 1)
    for _ in range(9):
        (question,) = due(questions)
        questions.put_off(question)

    assert clock.slept == [1, 2, 4, 8, 16, 32, 60, 60, 60]


# The schedule


@dataclass
class Still(Hand):
    """A clock that stands at what the test sets, whoever sleeps."""

    elapsed: float = 0.0

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_a_key_without_a_wait_is_due_at_once_and_then_after_two_seconds() -> None:
    clock = Hand()
    schedule = Schedule(clock)
    schedule.add("a", 0)

    assert due(schedule) == ["a"]
    schedule.put_off("a")
    assert due(schedule) == ["a"]
    assert clock.slept == [0, 2]


def test_a_key_keeps_the_time_that_it_has() -> None:
    clock = Hand()
    schedule = Schedule(clock)
    schedule.add("a", 5)
    schedule.add("a", 1)

    assert due(schedule) == ["a"]
    assert clock.slept == [5]


def test_the_earliest_key_is_waited_for_and_all_that_are_due_by_then_are_returned() -> None:
    clock = Hand()
    schedule = Schedule(clock)
    clock.instant += timedelta(seconds=100)
    for key, wait in (("late", 9), ("a", 3), ("b", 3)):
        schedule.add(key, wait)

    assert due(schedule) == ["a", "b"]
    assert clock.slept == [3]


def test_what_is_overdue_is_not_waited_for() -> None:
    clock = Hand()
    schedule = Schedule(clock)
    schedule.add("a", 3)
    clock.instant += timedelta(seconds=10)

    assert due(schedule) == ["a"]
    assert clock.slept == [0]


def test_a_key_that_was_removed_is_not_due_and_removing_it_again_does_nothing() -> None:
    clock = Hand()
    schedule = Schedule(clock)
    schedule.add("a", 1)
    schedule.add("b", 2)
    schedule.drop("a")
    schedule.drop("a")

    assert due(schedule) == ["b"]


@pytest.mark.parametrize(
    ("left", "found"),
    [(0.0, ["a"]), (SHORTEST, ["a"]), (2 * SHORTEST, [])],
    ids=["now", "sooner than a clock can wait", "later"],
)
def test_what_no_clock_can_wait_for_is_due_now(left: float, found: list[str]) -> None:
    clock = Still(elapsed=left)
    schedule = Schedule(clock)
    schedule.add("a", 0)
    clock.elapsed = 0.0

    assert due(schedule) == found
    assert clock.slept == [left]


def test_an_empty_schedule_waits_for_a_key() -> None:
    async def main() -> tuple[bool, list[str]]:
        schedule = Schedule(Hand())
        schedule.add("known", 1)
        schedule.drop("known")
        waiting = asyncio.ensure_future(schedule.due())
        for _ in range(3):
            await asyncio.sleep(0)
        early = waiting.done()
        schedule.add("a", 2)
        return early, await waiting

    assert run_virtual(main()) == (False, ["a"])

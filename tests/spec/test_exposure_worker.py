"""What the engine does about an unhedged leg on its own, when, and what it says of it.

A hundred YES were bought at 40 cents on Kalshi; the NO on Polymarket are missing. YES is 41/45
on Kalshi and 47/49 on Polymarket, where a NO costs 53, unless a test says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.clocks import START
from support.exposures import exposure
from support.pairs import NOW
from support.single_legs import (
    KALSHI,
    POLYMARKET,
    Outcomes,
    Resolving,
    comes_to,
    not_sent,
    position,
)

from dutchbook.domain.events import PolicyTried, PositionMoved, SingleLegExposure
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.positions.exposure import CLOSE, COMPLEMENT, HOLD, RETRY
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.positions.work_rules import ALLOWED, AutoPolicy, WorkRules
from dutchbook.domain.values.units import Money
from dutchbook.ports.journal import Batch
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

pytestmark = pytest.mark.time_limit(10)
OPEN, CLOSED = PositionStatus.OPEN, PositionStatus.CLOSED
EXPOSED, PARTIAL = PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL
NO_FILL = comes_to("0", reason="nothing was filled")
HEDGES = comes_to("100", position("100", "100", OPEN))
CLOSES = comes_to("100", position("0", "0", CLOSED))
HEDGE = (Purpose.HEDGE, POLYMARKET, Side.BUY)
SALE = (Purpose.UNWIND, KALSHI, Side.SELL)
REVERSAL = (Purpose.UNWIND, KALSHI, Side.BUY)
KALSHI_BOOK = (KALSHI, "kalshi-cup")
Work = Callable[[Resolving], Awaitable[Any]]


def nothing(_: Resolving) -> Any:
    return asyncio.sleep(0)


def nothing_before(_: Resolving) -> None:
    """Leave everything as it is."""


def working(  # each fact is one that a test may change
    *outcomes: Outcomes,
    work: Work = nothing,
    before: Callable[[Resolving], Any] = nothing_before,
    held: OpenPosition | None = None,
    rules: WorkRules | None = None,
    drains: bool = True,
    begins: float = 0,
) -> Resolving:
    """Let an engine work on the exposure while `work` goes on, and return what it did."""

    async def main() -> Resolving:
        given: Any = {"rules": rules} if rules else {}
        at = Resolving(held or position(), *outcomes, clock=TapeClock(NOW), **given)
        before(at)
        await asyncio.sleep(begins)
        running = asyncio.ensure_future(at.service.run())
        await asyncio.sleep(0)
        at.service.exposed("held")
        await work(at)
        if drains:
            await at.service.drained()
        assert not running.done(), "it works until it is cancelled"
        running.cancel()
        return at

    return run_virtual(main())


def sent(at: Resolving) -> list[tuple[Purpose, Platform, Side]]:
    return [(plan.purpose, plan.platform, plan.side) for plan in at.plans]


def noted(at: Resolving) -> list[tuple[str, str | None]]:
    """Return the step and the reason of each event, those of intents first."""
    events = [*(each for notes in at.notes for each in notes), *at.told]
    return [(e.step, e.reason) for e in events if isinstance(e, PolicyTried)]


def rest(seconds: float) -> Work:
    return lambda _: asyncio.sleep(seconds)


def loss_of(name: str, each: str) -> Callable[[Resolving], None]:
    """Return what makes a remedy lose so much a contract, by the fees that were paid."""

    def costly(at: Resolving) -> None:
        pnl = at.remedy(name).pnl
        assert pnl is not None
        held = at.trade.position
        fees = Money(held.kalshi.fees + pnl + 100 * Decimal(each))
        at.trade.position = replace(held, kalshi=replace(held.kalshi, fees=fees))
        assert at.remedy(name).pnl == -100 * Decimal(each)

    return costly


# Which remedy
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("books", "order", "step"),
    [
        ({}, HEDGE, RETRY),
        ({POLYMARKET: ({40: 500}, {42: 500})}, SALE, CLOSE),
        ({POLYMARKET: ({40: 500}, {42: 500}), None: None}, REVERSAL, COMPLEMENT),
    ],
    ids=["completing", "selling", "buying the complement"],
)
def test_the_best_remedy_of_those_that_a_person_is_shown_is_taken(
    books: dict[Platform | None, Any], order: Any, step: str
) -> None:
    def shown(at: Resolving) -> None:
        at.show(KALSHI, {41: 500}, {43: 500})
        for platform, book in books.items():
            if platform is None:
                at.trade.settled_sizes = {}
            else:
                at.show(platform, *book)
        exposure = at.announce.exposed(at.trade)
        assert exposure.recommended(exposure.scenarios())[0] == step

    at = working(HEDGES, before=shown, rules=WorkRules(patience=timedelta(0)))

    assert sent(at) == [order]
    assert noted(at) == [(step, None)]
    assert at.plans[0].size == 100
    assert at.told == []


@pytest.mark.parametrize(
    ("policy", "orders"),
    [
        (AutoPolicy.OFF, []),
        (AutoPolicy.UNWIND, [SALE]),
        (AutoPolicy.COMPLETE_THEN_UNWIND, [HEDGE]),
    ],
)
def test_each_policy_allows_its_own_remedies(policy: AutoPolicy, orders: list[Any]) -> None:
    rules = WorkRules(allowed=ALLOWED[policy], patience=timedelta(0))

    at = working(*[HEDGES] * len(orders), rules=rules)

    assert sent(at) == orders


@pytest.mark.parametrize(
    ("each", "waits"), [("0.02", 0), ("0.02000001", 60), ("-0.01", 0), ("0.09", 60)]
)
def test_a_remedy_may_lose_the_rescue_limit_at_once_and_anything_after_the_patience(
    each: str, waits: int
) -> None:
    at = working(HEDGES, before=loss_of(RETRY, each), work=rest(100))

    assert sent(at) == [HEDGE]
    assert at.times == [waits]
    assert [step for step, _ in noted(at)] == [RETRY, *[HOLD] * bool(waits)]


def test_a_person_hears_once_why_it_waits() -> None:
    async def work(at: Resolving) -> None:
        for _ in range(5):
            await asyncio.sleep(2)
            at.service.worker.book_changed(KALSHI_BOOK)

    at = working(before=loss_of(RETRY, "0.05"), work=work)

    (told,) = noted(at)
    step, reason = told
    assert step == HOLD
    assert reason == (
        "buy 100 no up to 0.53 would lose 5 dollars,"
        " more than may be lost in the next 60 seconds"
    )


def test_a_remedy_that_is_refused_is_told_once_with_the_reason() -> None:
    refused = not_sent("the gate refuses it")

    at = working(refused, refused, work=rest(5))

    assert len(at.plans) == 2
    assert [each for each in noted(at) if each[0] == HOLD] == [
        (HOLD, "buy 100 no up to 0.53: the gate refuses it")
    ]


def test_what_it_waits_for_is_told_by_how_long_it_has_waited() -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(20)
        loss_of(RETRY, "0.05")(at)
        at.service.worker.book_changed(KALSHI_BOOK)
        await asyncio.sleep(1)

    at = working(NO_FILL, work=work)

    ((_, reason),) = [each for each in noted(at) if each[0] == HOLD]
    assert reason is not None
    assert reason.endswith("would lose 5 dollars, more than may be lost in the next 40 seconds")


def test_an_exposure_that_arises_again_is_told_of_again() -> None:
    async def work(at: Resolving) -> None:
        for status in (CLOSED, EXPOSED):
            await asyncio.sleep(5)
            at.trade.position = replace(at.trade.position, status=status)
            at.service.exposed("held")
        await asyncio.sleep(5)

    at = working(before=loss_of(RETRY, "0.05"), work=work)

    assert [step for step, _ in noted(at)] == [HOLD, HOLD]


def test_it_says_what_stands_in_the_way_of_every_remedy() -> None:
    def shown(at: Resolving) -> None:
        at.show(KALSHI, {}, {})
        at.show(POLYMARKET, {}, {})

    at = working(before=shown, work=rest(100))

    ((step, reason),) = noted(at)
    assert step == HOLD
    assert reason == (
        "retry_leg: the book offers 0 of 100; close_leg: the book takes 0 of 100;"
        " complement: the book offers 0 of 100"
    )


# When
# ----------------------------------------------------------------------------------------


def test_after_an_order_without_a_fill_it_tries_again_at_the_next_change_of_a_book() -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(10)
        at.service.worker.book_changed((KALSHI, "another"))
        await asyncio.sleep(1)
        at.service.worker.book_changed(KALSHI_BOOK)
        await asyncio.sleep(1)
        at.service.worker.book_changed((POLYMARKET, "polymarket-cup"))
        await asyncio.sleep(1)

    at = working(NO_FILL, NO_FILL, HEDGES, work=work)

    assert at.times == [0, 11, 12]


def test_changes_within_a_second_of_an_order_wait_for_its_end() -> None:
    async def work(at: Resolving) -> None:
        for _ in range(8):
            await asyncio.sleep(0.3)
            at.service.worker.book_changed(KALSHI_BOOK)

    at = working(NO_FILL, NO_FILL, HEDGES, work=work)

    assert at.times == [0, 1, 2]


def test_what_is_left_after_a_part_is_worked_on_at_once() -> None:
    part = comes_to("40", position("100", "40"))

    at = working(part, comes_to("60", position("100", "100", OPEN)), work=rest(1))

    assert [plan.size for plan in at.plans] == [Decimal(100), Decimal(60)]
    assert at.times == [0, 0]


@pytest.mark.parametrize(
    "refused",
    [not_sent("too little is free"), comes_to("0", reason="paused", refusal="paused")],
    ids=["by us", "by the platform"],
)
def test_while_orders_are_refused_the_rest_between_them_doubles_up_to_a_minute(
    refused: Outcomes,
) -> None:
    async def work(at: Resolving) -> None:
        for _ in range(300):
            await asyncio.sleep(1)
            at.service.worker.book_changed(KALSHI_BOOK)

    at = working(*[refused] * 8, NO_FILL, NO_FILL, HEDGES, work=work)

    assert at.times == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 244]


def test_nothing_is_sent_while_an_order_is_out_and_its_answer_starts_it_again() -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(70)
        assert (at.plans, noted(at)) == ([], []), "the answer will tell, and is waited for"
        at.out = None
        at.service.exposed("held")
        await asyncio.sleep(1)

    at = working(HEDGES, before=lambda at: setattr(at, "out", "its outcome"), work=work)

    assert at.times == [70]


def test_the_pair_of_a_position_must_be_followed() -> None:
    at = working(before=lambda at: at.pairs.clear(), work=rest(100))

    assert (at.plans, at.told) == ([], [])


@pytest.mark.parametrize("status", [OPEN, CLOSED])
def test_what_is_not_exposed_any_more_is_left_alone(status: PositionStatus) -> None:
    at = working(held=position(status=status), work=rest(100))

    assert (at.plans, at.told) == ([], [])


def test_a_leg_without_a_rest_is_left_alone() -> None:
    assert working(held=position("100", "100", PARTIAL), work=rest(100)).plans == []


@pytest.mark.parametrize(
    ("empty", "second"),
    [((), 0), ((KALSHI,), 60), ((POLYMARKET,), 60)],
    ids=["both", "polymarket alone", "kalshi alone"],
)
def test_at_a_start_it_waits_for_both_books_or_for_a_minute(
    empty: tuple[Platform, ...], second: int
) -> None:
    def cleared(at: Resolving) -> None:
        for platform in empty:
            at.watchlist.books[platform, f"{platform}-cup"].clear()

    async def work(at: Resolving) -> None:
        await asyncio.sleep(55)
        at.service.worker.book_changed(KALSHI_BOOK)
        await asyncio.sleep(145)

    rules = WorkRules(rescue_limit=Decimal("0.5"))
    at = working(CLOSES, before=cleared, work=work, rules=rules, begins=7)

    assert at.times == [7 + second]


def test_an_exposure_that_opens_again_has_the_whole_patience_again() -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(30)
        at.service.worker.on_event(moved(at, OPEN), 1)
        at.service.worker.on_event(moved(at, EXPOSED), 2)
        await asyncio.sleep(100)

    at = working(HEDGES, before=loss_of(RETRY, "0.05"), work=work)

    assert at.times == [90]


def moved(at: Resolving, after: PositionStatus) -> PositionMoved:
    stamp = at.committer.stamp("e")
    return PositionMoved(stamp, "held", "cup", OPEN, after, cause="entered")


# What there is to work on
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sequence", "times"),
    [
        (lambda at: moved(at, EXPOSED), 1, [5]),
        (lambda at: moved(at, PARTIAL), 1, [5]),
        (lambda at: moved(at, OPEN), 1, []),
        (lambda at: moved(at, EXPOSED), 0, []),
        (lambda _: alone("held"), 1, [5]),
        (lambda _: alone("held"), 0, []),
        (lambda _: alone("another"), 1, []),
    ],
)
def test_committed_events_say_what_is_exposed(
    make: Callable[[Resolving], Any], sequence: int, times: list[float]
) -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(5)
        at.trade.position = position()
        at.service.worker.on_event(make(at), sequence)
        await asyncio.sleep(5)

    at = working(*[HEDGES] * len(times), held=position(status=OPEN), work=work)

    assert at.times == times


def alone(name: str) -> SingleLegExposure:
    return exposure("exposed", START, name)


@pytest.mark.parametrize(
    ("history", "status", "second"),
    [
        ([], EXPOSED, 25),
        ([], OPEN, None),
        ([(10, EXPOSED)], EXPOSED, 35),
        ([(10, PARTIAL), (20, EXPOSED)], PARTIAL, 35),
        ([(10, EXPOSED), (20, OPEN), (25, EXPOSED)], EXPOSED, 50),
        ([(10, EXPOSED), (20, OPEN)], EXPOSED, 25),
        ([(10, None), (20, EXPOSED)], EXPOSED, 35),
        ([(10, OPEN)], OPEN, None),
    ],
)
def test_a_start_takes_up_exposures_as_old_as_the_log_says(
    history: list[tuple[int, PositionStatus | None]],
    status: PositionStatus,
    second: int | None,
) -> None:
    """The engine starts at second 35, and the position was opened at second 0."""
    held = position(status=status)

    async def main() -> list[float]:
        at = Resolving(held, HEDGES, clock=TapeClock(NOW))
        if status is not OPEN:
            loss_of(RETRY, "0.05")(at)
        for seconds, after in history:
            await at.clock.sleep_until(NOW + timedelta(seconds=seconds))
            event = moved(at, after) if after else alone("held")
            event = replace(event, stamp=at.committer.stamp("e"))
            await at.committer.commit(Batch(events=(event,)))
        await at.clock.sleep_until(NOW + timedelta(seconds=35))
        await at.service.start(at.journal)
        running = asyncio.ensure_future(at.service.run())
        await asyncio.sleep(200)
        running.cancel()
        return at.times

    expected = [] if second is None else [second + 35]
    assert run_virtual(main()) == expected


def test_after_a_failure_of_its_task_it_takes_up_what_is_still_exposed() -> None:
    def fails(_: Resolving, plan: Any) -> Any:
        raise ValueError(plan.size)

    async def main() -> list[float]:
        at = Resolving(position(), fails, HEDGES, clock=TapeClock(NOW))
        at.service.exposed("held")
        with pytest.raises(ExceptionGroup):
            await at.service.run()
        await asyncio.sleep(3)
        running = asyncio.ensure_future(at.service.run())
        await asyncio.sleep(1)
        running.cancel()
        return at.times

    assert run_virtual(main()) == [0, 3]


# The end
# ----------------------------------------------------------------------------------------


def test_a_stop_does_what_can_be_done_at_once_and_leaves_the_rest() -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(2)
        at.outcomes.append(NO_FILL)
        await at.service.drained()
        assert at.clock.monotonic() == 2
        await asyncio.sleep(100)

    at = working(NO_FILL, work=work, drains=False)

    assert at.times == [0, 2]


def test_a_stop_does_not_wait_for_the_rest_after_a_refusal() -> None:
    """After the seventh refusal in a row, at second 63, it would rest for a minute."""
    refused = not_sent("the gate refuses it")

    async def work(at: Resolving) -> None:
        for _ in range(70):
            await asyncio.sleep(1)
            at.service.worker.book_changed(KALSHI_BOOK)
        assert at.times[-1] == 63
        await at.service.drained()
        assert at.clock.monotonic() == 70

    working(*[refused] * 8, work=work, drains=False)


def test_a_stop_waits_for_one_exposure_though_another_is_over() -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(5)
        at.service.exposed("over")
        await asyncio.sleep(1)
        at.outcomes.append(NO_FILL)
        await at.service.drained()
        assert at.times == [0, 6]

    working(NO_FILL, work=work, drains=False)


def test_an_exposure_of_which_events_say_that_it_is_over_is_forgotten() -> None:
    async def work(at: Resolving) -> None:
        await asyncio.sleep(5)
        at.trade.position = position("100", "100", OPEN)
        at.service.worker.on_event(moved(at, OPEN), 1)
        at.service.worker.book_changed(KALSHI_BOOK)
        await asyncio.sleep(70)

    assert working(NO_FILL, work=work).times == [0]


def test_a_stop_leaves_what_would_lose_too_much_yet() -> None:
    at = working(before=loss_of(RETRY, "0.05"))

    assert at.plans == []


def test_an_exposure_that_arises_during_a_stop_is_worked_on_once_too() -> None:
    async def work(at: Resolving) -> None:
        await at.service.drained()
        at.trade.position = position()
        at.service.exposed("held")
        await at.service.drained()
        await asyncio.sleep(100)

    at = working(NO_FILL, held=position(status=OPEN), work=work, drains=False)

    assert at.times == [0]


def test_a_stop_without_exposures_is_over_at_once() -> None:
    assert working(held=position(status=OPEN)).plans == []

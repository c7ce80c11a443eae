"""What the policy does about an unhedged leg, when it does it, and what it says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.single_legs import (
    KALSHI,
    POLYMARKET,
    Outcomes,
    Resolving,
    comes_to,
    not_sent,
    position,
)

from dutchbook.application.exposure.auto_policy import AutoPolicy
from dutchbook.domain.events import PolicyTried
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money
from dutchbook.ports.journal import Batch
from dutchbook.runtime.virtual_time import run_virtual

OPEN, CLOSED = PositionStatus.OPEN, PositionStatus.CLOSED
RETRY, CLOSE = "retry_leg", "close_leg"
NO_FILL = comes_to("0", reason="not_filled")
HEDGES = comes_to("100", position("100", "100", OPEN))
CLOSES = comes_to("100", position("0", "0", CLOSED))
pytestmark = pytest.mark.time_limit(10)
"""A loop that never waits would else take the limit of every test."""
BY_COMPLETING, MANY = "may be lost by completing", 5_000
BOTH, UNWIND, OFF = AutoPolicy.COMPLETE_THEN_UNWIND, AutoPolicy.UNWIND, AutoPolicy.OFF


def acted(at: Resolving) -> list[tuple[Purpose, Platform, Side]]:
    """Let the policy act, and return the orders that it sent."""
    run_virtual(at.service.act("held"))
    return [(plan.purpose, plan.platform, plan.side) for plan in at.plans]


def tried(at: Resolving) -> list[tuple[str, str | None]]:
    """Return the step and the reason of each event, those of intents first."""
    events = [*(each for notes in at.notes for each in notes), *at.told]
    return [(e.step, e.reason) for e in events if isinstance(e, PolicyTried)]


HEDGE = (Purpose.HEDGE, POLYMARKET, Side.BUY)
SALE = (Purpose.UNWIND, KALSHI, Side.SELL)


# The steps
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "outcomes", "sent", "steps"),
    [
        (OFF, [], [], []),
        (UNWIND, [CLOSES], [SALE], [(CLOSE, None)]),
        (BOTH, [HEDGES], [HEDGE], [(RETRY, None)]),
        (BOTH, [NO_FILL, CLOSES], [HEDGE, SALE], [(RETRY, None), (CLOSE, None)]),
        (BOTH, [NO_FILL, NO_FILL], [HEDGE, SALE], [(RETRY, None), (CLOSE, None)]),
    ],
)
def test_each_step_is_noted_with_the_intent_of_its_order(
    policy: AutoPolicy,
    outcomes: list[Outcomes],
    sent: list[Any],
    steps: list[tuple[str, str | None]],
) -> None:
    at = Resolving(position(), *outcomes, policy=policy)
    cheap(at)

    assert acted(at) == sent

    assert tried(at) == steps
    assert at.told == []


def cheap(at: Resolving) -> None:
    """Show a price at which completing loses nothing."""
    at.show(POLYMARKET, {47: 500}, {49: 500})


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(not_sent("too little is free"), "too little is free"), (not_sent(None), "")],
)
def test_a_step_whose_order_was_not_kept_says_why(outcome: Outcomes, reason: str) -> None:
    at = Resolving(position(), outcome, policy=UNWIND)

    acted(at)

    assert [(e.step, e.reason) for e in at.told if isinstance(e, PolicyTried)] == [
        (CLOSE, reason or "nothing could be sent")
    ]


def test_a_blocked_step_is_not_sent_and_the_next_one_is_taken() -> None:
    at = Resolving(position(), CLOSES)
    at.show(POLYMARKET, {}, {49: 500})

    assert acted(at) == [SALE]

    assert [(e.step, e.reason) for e in at.told if isinstance(e, PolicyTried)] == [
        (RETRY, "the book offers 0 of 100")
    ]


@pytest.mark.parametrize(
    ("fees", "sent", "reason"),
    [
        ("1", HEDGE, None),
        # All orders are decided by this: completing would lose just the budget, or more.
        ("exact", HEDGE, None),
        (
            "more",
            SALE,
            "it would lose 2.000001 dollars, and at most 2 may be lost by completing",
        ),
    ],
)
def test_completing_may_lose_the_rescue_budget_and_not_a_millionth_more(
    fees: str, sent: Any, reason: str | None
) -> None:
    at = Resolving(position(), CLOSES if reason else HEDGES)
    if fees != "1":
        pnl = at.remedy(RETRY).pnl
        assert pnl is not None
        beyond = Decimal("0.000001") if fees == "more" else Decimal(0)
        more = pnl + 2 + beyond
        leg = at.trade.position.kalshi
        costly = _with_fees(at.trade.position, leg.fees + more)
        at.trade.position = costly
        assert at.remedy(RETRY).pnl == -2 - beyond

    assert acted(at) == [sent]

    told = [(e.step, e.reason) for e in at.told if isinstance(e, PolicyTried)]
    assert told == ([(RETRY, reason)] if reason else [])


def _with_fees(held: OpenPosition, fees: Decimal) -> OpenPosition:
    return replace(held, kalshi=replace(held.kalshi, fees=Money(fees)))


def test_nothing_is_done_while_an_order_is_out_or_once_the_exposure_is_gone() -> None:
    out = Resolving(position())
    out.out = "an order of this position still works"
    gone = Resolving(position(status=OPEN))

    assert acted(out) == acted(gone) == []
    assert tried(out) == tried(gone) == []


# When it acts
# ----------------------------------------------------------------------------------------


async def soon(work: Awaitable[object]) -> None:
    """Wait for what needs no time but that of the service's own clock."""
    doing = asyncio.ensure_future(work)
    for _ in range(MANY):
        await asyncio.sleep(0)
        if doing.done():
            return
    doing.cancel()
    raise AssertionError("it does not come to an end")


def running(
    at: Resolving, work: Callable[[], Awaitable[None]], *names: str
) -> list[PolicyTried]:
    """Run the policy's loop while a test queues exposures and works."""

    async def main() -> None:
        loop = asyncio.ensure_future(at.service.run())
        await asyncio.sleep(1)
        for name in names:
            at.service.exposed(name)
        await work()
        await soon(at.service.drained())
        loop.cancel()

    run_virtual(main())
    return [each for each in at.told if isinstance(each, PolicyTried)]


async def nothing() -> None:
    await asyncio.sleep(0)


def test_each_queued_exposure_is_acted_on_once_and_the_loop_goes_on() -> None:
    at = Resolving(position(), CLOSES, NO_FILL, policy=UNWIND)

    async def work() -> None:
        await soon(at.acted.wait())
        await asyncio.sleep(1)
        at.trade.position = position("100", "0")
        at.acted.clear()
        at.service._steps._tried.clear()
        at.service.exposed("held")
        await soon(at.acted.wait())

    running(at, work, "unknown", "held")

    assert len(at.plans) == 2


def test_without_a_policy_nothing_is_queued() -> None:
    at = Resolving(position(), policy=OFF)

    at.service.exposed("held")

    run_virtual(at.service.drained())
    assert at.plans == []


def test_a_stop_drops_the_exposures_that_cannot_be_traded_now() -> None:
    at = Resolving(position(), policy=UNWIND)
    at.pairs.clear()

    assert running(at, nothing, "held") == []

    assert at.plans == []


def test_a_stop_still_acts_on_the_exposures_that_can_be_traded() -> None:
    at = Resolving(position(), CLOSES, policy=UNWIND)

    running(at, nothing, "held")

    assert len(at.plans) == 1


def syncing(at: Resolving, *platforms: Platform) -> None:
    for platform in platforms:
        at.watchlist.books[platform, f"{platform}-cup"].clear()


@pytest.mark.parametrize(
    ("platforms", "began", "second"),
    [
        ((), 0, 0),
        ((KALSHI,), 0, 60),
        ((POLYMARKET,), 0, 60),
        ((POLYMARKET,), 1_000, 60),
    ],
)
def test_it_acts_at_once_on_two_books_and_after_a_minute_on_one(
    platforms: tuple[Platform, ...], began: float, second: float
) -> None:
    at = Resolving(position(), CLOSES, policy=UNWIND)
    at.clock.elapsed = began
    syncing(at, *platforms)
    when: list[float] = []
    act, acting = at.service.act, asyncio.Event()

    async def watched(position_id: str) -> None:
        when.append(at.clock.elapsed - began)
        acting.set()
        await act(position_id)

    at.service.act = watched  # type: ignore[method-assign]

    async def work() -> None:
        await soon(acting.wait())

    running(at, work, "held")

    assert when == [second]


def test_it_waits_for_as_long_as_no_book_may_be_traded_on() -> None:
    at = Resolving(position(), CLOSES, policy=UNWIND)
    syncing(at, *Platform)

    async def work() -> None:
        for _ in range(MANY // 10):
            await asyncio.sleep(0)
        assert at.clock.elapsed > 60
        assert at.plans == []
        at.show(KALSHI, {41: 500}, {45: 500})
        await soon(at.acted.wait())

    running(at, work, "held")

    assert len(at.plans) == 1


@pytest.mark.parametrize(
    ("held", "before", "acts"),
    [
        (position(), False, True),
        (position(), True, False),
        (position(status=OPEN), False, False),
        (position(status=PositionStatus.EXIT_PARTIAL), False, False),
    ],
)
def test_a_start_queues_exposures_of_an_earlier_run_with_steps_left(
    held: OpenPosition, before: bool, acts: bool
) -> None:
    at = Resolving(held, CLOSES, policy=UNWIND)

    async def main() -> dict[str, None]:
        if before:
            await at.committer.commit(_batch(at, held))
        await at.service.start(at.journal)
        return dict(at.service._noticed)

    assert run_virtual(main()) == ({"held": None} if acts else {})


def _batch(at: Resolving, held: OpenPosition) -> Batch:
    stamp = at.committer.stamp("e")
    event = PolicyTried(stamp, "held", "cup", held.longer, CLOSE, None)
    return Batch(events=(event,))

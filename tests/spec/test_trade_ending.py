"""How the execution of a pair trade goes on, waits and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.trades import (
    BEGUN,
    ENTRY,
    EXECUTION,
    HEDGED,
    K_WHOLE,
    KALSHI,
    POLYMARKET,
    YES,
    K,
    P,
    fill,
    order,
    play,
    q,
    report,
    usd,
)

from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.order import Finality, Order
from dutchbook.domain.execution.shortfall import shortfall
from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.ending import (
    executed,
    filled_execution,
    missing,
    waiting,
)
from dutchbook.domain.pair_trades.events import Exposed, Notice
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO

LATER = NOW + timedelta(minutes=1)
OPEN, EXPOSED = PositionStatus.OPEN, PositionStatus.SINGLE_LEG_EXPOSED
FIRST_LEG = play(BEGUN, K_WHOLE)
BOTH_LEGS = play(*HEDGED[:-1])
PART_HEDGED = play(*HEDGED[:3], report("p", fill("p1", 4)))
SECOND_ALONE = play(BEGUN, report("k"), *HEDGED[2:4])
NOTHING_YET = play(BEGUN)
FELL_SHORT = FailedLeg(POLYMARKET, "too thin", 2001, None, q(10))


def bought(trade: PairTrade, status: PositionStatus, **more: Any) -> OpenPosition:
    """Return the position of what a trade has bought, opened later."""
    return replace(trade.bought(status, LATER), **more)


# On its way
# ------------------------------------------------------------------------------------


def test_a_step_of_the_execution_alone_changes_nothing_else() -> None:
    ahead = replace(EXECUTION, phase=Phase.SECONDARY_SENT, version=3)

    after = executed(FIRST_LEG, facts.Advanced(NOW, ahead))

    assert after == (replace(FIRST_LEG, execution=ahead), ())


WAITS = replace(EXECUTION, phase=Phase.WAITING)


@pytest.mark.parametrize("held", [FIRST_LEG, SECOND_ALONE], ids=["first leg", "second leg"])
def test_what_is_held_while_an_execution_waits_becomes_a_position_without_profit(
    held: PairTrade,
) -> None:
    after = executed(held, facts.Waits(LATER, WAITS, FELL_SHORT))

    position = bought(held, EXPOSED, marked_pnl=ZERO)
    shown = replace(held, execution=WAITS, position=position, opened=True)
    assert position.opened_at == LATER
    assert after == (shown, (Exposed(FELL_SHORT),))


def test_the_profit_of_a_waiting_position_counts_only_from_its_commit_on() -> None:
    after, _ = executed(BOTH_LEGS, facts.Waits(LATER, WAITS, FELL_SHORT))

    assert BOTH_LEGS.bought(EXPOSED, LATER).marked_pnl > 0
    assert after.position.marked_pnl == 0


@pytest.mark.parametrize(
    ("before", "failed"),
    [(NOTHING_YET, FELL_SHORT), (FIRST_LEG, None)],
    ids=["nothing is held", "no leg failed"],
)
def test_an_execution_that_waits_without_an_exposure_shows_no_position(
    before: PairTrade, failed: FailedLeg | None
) -> None:
    after = executed(before, facts.Waits(LATER, WAITS, failed))

    assert after == (replace(before, execution=WAITS), ())


def test_an_execution_whose_task_is_gone_waits_for_the_answer_to_its_first_open_order() -> None:
    terms = replace(EXECUTION, version=4)
    stopped = replace(play(BEGUN, K_WHOLE).with_orders((P,)), execution=terms)

    asked = waiting(stopped.with_orders((order("q", KALSHI),)), LATER)

    done = filled_execution(stopped)
    assert asked == facts.Waits(
        LATER,
        replace(done, phase=Phase.WAITING, version=5),
        FailedLeg(POLYMARKET, "the outcome of its order is unknown", 2003, P.price, P.size),
    )


# What its legs have bought
# ------------------------------------------------------------------------------------


def test_the_legs_of_an_execution_are_the_sums_of_its_orders() -> None:
    def part(name: str, platform: Platform, *amounts: str) -> Order:
        size, cost, fees = amounts
        return replace(order(name, platform), filled=q(size), cost=usd(cost), fees=usd(fees))

    orders = (
        part("k", KALSHI, "4", "1.6", "0.02"),
        part("p", POLYMARKET, "3", "1.5", "0.03"),
        part("k again", KALSHI, "2", "0.7", "0.01"),
    )
    busy = EXECUTION.with_leg(Leg.PRIMARY, busy=True, unknown=True, failure="thin")
    busy = busy.with_leg(Leg.SECONDARY, busy=True, unknown=True)

    after = filled_execution(replace(NOTHING_YET.with_orders(orders), execution=busy))

    expected = EXECUTION.with_leg(
        Leg.PRIMARY, filled=q(6), cost=usd("2.3"), fees=usd("0.03"), failure="thin"
    )
    assert after == expected.with_leg(
        Leg.SECONDARY, filled=q(3), cost=usd("1.5"), fees=usd("0.03")
    )


# With something bought
# ------------------------------------------------------------------------------------


def decided(trade: PairTrade, phase: Phase) -> Execution:
    return replace(filled_execution(trade), phase=phase, version=7)


def ended(
    trade: PairTrade, execution: Execution, status: PositionStatus, **more: Any
) -> PairTrade:
    """Return a trade whose execution has ended later, with what it has bought."""
    position = bought(trade, status, **more)
    return replace(
        trade,
        execution=execution,
        position=position,
        reservation=None,
        opened=True,
        ended_at=LATER,
        shortfall=shortfall(execution, position.divergence_reserve),
    )


def committed(trade: PairTrade) -> Notice:
    return events.committed(ENTRY, trade.position)


def test_an_execution_that_bought_both_legs_opens_a_position() -> None:
    execution = decided(BOTH_LEGS, Phase.HEDGED)

    after, notices = executed(BOTH_LEGS, facts.Ended(LATER, execution, FELL_SHORT))

    expected = ended(BOTH_LEGS, execution, OPEN)
    assert expected.position.divergence_reserve == usd("0.00904")
    assert after == expected
    assert notices == (events.opened(expected.position), committed(expected))


@pytest.mark.parametrize("phase", [Phase.EXPOSED, Phase.HEDGED, Phase.FAILED])
def test_an_execution_with_unequal_legs_ends_exposed_whatever_was_decided(
    phase: Phase,
) -> None:
    decision = decided(PART_HEDGED, phase)

    after, notices = executed(PART_HEDGED, facts.Ended(LATER, decision, FELL_SHORT))

    expected = ended(PART_HEDGED, replace(decision, phase=Phase.EXPOSED), EXPOSED)
    assert after == expected
    assert notices == (Exposed(FELL_SHORT), committed(expected))


def test_an_exposure_of_which_no_leg_was_seen_to_fail_names_the_missing_one() -> None:
    decision = decided(PART_HEDGED, Phase.EXPOSED)

    after, notices = executed(PART_HEDGED, facts.Ended(LATER, decision))

    assert notices == (missing(after), committed(after))


def test_the_position_of_an_execution_that_waited_goes_on_as_a_new_version() -> None:
    shown, _ = executed(BOTH_LEGS, facts.Waits(NOW, WAITS, FELL_SHORT))
    shown = replace(shown, position=replace(shown.position, version=5))
    decision = decided(shown, Phase.HEDGED)

    after, _ = executed(shown, facts.Ended(LATER, decision))

    assert after == ended(shown, decision, OPEN, version=6)
    assert after.position.opened_at == NOW


def test_what_was_bought_had_been_reserved() -> None:
    free = replace(BOTH_LEGS, reservation=None)

    with pytest.raises(AssertionError, match=r"^what was bought had been reserved$"):
        executed(free, facts.Ended(LATER, decided(free, Phase.HEDGED)))


# With nothing bought
# ------------------------------------------------------------------------------------


def test_an_execution_that_bought_nothing_ends_its_orders_and_releases_its_capital() -> None:
    before = NOTHING_YET.with_orders((P,))
    failed = replace(EXECUTION, phase=Phase.FAILED)

    after, notices = executed(before, facts.Ended(LATER, failed, reason="too thin"))

    expected = before.with_orders((K.ended(), P.ended()))
    assert after == replace(
        expected,
        execution=failed,
        reservation=None,
        ended_at=LATER,
        shortfall=shortfall(failed, ZERO),
    )
    assert notices == (
        events.failed(K, 2001, "too thin"),
        events.failed(P, 2001, "too thin"),
        events.released(ENTRY, "too thin"),
    )


def test_an_execution_without_a_reservation_releases_none() -> None:
    free = replace(play(BEGUN, report("k")), reservation=None)
    failed = replace(EXECUTION, phase=Phase.FAILED)

    after, notices = executed(free, facts.Ended(LATER, failed))

    assert (after.ended_at, notices) == (LATER, ())


def test_a_position_of_which_every_fill_failed_closes_when_its_execution_ends() -> None:
    shown, _ = executed(FIRST_LEG, facts.Waits(NOW, WAITS, FELL_SHORT))
    lost = shown.with_fills((fill("k1", 10, Finality.FAILED),))
    failed = replace(EXECUTION, phase=Phase.FAILED)

    after, notices = executed(lost, facts.Ended(LATER, failed, reason="it failed"))

    position = after.position
    assert position == replace(
        shown.position,
        kalshi=Holding(YES, "k"),
        divergence_reserve=position.divergence_reserve,
        status=PositionStatus.CLOSED,
        closed_at=LATER,
        version=shown.position.version + 1,
    )
    assert after.ended
    assert notices == (
        next(events.moves(shown.position, position, Cause.FILL_FAILED)),
        events.released(ENTRY, "it failed"),
    )


# Concluded, when no task runs it any more
# ------------------------------------------------------------------------------------

UNANSWERED = facts.Concluded(LATER, unanswered=True)


@pytest.mark.parametrize(
    ("before", "fact"),
    [
        (NOTHING_YET, facts.Concluded(LATER)),
        (play(*HEDGED), facts.Concluded(LATER)),
        (play(*HEDGED), UNANSWERED),
    ],
    ids=["an order works", "ended before", "ended before, whatever is unanswered"],
)
def test_an_execution_ends_once_and_not_before_its_orders_are_answered(
    before: PairTrade, fact: facts.Concluded
) -> None:
    assert executed(before, fact) == (before, ())


TINY = play(BEGUN, report("k")).with_fills((replace(fill("k1", 1), size=q("0.005")),))
TINY = TINY.with_orders((replace(TINY.orders["k"], filled=q("0.005")),))


@pytest.mark.parametrize(
    ("before", "fact", "phase", "status"),
    [
        (BOTH_LEGS, facts.Concluded(LATER), Phase.HEDGED, OPEN),
        (PART_HEDGED, facts.Concluded(LATER), Phase.EXPOSED, EXPOSED),
        (SECOND_ALONE, facts.Concluded(LATER), Phase.EXPOSED, EXPOSED),
        (FIRST_LEG, facts.Concluded(LATER), Phase.EXPOSED, EXPOSED),
        (FIRST_LEG.with_orders((P,)), UNANSWERED, Phase.EXPOSED, EXPOSED),
        (BOTH_LEGS, UNANSWERED, Phase.HEDGED, OPEN),
        (TINY, facts.Concluded(LATER), Phase.EXPOSED, EXPOSED),
    ],
    ids=[
        "both legs",
        "a part of the second",
        "the second alone",
        "the first alone",
        "one order unanswered",
        "none unanswered",
        "less than the smallest unit",
    ],
)
def test_a_concluded_execution_ends_by_what_its_orders_have_filled(
    before: PairTrade, fact: facts.Concluded, phase: Phase, status: PositionStatus
) -> None:
    after, notices = executed(before, fact)

    execution = replace(filled_execution(before), phase=phase, version=2)
    assert after == ended(before, execution, status)
    first = events.opened(after.position) if phase is Phase.HEDGED else missing(after)
    assert notices == (first, committed(after))


def test_a_concluded_execution_that_bought_nothing_has_failed() -> None:
    before = play(BEGUN, report("k"))

    after, notices = executed(before, facts.Concluded(LATER))

    failed = replace(EXECUTION, phase=Phase.FAILED, version=2)
    assert (after.execution, after.ended_at, after.opened) == (failed, LATER, False)
    assert notices == (events.released(ENTRY, "nothing was filled"),)


# The leg that is missing
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "platform", "planned"),
    [(FIRST_LEG, POLYMARKET, 12), (SECOND_ALONE, KALSHI, 11)],
    ids=["the second", "the first"],
)
@pytest.mark.parametrize(
    ("failure", "reason"), [("halted", "halted"), (None, "it was not filled")]
)
def test_the_missing_leg_is_the_shorter_one_with_the_reason_it_failed(
    before: PairTrade, platform: Platform, planned: int, failure: str | None, reason: str
) -> None:
    execution = EXECUTION.with_leg(Leg.PRIMARY, planned=q(11), failure=failure)
    execution = execution.with_leg(Leg.SECONDARY, planned=q(12), failure=failure)
    trade = replace(before, execution=execution, position=bought(before, EXPOSED))

    assert missing(trade) == Exposed(FailedLeg(platform, reason, 2004, None, q(planned)))


def test_amounts_of_a_leg_without_an_order_are_decimal() -> None:
    leg = filled_execution(replace(NOTHING_YET, orders={})).primary

    assert [type(each) for each in (leg.filled, leg.cost, leg.fees)] == [Decimal] * 3

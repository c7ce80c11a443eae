"""Each step of an execution: the whole execution after one event, and what it asks for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.executions import (
    EVEN_BOUND,
    FIRST,
    KALSHI,
    KALSHI_BOUND,
    POLYMARKET,
    POLYMARKET_BOUND,
    SECOND,
    execution,
    m,
    q,
    takes,
)

from dutchbook.domain.execution.decide import (
    DepthVerified,
    LegEnded,
    LegFilled,
    LegOutcomeUnknown,
    LegRejected,
    Phase,
    QueryLeg,
    Started,
    SubmitLeg,
    VerifyDepth,
    decide,
)
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Leg
from dutchbook.domain.values.units import Money, Price


@pytest.mark.parametrize("phase", list(Phase))
def test_an_execution_is_over_when_it_is_hedged_exposed_or_failed(phase: Phase) -> None:
    assert phase.ended is (phase.value in ("hedged", "exposed", "failed"))


def test_a_leg_is_found_by_its_role_or_by_its_platform() -> None:
    plan = execution()

    assert (plan.leg(FIRST), plan.leg(SECOND)) == (plan.primary, plan.secondary)
    assert (plan.leg_on(KALSHI), plan.leg_on(POLYMARKET)) == (plan.primary, plan.secondary)


@pytest.mark.parametrize(
    ("first", "second", "hedged", "imbalance"),
    [("10", "4", "4", "6"), ("4", "10", "4", "-6"), ("5", "5", "5", "0")],
)
def test_what_both_legs_hold_is_hedged_and_the_rest_is_the_imbalance(
    first: str, second: str, hedged: str, imbalance: str
) -> None:
    held = execution({"filled": first}, {"filled": second})

    assert (held.hedged, held.imbalance) == (q(hedged), q(imbalance))
    assert held.dust == Decimal("0.01")


def test_a_started_execution_verifies_the_depth_of_the_whole_first_leg() -> None:
    takes(
        execution(),
        Started(),
        VerifyDepth(FIRST, q(100), KALSHI_BOUND),
        after=execution({"busy": True}),
    )


LIMIT = Price(Decimal("0.39"))


@pytest.mark.parametrize(
    ("leg", "sent", "purpose", "phase"),
    [
        (FIRST, 0, Purpose.ENTRY, Phase.PRIMARY_SENT),
        (FIRST, 20, Purpose.HEDGE, Phase.REBALANCING),
        (SECOND, 0, Purpose.HEDGE, Phase.SECONDARY_SENT),
        (SECOND, 20, Purpose.HEDGE, Phase.SECONDARY_SENT),
    ],
)
def test_a_verified_leg_is_sent_and_added_to_what_was_sent_before(
    leg: Leg, sent: int, purpose: Purpose, phase: Phase
) -> None:
    before = execution().with_leg(leg, sent=q(sent), sent_cost=Decimal(sent) / 2)

    takes(
        before,
        DepthVerified(leg, q(30), LIMIT, Decimal("11.5")),
        SubmitLeg(leg, q(30), LIMIT, purpose),
        after=replace(
            before.with_leg(
                leg,
                busy=True,
                sent=q(30 + sent),
                sent_cost=Decimal("11.5") + Decimal(sent) / 2,
            ),
            phase=phase,
        ),
    )


@pytest.mark.parametrize("leg", list(Leg))
def test_a_fill_adds_to_what_its_leg_holds_has_cost_and_has_paid_in_fees(leg: Leg) -> None:
    before = execution(
        {"filled": "10", "cost": "4", "fees": "0.1", "busy": True, "sent": "100"},
        {"filled": "10", "cost": "5.5", "fees": "0.2", "busy": True, "sent": "100"},
    )
    state = before.leg(leg)

    takes(
        before,
        LegFilled(leg, q(30), m("12.5"), m("0.7")),
        after=before.with_leg(
            leg,
            filled=q(40),
            cost=Money(state.cost + m("12.5")),
            fees=Money(state.fees + m("0.7")),
        ),
    )


def test_a_fill_of_the_second_leg_asks_for_nothing_until_its_order_has_ended() -> None:
    before = execution({"filled": "10"}, {"sent": "10"})

    takes(
        before,
        LegFilled(SECOND, q(10), m("5.5"), m("0.2")),
        after=before.with_leg(SECOND, filled=q(10), cost=m("5.5"), fees=m("0.2")),
    )


@pytest.mark.parametrize("leg", list(Leg))
def test_a_leg_whose_outcome_is_unknown_is_queried_and_everything_waits(leg: Leg) -> None:
    before = execution({"busy": True}, {"busy": True}, phase=Phase.SECONDARY_SENT)

    takes(
        before,
        LegOutcomeUnknown(leg),
        QueryLeg(leg),
        after=replace(before.with_leg(leg, unknown=True), phase=Phase.WAITING),
    )


@pytest.mark.parametrize("leg", list(Leg))
def test_an_answer_about_one_leg_leaves_the_other_working(leg: Leg) -> None:
    before = execution({"busy": True}, {"busy": True}).with_leg(leg, unknown=True)
    known = before.with_leg(leg, busy=False, unknown=False)

    takes(before, LegEnded(leg), after=known)
    takes(before, LegRejected(leg, "closed"), after=known.with_leg(leg, failure="closed"))


@pytest.mark.parametrize("unknown", list(Leg))
def test_nothing_is_hedged_while_the_outcome_of_either_leg_is_unknown(unknown: Leg) -> None:
    before = execution({"filled": "50"}).with_leg(unknown, unknown=True)

    takes(
        before,
        LegFilled(FIRST, q(10), m(4), m(0)),
        after=before.with_leg(FIRST, filled=q(60), cost=m(4)),
    )


@pytest.mark.parametrize(
    ("first", "second", "hedge"),
    [
        ({"filled": "5"}, {}, "5"),
        ({"filled": "7.75"}, {}, "7.5"),
        ({"filled": "90"}, {"sent": "40", "filled": "30"}, "50"),
        ({"filled": "90"}, {"sent": "40", "filled": "45"}, "45"),
        ({"filled": "130"}, {}, "108"),
    ],
    ids=["the smallest order", "whole steps", "sent", "overfilled", "as far as reserved"],
)
def test_what_the_second_leg_lacks_is_verified_at_its_bound(
    first: dict[str, str], second: dict[str, str], hedge: str
) -> None:
    before = execution({**first, "busy": True}, second)

    takes(
        before,
        LegFilled(FIRST, q(0), m(0), m(0)),
        VerifyDepth(SECOND, q(hedge), POLYMARKET_BOUND),
        after=before.with_leg(SECOND, busy=True),
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"filled": "4.5"}, {}),
        ({"filled": "50"}, {"busy": True}),
        ({"filled": "50"}, {"failure": "closed"}),
        ({"filled": "50"}, {"sent": "50"}),
    ],
    ids=["too small", "an order works", "it was rejected", "all of it was sent"],
)
def test_a_hedge_waits_while_it_is_too_small_or_the_second_leg_cannot_be_sent(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    before = execution({**first, "busy": True}, second)

    takes(before, LegFilled(FIRST, q(0), m(0), m(0)))


@pytest.mark.parametrize("busy", list(Leg))
def test_an_execution_does_not_end_while_an_order_of_either_leg_works(busy: Leg) -> None:
    before = execution({"sent": "9"}, {"sent": "9", "filled": "9"}).with_leg(busy, busy=True)

    takes(before, LegEnded(busy.other))


@pytest.mark.parametrize(
    ("second", "smallest", "step", "excess"),
    [
        ("13", "3", "1", "3"),
        ("16.9", "3", "1", "6"),
        ("25", "3", "1", "8"),
        ("10.01", "0.001", "0.001", "0.01"),
        ("10.5", "0.01", "0.25", "0.5"),
    ],
    ids=["the smallest order", "whole steps", "within the allowance", "dust", "a fraction"],
)
def test_an_overfilled_second_leg_is_rebalanced_once_at_the_bound_for_that(
    second: str, smallest: str, step: str, excess: str
) -> None:
    before = execution(
        {"sent": "10", "filled": "10", "smallest": smallest, "step": step},
        {"sent": "10", "filled": second},
    )

    takes(
        before,
        LegEnded(SECOND),
        VerifyDepth(FIRST, q(excess), EVEN_BOUND),
        after=replace(before.with_leg(FIRST, busy=True), evened=True),
    )


def test_what_is_no_event_of_an_execution_stops_it() -> None:
    with pytest.raises(AssertionError, match=r"unreachable.*'noise'"):
        decide(execution(), "noise")  # type: ignore[arg-type]

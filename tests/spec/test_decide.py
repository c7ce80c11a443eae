from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from support.laws import reached, reaches

from dutchbook.domain.execution.decide import (
    CommitReservation,
    DepthVerified,
    Event,
    Execution,
    Intent,
    LegEnded,
    LegFilled,
    LegOutcomeUnknown,
    LegRejected,
    LegState,
    Phase,
    QueryLeg,
    RaiseExposure,
    ReleaseReservation,
    Started,
    SubmitLeg,
    VerifyDepth,
    decide,
)
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.execution.shortfall import shortfall
from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.values.units import Money, Price, Quantity

CENT = Decimal("0.01")


def q(number: str | int) -> Quantity:
    return Quantity(Decimal(number))


def leg_state(platform: Platform, price: str, smallest: str) -> LegState:
    bound = Price(Decimal(price))
    return LegState(
        platform=platform,
        planned=q(100),
        bound=bound,
        even_bound=bound,
        step=CENT,
        smallest=Decimal(smallest),
        decided_cost=100 * bound,
    )


PLAN = Execution(
    execution_id="e",
    pair_id="p",
    primary=leg_state(Platform.KALSHI, "0.40", "0.01"),
    secondary=leg_state(Platform.POLYMARKET, "0.55", "5"),
    true_up=q(2),
)


def filled(leg: Leg, size: str | int) -> LegFilled:
    price = Decimal("0.40") if leg is Leg.PRIMARY else Decimal("0.55")
    return LegFilled(leg, q(size), Money(q(size) * price), Money(CENT))


def verified(leg: Leg, size: str | int) -> DepthVerified:
    bound = PLAN.leg(leg).bound
    return DepthVerified(leg, q(size), bound, q(size) * bound)


def play(*events: Event, start: Execution = PLAN) -> tuple[Execution, list[Intent]]:
    execution, intents = start, list[Intent]()
    for event in events:
        execution, more = decide(execution, event)
        intents += more
    return execution, intents


PRIMARY_DONE = (
    Started(),
    verified(Leg.PRIMARY, 100),
    filled(Leg.PRIMARY, 100),
    LegEnded(Leg.PRIMARY),
)


def test_the_primary_leg_is_verified_then_sent_then_hedged_by_its_filled_quantity() -> None:
    execution, intents = play(*PRIMARY_DONE)

    assert intents == [
        VerifyDepth(Leg.PRIMARY, q(100), PLAN.primary.bound),
        SubmitLeg(Leg.PRIMARY, q(100), PLAN.primary.bound, Purpose.ENTRY),
        VerifyDepth(Leg.SECONDARY, q(100), PLAN.secondary.bound),
    ]
    assert execution.phase is Phase.PRIMARY_SENT


def test_two_equal_legs_are_committed() -> None:
    execution, intents = play(
        *PRIMARY_DONE,
        verified(Leg.SECONDARY, 100),
        filled(Leg.SECONDARY, 100),
        LegEnded(Leg.SECONDARY),
    )

    assert execution.phase is Phase.HEDGED
    assert intents[-1] == CommitReservation()


def test_a_difference_below_the_smallest_tradable_unit_is_dust() -> None:
    execution, _ = play(
        *PRIMARY_DONE,
        verified(Leg.SECONDARY, 100),
        filled(Leg.SECONDARY, "99.995"),
        LegEnded(Leg.SECONDARY),
    )

    assert execution.phase is Phase.HEDGED


def test_a_primary_without_depth_releases_all_capital() -> None:
    execution, intents = play(Started(), LegRejected(Leg.PRIMARY, "depth"))

    assert execution.phase is Phase.FAILED
    assert intents[-1] == ReleaseReservation("depth")


def test_a_rejected_primary_releases_all_capital() -> None:
    execution, intents = play(
        Started(), verified(Leg.PRIMARY, 100), LegRejected(Leg.PRIMARY, "invalid_price")
    )

    assert execution.phase is Phase.FAILED
    assert intents[-1] == ReleaseReservation("invalid_price")


def test_a_secondary_without_depth_raises_an_exposure() -> None:
    execution, intents = play(*PRIMARY_DONE, LegRejected(Leg.SECONDARY, "depth"))

    assert execution.phase is Phase.EXPOSED
    assert intents[-2:] == [
        CommitReservation(),
        RaiseExposure(Leg.PRIMARY, q(100), "depth", 2001),
    ]


def test_a_rejected_secondary_raises_an_exposure() -> None:
    execution, intents = play(
        *PRIMARY_DONE, verified(Leg.SECONDARY, 100), LegRejected(Leg.SECONDARY, "closed")
    )

    assert execution.phase is Phase.EXPOSED
    assert intents[-1] == RaiseExposure(Leg.PRIMARY, q(100), "closed", 2004)


def test_a_short_secondary_exposes_only_the_difference() -> None:
    _, intents = play(
        *PRIMARY_DONE,
        verified(Leg.SECONDARY, 100),
        filled(Leg.SECONDARY, 60),
        LegEnded(Leg.SECONDARY),
    )

    exposure = intents[-1]
    assert isinstance(exposure, RaiseExposure)
    assert (exposure.leg, exposure.quantity) == (Leg.PRIMARY, 40)


def test_an_overfilled_secondary_is_rebalanced_on_the_primary_platform() -> None:
    execution, intents = play(
        *PRIMARY_DONE,
        verified(Leg.SECONDARY, 100),
        filled(Leg.SECONDARY, "101.257"),
        LegEnded(Leg.SECONDARY),
        verified(Leg.PRIMARY, "1.25"),
        filled(Leg.PRIMARY, "1.25"),
        LegEnded(Leg.PRIMARY),
    )

    assert SubmitLeg(Leg.PRIMARY, q("1.25"), PLAN.primary.bound, Purpose.HEDGE) in intents
    assert execution.phase is Phase.HEDGED


def test_rebalancing_is_tried_once_and_within_its_allowance() -> None:
    execution, intents = play(
        *PRIMARY_DONE,
        verified(Leg.SECONDARY, 100),
        filled(Leg.SECONDARY, 110),
        LegEnded(Leg.SECONDARY),
        verified(Leg.PRIMARY, 2),
        LegRejected(Leg.PRIMARY, "no"),
    )

    tries = [i for i in intents if isinstance(i, SubmitLeg) and i.purpose is Purpose.HEDGE]
    assert [i.quantity for i in tries if i.leg is Leg.PRIMARY] == [2]
    assert execution.phase is Phase.EXPOSED


def test_a_lost_reply_is_queried_and_never_resubmitted() -> None:
    execution, intents = play(
        *PRIMARY_DONE, verified(Leg.SECONDARY, 100), LegOutcomeUnknown(Leg.SECONDARY)
    )

    assert intents[-1] == QueryLeg(Leg.SECONDARY)
    assert execution.phase is Phase.WAITING
    later, more = decide(execution, filled(Leg.PRIMARY, 5))
    assert more == ()
    assert later.phase is Phase.WAITING


def test_a_late_answer_resumes_the_execution_where_it_stopped() -> None:
    execution, intents = play(
        *PRIMARY_DONE,
        verified(Leg.SECONDARY, 100),
        LegOutcomeUnknown(Leg.SECONDARY),
        filled(Leg.SECONDARY, 100),
        LegEnded(Leg.SECONDARY),
    )

    assert execution.phase is Phase.HEDGED
    assert intents[-1] == CommitReservation()


def test_a_primary_that_fills_in_parts_is_hedged_part_by_part() -> None:
    _, intents = play(
        Started(),
        verified(Leg.PRIMARY, 100),
        filled(Leg.PRIMARY, 30),
        verified(Leg.SECONDARY, 30),
        filled(Leg.SECONDARY, 30),
        LegEnded(Leg.SECONDARY),
        filled(Leg.PRIMARY, 70),
    )

    hedges = [i for i in intents if isinstance(i, VerifyDepth) and i.leg is Leg.SECONDARY]
    assert [i.quantity for i in hedges] == [30, 70]


def test_a_part_too_small_to_hedge_waits_for_the_next_and_is_exposed_at_the_end() -> None:
    working = (Started(), verified(Leg.PRIMARY, 100), filled(Leg.PRIMARY, 3))

    _, waiting = play(*working)
    execution, ended = play(*working, LegEnded(Leg.PRIMARY))

    assert not any(i for i in waiting if isinstance(i, VerifyDepth) and i.leg is Leg.SECONDARY)
    assert execution.phase is Phase.EXPOSED
    assert ended[-1] == RaiseExposure(Leg.PRIMARY, q(3), "too small to hedge", 2001)


def test_the_first_leg_must_fill_whole_when_a_part_of_it_could_be_too_small_to_hedge() -> None:
    swapped = replace(PLAN, primary=PLAN.secondary, secondary=PLAN.primary)

    lots = replace(PLAN, secondary=replace(PLAN.secondary, step=Decimal(10)))
    assert PLAN.first_leg_whole
    assert lots.first_leg_whole
    assert not swapped.first_leg_whole
    assert replace(swapped, delayed=True).first_leg_whole


outcomes = st.sampled_from(["fills", "short", "over", "none", "refused", "unknown", "thin"])


@reaches(hedged=3, exposed=3, failed=10, waiting=3)
@given(outcomes, outcomes, st.integers(1, 9_999))
def test_whatever_happens_no_leg_is_sent_beyond_its_plan_and_the_end_agrees_with_the_fills(
    first: str, second: str, part: int
) -> None:
    execution, intents = PLAN, list[Intent]()
    pending: list[Event] = [Started()]
    while pending:
        execution, more = decide(execution, pending.pop(0))
        intents += more
        for intent in more:
            if isinstance(intent, VerifyDepth):
                fate = first if intent.leg is Leg.PRIMARY else second
                thin = fate == "thin"
                pending.append(
                    LegRejected(intent.leg, "depth")
                    if thin
                    else verified(intent.leg, str(intent.quantity))
                )
            elif isinstance(intent, SubmitLeg):
                pending += _answer(intent, first if intent.leg is Leg.PRIMARY else second, part)

    assert execution.primary.sent <= execution.primary.planned + execution.true_up
    assert execution.secondary.sent <= execution.primary.filled
    reached(execution.phase.value)
    _check_end(execution, intents)
    _check_identity(execution)


def _answer(intent: SubmitLeg, fate: str, part: int) -> list[Event]:
    share = {"fills": Decimal(1), "over": Decimal(1) + Decimal(part) / 10**6}
    size = intent.quantity * share.get(fate, Decimal(part) / 10_000)
    match fate:
        case "refused":
            return [LegRejected(intent.leg, "no")]
        case "unknown":
            return [LegOutcomeUnknown(intent.leg)]
        case "none":
            return [LegEnded(intent.leg)]
    return [filled(intent.leg, str(size.quantize(CENT))), LegEnded(intent.leg)]


def _check_end(execution: Execution, intents: list[Intent]) -> None:
    last = intents[-1]
    match execution.phase:
        case Phase.HEDGED:
            assert abs(execution.imbalance) < CENT
            assert last == CommitReservation()
        case Phase.EXPOSED:
            assert isinstance(last, RaiseExposure)
            assert last.quantity == abs(execution.imbalance)
        case Phase.FAILED:
            assert execution.primary.filled == execution.secondary.filled == 0
            assert isinstance(last, ReleaseReservation)
        case _:
            assert execution.phase is Phase.WAITING
            assert isinstance(last, QueryLeg)


def _check_identity(execution: Execution) -> None:
    loss = shortfall(execution, Money(Decimal("0.05")))
    hedged = execution.hedged
    direct = hedged - loss.fees - loss.divergence
    for leg in (execution.primary, execution.secondary):
        direct -= leg.cost * hedged / leg.filled if leg.filled else 0

    parts = loss.delay + loss.slippage + loss.fees + loss.missed + loss.divergence
    assert loss.edge == parts + loss.realised
    assert abs(loss.realised - direct) <= Decimal("0.000003")


def test_contracts_that_rebalanced_an_overfilled_secondary_are_not_hedged_again() -> None:
    plan = replace(PLAN, true_up=q(10), secondary=leg_state(Platform.POLYMARKET, "0.55", "5"))

    execution, intents = play(
        *PRIMARY_DONE,
        verified(Leg.SECONDARY, 100),
        filled(Leg.SECONDARY, 108),
        LegEnded(Leg.SECONDARY),
        verified(Leg.PRIMARY, 8),
        filled(Leg.PRIMARY, 8),
        LegEnded(Leg.PRIMARY),
        start=plan,
    )

    assert execution.phase is Phase.HEDGED
    assert execution.secondary.sent == q(100)
    assert intents[-1] == CommitReservation()


def test_an_overfilled_primary_is_hedged_no_further_than_its_reserved_capital() -> None:
    _, intents = play(
        Started(),
        verified(Leg.PRIMARY, 100),
        filled(Leg.PRIMARY, 130),
        LegEnded(Leg.PRIMARY),
    )

    assert intents[-1] == VerifyDepth(Leg.SECONDARY, q(102), PLAN.secondary.bound)

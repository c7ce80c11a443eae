"""How the facts of a position are ordered, what a change of them records, and its review."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dutchbook.domain.execution.order import Fill, Finality, Unlisted
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.fold import (
    Cause,
    Change,
    Fact,
    Merge,
    Payout,
    change,
    changed,
    divergence,
    folded,
    implied,
    opened,
)
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity

NOW = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=5)
KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
YES, NO = Outcome.YES, Outcome.NO
BUY, SELL = Side.BUY, Side.SELL
_S = PositionStatus


def size(number: str) -> Quantity:
    return Quantity(Decimal(number))


def money(number: str) -> Money:
    return Money(Decimal(number))


def traded(
    contracts: str,
    price: str,
    outcome: Outcome = YES,
    side: Side = BUY,
    *,
    platform: Platform = KALSHI,
    fee: str = "0",
    minute: int = 0,
) -> Fill:
    return Fill(
        trade_id=f"{outcome} {side} {minute}",
        platform=platform,
        order_id="o",
        outcome=outcome,
        side=side,
        price=Price(Decimal(price)),
        size=size(contracts),
        fee=money(fee),
        finality=Finality.SETTLED,
        matched_at=NOW + timedelta(minutes=minute),
    )


def stated(contracts: str, cost: str, outcome: Outcome, side: Side, minute: int) -> Unlisted:
    return Unlisted(
        order_id="o",
        platform=POLYMARKET,
        outcome=outcome,
        side=side,
        size=size(contracts),
        cost=money(cost),
        fee=money("0.02"),
        at=NOW + timedelta(minutes=minute),
    )


BARE = OpenPosition(
    position_id="p",
    pair_id="cup",
    execution_id="e",
    kalshi=Holding(YES, "o1"),
    polymarket=Holding(NO, "o2"),
    expected_edge=ZERO,
    divergence_reserve=ZERO,
    status=_S.OPEN,
    opened_at=NOW,
)
YES_10 = traded("10", "0.40", fee="0.10")
NO_10 = traded("10", "0.50", NO, platform=POLYMARKET, fee="0.05")


# Order
# ---------------------------------------------------------------------------------------------


def test_a_leg_keeps_its_outcome_and_the_order_that_opened_it() -> None:
    assert folded(BARE, ()) == BARE


def test_what_is_only_stated_comes_after_every_listed_fill() -> None:
    """Contracts are stated to be sold, by our clock before more of them were bought."""
    sold = stated("4", "2.40", NO, SELL, minute=2)
    dearer = traded("10", "0.70", NO, platform=POLYMARKET, minute=5)

    leg = folded(BARE, (sold, NO_10, dearer)).polymarket

    assert leg == Holding(
        NO,
        "o2",
        size=size("16"),
        cost=money("9.60"),
        fees=money("0.07"),
        cash=money("-9.67"),
    )


@pytest.mark.parametrize("minute", [-5, 0, 5])
def test_a_merge_waits_for_its_pairs_and_applies_to_them_at_once(minute: int) -> None:
    """The six that remain are sold when the merge has taken its share of their cost."""
    against = traded("4", "0.45", YES, platform=POLYMARKET, minute=1)
    merge = Merge(POLYMARKET, size("4"), NOW + timedelta(minutes=minute))
    dearer = traded("6", "0.80", NO, platform=POLYMARKET, minute=7)

    leg = folded(BARE, (merge, NO_10, against, dearer)).polymarket

    assert leg == Holding(
        NO,
        "o2",
        size=size("12"),
        cost=money("7.80"),
        fees=money("0.05"),
        cash=money("-7.65"),
    )


def test_a_merge_of_all_pairs_does_not_wait_for_more() -> None:
    against = traded("4", "0.45", YES, platform=POLYMARKET, minute=1)
    more = traded("4", "0.95", YES, platform=POLYMARKET, minute=2)
    merge = Merge(POLYMARKET, size("4"), NOW)

    leg = folded(BARE, (NO_10, against, more, merge)).polymarket

    assert [leg.complement, leg.complement_cost] == [4, Decimal("3.80")]


def test_a_payout_applies_last_even_if_our_clock_dates_it_before_a_trade() -> None:
    early = Payout(POLYMARKET, Decimal("0.2"), NOW - timedelta(days=1))

    leg = folded(BARE, (early, NO_10)).polymarket

    assert [leg.cash, leg.payout, leg.settled] == [Decimal("2.95"), Decimal("0.8"), 10]


def test_a_payout_leaves_no_cost_of_either_outcome() -> None:
    against = traded("4", "0.45", YES, platform=POLYMARKET, fee="0.03", minute=1)
    before = folded(BARE, (YES_10, NO_10, against))

    after = folded(BARE, (YES_10, NO_10, against, Payout(POLYMARKET, Decimal("0.2"), NOW)))

    assert before.polymarket == Holding(
        NO,
        "o2",
        size=size("10"),
        cost=money("5"),
        fees=money("0.08"),
        complement=size("4"),
        complement_cost=money("1.80"),
        cash=money("-6.88"),
    )
    assert after.polymarket == replace(
        before.polymarket,
        cost=ZERO,
        complement_cost=ZERO,
        cash=money("1.92"),
        payout=Decimal("0.8"),
        settled=size("6"),
    )


# Sales
# ---------------------------------------------------------------------------------------------


def test_a_sale_brings_what_it_is_stated_to_bring_and_has_its_fee() -> None:
    """A third of a dollar each is stated as a whole dollar for three."""
    sold = stated("3", "1.00", NO, SELL, minute=1)

    leg = folded(BARE, (NO_10, sold)).polymarket

    assert leg == Holding(
        NO, "o2", size=size("7"), cost=money("3.50"), fees=money("0.07"), cash=money("-4.07")
    )


def test_only_the_outcome_that_a_leg_holds_is_sold() -> None:
    with pytest.raises(AssertionError, match=r"^only what the leg holds is sold"):
        folded(BARE, (traded("1", "0.40", NO, SELL),))


# What a change records
# ---------------------------------------------------------------------------------------------


def test_a_change_of_facts_is_a_new_version_with_its_mark() -> None:
    before = replace(opened(BARE, (YES_10, NO_10), Decimal("0.01")), version=4)
    more = traded("1", "0.30", fee="0.20", minute=1)

    after = changed(before, (YES_10, NO_10, more), Cause.REPORTED, LATER)

    assert after.version == 5
    assert after.status is _S.SINGLE_LEG_EXPOSED
    assert after.marked_pnl == after.mark != before.marked_pnl
    assert after.closed_at is None
    assert after.reconciliation_context is None


def test_a_position_is_closed_when_it_becomes_so_and_stays_closed_since() -> None:
    sale = traded("10", "0.60", side=SELL, minute=1)

    closed = changed(BARE, (YES_10, sale), Cause.EXITED, NOW)
    again = changed(closed, (YES_10, sale), Cause.REPORTED, LATER)

    assert (closed.status, closed.closed_at) == (_S.CLOSED, NOW)
    assert (again.status, again.closed_at) == (_S.CLOSED, NOW)


@pytest.mark.parametrize(
    ("facts", "cause", "kind", "status", "state"),
    [
        ((YES_10,), Cause.FILL_FAILED, "fill_failed", "SINGLE_LEG_EXPOSED", ("10", "0")),
        ((YES_10,), Cause.REPORTED, "fill_unknown", "SINGLE_LEG_EXPOSED", ("10", "0")),
        ((YES_10, NO_10), Cause.REPORTED, "fill_unknown", "OPEN", ("10", "10")),
    ],
)
def test_the_review_of_a_closed_position_is_told_what_its_facts_imply(
    facts: tuple[Fact, ...], cause: Cause, kind: str, status: str, state: tuple[str, str]
) -> None:
    closed = replace(BARE, status=_S.CLOSED, closed_at=NOW)

    after = changed(closed, facts, cause, LATER)

    assert (after.status, after.closed_at) == (_S.RECONCILIATION_REQUIRED, None)
    assert after.reconciliation_context == {
        "discrepancy_type": kind,
        "recommended_status": status,
        "platform_state": {"kalshi": state[0], "polymarket": state[1]},
        "detected_at": LATER.isoformat(),
    }


def test_a_pair_with_a_rest_beyond_it_is_exposed() -> None:
    more = traded("3", "0.40", minute=1)

    after = folded(BARE, (YES_10, NO_10, more))

    assert implied(after, Cause.REPORTED) is _S.SINGLE_LEG_EXPOSED


def test_balanced_legs_of_the_same_few_opposites_are_no_pair() -> None:
    """Less than the smallest unit apart, and one of them not flat, but nothing hedged."""
    here = replace(BARE.kalshi, size=size("0.005"))
    there = replace(BARE.polymarket, complement=size("0.004"))
    flat = replace(BARE, kalshi=here, polymarket=there)

    assert implied(flat, Cause.REPORTED) is _S.CLOSED


# Opening
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "at_loss"), [("0.49", False), ("0.50", False), ("0.51", True)]
)
def test_a_pair_is_opened_at_a_loss_if_it_costs_more_than_it_pays(
    price: str, *, at_loss: bool
) -> None:
    here = traded("10", price)
    there = traded("10", "0.50", NO, platform=POLYMARKET)

    assert opened(BARE, (here, there), Decimal(0)).completed_at_loss is at_loss


def test_the_reserve_is_a_share_of_what_the_hedged_contracts_have_cost() -> None:
    more = traded("10", "0.50", fee="0.10", minute=1)
    single = opened(BARE, (YES_10,), Decimal("0.01"))

    made = opened(BARE, (YES_10, more, NO_10), Decimal("0.01"))

    assert made.divergence_reserve == Decimal("0.0965"), "half of 9.20, and 5.05"
    assert single.divergence_reserve == 0
    assert opened(BARE, (), Decimal("0.01")).divergence_reserve == 0


# Differences
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "any_"),
    [
        (("0", "0", "0"), False),
        (("1", "0", "0"), True),
        (("0", "-1", "0"), True),
        (("0", "0", "1"), True),
    ],
)
def test_a_change_is_one_if_any_amount_differs(
    amounts: tuple[str, str, str], *, any_: bool
) -> None:
    assert bool(Change(*(money(each) for each in amounts))) is any_


def test_the_difference_of_two_folds_is_that_of_cash_cost_and_fees() -> None:
    first = Holding(
        YES, cost=money("2"), complement_cost=money("0.5"), fees=money("0.3"), cash=money("-9")
    )
    second = Holding(
        YES, cost=money("7"), complement_cost=money("0.1"), fees=money("0.7"), cash=money("-20")
    )

    assert change(first, second) == Change(money("-11"), money("4.6"), money("0.4"))


def settled(outcome: Outcome, contracts: str, payout: str) -> Holding:
    return Holding(outcome, settled=size(contracts), payout=Decimal(payout))


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "apart"),
    [
        (("0.5", "0.3"), ("2", "0.9"), "0.10"),
        (("-2", "0.3"), ("-0.5", "0.9"), "-0.10"),
        (("-2", "0.3"), ("0.5", "0.9"), "0"),
        (("0", "0.3"), ("-6", "0.9"), "0"),
        (("6", "0.3"), ("0", "0.9"), "0"),
        (("0.5", "0.333333"), ("0.5", "0.666666"), "-0.000001"),
    ],
)
def test_divergence_is_what_the_pairs_paid_beyond_a_dollar_rounded_down(
    kalshi: tuple[str, str], polymarket: tuple[str, str], apart: str
) -> None:
    made = replace(BARE, kalshi=settled(YES, *kalshi), polymarket=settled(NO, *polymarket))

    assert divergence(made) == Decimal(apart)
    assert divergence(replace(made, kalshi=replace(made.kalshi, payout=None))) == 0

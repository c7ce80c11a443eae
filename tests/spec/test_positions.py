"""What a position tells of itself: its legs, their balance, its profit and its status."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from support.pairs import NOW

from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.errors import IllegalTransition

YES, NO = Outcome.YES, Outcome.NO
OPEN, EXPOSED = PositionStatus.OPEN, PositionStatus.SINGLE_LEG_EXPOSED


def size(number: str) -> Quantity:
    return Quantity(Decimal(number))


def money(number: str) -> Money:
    return Money(Decimal(number))


def held(contracts: str, opposite: str = "0") -> Holding:
    return Holding(YES, size=size(contracts), complement=size(opposite))


def position(kalshi: Holding, polymarket: Holding) -> OpenPosition:
    return OpenPosition(
        position_id="p",
        pair_id="cup",
        execution_id="e",
        kalshi=kalshi,
        polymarket=polymarket,
        expected_edge=money("0.20"),
        divergence_reserve=money("0"),
        status=OPEN,
        opened_at=NOW,
    )


# A leg
# ---------------------------------------------------------------------------------------------


def test_the_average_cost_is_that_of_the_contracts_held_if_any() -> None:
    assert Holding(YES, size=size("10"), cost=money("4")).average == Decimal("0.4")
    assert Holding(YES, cost=money("4")).average is None


def test_a_leg_described_by_the_opposite_outcome_swaps_what_belongs_to_an_outcome() -> None:
    leg = Holding(
        YES,
        "o",
        size("1"),
        cost=money("0.2"),
        fees=money("0.03"),
        complement=size("4"),
        complement_cost=money("2.5"),
        borrowed=size("6"),
        cash=money("7"),
        payout=Decimal("0.3"),
        settled=size("8"),
    )

    assert leg.inverted == Holding(
        NO,
        "o",
        size("4"),
        cost=money("2.5"),
        fees=money("0.03"),
        complement=size("1"),
        complement_cost=money("0.2"),
        borrowed=size("6"),
        cash=money("7"),
        payout=Decimal("0.7"),
        settled=size("-8"),
    )
    assert replace(leg, payout=None).inverted.payout is None
    assert leg.inverted.inverted == leg


@pytest.mark.parametrize(
    ("leg", "unpaid"),
    [
        (held("1"), True),
        (held("0", "1"), True),
        (held("1", "1"), True),
        (held("0"), False),
        (replace(held("1", "1"), payout=Decimal(0)), False),
    ],
)
def test_a_leg_is_unpaid_while_contracts_of_any_outcome_are_to_become_cash(
    leg: Holding, *, unpaid: bool
) -> None:
    assert leg.unpaid is unpaid


def test_the_basis_of_a_leg_is_the_cost_of_both_outcomes() -> None:
    assert Holding(YES, cost=money("4"), complement_cost=money("0.5")).basis == Decimal("4.5")


# The balance of both legs
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "longer", "imbalanced", "flat"),
    [
        ("10", "8", Platform.KALSHI, True, False),
        ("0.5", "0", Platform.KALSHI, True, False),
        ("0", "0", Platform.POLYMARKET, False, True),
        ("7", "7", Platform.POLYMARKET, False, False),
        ("8", "10", Platform.POLYMARKET, True, False),
        ("0.01", "0", Platform.KALSHI, True, False),
        ("0", "0.01", Platform.POLYMARKET, True, False),
        ("0.009999", "0", Platform.KALSHI, False, True),
        ("0", "0.009999", Platform.POLYMARKET, False, True),
    ],
)
def test_legs_differ_from_the_smallest_tradable_unit_on(
    kalshi: str, polymarket: str, longer: Platform, *, imbalanced: bool, flat: bool
) -> None:
    made = position(held(kalshi), held(polymarket))

    assert (made.longer, made.imbalanced(), made.flat) == (longer, imbalanced, flat)


@pytest.mark.parametrize(("dust", "imbalanced"), [("2", True), ("2.000001", False)])
def test_what_counts_as_balanced_can_be_said(dust: str, *, imbalanced: bool) -> None:
    assert position(held("10"), held("8")).imbalanced(Decimal(dust)) is imbalanced


# Profit
# ---------------------------------------------------------------------------------------------


def test_the_dollars_that_hedged_contracts_still_pay_are_rounded_down() -> None:
    paid = replace(held("0.5"), payout=Decimal("0.333333"))

    assert position(paid, held("0.5")).locked_profit == Decimal("0.333333"), "0.3333335"


def test_profit_so_far_is_rounded_down() -> None:
    leg = replace(held("3", "1"), cost=money("1"))

    made = position(leg, Holding(NO))

    assert [made.realised_pnl, made.mark] == [Decimal("1.666666")] * 2


@pytest.mark.parametrize(
    ("leg", "worth"),
    [
        (Holding(YES, size=size("4"), cost=money("2"), complement=size("1")), "2.5"),
        (
            Holding(YES, size=size("1"), complement=size("4"), complement_cost=money("2")),
            "2.5",
        ),
        (Holding(YES, complement=size("4"), complement_cost=money("2")), "2"),
        (Holding(YES), "0"),
    ],
)
def test_what_is_held_is_worth_a_dollar_per_pair_and_its_cost_beyond_them(
    leg: Holding, worth: str
) -> None:
    made = position(leg, Holding(NO, cash=money("-7")))

    assert made.realised_pnl == made.mark == Decimal(worth) - 7


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "mark"),
    [("0.5", "0.5", "0.45"), ("2", "0.5", "1.05"), ("0.5", "2", "1.20")],
)
def test_less_than_a_contract_is_hedged_like_many(
    kalshi: str, polymarket: str, mark: str
) -> None:
    """YES at 40 cents and NO at 50: beyond the pairs, a contract stands at its cost."""
    here = replace(held(kalshi), cost=Money(Decimal(kalshi) * Decimal("0.4")))
    there = replace(held(polymarket), cost=Money(Decimal(polymarket) * Decimal("0.5")))

    made = replace(position(here, there), divergence_reserve=money("0.05"))

    assert made.mark == Decimal(mark)


# Status
# ---------------------------------------------------------------------------------------------


def test_a_change_of_status_is_a_new_version_with_its_facts() -> None:
    before = replace(position(held("1"), held("0")), version=6)

    assert before.moved(EXPOSED, completed_at_loss=True) == replace(
        before, status=EXPOSED, version=7, completed_at_loss=True
    )


def test_a_closed_position_is_not_opened_again() -> None:
    closed = replace(position(held("0"), held("0")), status=PositionStatus.CLOSED)

    with pytest.raises(IllegalTransition):
        closed.moved(OPEN)

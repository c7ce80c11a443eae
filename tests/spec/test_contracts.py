"""Contracts and pairs: their prices, their sizes, and what an approval is bound to."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from support.pairs import NOW, contract, pair

from dutchbook.domain.market.contract import (
    Alignment,
    Contract,
    ContractMatch,
    Leg,
    Outcome,
    Platform,
    Side,
    Sizing,
)
from dutchbook.domain.values.units import Money, Price, PriceGrid, Quantity
from dutchbook.errors import InvalidInput

KALSHI, POLYMARKET = Platform
YES, NO, BUY, SELL = Outcome.YES, Outcome.NO, Side.BUY, Side.SELL
TAPERED = PriceGrid.of_ranges(
    [
        {"start": "0", "end": "0.1", "step": "0.001"},
        {"start": "0.1", "end": "1", "step": "0.01"},
    ]
)
"""Tenths of a cent up to ten cents, then whole cents."""


def sized(
    minimum: str, dollars: str, *, exact: bool, tick: str = "0.01", step: str = "0.01"
) -> Contract:
    sizing = Sizing(
        Quantity(Decimal(step)), Quantity(Decimal(minimum)), Money(Decimal(dollars)), exact
    )
    return contract(POLYMARKET, sizing=sizing, grid=PriceGrid.of_tick(tick))


# Opposites ------------------------------------------------------------------------------------


def test_platforms_outcomes_and_legs_have_opposites() -> None:
    assert (KALSHI.other, POLYMARKET.other) == (POLYMARKET, KALSHI)
    assert (YES.opposite, NO.opposite) == (NO, YES)
    assert (Leg.PRIMARY.other, Leg.SECONDARY.other) == (Leg.SECONDARY, Leg.PRIMARY)


def test_only_fills_on_kalshi_are_final_at_once() -> None:
    assert (KALSHI.fills_are_final, POLYMARKET.fills_are_final) == (True, False)


# Sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exact", "tick", "step", "lot"),
    [
        (False, "0.01", "0.01", "0.01"),
        (False, "0.001", "0.05", "0.05"),
        (True, "0.1", "0.01", "0.1"),
        (True, "0.01", "0.01", "1"),
        (True, "0.005", "0.01", "2"),
        (True, "0.001", "0.01", "10"),
        (True, "0.01", "5", "5"),
    ],
)
def test_a_lot_is_the_step_or_what_costs_whole_cents_at_every_price(
    exact: bool, tick: str, step: str, lot: str
) -> None:
    assert sized("5", "1", exact=exact, tick=tick, step=step).lot == Decimal(lot)


@pytest.mark.parametrize(
    ("minimum", "dollars", "exact", "limit", "smallest"),
    [
        ("5", "1", True, "0.50", "5"),
        ("5", "1", True, "0.20", "5"),
        ("5", "1", True, "0.16", "7"),
        ("5", "1", False, "0.16", "6.25"),
        ("0.015", "0", False, "0.16", "0.02"),
        ("3", "1", False, "0.30", "3.34"),
    ],
)
def test_the_smallest_order_has_the_minimum_of_contracts_and_of_dollars(
    minimum: str, dollars: str, exact: bool, limit: str, smallest: str
) -> None:
    assert sized(minimum, dollars, exact=exact).smallest(Decimal(limit)) == Decimal(smallest)


# Prices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "outcome", "on"),
    [
        ("0.055", YES, True),
        ("0.055", NO, False),
        ("0.945", YES, False),
        ("0.945", NO, True),
        ("0.95", YES, True),
        ("0.05", NO, True),
    ],
)
def test_no_can_be_quoted_where_yes_can_at_the_complement(
    limit: str, outcome: Outcome, on: bool
) -> None:
    assert contract(KALSHI, grid=TAPERED).on_grid(Decimal(limit), outcome) is on


@pytest.mark.parametrize(
    ("limit", "outcome", "floor", "ceiling"),
    [
        ("0", YES, None, "0.001"),
        ("0.0009", YES, None, "0.001"),
        ("0.001", YES, "0.001", "0.001"),
        ("0.0555", YES, "0.055", "0.056"),
        ("0.1", YES, "0.1", "0.1"),
        ("0.1001", YES, "0.1", "0.11"),
        ("0.119", YES, "0.11", "0.12"),
        ("0.99", YES, "0.99", "0.99"),
        ("0.991", YES, "0.99", None),
        ("1", YES, "0.99", None),
        ("1.5", YES, "0.99", None),
        ("-0.5", YES, None, "0.001"),
        ("0.009", NO, None, "0.01"),
        ("0.01", NO, "0.01", "0.01"),
        ("0.899", NO, "0.89", "0.9"),
        ("0.9001", NO, "0.9", "0.901"),
        ("0.9991", NO, "0.999", None),
        ("1", NO, "0.999", None),
    ],
)
def test_a_limit_is_quoted_at_the_next_price_that_the_outcome_can_have(
    limit: str, outcome: Outcome, floor: str | None, ceiling: str | None
) -> None:
    of, at = contract(KALSHI, grid=TAPERED), Decimal(limit)

    below, above = (None if text is None else Decimal(text) for text in (floor, ceiling))
    assert of.floor_price(at, outcome) == below
    assert of.next_price(at, outcome, SELL) == below
    assert of.next_price(at, outcome, BUY) == above


@pytest.mark.parametrize(
    ("side", "contracts", "worst", "bound", "cent_exact", "limit"),
    [
        pytest.param(BUY, "20", "0.50", "0.60", False, "0.60", id="as far as it may"),
        pytest.param(BUY, "20", "0.50", "0.60", True, "0.50", id="in dollars as it must"),
        pytest.param(BUY, "20", "0.04", "0.60", True, "0.05", id="worth a dollar"),
        pytest.param(BUY, "20", "0.04", "0.04", True, "0.04", id="never past the bound"),
        pytest.param(BUY, "20", "0.04", "0.04", False, "0.04", id="nor in contracts"),
        pytest.param(SELL, "20", "0.50", "0.40", False, "0.40", id="a sale too"),
        pytest.param(SELL, "20", "0.50", "0.40", True, "0.40", id="which spends no dollars"),
        pytest.param(SELL, "20", "0.05", "0.03", True, "0.05", id="a sale worth a dollar"),
        pytest.param(SELL, "21", "0.05", "0.03", True, "0.05", id="at the price above"),
        pytest.param(SELL, "0.5", "0.05", "0.03", True, "0.03", id="worth one at no price"),
    ],
)
def test_an_order_goes_as_far_as_it_may_and_is_worth_what_the_platform_asks_for(
    side: Side, contracts: str, worst: str, bound: str, cent_exact: bool, limit: str
) -> None:
    of = contract(POLYMARKET)
    of = replace(of, sizing=replace(of.sizing, cent_exact=cent_exact))

    found = of.limit_of(
        Decimal(contracts), NO, side, worst=Price(Decimal(worst)), bound=Price(Decimal(bound))
    )

    assert found == Decimal(limit)


def test_a_contract_with_a_single_price_has_no_other() -> None:
    of = contract(KALSHI, grid=PriceGrid.of_tick("0.5"))

    assert of.floor_price(Decimal("0.9"), NO) == Decimal("0.5")
    assert of.floor_price(Decimal("0.4"), NO) is None


# Pairs ----------------------------------------------------------------------------------------


def test_a_pair_has_a_contract_on_each_platform() -> None:
    of = pair()

    assert (of.contract(KALSHI), of.contract(POLYMARKET)) == (of.kalshi, of.polymarket)


@pytest.mark.parametrize(
    ("kalshi", "polymarket"), [(KALSHI, KALSHI), (POLYMARKET, POLYMARKET), (POLYMARKET, KALSHI)]
)
def test_a_pair_of_other_platforms_is_refused(kalshi: Platform, polymarket: Platform) -> None:
    with pytest.raises(InvalidInput) as refused:
        ContractMatch("cup", contract(kalshi), contract(polymarket))

    assert str(refused.value) == "pair: 'cup' is not one Kalshi and one Polymarket contract"
    assert (refused.value.field, refused.value.value) == ("pair", "cup")


@pytest.mark.parametrize("sure", ["0.000001", "0.5", "1"])
def test_a_confidence_is_above_0_and_at_most_1(sure: str) -> None:
    assert pair(confidence=Decimal(sure)).confidence == Decimal(sure)


@pytest.mark.parametrize(
    "sure", ["0", "-0.5", "1.000001", "2", "0.0000001", "NaN", "Infinity", "-Infinity"]
)
def test_any_other_confidence_is_refused(sure: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        pair(confidence=Decimal(sure))

    shown = repr(str(Decimal(sure)))
    assert str(refused.value) == (
        f"confidence: {shown} is not above 0, at most 1, in whole millionths"
    )


@pytest.mark.parametrize(
    ("alignment", "outcome", "held"),
    [
        (Alignment.SAME, YES, NO),
        (Alignment.SAME, NO, YES),
        (Alignment.INVERSE, YES, YES),
        (Alignment.INVERSE, NO, NO),
    ],
)
def test_the_hedge_is_the_outcome_that_pays_when_the_other_does_not(
    alignment: Alignment, outcome: Outcome, held: Outcome
) -> None:
    assert pair(alignment=alignment).hedge(outcome) is held


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "resolved", "spendable"),
    [((6, 1), (9, 1), 9, 10), ((9, 1), (6, 1), 9, 10), ((9, 1), (6, 5), 9, 11)],
)
def test_a_pair_is_resolved_and_paid_when_its_later_contract_is(
    kalshi: tuple[int, int], polymarket: tuple[int, int], resolved: int, spendable: int
) -> None:
    contracts = [
        contract(
            platform,
            resolution_time=NOW + timedelta(days=days),
            cash_delay=timedelta(days=delay),
        )
        for platform, (days, delay) in zip(Platform, (kalshi, polymarket), strict=True)
    ]

    of = pair(kalshi=contracts[0], polymarket=contracts[1])

    assert [each.cash_time for each in contracts] == [
        NOW + timedelta(days=days + delay) for days, delay in (kalshi, polymarket)
    ]
    assert of.resolution_date == NOW + timedelta(days=resolved)
    assert of.cash_time == NOW + timedelta(days=spendable)


# Approvals ------------------------------------------------------------------------------------


def test_an_approval_is_bound_to_the_ids_the_rules_the_dates_and_the_alignment() -> None:
    dates = ("2026-07-11T18:00:00+00:00", "2026-07-12T18:00:00+00:00")
    facts = {"close_time": NOW + timedelta(days=6), "resolution_time": NOW + timedelta(days=7)}
    of = pair(
        kalshi=contract(KALSHI, rules="Kalshi's.", **facts),
        polymarket=contract(POLYMARKET, rules="Polymarket's.", **facts),
        alignment=Alignment.INVERSE,
    )

    bound_to = (
        "inverse",
        *("kalshi-cup", "Kalshi's.", *dates),
        *("polymarket-cup", "Polymarket's.", *dates),
    )

    assert of.digest == hashlib.sha256("\x1f".join(bound_to).encode()).hexdigest()


def test_a_pair_is_tradable_only_as_a_person_approved_it() -> None:
    approved = pair()
    changed = replace(approved, kalshi=contract(KALSHI, rules="By a jury's vote."))

    assert approved.tradable
    assert not changed.tradable
    assert not replace(approved, operator_approved=False).tradable
    assert not replace(approved, operator_approved=False, approved_digest=None).tradable

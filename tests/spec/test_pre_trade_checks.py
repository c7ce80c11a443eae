"""Each pre-trade check alone: what it lets pass, and exactly what it says of what it rejects.

`test_gate.py` shows that the gate applies them all.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.answers import order
from support.pairs import contract

from dutchbook.domain.capital.limits import Grade, HaltReason, RiskState
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import (
    Refused,
    alike,
    beyond_collar,
    beyond_held,
    beyond_plan,
    halted,
    not_orderable,
    outdated,
    too_dear,
    too_many,
)
from dutchbook.domain.market.contract import Contract, Leg, Outcome, Platform, Side, Sizing
from dutchbook.domain.values.units import Money, Price, PriceGrid, Quantity

BUY = order(Platform.KALSHI)
"""Ten contracts at 52 cents."""
REDUCING = [purpose for purpose in Purpose if purpose is not Purpose.ENTRY]
HALTED = RiskState().halted(HaltReason.OPERATOR)
LOST = RiskState().halted(HaltReason.OPERATOR).halted(HaltReason.DAILY_LOSS_LIMIT)


def of(number: str) -> Quantity:
    return Quantity(Decimal(number))


def at(number: str) -> Price:
    return Price(Decimal(number))


# Halts and approvals


@pytest.mark.parametrize(
    ("purpose", "state", "grade", "expected"),
    [
        *(
            (
                purpose,
                RiskState(),
                Grade.CANCELS_ONLY,
                Refused("cancels_only", "nothing but cancels is allowed", 4001),
            )
            for purpose in Purpose
        ),
        *((purpose, LOST, Grade.NO_ENTRIES, None) for purpose in REDUCING),
        (Purpose.ENTRY, RiskState(), Grade.TRADING, None),
        (
            Purpose.ENTRY,
            RiskState(),
            Grade.NO_ENTRIES,
            Refused("trading_halted", "asked for just now", 4001),
        ),
        (Purpose.ENTRY, HALTED, Grade.TRADING, Refused("trading_halted", "operator", 4001)),
        (
            Purpose.ENTRY,
            LOST,
            Grade.TRADING,
            Refused("trading_halted", "daily_loss_limit, operator", 3003),
        ),
    ],
)
def test_a_halt_rejects_what_it_must_and_says_why(
    purpose: Purpose, state: RiskState, grade: Grade, expected: Refused | None
) -> None:
    assert halted(purpose, state, grade) == expected


OUTDATED = Refused("risk_epoch", "approved in 3, now 4", 3006)


@pytest.mark.parametrize(
    ("purpose", "approved", "expected"),
    [
        (Purpose.ENTRY, 4, None),
        (Purpose.ENTRY, 3, OUTDATED),
        *((purpose, 3, None) for purpose in REDUCING),
    ],
)
def test_only_an_entry_needs_an_approval_of_the_present_epoch(
    purpose: Purpose, approved: int, expected: Refused | None
) -> None:
    assert outdated(purpose, approved, 4) == expected


# Terms of the contract

TENTHS = contract(Platform.KALSHI, sizing=Sizing(of("0.1"), of("0.1"), Money(Decimal(0))))
IN_DOLLARS = contract(
    Platform.POLYMARKET,
    grid=PriceGrid.of_tick("0.001"),
    sizing=Sizing(of("0.01"), of("5"), Money(Decimal(1)), cent_exact=True),
)


@pytest.mark.parametrize(
    ("facts", "terms", "expected"),
    [
        ({}, TENTHS, None),
        (
            {"price": at("0.525")},
            TENTHS,
            Refused("off_grid", "0.525 of yes, the grid is 0 to 1 by 0.01 of YES", 3012),
        ),
        (
            {"price": at("0.525"), "outcome": Outcome.NO},
            TENTHS,
            Refused("off_grid", "0.525 of no, the grid is 0 to 1 by 0.01 of YES", 3012),
        ),
        ({"size": of("0.1")}, TENTHS, None),
        ({"size": of("0.15")}, TENTHS, Refused("off_lot", "0.15, in steps of 0.1", 3012)),
        ({"size": of("5"), "price": at("0.2")}, IN_DOLLARS, None),
        (
            {"size": of("4.99"), "price": at("0.5")},
            IN_DOLLARS,
            Refused("below_minimum_size", "4.99, at least 5", 3012),
        ),
        (
            {"size": of("9.99"), "price": at("0.1")},
            IN_DOLLARS,
            Refused("below_minimum_size", "0.999 dollars, at least 1", 3012),
        ),
        *(
            (
                {"size": of("6"), "price": at("0.251"), "time_in_force": kind},
                IN_DOLLARS,
                Refused("off_lot", "1.506 dollars, in whole cents", 3012),
            )
            for kind in (TimeInForce.FOK, TimeInForce.IOC)
        ),
        *(
            (
                {"size": of("6"), "price": at("0.251"), "time_in_force": kind},
                IN_DOLLARS,
                None,
            )
            for kind in (TimeInForce.GTC, TimeInForce.GTD)
        ),
        ({"size": of("6"), "price": at("0.251"), "side": Side.SELL}, IN_DOLLARS, None),
        ({"size": of("6"), "price": at("0.255")}, IN_DOLLARS, None),
        (
            {"size": of("6"), "price": at("0.251")},
            replace(IN_DOLLARS, sizing=replace(IN_DOLLARS.sizing, cent_exact=False)),
            None,
        ),
    ],
)
def test_an_order_has_a_price_a_size_and_a_value_that_its_contract_admits(
    facts: dict[str, Any], terms: Contract, expected: Refused | None
) -> None:
    assert not_orderable(replace(BUY, **facts), terms) == expected


# Prices and values

NO_PRICE = Refused("no_price", "the book offers nothing", 2001)


@pytest.mark.parametrize(
    ("side", "best", "expected"),
    [
        (Side.BUY, None, NO_PRICE),
        (Side.SELL, None, NO_PRICE),
        (Side.BUY, "0.46", None),
        (Side.BUY, "0.45", None),
        (
            Side.BUY,
            "0.44",
            Refused("price_collar", "limit 0.52 is 0.08 beyond 0.44, at most 0.07", 3007),
        ),
        (Side.BUY, "0.90", None),
        (Side.SELL, "0.58", None),
        (Side.SELL, "0.59", None),
        (
            Side.SELL,
            "0.60",
            Refused("price_collar", "limit 0.52 is 0.08 beyond 0.60, at most 0.07", 3007),
        ),
        (Side.SELL, "0.10", None),
    ],
)
def test_a_limit_is_at_most_the_collar_beyond_the_best_price(
    side: Side, best: str | None, expected: Refused | None
) -> None:
    shown = None if best is None else at(best)

    found = beyond_collar(replace(BUY, side=side), shown, Decimal("0.07"))

    assert found == expected


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        ("5.21", None),
        ("5.20", None),
        ("5.19", Refused("order_value", "5.20 dollars, at most 5.19", 3001)),
    ],
)
def test_an_order_is_worth_at_most_the_bound_at_its_limit(
    most: str, expected: Refused | None
) -> None:
    assert too_dear(BUY, Money(Decimal(most))) == expected


@pytest.mark.parametrize(
    ("purpose", "sent", "expected"),
    [
        (Purpose.ENTRY, 2, None),
        (
            Purpose.ENTRY,
            3,
            Refused("order_rate", "3 orders in 60 seconds, at most 3", 3008),
        ),
        *((purpose, 5, None) for purpose in REDUCING),
        *(
            (
                purpose,
                6,
                Refused("order_rate", "6 orders in 60 seconds, at most 6", 3008),
            )
            for purpose in REDUCING
        ),
    ],
)
def test_orders_end_at_the_rate_and_what_reduces_risk_at_twice_the_rate(
    purpose: Purpose, sent: int, expected: Refused | None
) -> None:
    assert too_many(purpose, sent, 3) == expected


# Duplicates


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, True),
        ({"order_id": "o2", "client_order_id": "c2", "execution_id": "e2"}, True),
        ({"purpose": Purpose.EXIT, "time_in_force": TimeInForce.GTC}, True),
        ({"pair_id": "league"}, False),
        ({"platform": Platform.POLYMARKET}, False),
        ({"leg": Leg.SECONDARY}, False),
        ({"side": Side.SELL}, False),
        ({"outcome": Outcome.NO}, False),
        ({"size": of("10.01")}, False),
        ({"price": at("0.53")}, False),
    ],
)
def test_orders_are_alike_if_they_request_the_same_trade(
    facts: dict[str, Any], expected: bool
) -> None:
    other = replace(BUY, **facts)

    assert (alike(BUY, other), alike(other, BUY)) == (expected, expected)


# Quantities


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        ("13.01", None),
        ("13", None),
        (
            "12.99",
            Refused("beyond_plan", "13 of execution e1, 12.99 were planned", 3010, broken=True),
        ),
    ],
)
def test_no_more_is_sent_for_a_leg_than_was_planned(
    planned: str, expected: Refused | None
) -> None:
    assert beyond_plan(BUY, of("3"), of(planned)) == expected


SALE: Order = replace(BUY, side=Side.SELL)


@pytest.mark.parametrize(
    ("asked", "held", "expected"),
    [
        (SALE, "13.01", None),
        (SALE, "13", None),
        (
            SALE,
            "12.99",
            Refused("not_held", "10 to sell, 12.99 held and 3 being sold", 3011, broken=True),
        ),
        (BUY, "0", None),
    ],
)
def test_no_more_is_sold_than_is_held_and_not_being_sold(
    asked: Order, held: str, expected: Refused | None
) -> None:
    assert beyond_held(asked, of("3"), of(held)) == expected

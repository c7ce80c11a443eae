"""What the totals that a platform states of an order add to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support.orders import PLAIN, STATED, fill, order

from dutchbook.domain.execution.order import Finality, Totals
from dutchbook.domain.values.units import Money, Quantity


def totals(filled: str, cost: str | None = None, fees: str = "0") -> Totals:
    stated = None if cost is None else Money(Decimal(cost))
    return Totals(Quantity(Decimal(filled)), stated, Money(Decimal(fees)))


KNOWN = (fill("3", "0.4", "0.05"), fill("1", "0.5", "0.15", Finality.FAILED))
"""Trades of four contracts for 1.70 and fees of 0.20, which the stated ten contain."""


TOTALS: dict[str, tuple[Totals, dict[str, Any]]] = {
    "cost and fees": (
        totals("14", "6.3", "0.9"),
        {"cost": "6.3", "fees": "0.9", "stated_cost": "4.6", "stated_fees": "0.7"},
    ),
    "no cost": (
        totals("14", None, "0.9"),
        {"cost": "6.7", "fees": "0.9", "stated_cost": "5", "stated_fees": "0.7"},
    ),
    "fees below those of the trades": (
        totals("14", "6.3", "0.1"),
        {"cost": "6.3", "fees": "0.2", "stated_cost": "4.6", "stated_fees": "0"},
    ),
    "a cost of nothing": (
        totals("14", "1.7", "0.9"),
        {"cost": "6.7", "fees": "0.9", "stated_cost": "5", "stated_fees": "0.7"},
    ),
    "a cost of almost nothing": (
        totals("14", "1.700001", "0.9"),
        {"cost": "1.700001", "fees": "0.9", "stated_cost": "0.000001", "stated_fees": "0.7"},
    ),
    "a cost of almost a dollar each": (
        totals("14", "11.699999", "0.9"),
        {"cost": "11.699999", "fees": "0.9", "stated_cost": "9.999999", "stated_fees": "0.7"},
    ),
    "a cost of a dollar each": (
        totals("14", "11.7", "0.9"),
        {"cost": "6.7", "fees": "0.9", "stated_cost": "5", "stated_fees": "0.7"},
    ),
}


@pytest.mark.parametrize(("stated", "changes"), TOTALS.values(), ids=TOTALS)
def test_stated_totals_beyond_the_listed_trades_are_taken_at_their_cost_or_at_the_limit(
    stated: Totals, changes: dict[str, Any]
) -> None:
    before = order(STATED, refusal="late")

    after = before.with_totals(stated, iter(KNOWN))

    assert after == order(
        before,
        filled="14",
        working_size="6",
        stated="10",
        refusal=None,
        version=4,
        **changes,
    )


def test_the_limit_of_stated_contracts_is_rounded_up() -> None:
    after = PLAIN.with_totals(totals("0.000001"), ())

    assert (after.cost, after.stated_cost) == (Decimal("0.000001"), Decimal("0.000001"))


def test_stated_contracts_beyond_what_works_leave_nothing_working() -> None:
    after = order(working_size="2").with_totals(totals("5"), ())

    assert (after.filled, after.working_size) == (Decimal(5), Decimal(0))


@pytest.mark.parametrize("filled", ["10", "9.999999", "0"])
def test_totals_that_are_not_beyond_the_known_ones_change_nothing(filled: str) -> None:
    assert STATED.with_totals(totals(filled, "9", "9"), KNOWN) is STATED


def test_what_was_stated_can_be_taken_back_whole() -> None:
    assert STATED.without_stated() == order(
        STATED,
        filled="4",
        cost="1.7",
        fees="0.2",
        stated="0",
        stated_cost="0",
        stated_fees="0",
        version=4,
    )

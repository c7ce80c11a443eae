from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from itertools import product
from typing import Any

import pytest
from support.pairs import NOW

from dutchbook.domain.execution.order import (
    ORDER,
    Fill,
    Finality,
    Order,
    OrderStatus,
    Purpose,
    TimeInForce,
    order_status,
)
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.positions.position import POSITION, PositionStatus
from dutchbook.domain.values.machine import Machine
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import IllegalTransition

TEN = Quantity(Decimal(10))


MACHINES: list[tuple[Machine[Any], type[StrEnum]]] = [
    (ORDER, OrderStatus),
    (POSITION, PositionStatus),
]
ILLEGAL = [
    (machine, *change)
    for machine, states in MACHINES
    for change in product(states, states)
    if change not in machine.changes
]


@pytest.mark.parametrize(("machine", "before", "after"), ILLEGAL)
def test_every_transition_outside_the_table_is_refused(
    machine: Machine[Any], before: StrEnum, after: StrEnum
) -> None:
    with pytest.raises(IllegalTransition) as caught:
        machine.check(before, after)

    refused = caught.value
    assert (refused.machine, refused.before, refused.after) == (machine.name, before, after)


def test_the_order_table_is_what_the_status_function_can_do() -> None:
    """The enumerated pairs of facts that one step connects give exactly the table."""
    facts = list(product((0, 4, 10), (0, 6, 10), (False, True)))
    possible = set()
    for (f1, w1, r1), (f2, w2, r2) in product(facts, facts):
        if not (_real(f1, w1, r1) and _real(f2, w2, r2) and _step((f1, w1, r1), (f2, w2, r2))):
            continue
        before = order_status(ordered=TEN, filled=Decimal(f1), working=Decimal(w1), refused=r1)
        after = order_status(ordered=TEN, filled=Decimal(f2), working=Decimal(w2), refused=r2)
        if before is not after:
            possible.add((before, after))

    assert possible == set(ORDER.changes)


def _real(filled: int, working: int, refused: bool) -> bool:
    return filled + working <= 10 and not (refused and (filled or working))


def _step(before: tuple[int, int, bool], after: tuple[int, int, bool]) -> bool:
    """Return whether one step connects two states.

    A step is fills that arrive or fail, the end of the rest, or the rejection of an unfilled
    order. Only a late fill clears a rejection.
    """
    (f1, w1, r1), (f2, w2, r2) = before, after
    if r2:
        return f1 == 0 and w1 > 0
    return w2 <= w1 and (f2 > 0 or not r1)


@pytest.mark.parametrize(
    ("filled", "working", "refused", "status"),
    [
        ("10", "0", False, OrderStatus.FILLED),
        ("10.004", "0", False, OrderStatus.FILLED),
        ("4", "6", False, OrderStatus.PARTIAL),
        ("4", "0", False, OrderStatus.PARTIAL),
        ("4", "0", True, OrderStatus.PARTIAL),
        ("0", "0", True, OrderStatus.REJECTED),
        ("0", "0", False, OrderStatus.CANCELLED),
        ("0", "10", False, OrderStatus.PENDING),
    ],
)
def test_an_orders_status_follows_from_its_facts(
    filled: str, working: str, refused: bool, status: OrderStatus
) -> None:
    found = order_status(
        ordered=TEN, filled=Decimal(filled), working=Decimal(working), refused=refused
    )

    assert found is status


def _order(**facts: object) -> Order:
    made = Order(
        order_id="o",
        client_order_id="c",
        platform=Platform.POLYMARKET,
        contract_id="k",
        pair_id="p",
        execution_id="e",
        leg=Leg.SECONDARY,
        purpose=Purpose.HEDGE,
        outcome=Outcome.NO,
        side=Side.BUY,
        price=Price(Decimal("0.5")),
        size=TEN,
        time_in_force=TimeInForce.IOC,
        created_at=NOW,
        working_size=TEN,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def _fill(size: str) -> Fill:
    return Fill(
        trade_id=f"t{size}",
        platform=Platform.POLYMARKET,
        order_id="o",
        outcome=Outcome.NO,
        side=Side.BUY,
        price=Price(Decimal("0.5")),
        size=Quantity(Decimal(size)),
        fee=Money(Decimal("0.01")),
        finality=Finality.PROVISIONAL,
        matched_at=NOW,
    )


def test_an_unknown_outcome_leaves_the_order_pending() -> None:
    order = _order().unknown(NOW)

    assert order.status is OrderStatus.PENDING
    assert order.outcome_unknown_since == NOW


def test_a_late_fill_clears_a_rejection() -> None:
    refused = _order().refused("insufficient_balance")

    after = refused.with_fill(_fill("4"))

    assert (refused.status, after.status) == (OrderStatus.REJECTED, OrderStatus.PARTIAL)
    assert after.refusal is None


def test_a_failed_fill_removes_its_cost_and_fee() -> None:
    filled = _order().with_fill(_fill("10"))

    after = filled.without_fill(_fill("10"))

    assert (after.filled, after.cost, after.fees) == (0, 0, 0)
    assert after.status is OrderStatus.CANCELLED


@pytest.mark.parametrize(
    ("facts", "sizes", "short"),
    [
        ({}, ("4",), True),
        ({}, ("10",), False),
        ({"price": Price(Decimal("0.6"))}, ("10",), True),
        ({"price": Price(Decimal("0.6"))}, ("10", "2"), False),
        ({"price": Price(Decimal("0.6")), "platform": Platform.KALSHI}, ("10",), False),
        ({"price": Price(Decimal("0.6")), "side": Side.SELL}, ("10",), False),
        ({"price": Price(Decimal("0.6")), "cost": Money(Decimal("0.999999"))}, ("10",), False),
    ],
    ids=[
        "contracts left",
        "all of it at its price",
        "dollars left of a Polymarket buy",
        "all dollars spent",
        "Kalshi counts contracts",
        "a sale counts contracts",
        "what is left buys nothing",
    ],
)
def test_an_order_is_short_while_it_has_contracts_or_dollars_left_to_fill(
    facts: dict[str, Any], sizes: tuple[str, ...], *, short: bool
) -> None:
    order = _order(**facts)

    for size in sizes:
        order = order.with_fill(_fill(size))

    assert order.short is short


def test_every_other_position_state_can_move_to_reconciliation() -> None:
    for state in PositionStatus:
        if state is not PositionStatus.RECONCILIATION_REQUIRED:
            POSITION.check(state, PositionStatus.RECONCILIATION_REQUIRED)

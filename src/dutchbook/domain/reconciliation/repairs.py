"""Apply repairs to our state; the order of independent repairs does not matter.

The rows that a service writes are the differences between `ours` and `apply(ours, …)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from dutchbook.domain.execution.order import Fill, Finality, Order, Unlisted
from dutchbook.domain.reconciliation.findings import (
    REPAIRS,
    AcknowledgeOrder,
    BookCash,
    BookFill,
    DropStated,
    EndOrder,
    FailFill,
    GiveUpOrder,
    RefuseOrder,
    Repair,
    SettleFill,
    StateTotals,
)
from dutchbook.domain.reconciliation.our_state import (
    OurOrder,
    OurState,
    cash_effect,
    size_effect,
)
from dutchbook.domain.values.units import NOTHING

K = TypeVar("K")
OrderRepair = (
    BookFill
    | SettleFill
    | StateTotals
    | DropStated
    | FailFill
    | AcknowledgeOrder
    | EndOrder
    | RefuseOrder
    | GiveUpOrder
)


def in_order(repairs: Iterable[Repair]) -> tuple[Repair, ...]:
    """Return repairs in the order in which they are applied."""
    return tuple(sorted(repairs, key=lambda each: REPAIRS.index(type(each))))


def order_after(ours: OurOrder, repair: OrderRepair) -> OurOrder:
    """Return an order after one repair."""
    order = ours.order
    match repair:
        case BookFill(_, fill):
            fills = tuple(sorted((*ours.fills, fill), key=lambda each: each.trade_id))
            return replace(ours, order=order.with_fill(fill), fills=fills)
        case SettleFill(_, fill):
            return replace(ours, fills=_final(ours.fills, fill, Finality.SETTLED))
        case FailFill(_, fill):
            fills = _final(ours.fills, fill, Finality.FAILED)
            return replace(ours, order=order.without_fill(fill), fills=fills)
        case StateTotals(_, totals):
            return replace(ours, order=order.with_totals(totals, ours.fills))
        case DropStated():
            return replace(ours, order=order.without_stated())
        case _:
            return replace(ours, order=_rest_after(order, repair))


def _rest_after(
    order: Order, repair: AcknowledgeOrder | EndOrder | RefuseOrder | GiveUpOrder
) -> Order:
    """Return an order after a repair of its unfilled rest."""
    match repair:
        case AcknowledgeOrder(_, platform_order_id, working):
            return order.acknowledged(platform_order_id, working)
        case EndOrder(_, str() as platform_order_id):
            return order.acknowledged(platform_order_id, NOTHING)
        case RefuseOrder(_, reason):
            return order.refused(reason)
        case _:
            return order.ended()


def _final(fills: tuple[Fill, ...], fill: Fill, finality: Finality) -> tuple[Fill, ...]:
    return tuple(
        replace(each, finality=finality) if each.trade_id == fill.trade_id else each
        for each in fills
    )


# Applying repairs
# -------------------------------------------------------------


def totals_after(ours: OurState, repairs: Iterable[Repair]) -> OurState:
    """Return our state with its orders, contracts and cash as repairs leave them.

    Positions stay as they are: they follow from their fills once the repairs are booked.
    """
    orders = {each.order.order_id: each for each in ours.orders}
    contracts, cash, booked = dict(ours.contracts), dict(ours.cash), set(ours.booked)
    for repair in repairs:
        if isinstance(repair, BookCash):
            movement = repair.movement
            platform = movement.account.platform
            _add(cash, movement.account, movement.amount)
            booked.add((platform, movement.movement_id))
            continue
        before = orders[repair.order_id]
        after = orders[repair.order_id] = order_after(before, repair)
        order = before.order
        gained = _effect(after, size_effect) - _effect(before, size_effect)
        paid = _effect(after, cash_effect) - _effect(before, cash_effect)
        if gained or paid:
            _add(contracts, (order.platform, order.contract_id, order.outcome), gained)
            _add(cash, before.account, paid)
    return replace(
        ours,
        orders=tuple(orders.values()),
        contracts=contracts,
        cash=cash,
        booked=frozenset(booked),
    )


def _add(amounts: dict[K, Decimal], key: K, amount: Decimal) -> None:
    amounts[key] = amounts.get(key, Decimal(0)) + amount


def _effect(ours: OurOrder, of: Callable[[Fill | Unlisted], Decimal]) -> Decimal:
    return Decimal(sum(of(fill) for fill in ours.counted))

"""Apply repairs to our state; the order of independent repairs does not matter.

The rows that a service writes are the differences between `ours` and `apply(ours, …)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from dutchbook.domain.execution.order import Fill, Finality
from dutchbook.domain.positions.position import PositionTrigger
from dutchbook.domain.reconciliation.findings import (
    REPAIRS,
    AcknowledgeOrder,
    AskAgain,
    AskPerson,
    BookCash,
    BookFill,
    EndOrder,
    FailFill,
    GiveUpOrder,
    Proposal,
    RefuseOrder,
    Repair,
    RequireReconciliation,
    SettleFill,
    SupersedeFill,
)
from dutchbook.domain.reconciliation.our_state import (
    OurOrder,
    Ours,
    cash_effect,
    live,
    size_effect,
)
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.domain.reconciliation.positions import leg_after, position_after
from dutchbook.domain.values.units import NOTHING, Quantity

K = TypeVar("K")
OrderRepair = (
    BookFill
    | SettleFill
    | SupersedeFill
    | FailFill
    | AcknowledgeOrder
    | EndOrder
    | RefuseOrder
    | GiveUpOrder
)


def in_order(proposals: Iterable[Proposal]) -> tuple[Repair, ...]:
    """Return the repairs in `proposals` in the order in which they are applied."""
    repairs = [each for each in proposals if not isinstance(each, AskAgain | AskPerson)]
    return tuple(sorted(repairs, key=lambda each: REPAIRS.index(type(each))))


def apply(ours: Ours, proposals: Iterable[Proposal], *, dust: Decimal) -> Ours:
    """Return our state after every repair in `proposals`. Questions change nothing.

    Args:
        ours: Our state when the proposals were made.
        proposals: In any order; each refers to objects in `ours`.
        dust: Legs that differ by less count as balanced.

    Raises:
        IllegalTransition: A repair does not fit the current state in `ours`.
    """
    books = _Books(ours, dust)
    for repair in in_order(proposals):
        books.take(repair)
    return books.closed()


def order_after(ours: OurOrder, repair: OrderRepair) -> OurOrder:
    """Return an order after one repair."""
    order = ours.order
    match repair:
        case BookFill(_, fill):
            return _entered(ours, (fill,))
        case SettleFill(_, fill):
            return replace(ours, fills=_final(ours.fills, fill, Finality.SETTLED))
        case FailFill(_, fill):
            fills = _final(ours.fills, fill, Finality.FAILED)
            return replace(ours, order=order.without_fill(fill), fills=fills)
        case SupersedeFill(_, fill, by):
            # The stated total already reduced the working size: only the difference counts.
            counted = sum((each.size for each in live(by)), start=Decimal(0))
            working = Quantity(order.working_size + min(fill.size, counted))
            room = replace(order, working_size=working)
            added = _entered(replace(ours, order=room), by)
            return order_after(added, FailFill(order.order_id, fill))
        case AcknowledgeOrder(_, platform_order_id, working):
            return replace(ours, order=order.acknowledged(platform_order_id, working))
        case EndOrder(_, platform_order_id):
            if platform_order_id is None:
                return replace(ours, order=order.ended())
            return replace(ours, order=order.acknowledged(platform_order_id, NOTHING))
        case RefuseOrder(_, reason):
            return replace(ours, order=order.refused(reason))
        case GiveUpOrder():
            return replace(ours, order=order.ended())


def _entered(ours: OurOrder, fills: tuple[Fill, ...]) -> OurOrder:
    order = ours.order
    for fill in live(fills):
        order = order.with_fill(fill)
    every = tuple(sorted((*ours.fills, *fills), key=lambda each: each.trade_id))
    return replace(ours, order=order, fills=every)


def _final(fills: tuple[Fill, ...], fill: Fill, finality: Finality) -> tuple[Fill, ...]:
    return tuple(
        replace(each, finality=finality) if each.trade_id == fill.trade_id else each
        for each in fills
    )


# Applying repairs
# -------------------------------------------------------------


class _Books:
    """Our state, indexed by id, so that applying repairs takes linear time."""

    def __init__(self, ours: Ours, dust: Decimal) -> None:
        self._ours = ours
        self._dust = dust
        self._orders = {each.order.order_id: each for each in ours.orders}
        self._positions = {each.position_id: each for each in ours.positions}
        self._members: dict[str | None, list[str]] = {}
        for each in ours.orders:
            self._members.setdefault(each.position_id, []).append(each.order.order_id)
        self._contracts = dict(ours.contracts)
        self._cash = dict(ours.cash)
        self._booked = set(ours.booked)

    def closed(self) -> Ours:
        """Return our state after the repairs applied so far."""
        return replace(
            self._ours,
            orders=tuple(self._orders.values()),
            positions=tuple(self._positions.values()),
            contracts=self._contracts,
            cash=self._cash,
            booked=frozenset(self._booked),
        )

    def take(self, repair: Repair) -> None:
        """Apply one repair."""
        match repair:
            case BookCash(movement):
                self._book(movement)
            case RequireReconciliation(position_id, context):
                self._positions[position_id] = self._positions[position_id].moved(
                    PositionTrigger.DISCREPANCY_FOUND, reconciliation_context=context
                )
            case _:
                self._change(repair)

    def _book(self, movement: NamedCash) -> None:
        platform = movement.account.platform
        if movement.redeemed is not None:
            contract_id, outcome, size = movement.redeemed
            _add(self._contracts, (platform, contract_id, outcome), -size)
        _add(self._cash, movement.account, movement.amount)
        self._booked.add((platform, movement.movement_id))

    def _change(self, repair: OrderRepair) -> None:
        before = self._orders[repair.order_id]
        position = self._positions.get(before.position_id or "")
        legs = self._leg(before) if position else []
        after = order_after(before, repair)
        self._orders[repair.order_id] = after
        gained = _effect(after, size_effect) - _effect(before, size_effect)
        paid = _effect(after, cash_effect) - _effect(before, cash_effect)
        if gained or paid:
            order = before.order
            _add(self._contracts, (order.platform, order.contract_id, order.outcome), gained)
            _add(self._cash, before.account, paid)
        if position is not None:
            changed = gained or paid
            leg = leg_after(position, legs, self._leg(before)) if changed else None
            self._positions[position.position_id] = position_after(
                position,
                before.order.platform,
                leg,
                failed=leg is None or isinstance(repair, FailFill | SupersedeFill),
                busy=self._busy(position.position_id),
                dust=self._dust,
            )

    def _leg(self, of: OurOrder) -> list[OurOrder]:
        """Return the orders of the same position on the same platform."""
        members = (self._orders[each] for each in self._members[of.position_id])
        return [each for each in members if each.order.platform is of.order.platform]

    def _busy(self, position_id: str) -> bool:
        members = (self._orders[each] for each in self._members[position_id])
        return any(each.awaiting or each.order.working_size > 0 for each in members)


def _add(amounts: dict[K, Decimal], key: K, amount: Decimal) -> None:
    amounts[key] = amounts.get(key, Decimal(0)) + amount


def _effect(ours: OurOrder, of: Callable[[Fill], Decimal]) -> Decimal:
    return sum((of(fill) for fill in live(ours.fills)), start=Decimal(0))

"""Our side after a repair: pure, and the same whatever the order of independent repairs.

The rows that a service writes are the differences between `ours` and `apply(ours, …)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from dutchbook.domain.contract import Platform, Side
from dutchbook.domain.order import Fill, Finality
from dutchbook.domain.position import Holding, OpenPosition, PositionStatus, PositionTrigger
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
from dutchbook.domain.reconciliation.ours import (
    OurOrder,
    Ours,
    cash_effect,
    live,
    size_effect,
)
from dutchbook.domain.units import NOTHING, ZERO, Money, Quantity, owed

K = TypeVar("K")
_S, _T = PositionStatus, PositionTrigger
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
    """Return the repairs among `proposals` in the order in which they are applied."""
    repairs = [each for each in proposals if not isinstance(each, AskAgain | AskPerson)]
    return tuple(sorted(repairs, key=lambda each: REPAIRS.index(type(each))))


def apply(ours: Ours, proposals: Iterable[Proposal], *, dust: Decimal) -> Ours:
    """Return our side after every repair among `proposals`. Questions change nothing.

    Args:
        ours: Our side, as it was when the proposals were made.
        proposals: In any order; each refers to what is in `ours`.
        dust: Legs that differ by less are even.

    Raises:
        IllegalTransition: A repair does not fit the state that `ours` is in.
    """
    for repair in in_order(proposals):
        match repair:
            case BookCash():
                ours = _with_cash(ours, repair)
            case RequireReconciliation(position_id, context):
                ours = _with_position(ours, _required(ours, position_id, context))
            case _:
                ours = _with_order(ours, repair, dust)
    return ours


def order_after(ours: OurOrder, repair: OrderRepair) -> OurOrder:
    """Return an order after one repair of it."""
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
            # What works was reduced by the total already: only the difference counts.
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


def _with_cash(ours: Ours, repair: BookCash) -> Ours:
    movement = repair.movement
    platform = movement.account.platform
    contracts = dict(ours.contracts)
    if movement.redeemed is not None:
        contract_id, outcome, size = movement.redeemed
        key = (platform, contract_id, outcome)
        contracts[key] = contracts.get(key, Decimal(0)) - size
    return replace(
        ours,
        contracts=contracts,
        cash=_added(ours.cash, movement.account, movement.amount),
        booked=ours.booked | {(platform, movement.movement_id)},
    )


def _added(amounts: Mapping[K, Decimal], key: K, amount: Decimal) -> dict[K, Decimal]:
    return {**amounts, key: amounts.get(key, Decimal(0)) + amount}


def _required(ours: Ours, position_id: str, context: dict[str, object]) -> OpenPosition:
    position = ours.position(position_id)
    assert position is not None, "a position is required that is not among ours"
    return position.moved(_T.DISCREPANCY_FOUND, reconciliation_context=context)


def _with_position(ours: Ours, after: OpenPosition) -> Ours:
    positions = tuple(
        after if each.position_id == after.position_id else each for each in ours.positions
    )
    return replace(ours, positions=positions)


def _with_order(ours: Ours, repair: OrderRepair, dust: Decimal) -> Ours:
    before = next(each for each in ours.orders if each.order.order_id == repair.order_id)
    after = order_after(before, repair)
    orders = tuple(after if each is before else each for each in ours.orders)
    changed = replace(ours, orders=orders)
    order = before.order
    gained = _effect(after, size_effect) - _effect(before, size_effect)
    paid = _effect(after, cash_effect) - _effect(before, cash_effect)
    if gained or paid:
        key = (order.platform, order.contract_id, order.outcome)
        changed = replace(
            changed,
            contracts=_added(ours.contracts, key, gained),
            cash=_added(ours.cash, before.account, paid),
        )
    position = ours.position(before.position_id)
    if position is None:
        return changed
    leg = _leg_after(position, order.platform, ours.orders, orders) if gained or paid else None
    busy = any(
        each.awaiting or each.order.working_size > 0
        for each in orders
        if each.position_id == position.position_id
    )
    failed = leg is None or isinstance(repair, FailFill | SupersedeFill)
    moved = position_after(position, order.platform, leg, failed=failed, busy=busy, dust=dust)
    return _with_position(changed, moved)


def _effect(ours: OurOrder, of: Callable[[Fill], Decimal]) -> Decimal:
    return sum((of(fill) for fill in live(ours.fills)), start=Decimal(0))


# Positions
# ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    size: Decimal
    cost: Decimal
    fees: Decimal


def _held(leg: Holding, position_id: str, orders: Iterable[OurOrder], on: Platform) -> _Held:
    """Return what the live fills of a leg leave: sales take their share of cost and fees."""
    net = bought = Decimal(0)
    cost = fees = Decimal(0)
    for each in orders:
        if each.position_id != position_id or each.order.platform is not on:
            continue
        for fill in live(each.fills):
            own = fill.outcome is leg.outcome
            # The complement, bought, undoes as much of the leg: both together pay a dollar.
            net += size_effect(fill) if own else -size_effect(fill)
            if own and fill.side is Side.BUY:
                bought += fill.size
                cost += fill.cost
                fees += fill.fee
    left = max(min(net, bought), Decimal(0))
    if left < bought:
        cost, fees = owed(cost * left / bought), owed(fees * left / bought)
    return _Held(max(net, Decimal(0)), cost, fees)


def _leg_after(
    position: OpenPosition,
    platform: Platform,
    before: Iterable[OurOrder],
    after: Iterable[OurOrder],
) -> Holding:
    """Return a leg changed by as much as its fills changed."""
    leg = position.holding(platform)
    old = _held(leg, position.position_id, before, platform)
    new = _held(leg, position.position_id, after, platform)
    first = leg.order_id or next(
        each.order.order_id
        for each in after
        if each.position_id == position.position_id and each.order.platform is platform
    )
    return replace(
        leg,
        order_id=first,
        size=Quantity(max(leg.size + new.size - old.size, NOTHING)),
        cost=Money(max(leg.cost + new.cost - old.cost, ZERO)),
        fees=Money(max(leg.fees + new.fees - old.fees, ZERO)),
    )


def position_after(
    position: OpenPosition,
    platform: Platform,
    leg: Holding | None,
    *,
    failed: bool,
    busy: bool,
    dust: Decimal,
) -> OpenPosition:
    """Return a position after an order of it changed; its status agrees with its fills.

    CLOSED and RECONCILIATION_REQUIRED keep their status: a person moves them on.

    Args:
        position: Before.
        platform: Where the order is.
        leg: What is held there now, None when no fill came or went.
        failed: A fill failed, or only the order ended.
        busy: Something of the position may still fill, so it cannot close.
        dust: Legs that differ by less are even.
    """
    facts = {} if leg is None else {platform.value: leg}
    after = replace(position, **facts)  # type: ignore[arg-type]
    uneven = after.uneven(dust)
    empty = not uneven and after.hedged < dust
    if leg is None and not empty:
        return position
    shrank = leg is not None and leg.size < position.holding(platform).size
    way = _Way(uneven=uneven, empty=empty, sold=shrank and not failed, failed=failed)
    trigger = None if empty and busy else _trigger(after.status, way)
    if trigger is not None:
        return position.moved(trigger, **facts)
    return replace(after, version=position.version + 1) if facts else position


@dataclass(frozen=True, slots=True)
class _Way:
    """How a position came to where it is now."""

    uneven: bool
    empty: bool
    sold: bool
    failed: bool


def _trigger(status: PositionStatus, way: _Way) -> PositionTrigger | None:
    match status:
        case _S.OPEN if way.uneven:
            return _T.EXIT_PARTLY_FILLED if way.sold else _T.LEG_FAILED
        case _S.OPEN if way.empty:
            return _T.EXITED
        case _S.SINGLE_LEG_EXPOSED if way.empty:
            return _T.EMPTIED if way.failed else _T.LEG_CLOSED
        case _S.EXIT_PARTIAL if way.empty:
            return _T.EMPTIED if way.failed else _T.EXITED
        case _S.SINGLE_LEG_EXPOSED | _S.EXIT_PARTIAL if not way.uneven:
            return _T.EVENED
        case _S.EXIT_PARTIAL if way.failed:
            return _T.LEG_FAILED
        case _:
            return None

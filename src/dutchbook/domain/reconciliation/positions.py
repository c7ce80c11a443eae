"""A position after one of its orders changed: its legs, and the status they imply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.positions.position import (
    Holding,
    OpenPosition,
    PositionStatus,
    PositionTrigger,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, live, size_effect
from dutchbook.domain.values.units import NOTHING, ZERO, Money, Quantity, owed

_S, _T = PositionStatus, PositionTrigger


@dataclass(frozen=True, slots=True)
class _Held:
    size: Decimal
    cost: Decimal
    fees: Decimal


def _held(leg: Holding, orders: Iterable[OurOrder]) -> _Held:
    """Return what a leg's live fills leave; sales remove their share of cost and fees."""
    net = bought = Decimal(0)
    cost = fees = Decimal(0)
    for each in orders:
        for fill in live(each.fills):
            own = fill.outcome is leg.outcome
            # Buying the complement undoes as much of the leg: a pair of both pays a dollar.
            net += size_effect(fill) if own else -size_effect(fill)
            if own and fill.side is Side.BUY:
                bought += fill.size
                cost += fill.cost
                fees += fill.fee
    left = max(min(net, bought), Decimal(0))
    if left < bought:
        cost, fees = owed(cost * left / bought), owed(fees * left / bought)
    return _Held(max(net, Decimal(0)), cost, fees)


def leg_after(
    position: OpenPosition, before: Sequence[OurOrder], after: Sequence[OurOrder]
) -> Holding:
    """Return a leg changed by the difference between its fills before and after.

    Args:
        position: The position before the repair.
        before: The position's orders on the leg's platform.
        after: The same orders, one of them repaired.
    """
    leg = position.holding(after[0].order.platform)
    old, new = _held(leg, before), _held(leg, after)
    return replace(
        leg,
        order_id=leg.order_id or after[0].order.order_id,
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
    """Return a position after one of its orders changed, with a status that fits its fills.

    CLOSED and RECONCILIATION_REQUIRED stay: only a person changes them.

    Args:
        position: The position before the change.
        platform: Platform of the order.
        leg: The leg there now, None if no fill was added or removed.
        failed: A fill failed, or only the order ended.
        busy: An order of the position may still fill, so it cannot close.
        dust: Legs that differ by less count as balanced.
    """
    facts = {} if leg is None else {platform.value: leg}
    after = replace(position, **facts)  # type: ignore[arg-type]
    uneven = after.uneven(dust)
    empty = not uneven and after.hedged < dust
    if leg is None and not empty:
        return position
    shrank = leg is not None and leg.size < position.holding(platform).size
    change = _Change(uneven=uneven, empty=empty, sold=shrank and not failed, failed=failed)
    trigger = None if empty and busy else _trigger(after.status, change)
    if trigger is not None:
        return position.moved(trigger, **facts)
    return replace(after, version=position.version + 1) if facts else position


@dataclass(frozen=True, slots=True)
class _Change:
    """How a position changed, as far as its status depends on it."""

    uneven: bool
    empty: bool
    sold: bool
    failed: bool


def _trigger(status: PositionStatus, change: _Change) -> PositionTrigger | None:
    match status:
        case _S.OPEN if change.uneven:
            return _T.EXIT_PARTLY_FILLED if change.sold else _T.LEG_FAILED
        case _S.OPEN if change.empty:
            return _T.EXITED
        case _S.SINGLE_LEG_EXPOSED if change.empty:
            return _T.EMPTIED if change.failed else _T.LEG_CLOSED
        case _S.EXIT_PARTIAL if change.empty:
            return _T.EMPTIED if change.failed else _T.EXITED
        case _S.SINGLE_LEG_EXPOSED | _S.EXIT_PARTIAL if not change.uneven:
            return _T.EVENED
        case _S.EXIT_PARTIAL if change.failed:
            return _T.LEG_FAILED
        case _:
            return None

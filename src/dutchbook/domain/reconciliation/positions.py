"""A position after an order of it changed: its legs, and the status that agrees with them."""

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
    """Return what the live fills of a leg leave: sales take their share of cost and fees."""
    net = bought = Decimal(0)
    cost = fees = Decimal(0)
    for each in orders:
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


def leg_after(
    position: OpenPosition, before: Sequence[OurOrder], after: Sequence[OurOrder]
) -> Holding:
    """Return a leg changed by as much as its fills changed.

    Args:
        position: Before.
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

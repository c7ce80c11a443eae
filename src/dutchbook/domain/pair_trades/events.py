"""The events of a pair trade, built from its values and not yet stamped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import (
    BudgetCommitted,
    BudgetReleased,
    BudgetReserved,
    Event,
    ExecutionFailed,
    FailedLeg,
    FillFailed,
    FillListed,
    FillSettled,
    LegSettled,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderPlaced,
    PairsMerged,
    PositionClosed,
    PositionMoved,
    PositionOpened,
    PositionSettled,
    SingleLegResolved,
    Stamp,
)
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, Unlisted
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.fold import Cause, Merge, Payout
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.positions.settlement import reserve_used
from dutchbook.domain.values.units import MICRO, Money, Quantity, owed

SINGLE_LEG = 2004
"""The code of an unhedged leg: the order of the other filled nothing, or not all."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Exposed:
    """One leg is held without the other; the event has the remedies at the current books."""

    failed: FailedLeg


@dataclass(frozen=True, slots=True)
class ExposureChanged:
    """A leg is still unhedged, but its contracts have changed."""


Notice = Event | Exposed | ExposureChanged
"""An event to be stamped, or one that is still to be built from the current books."""


def unstamped(correlation_id: str) -> Stamp:
    """Return the stamp of an event that gets its id and its time when it is committed."""
    return Stamp("", _EPOCH, correlation_id)


def placed(order: Order) -> OrderPlaced:
    """Return the event of an order that is about to be durable and sent."""
    return OrderPlaced(
        unstamped(order.execution_id),
        order_id=order.order_id,
        execution_id=order.execution_id,
        pair_id=order.pair_id,
        platform=order.platform,
        side=order.side,
        outcome=order.outcome,
        price=order.price,
        size=order.size,
    )


def filled(before: Order, after: Order, fills: Iterable[Fill], position_id: str) -> list[Event]:
    """Return the events of what a platform reported of an order, without failed fills.

    What is filled is reported once: a trade that replaces a stated part is only listed.
    """
    found: list[Event] = []
    stated = before.stated
    for fill in fills:
        listed = Quantity(min(fill.size, stated))
        stated = Quantity(stated - listed)
        if fill.finality is Finality.FAILED:
            continue
        if listed:
            found.append(_listed(before, fill))
        if (more := Quantity(fill.size - listed)) > 0:
            fee = owed(fill.fee * more / fill.size)
            found.append(_filled(before, fill.price, more, fee, position_id))
    if (more := Quantity(after.stated - stated)) > 0:
        price = (after.stated_cost / after.stated).quantize(MICRO)
        fee = owed(after.stated_fees * more / after.stated)
        found.append(_filled(before, price, more, fee, position_id))
    return found


def _filled(
    order: Order, price: Decimal, size: Quantity, fee: Money, position_id: str
) -> OrderFilled:
    return OrderFilled(
        unstamped(order.execution_id),
        order_id=order.order_id,
        pair_id=order.pair_id,
        platform=order.platform,
        side=order.side,
        outcome=order.outcome,
        requested_price=order.price,
        requested_size=order.size,
        filled_price=price,
        filled_size=size,
        fee=fee,
        position_id=position_id,
    )


def _listed(order: Order, fill: Fill) -> FillListed:
    return FillListed(
        unstamped(order.execution_id),
        trade_id=fill.trade_id,
        order_id=order.order_id,
        platform=fill.platform,
        size=fill.size,
        price=fill.price,
        fee=fill.fee,
    )


def final(order: Order, fill: Fill) -> FillFailed | FillSettled:
    """Return the event of a fill that has settled, or has failed."""
    stamp = unstamped(order.execution_id)
    ids = (fill.trade_id, fill.order_id, fill.platform)
    if fill.finality is Finality.FAILED:
        return FillFailed(stamp, *ids, fill.size, fill.price)
    return FillSettled(stamp, *ids)


def failed(order: Order, code: int, reason: str) -> ExecutionFailed:
    """Return the event of an order that filled nothing."""
    return ExecutionFailed(
        unstamped(order.execution_id),
        execution_id=order.execution_id,
        pair_id=order.pair_id,
        order_id=order.order_id,
        platform=order.platform,
        code=code,
        reason=reason,
    )


def unknown(order: Order, reason: str) -> OrderOutcomeUnknown:
    """Return the event of an order whose outcome is unknown."""
    return OrderOutcomeUnknown(
        unstamped(order.execution_id),
        order_id=order.order_id,
        execution_id=order.execution_id,
        platform=order.platform,
        reason=reason,
    )


def opened(position: OpenPosition) -> PositionOpened:
    """Return the event of a position with both legs held."""
    return PositionOpened(
        unstamped(position.execution_id),
        position_id=position.position_id,
        pair_id=position.pair_id,
        quantity=position.hedged,
        paid=position.paid,
        locked_profit=position.locked_profit,
        completed_at_loss=position.completed_at_loss,
    )


def unhedged(position: OpenPosition, reason: str) -> Exposed:
    """Return the exposure of a leg, though no order for the other has just failed."""
    return Exposed(
        FailedLeg(
            platform=position.longer.other,
            reason=reason,
            code=SINGLE_LEG,
            attempted_price=None,
            attempted_size=Quantity(abs(position.imbalance)),
        )
    )


def lost(position: OpenPosition, fill: Fill | Unlisted, reason: str) -> Iterator[Exposed]:
    """Yield the exposure that a fill has opened or increased, if there is one."""
    silent = (PositionStatus.CLOSED, PositionStatus.RECONCILIATION_REQUIRED)
    if position.imbalanced() and position.status not in silent:
        yield Exposed(
            FailedLeg(
                platform=fill.platform,
                reason=reason,
                code=SINGLE_LEG,
                attempted_price=fill.price if isinstance(fill, Fill) else None,
                attempted_size=fill.size,
            )
        )


def moves(before: OpenPosition, after: OpenPosition, cause: Cause) -> Iterator[Event]:
    """Yield the events of a position's change of status, and of its closing."""
    if before.status is after.status:
        return
    ids = (after.position_id, after.pair_id)
    yield PositionMoved(
        unstamped(after.execution_id),
        *ids,
        before.status.value,
        after.status.value,
        cause.value,
    )
    if after.status is PositionStatus.CLOSED:
        yield PositionClosed(
            unstamped(after.execution_id),
            *ids,
            realised_pnl=after.realised_pnl,
            divergence_pnl=after.divergence_pnl,
            fees=Money(after.kalshi.fees + after.polymarket.fees),
            expected_edge=after.expected_edge,
        )


def resolved(before: OpenPosition, after: OpenPosition, order: Order) -> Iterator[Event]:
    """Yield the event of an exposure that an order has ended, if it has."""
    if before.status not in UNHEDGED or after.status in UNHEDGED:
        return
    unwound = order.purpose in (Purpose.UNWIND, Purpose.EXIT)
    closed = after.status is PositionStatus.CLOSED
    yield SingleLegResolved(
        unstamped(after.execution_id),
        position_id=after.position_id,
        pair_id=after.pair_id,
        resolution="closed" if unwound else "retried",
        order_id=order.order_id,
        original_edge=before.expected_edge,
        new_edge=None if closed else after.locked_profit,
        retry_price=None if unwound else order.price,
        realised_pnl=after.realised_pnl if closed else None,
    )


def merged(position: OpenPosition, merge: Merge, contract_id: str) -> PairsMerged:
    """Return the event of a merge: both outcomes of a contract became cash."""
    return PairsMerged(
        unstamped(position.execution_id),
        position_id=position.position_id,
        pair_id=position.pair_id,
        platform=merge.platform,
        contract_id=contract_id,
        size=merge.size,
    )


def paid(
    before: OpenPosition, after: OpenPosition, payout: Payout, contract_id: str
) -> Iterator[Event]:
    """Yield the events of a contract's payout, and of the settlement once both have paid."""
    ids = (after.position_id, after.pair_id)
    leg = before.holding(payout.platform)
    yield LegSettled(
        unstamped(after.execution_id),
        *ids,
        platform=payout.platform,
        contract_id=contract_id,
        yes_pays=payout.yes_pays,
        size=leg.net,
        cash=Money(after.holding(payout.platform).cash - leg.cash),
    )
    if after.status is not PositionStatus.CLOSED or before.status is after.status:
        return
    used, released = reserve_used(after)
    yield PositionSettled(
        unstamped(after.execution_id),
        *ids,
        kalshi_payout=after.kalshi.payout,
        polymarket_payout=after.polymarket.payout,
        realised_pnl=after.realised_pnl,
        divergence_pnl=after.divergence_pnl,
        reserve_used=used,
        reserve_released=released,
    )


def reserved(reservation: Reservation) -> BudgetReserved:
    """Return the event of a reservation: an entry's worst case."""
    return BudgetReserved(
        unstamped(reservation.execution_id),
        reservation_id=reservation.reservation_id,
        execution_id=reservation.execution_id,
        pair_id=reservation.pair_id,
        kalshi_amount=reservation.amounts[Platform.KALSHI],
        polymarket_amount=reservation.amounts[Platform.POLYMARKET],
    )


def committed(reservation: Reservation, position: OpenPosition) -> BudgetCommitted:
    """Return the event of an entry's reservation that ended with something bought."""
    legs = position.legs
    cost, fees = Money(legs[0].cost + legs[1].cost), Money(legs[0].fees + legs[1].fees)
    rest = Money(reservation.total - cost - fees)
    ids = (reservation.reservation_id, reservation.execution_id)
    stamp = unstamped(reservation.execution_id)
    return BudgetCommitted(stamp, *ids, committed=cost, fees=fees, released=rest)


def released(reservation: Reservation, reason: str) -> BudgetReleased:
    """Return the event of an entry's reservation that ended with nothing bought."""
    ids = (reservation.reservation_id, reservation.execution_id)
    stamp = unstamped(reservation.execution_id)
    return BudgetReleased(stamp, *ids, released=reservation.total, reason=reason)

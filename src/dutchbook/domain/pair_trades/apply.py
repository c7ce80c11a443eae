"""The one function that applies a fact to a pair trade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, Totals
from dutchbook.domain.pair_trades import events
from dutchbook.domain.pair_trades.ending import Applied, executed, missing
from dutchbook.domain.pair_trades.events import Exposed, ExposureChanged, Notice
from dutchbook.domain.pair_trades.facts import (
    REJECTED,
    Advanced,
    Begun,
    CameToNothing,
    Concluded,
    Corrected,
    Ended,
    Final,
    Listed,
    Moved,
    NeverArrived,
    OutcomeUnknown,
    Paid,
    Placed,
    RejectedByGate,
    Reported,
    Stalled,
    TradeFact,
    Waits,
)
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Merge, Payout, changed, folded
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Quantity
from dutchbook.errors import OrderOut

CAUSES = {
    Purpose.ENTRY: Cause.REPORTED,
    Purpose.HEDGE: Cause.RETRIED,
    Purpose.UNWIND: Cause.CLOSED,
    Purpose.EXIT: Cause.EXITED,
}
PARTIAL_EXIT = 2008
"""The code of an exit that has stalled after one leg."""
NEEDLESS = "an order filled that was not needed"
FAILED = "the fill failed to settle"
LATE = "a fill came to light that has no counterpart"
GONE = "a platform no longer states what it had stated"
BY_PERSON = "a person resolved a discrepancy"


def apply(before: PairTrade, fact: TradeFact) -> Applied:
    """Return a pair trade after a fact, and its notices in order.

    Reports are always applied: in whatever order they arrive, the position is folded from all
    facts. A report that is already known changes nothing.

    Raises:
        OrderOut: An order of that leg is out or its outcome unknown: no other is placed (I-3).
        IllegalTransition: The facts require a transition that a machine does not have.
    """
    after, notices = _applied(before, fact)
    if after.stall_reported and after.position.status is not before.position.status:
        after = replace(after, stall_reported=False)
    return after, notices


def _applied(before: PairTrade, fact: TradeFact) -> Applied:
    match fact:
        case Begun() | Placed() | RejectedByGate():
            return _intended(before, fact)
        case Reported() | Listed():
            return _reported(before, fact)
        case CameToNothing() | OutcomeUnknown() | NeverArrived():
            return _unfilled(before, fact)
        case Final():
            return _final(before, fact)
        case Corrected():
            return _corrected(before, fact)
        case Paid():
            return _paid(before, fact)
        case Advanced() | Waits() | Ended() | Concluded():
            return executed(before, fact)
        case Stalled():
            return replace(before, stall_reported=True), (_stalled(before.position),)
        case Moved():
            return _moved(before, fact)
        case _:
            assert_never(fact)


# Orders
# ------------------------------------------------------------------------------------


def _intended(before: PairTrade, fact: Begun | Placed | RejectedByGate) -> Applied:
    match fact:
        case Begun(_, order, reservation, notes):
            after = replace(before.with_orders((order,)), reservation=reservation)
            return after, (events.reserved(reservation), *notes)
        case Placed():
            return _placed(before, fact)
        case RejectedByGate(_, order, reason, code):
            after = before.with_orders((order.ended(),))
            return after, (events.failed(order, code, reason),)


def _placed(before: PairTrade, fact: Placed) -> Applied:
    order = fact.order
    out = before.order_out() if before.ended else _leg_out(before, order)
    if out is not None:
        raise OrderOut(before.execution_id, out)
    after = before.with_orders((order,))
    if fact.reservation is not None:
        kept = {**before.reservations, order.order_id: fact.reservation}
        after = replace(after, reservations=kept)
    return after, (*fact.notes, events.placed(order))


def _leg_out(before: PairTrade, order: Order) -> str | None:
    out = any(o.leg is order.leg and o.working_size > 0 for o in before.orders.values())
    return "an order of this leg is out" if out else None


def _unfilled(
    before: PairTrade, fact: CameToNothing | OutcomeUnknown | NeverArrived
) -> Applied:
    order = before.orders[fact.order_id]
    if not order.working_size:
        return before, ()
    match fact:
        case CameToNothing(_, _, reason, code, sent):
            ended = order.refused(reason) if sent else order.ended()
            return _ended_order(before, ended), (events.failed(order, code, reason),)
        case NeverArrived(_, _, reason):
            notices = (events.failed(order, REJECTED, reason),) if before.ended else ()
            return _ended_order(before, order.ended()), notices
        case OutcomeUnknown(at, _, reason):
            if order.outcome_unknown_since is not None:
                return before, ()
            after = before.with_orders((order.unknown(at),))
            return after, (events.unknown(order, reason),)


def _ended_order(before: PairTrade, order: Order) -> PairTrade:
    """Return a trade with an order that has ended, and without its reservation."""
    left = {k: v for k, v in before.reservations.items() if k != order.order_id}
    return replace(before.with_orders((order,)), reservations=left)


def _reported(before: PairTrade, fact: Reported | Listed) -> Applied:
    order = after = before.orders[fact.order_id]
    fills = [fill for fill in fact.fills if (fill.platform, fill.trade_id) not in before.fills]
    if isinstance(fact, Listed):
        if not fills and not (fact.whole and order.stated):
            return before, ()
        after = _filled(before, order, fills, None)
        after = after.without_stated() if fact.whole and after.stated else after
        trade, notices = _changed(before, after, fills, fact.at)
        return trade, (*notices, *fact.notes)
    after = _filled(before, order, fills, fact.stated)
    if after is order and not order.working_size:
        return before, ()
    if fact.refusal is not None and not after.filled:
        after = after.refused(fact.refusal)
    else:
        after = after.acknowledged(fact.platform_order_id, fact.working)
    return _changed(before, after, fills, fact.at)


def _filled(
    before: PairTrade, order: Order, fills: Iterable[Fill], stated: Totals | None
) -> Order:
    """Return an order after new trades of it, and after the totals that are stated of it."""
    listed = list(before.fills_of(order.order_id))
    for fill in fills:
        order = order.with_fill(fill)
        listed.append(fill)
    return order if stated is None else order.with_totals(stated, listed)


def _changed(before: PairTrade, order: Order, fills: list[Fill], at: datetime) -> Applied:
    """Return a trade after one of its orders has changed by what its platform reports."""
    known = before.orders[order.order_id]
    notices = events.filled(known, order, fills, before.position_id)
    trade = _with_order(before, order).with_fills(fills)
    if not before.ended:
        return _refolded(trade), tuple(notices)
    if order.filled and not before.opened:
        return _late(trade, order, at, notices)
    if not fills and order.filled == known.filled:
        if order.working_size:
            return trade, tuple(notices)
        return trade, _ended_empty(order)
    if folded(before.position, trade.facts) == before.position:
        return trade, tuple(notices)
    position = changed(before.position, trade.facts, CAUSES[order.purpose], at)
    return replace(trade, position=position), (
        *notices,
        *_resolved(before, position, order),
        *_unhedged(before, position),
        *events.moves(before.position, position, CAUSES[order.purpose]),
    )


def _with_order(before: PairTrade, order: Order) -> PairTrade:
    if order.working_size:
        return before.with_orders((order,))
    return _ended_order(before, order)


def _refolded(trade: PairTrade) -> PairTrade:
    """Return a trade whose execution has not ended, with what it has bought so far."""
    if not trade.opened:
        return trade
    position = replace(
        trade.bought(trade.position.status, trade.position.opened_at),
        marked_pnl=ZERO,
        version=trade.position.version + 1,
    )
    return replace(trade, position=position)


def _known(before: PairTrade) -> bool:
    """Return whether the unhedged position of a trade was reported as an exposure.

    Between the two orders of a normal exit a position is imbalanced, which is no exposure.
    """
    return before.position.status is not PositionStatus.EXIT_PARTIAL or before.stall_reported


def _resolved(before: PairTrade, after: OpenPosition, order: Order) -> Iterator[Notice]:
    if _known(before):
        yield from events.resolved(before.position, after, order)


def _unhedged(before: PairTrade, after: OpenPosition) -> Iterator[Notice]:
    """Yield the exposure that an order has begun, or has changed without ending it.

    A stalled exit is reported by the service that watches for it.
    """
    position = before.position
    if position.status in UNHEDGED and _known(before):
        if after.status in UNHEDGED and after.imbalance != position.imbalance:
            yield ExposureChanged()
    elif after.status is PositionStatus.SINGLE_LEG_EXPOSED:
        yield events.unhedged(after, NEEDLESS)


# Fills that become final
# -------------------------------------------------------------------


def _final(before: PairTrade, fact: Final) -> Applied:
    fill = fact.fill
    known = before.fills[fill.platform, fill.trade_id]
    if known.finality is not Finality.PROVISIONAL:
        return before, ()
    order = before.orders[fill.order_id]
    failed = fill.finality is Finality.FAILED
    trade = before.with_fills((fill,))
    if failed:
        trade = trade.with_orders((order.without_fill(known),))
    notice = events.final(order, fill)
    if not before.ended:
        return (_refolded(trade) if failed else trade), (notice, *fact.notes)
    if not failed:
        return trade, (notice, *fact.notes)
    position = changed(before.position, trade.facts, Cause.FILL_FAILED, fact.at)
    return replace(trade, position=position), (
        notice,
        *fact.notes,
        *events.lost(position, fill, FAILED),
        *events.moves(before.position, position, Cause.FILL_FAILED),
    )


def _corrected(before: PairTrade, fact: Corrected) -> Applied:
    known = before.orders[fact.order.order_id]
    if known != fact.compared:
        return before, ()
    trade = _with_order(before, fact.order).with_fills((*fact.fills, *fact.finalities))
    notices: list[Notice] = [*events.filled(known, fact.order, fact.fills, before.position_id)]
    if not before.ended:
        notices += [events.final(known, fill) for fill in fact.finalities]
        return _refolded(trade), tuple(notices)
    if not before.opened:
        return _late(trade, fact.order, fact.at, notices)
    if not notices and known.working_size and not fact.order.working_size:
        notices += _ended_empty(fact.order)
    if folded(before.position, trade.facts) == before.position:
        return trade, tuple(notices)
    position = changed(before.position, trade.facts, Cause.RECONCILED, fact.at)
    notices += _resolved(before, position, fact.order)
    if position.imbalanced() and not before.position.imbalanced():
        stated = (fact.order.unlisted,) if fact.order.unlisted else ()
        news = (*fact.fills, *fact.finalities, *stated)
        if news:
            notices += events.lost(position, news[0], LATE)
        elif position.status in UNHEDGED:
            notices.append(events.unhedged(position, GONE))
    notices += events.moves(before.position, position, Cause.RECONCILED)
    return replace(trade, position=position), tuple(notices)


def _ended_empty(order: Order) -> tuple[Notice, ...]:
    """Return the notice that an order has ended with nothing; none if it has filled before."""
    reason = order.refusal or "nothing was filled"
    return () if order.filled else (events.failed(order, REJECTED, reason),)


def _late(trade: PairTrade, order: Order, at: datetime, notices: Iterable[Notice]) -> Applied:
    """Open the position of an execution that had ended with nothing, for its late fill.

    Its cost is taken from free capital: its reservation was released long ago.
    """
    if not order.filled:
        return trade, tuple(notices)
    position = trade.bought(PositionStatus.SINGLE_LEG_EXPOSED, at)
    held = replace(trade, position=position, opened=True)
    return held, (*notices, missing(held))


# Payments
# ----------------------------------------------------------------------------------


def _paid(before: PairTrade, fact: Paid) -> Applied:
    trade = replace(before, payments=(*before.payments, *fact.payments))
    position = changed(before.position, trade.facts, fact.cause, fact.at)
    notices: list[Notice] = []
    if fact.contract_id is not None:
        for payment in fact.payments:
            match payment:
                case Merge():
                    notices.append(events.merged(before.position, payment, fact.contract_id))
                case Payout():
                    notices += events.paid(before.position, position, payment, fact.contract_id)
    notices += events.moves(before.position, position, fact.cause)
    return replace(trade, position=position), tuple(notices)


# The position
# ----------------------------------------------------------------------------------


def _stalled(position: OpenPosition) -> Exposed:
    return Exposed(
        FailedLeg(
            platform=position.longer,
            reason="its exit filled less than the other leg's",
            code=PARTIAL_EXIT,
            attempted_price=None,
            attempted_size=Quantity(abs(position.imbalance)),
        )
    )


def _moved(before: PairTrade, fact: Moved) -> Applied:
    doubted = PositionStatus.RECONCILIATION_REQUIRED
    leaves, enters = before.position.status is doubted, fact.status is doubted
    assert leaves is not enters, "a position enters or leaves reconciliation"
    position = before.position.moved(fact.status, reconciliation_context=fact.context)
    closed = position.status is PositionStatus.CLOSED
    at = (before.position.closed_at or fact.at) if closed else None
    position = replace(position, closed_at=at)
    position = replace(position, marked_pnl=position.mark)
    notices: list[Notice] = list(fact.notes)
    exposed = position.status is PositionStatus.SINGLE_LEG_EXPOSED and position.imbalanced()
    if fact.failed is not None:
        notices += events.lost(position, fact.failed, FAILED)
    elif fact.person and exposed:
        notices.append(events.unhedged(position, BY_PERSON))
    notices += (*fact.last, *events.moves(before.position, position, Cause.RECONCILED))
    return replace(before, position=position), tuple(notices)

"""Compare one of our orders with its platform's reports.

The state of an order's unfilled rest is taken only from an answer that shows the order;
`absence` judges answers that do not.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from dutchbook.domain.execution.order import Finality, OrderStatus
from dutchbook.domain.reconciliation.absence import proven_absent, seen
from dutchbook.domain.reconciliation.accounts import Joined
from dutchbook.domain.reconciliation.examination import Examination, answered
from dutchbook.domain.reconciliation.fills import enter_fills, total
from dutchbook.domain.reconciliation.findings import (
    AcknowledgeOrder,
    DiscrepancyType,
    EndOrder,
    GiveUpOrder,
    Involvement,
    RefuseOrder,
)
from dutchbook.domain.reconciliation.our_state import live
from dutchbook.domain.reconciliation.platform_state import (
    FillReport,
    NotFound,
    OrderReport,
    Stale,
    Unavailable,
    strongest,
)
from dutchbook.domain.values.units import Quantity

_K, _I = DiscrepancyType, Involvement


def examine(case: Examination, joined: Joined) -> Examination:
    """Compare one order with all reports of its platform, the account's trades included."""
    order = case.order
    statement = case.theirs.of(order.platform)
    silent = Unavailable("not asked")
    answer = seen(order, statement.answers.get(order.order_id, silent))
    found = answer if isinstance(answer, OrderReport) else None
    listed = found.fills if found else ()
    reports = (*listed, *joined.get(order.order_id, ()))
    trades, contradictory = strongest(reports)
    enter_fills(case, trades, contradictory, found)
    if not isinstance(answer, OrderReport):
        _whole(case, trades)
    match answer:
        case OrderReport():
            _shown(case, answer, trades)
        case NotFound():
            _not_shown(case, answer, trades, statement.strange)
        case Stale():
            _stale(case, answer)
        case Unavailable(reason):
            if answer is not silent or _missed(case, trades):
                case.answer_missing(reason)
    return case


def _missed(case: Examination, trades: dict[str, FillReport]) -> bool:
    """Return whether an order that was not queried should have been.

    If only the finality of its fills is open, the account's list of trades is enough.
    """
    provisional = (f for f in case.after.fills if f.finality is Finality.PROVISIONAL)
    order = case.after.order
    rest = order.working_size > 0 or order.stated > 0
    return rest or any(fill.trade_id not in trades for fill in provisional)


# The unfilled rest of the order
# -----------------------------------------------------------------------


def _shown(case: Examination, found: OrderReport, trades: dict[str, FillReport]) -> None:
    order, order_id = case.after.order, case.order.order_id
    if _left_out(case, found, trades):
        theirs = {**answered(found), "lists": sorted(trades)}
        action = "ask for the fills that the answer leaves out"
        case.doubts(_K.ORDER_STATUS_MISMATCH, theirs, action)
    elif found.refusal is not None:
        _refused(case, found)
    elif found.working > 0:
        _works(case, found)
    elif case.before.awaiting or order.working_size > 0:
        if not case.before.awaiting:
            _changed(case, found, "none: the order is ended")
        case.repair(EndOrder(order_id, found.platform_order_id))


def _left_out(case: Examination, found: OrderReport, trades: dict[str, FillReport]) -> bool:
    """Return whether the answer shows less than our known fills."""
    if found.stated is not None:
        return found.stated.filled < _explained(case)
    return found.whole and any(fill.trade_id not in trades for fill in live(case.after.fills))


def _explained(case: Examination) -> Decimal:
    """Return the part of a stated total that we know of, failed trades included."""
    return total(case.after.fills) + case.after.order.stated


def _refused(case: Examination, found: OrderReport) -> None:
    order = case.after.order
    if order.filled:
        action = "ask the platform how a refused order was filled"
        case.doubts(_K.ORDER_STATUS_MISMATCH, answered(found), action)
    elif order.status is OrderStatus.PENDING:
        if not case.before.awaiting:
            _changed(case, found, "none: the order is refused")
        case.repair(RefuseOrder(order.order_id, found.refusal or "refused"))


def _works(case: Examination, found: OrderReport) -> None:
    """Update the working size; subtract fills that we know and the platform does not."""
    order = case.after.order
    room = max(order.size - order.filled, Decimal(0))
    working = Quantity(min(found.working, room))
    if not working:
        return
    if not order.working_size:
        action = "cancel it at the platform: our record says that it ended"
        case.doubts(_K.ORDER_STATUS_MISMATCH, answered(found), action)
    elif case.before.awaiting or working != order.working_size:
        case.repair(AcknowledgeOrder(order.order_id, found.platform_order_id, working))


def _changed(case: Examination, found: OrderReport, action: str) -> None:
    kind = _K.ORDER_STATUS_MISMATCH
    case.differs(kind, answered(found), action, _I.NOTIFIED, repaired=True)


def _not_shown(
    case: Examination,
    answer: NotFound,
    trades: dict[str, FillReport],
    strange: tuple[FillReport, ...],
) -> None:
    """Handle a "not found" answer. Only the bounded proof of absence ends an order."""
    order = case.after.order
    if not trades and not _unexplained(case, strange) and proven_absent(order, answer):
        case.repair(GiveUpOrder(order.order_id))
        return
    missing = [f for f in live(case.after.fills) if f.trade_id not in trades]
    unsettled = any(fill.finality is Finality.PROVISIONAL for fill in missing)
    if order.working_size > 0 or unsettled:
        case.doubts(_K.ORDER_NOT_FOUND, answered(answer), _LOOK, _waited(case))


def _unexplained(case: Examination, strange: tuple[FillReport, ...]) -> bool:
    """Return whether a newer fill that no order explains could belong to this order.

    Kalshi's list of fills contains only Kalshi's order id, which is unknown for an order that
    was never acknowledged.
    """
    return any(each.matched_at >= case.order.created_at for each in strange)


def _stale(case: Examination, answer: Stale) -> None:
    case.ask(when=case.after.unresolved)
    if case.after.awaiting and _waited(case) >= case.grace:
        case.doubts(_K.ORDER_NOT_FOUND, answered(answer), _LOOK, _waited(case))


_LOOK = "look for the order at the platform; absence proves nothing"


def _waited(case: Examination) -> timedelta:
    """Return how long the order has been waiting for a first answer."""
    waits = case.before.awaiting
    return case.theirs.asked_at - case.before.newest if waits else timedelta(0)


def _whole(case: Examination, trades: dict[str, FillReport]) -> None:
    """End an order whose fills are complete, regardless of unanswered questions."""
    order = case.after.order
    if case.before.awaiting and not order.working_size:
        named = [report.platform_order_id for report in trades.values()]
        case.repair(EndOrder(order.order_id, (*named, order.platform_order_id)[0]))

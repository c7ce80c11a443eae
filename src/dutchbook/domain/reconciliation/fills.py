"""The fills of one order: entered as facts, regardless of other answers about the order."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from dutchbook.domain.execution.order import Fill, Finality, OrderStatus
from dutchbook.domain.reconciliation.examination import Examination, fill_document
from dutchbook.domain.reconciliation.findings import (
    BookFill,
    DiscrepancyType,
    FailFill,
    Involvement,
    SettleFill,
    StateTotals,
)
from dutchbook.domain.reconciliation.our_state import live
from dutchbook.domain.reconciliation.platform_state import FillReport, OrderReport
from dutchbook.domain.reconciliation.repairs import order_after
from dutchbook.domain.values.units import plain

_K, _I = DiscrepancyType, Involvement
ENDED = (OrderStatus.CANCELLED, OrderStatus.REJECTED)


def enter_fills(
    case: Examination,
    trades: dict[str, FillReport],
    contradictory: tuple[str, ...],
    found: OrderReport | None,
) -> None:
    """Propose what the platform's trades and totals prove about the fills of an order.

    Args:
        case: The order's comparison.
        trades: The order's trades as the platform lists them, each once.
        contradictory: Ids of the trades whose reports contradict one another.
        found: The platform's record of the order, if it showed one.
    """
    before = case.before
    known = {fill.trade_id: fill for fill in before.fills}
    new: list[Fill] = []
    for trade_id, report in trades.items():
        if trade_id in contradictory:
            _contradicted(case, report, "its reports contradict one another")
        elif trade_id in known:
            _progress(case, known[trade_id], report)
        else:
            new.append(before.fill_of(report))
    case.repair(*(BookFill(case.order.order_id, fill) for fill in new))
    if found and found.stated and not contradictory:
        stated = StateTotals(case.order.order_id, found.stated)
        if order_after(case.after, stated) != case.after:
            case.repair(stated)
    if case.after.order.filled > before.order.filled:
        _missed(case, live(new))
    for fill in new:
        if fill.finality is Finality.FAILED:
            _failed(case, fill)
    _unlisted(case, found)


def _unlisted(case: Examination, found: OrderReport | None) -> None:
    """Ask again for trades that are stated and not listed: reads lag behind writes.

    Kalshi's lag by up to a second (docs.kalshi.com quick start, 2026-10). After the grace
    period a person decides.
    """
    part = case.after.order.unlisted
    if part is None:
        return
    if found is None:
        case.ask()
        return
    missing = {"stated_without_trades": plain(part.size)}
    case.doubts(_K.FILL_MISSING, missing, "ask the platform for the trades")


def total(fills: Iterable[Fill]) -> Decimal:
    """Return the sum of contracts over fills."""
    return sum((fill.size for fill in fills), start=Decimal(0))


def _progress(case: Examination, ours: Fill, report: FillReport) -> None:
    """Propose the finality of a fill that both record, or report that the records disagree."""
    order_id = case.order.order_id
    if (ours.price, ours.size) != (report.price, report.size):
        _contradicted(case, report, "ours has another price or size")
    elif report.finality in (ours.finality, Finality.PROVISIONAL):
        return
    elif ours.finality is not Finality.PROVISIONAL:
        _contradicted(case, report, f"ours is {ours.finality} for good")
    elif report.finality is Finality.SETTLED:
        case.repair(SettleFill(order_id, ours))
    else:
        case.repair(FailFill(order_id, ours))
        _failed(case, ours)


def _failed(case: Examination, fill: Fill) -> None:
    """Report a failed settlement.

    A CLOSED position can no longer be rebalanced, so a person decides.
    """
    case.differs(
        _K.FILL_FAILED,
        {"trade_id": fill.trade_id, "size": plain(fill.size), "finality": "failed"},
        "decide what the position is" if case.closed else "even the position, or close it",
        _I.DECIDES if case.closed else _I.NOTIFIED,
        subject=fill.trade_id,
        repaired=True,
    )


def _contradicted(case: Examination, report: FillReport, reason: str) -> None:
    failed = report.finality is Finality.FAILED
    case.differs(
        _K.FILL_FAILED if failed else _K.FILL_UNKNOWN,
        {
            "trade_id": report.trade_id,
            "price": plain(report.price),
            "size": plain(report.size),
            "finality": report.finality.value,
            "reason": reason,
        },
        "compare the trade with the platform's own page",
        _I.DECIDES,
        subject=report.trade_id,
    )


def _missed(case: Examination, fills: tuple[Fill, ...]) -> None:
    """Report fills that were missing from our record.

    If the order had ended or its position was closed, a person must find the cause.
    """
    order = case.order
    filled = plain(case.after.order.filled)
    theirs = {"filled": filled, "fills": [fill_document(fill) for fill in fills]}
    if order.status is OrderStatus.PENDING and not case.closed:
        kind, involvement = _K.PENDING_FILLED, _I.NONE
    else:
        kind, involvement = _K.FILL_MISSING, _I.DECIDES if case.closed else _I.NOTIFIED
    case.differs(kind, theirs, "none: it is entered", involvement, repaired=True)
    if order.status in ENDED:
        case.differs(
            _K.ORDER_STATUS_MISMATCH,
            theirs,
            "look how a fill came after the end; acknowledge or close",
            _I.DECIDES,
            repaired=True,
        )

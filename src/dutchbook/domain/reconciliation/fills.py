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
    SupersedeFill,
)
from dutchbook.domain.reconciliation.our_state import is_synthetic, live
from dutchbook.domain.reconciliation.platform_state import FillReport, Found
from dutchbook.domain.reconciliation.synthetic import Remainder, current, remainder
from dutchbook.domain.values.units import plain

_K, _I = DiscrepancyType, Involvement
ENDED = (OrderStatus.CANCELLED, OrderStatus.REJECTED)


def enter_fills(
    case: Examination,
    trades: dict[str, FillReport],
    contradictory: tuple[str, ...],
    found: Found | None,
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
    real = (*(fill for fill in before.fills if not is_synthetic(fill)), *new)
    rest = remainder(before, real, None if contradictory else found)
    _enter(case, new, rest)
    for fill in new:
        if fill.finality is Finality.FAILED:
            _failed(case, fill)


def _enter(case: Examination, new: list[Fill], rest: Remainder) -> None:
    order_id, held = case.order.order_id, current(case.before)
    stated = rest.fill if rest.fill and not _known(case, rest.fill) else None
    entered = (*new, *((stated,) if stated else ()))
    if held and (rest.fill is None or rest.fill.trade_id != held.trade_id):
        case.repair(SupersedeFill(order_id, held, entered))
        missed = live(entered) if total(live(entered)) > held.size else ()
    else:
        case.repair(*(BookFill(order_id, fill) for fill in entered))
        missed = live(entered)
    if missed:
        _missed(case, missed)
    if held and rest.fill and rest.fill.trade_id == held.trade_id:
        _finish_stated(case, held, rest.fill.finality)
    case.price_missing(unpriced=rest.unpriced)
    if rest.unpriced:
        pending = case.order.status is OrderStatus.PENDING
        case.doubts(
            _K.PENDING_FILLED if pending else _K.FILL_MISSING,
            {"filled_without_trades": plain(rest.size)},
            "ask for the trades",
        )


def _known(case: Examination, fill: Fill) -> bool:
    return any(each.trade_id == fill.trade_id for each in case.before.fills)


def total(fills: Iterable[Fill]) -> Decimal:
    """Return the sum of contracts over fills."""
    return sum((fill.size for fill in fills), start=Decimal(0))


def _finish_stated(case: Examination, held: Fill, finality: Finality) -> None:
    if held.finality is not Finality.PROVISIONAL:
        return
    if finality is Finality.SETTLED:
        case.repair(SettleFill(case.order.order_id, held))
    elif finality is Finality.FAILED:
        case.repair(FailFill(case.order.order_id, held))
        _failed(case, held)


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
        _I.DECIDES if case.closed else _I.TOLD,
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
    theirs = {"fills": [fill_document(fill) for fill in fills]}
    if order.status is OrderStatus.PENDING and not case.closed:
        kind, involvement = _K.PENDING_FILLED, _I.NONE
    else:
        kind, involvement = _K.FILL_MISSING, _I.DECIDES if case.closed else _I.TOLD
    case.differs(kind, theirs, "none: it is entered", involvement, repaired=True)
    if order.status in ENDED:
        case.differs(
            _K.ORDER_STATUS_MISMATCH,
            theirs,
            "look how a fill came after the end; acknowledge or close",
            _I.DECIDES,
            repaired=True,
        )

"""One order compared with its platform's reports, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.reconciliation.examination import Examination, described
from dutchbook.domain.reconciliation.findings import (
    Discrepancy,
    DiscrepancyType,
    Involvement,
    Repair,
)
from dutchbook.domain.reconciliation.orders import examine
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import (
    Answer,
    FillReport,
    PlatformState,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import Quantity
from support.pairs import NOW
from support.reconciliation import FOUR, GRACE, POSITION, SIX, account, local, report

ORDER, THEIR_ID = "polymarket-order", "polymarket-7"
LATE = Unavailable("timed out")
HALF = Quantity(Decimal("0.5"))
T1, T2 = report("t1", FOUR), report("t2", SIX)
NOTHING_FOUND: tuple[list[Any], list[Any], bool, None] = ([], [], False, None)
LOOK = "look for the order at the platform; absence proves nothing"
Seen = tuple[list[Repair], list[Discrepancy], bool, str | None]
"""Repairs, discrepancies, whether to ask again, and why the platform did not answer."""


def shown(filled: str, working: str, refusal: str | None = None) -> dict[str, Any]:
    """Return what a finding says of an answer that shows the order."""
    return {
        "answer": "found",
        "platform_order_id": THEIR_ID,
        "working": working,
        "refusal": refusal,
        "filled": filled or None,
    }


def ours(state: str, finality: Finality | None = None, **facts: object) -> OurOrder:
    """Return our Polymarket order in one of `LOCAL`, its fills with another finality."""
    made = local(state).orders[1]
    fills = made.fills
    if finality is not None:
        fills = tuple(replace(fill, finality=finality) for fill in fills)
    changed = replace(made.order, **facts)  # type: ignore[arg-type]
    return replace(made, order=changed, fills=fills)


def holding(placed: Order, *fills: Fill) -> OurOrder:
    """Return an order of ours with some fills, its totals as they are."""
    return OurOrder(placed, account(placed.platform), fills, POSITION)


def case_of(
    mine: OurOrder,
    answer: Answer | None = None,
    *,
    closed: bool = False,
    doubted: Mapping[str, datetime] | None = None,
    strange: tuple[FillReport, ...] = (),
    asked_at: datetime = NOW,
) -> Examination:
    """Return the comparison of an order that begins."""
    answers = {mine.order.order_id: answer} if answer else {}
    statement = Statement(answers, strange=strange)
    theirs = PlatformState(asked_at, {mine.order.platform: statement})
    return Examination(doubted or {}, mine, theirs, GRACE, closed, mine)


def seen(
    mine: OurOrder, answer: Answer | None = None, *trades: FillReport, **facts: Any
) -> Seen:
    """Compare an order with an answer and the account's trades of it."""
    case = examine(case_of(mine, answer, **facts), {mine.order.order_id: trades})
    return result(case)


def result(case: Examination) -> Seen:
    """Return what a comparison has found."""
    return [*case.repairs], [*case.found.values()], case.ask_again, case.unanswered


def differs(
    mine: OurOrder,
    kind: DiscrepancyType,
    theirs: dict[str, Any],
    action: str,
    involvement: Involvement,
    *,
    subject: str | None = None,
    repaired: bool = False,
) -> Discrepancy:
    """Return the discrepancy of an order that is expected."""
    return Discrepancy(
        kind=kind,
        platform=mine.order.platform,
        subject=subject or mine.order.order_id,
        order_id=mine.order.order_id,
        position_id=POSITION,
        pair_id="cup",
        ours=described(mine),
        theirs=theirs,
        recommended_action=action,
        involvement=involvement,
        repaired=repaired,
    )

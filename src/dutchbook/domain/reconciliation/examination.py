"""The comparison of one order: known facts, proposed repairs and discrepancies found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dutchbook.domain.execution.order import Fill, Order
from dutchbook.domain.reconciliation.findings import Discrepancy, DiscrepancyType, Involvement
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import (
    NotFound,
    OrderReport,
    PlatformState,
    Stale,
)
from dutchbook.domain.reconciliation.repairs import OrderRepair, order_after
from dutchbook.domain.values.units import plain


@dataclass(slots=True)
class Examination:
    """The comparison of one order; filled in step by step.

    `grace`: how long after it was first seen a difference may be a delay, so that the platform
    is asked again. After that, a person is asked.
    `closed`: the order's position is CLOSED, so that no change was expected.
    """

    doubted: Mapping[str, datetime]
    before: OurOrder
    theirs: PlatformState
    grace: timedelta
    closed: bool
    after: OurOrder
    repairs: list[OrderRepair] = field(default_factory=list)
    found: dict[str, Discrepancy] = field(default_factory=dict)
    ask_again: bool = False
    unanswered: str | None = None

    @property
    def order(self) -> Order:
        """The order before this pass."""
        return self.before.order

    def ask(self, *, when: bool = True) -> None:
        """Ask the platform again, if `when`."""
        self.ask_again |= when

    def answer_missing(self, reason: str) -> None:
        """Record that the platform did not answer, and ask again."""
        self.unanswered, self.ask_again = reason, True

    def repair(self, *repairs: OrderRepair) -> None:
        """Propose repairs and continue from the order as they change it."""
        for each in repairs:
            self.repairs.append(each)
            self.after = order_after(self.after, each)

    def differs(
        self,
        kind: DiscrepancyType,
        theirs: dict[str, Any],
        action: str,
        involvement: Involvement,
        *,
        subject: str | None = None,
        repaired: bool = False,
    ) -> Discrepancy:
        """Record a discrepancy; of two with the same key, the more serious one stays."""
        order = self.order
        noted = Discrepancy(
            kind=kind,
            platform=order.platform,
            subject=subject or order.order_id,
            order_id=order.order_id,
            position_id=self.before.position_id,
            pair_id=order.pair_id,
            ours=described(self.before),
            theirs=theirs,
            recommended_action=action,
            involvement=involvement,
            repaired=repaired,
        )
        other = self.found.get(noted.key)
        if other is None or other.involvement is not Involvement.DECIDES:
            self.found[noted.key] = noted
        return noted

    def doubts(
        self,
        kind: DiscrepancyType,
        theirs: dict[str, Any],
        action: str,
        waited: timedelta = timedelta(0),
    ) -> None:
        """Record a possible delay: ask again, and let a person decide after the grace period.

        `waited` is how long the order itself has been in doubt; the time since the discrepancy
        was first recorded counts as well.
        """
        self.ask_again = True
        noted = self.differs(kind, theirs, action, Involvement.NOTIFIED)
        since = self.doubted.get(noted.key, self.theirs.asked_at)
        if max(waited, self.theirs.asked_at - since) >= self.grace:
            self.differs(kind, theirs, action, Involvement.DECIDES)


# As documents
# ------------------------------------------------------------------------------------


def described(ours: OurOrder) -> dict[str, Any]:
    """Return our record of an order as a JSON document."""
    order = ours.order
    return {
        "status": order.status.value,
        "filled": plain(order.filled),
        "working": plain(order.working_size),
        "stated": plain(order.stated),
        "platform_order_id": order.platform_order_id,
        "awaiting_answer": ours.awaiting,
        "fills": [fill_document(fill) for fill in ours.fills],
    }


def fill_document(fill: Fill) -> dict[str, str]:
    """Return a fill as a JSON document."""
    return {
        "trade_id": fill.trade_id,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "finality": fill.finality.value,
    }


def answered(answer: OrderReport | NotFound | Stale) -> dict[str, Any]:
    """Return a platform's answer about an order as a JSON document."""
    if isinstance(answer, OrderReport):
        return {
            "answer": "found",
            "platform_order_id": answer.platform_order_id,
            "working": plain(answer.working),
            "refusal": answer.refusal,
            "filled": plain(answer.stated.filled) if answer.stated else None,
        }
    as_of = answer.as_of.isoformat() if answer.as_of else None
    return {"answer": "not found", "as_of": as_of}

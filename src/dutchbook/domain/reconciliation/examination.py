"""One order under comparison: what is known, what is proposed and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dutchbook.domain.execution.order import Fill, Order
from dutchbook.domain.reconciliation.absence import Rules
from dutchbook.domain.reconciliation.findings import Discrepancy, DiscrepancyType, Involvement
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import Found, NotFound, Stale, Theirs
from dutchbook.domain.reconciliation.repairs import OrderRepair, order_after
from dutchbook.domain.values.units import plain


@dataclass(slots=True)
class Examination:
    """What a comparison of one order comes to; filled while it goes on.

    `closed`: the order's position is CLOSED, so that nothing more was expected of it.
    """

    doubted: Mapping[str, datetime]
    before: OurOrder
    theirs: Theirs
    rules: Rules
    closed: bool
    after: OurOrder
    repairs: list[OrderRepair] = field(default_factory=list)
    found: dict[str, Discrepancy] = field(default_factory=dict)
    ask_again: bool = False
    unpriced: bool = False
    unanswered: str | None = None

    @property
    def order(self) -> Order:
        """The order before this pass."""
        return self.before.order

    def repair(self, *repairs: OrderRepair) -> None:
        """Propose repairs and go on from what they lead to."""
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
        """Note a discrepancy; of two of a kind about the same, the graver one stays."""
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
        """Note what may be a delay: it is asked again, and a person decides after the grace.

        `waited` is for how long it is in doubt by the order itself, beside what is on record.
        """
        self.ask_again = True
        noted = self.differs(kind, theirs, action, Involvement.TOLD)
        since = self.doubted.get(noted.key, self.theirs.asked_at)
        if max(waited, self.theirs.asked_at - since) >= self.rules.grace:
            self.differs(kind, theirs, action, Involvement.DECIDES)


# As documents
# ------------------------------------------------------------------------------------


def described(ours: OurOrder) -> dict[str, Any]:
    """Return what we hold of an order as a JSON document."""
    order = ours.order
    return {
        "status": order.status.value,
        "filled": plain(order.filled),
        "working": plain(order.working_size),
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


def answered(answer: Found | NotFound | Stale) -> dict[str, Any]:
    """Return what a platform says of an order as a JSON document."""
    if isinstance(answer, Found):
        return {
            "answer": "found",
            "platform_order_id": answer.platform_order_id,
            "working": plain(answer.working),
            "refusal": answer.refusal,
            "filled": plain(answer.stated.filled) if answer.stated else None,
        }
    as_of = answer.as_of.isoformat() if answer.as_of else None
    return {"answer": "not found", "as_of": as_of}

"""Settlement requests to a platform, as rows: merges of pairs, and redemptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import SettlementNeedsPerson
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Quantity
from dutchbook.ports.journal import Batch, Insert, Journal, Update

MERGE, PAYOUT = "merge", "payout"
WINDOW = timedelta(seconds=120)
"""How long after an unanswered call a list that does not show its effect is trusted."""
AGAIN = 30
"""Seconds between two follow-ups of calls without an answer."""


@dataclass(slots=True)
class SettlementRequest:
    """One request for cash, durable before the call.

    Attributes:
        settlement_id: Id of its row.
        position_id: The position whose contracts are merged or paid.
        platform: Where it is sent.
        contract_id: The contract.
        kind: "merge" or "payout".
        size: Pairs that are merged, or contracts that are paid.
        yes_pays: For a payout, the result when it was requested.
        requested_at: When it was first requested.
        unsent: Whether the last call is known not to have been sent.
        person_asked: Whether a person was notified of it.
    """

    settlement_id: str
    position_id: str
    platform: Platform
    contract_id: str
    kind: str
    size: Quantity
    yes_pays: Decimal | None
    requested_at: datetime
    unsent: bool = False
    person_asked: bool = False

    def sending(self, *, left: bool) -> None:
        """Record whether the last call may have been sent."""
        self.unsent = not left

    def asked(self) -> bool:
        """Record that a person is notified; return whether one was before."""
        before, self.person_asked = self.person_asked, True
        return before

    def row(self, paid_at: datetime | None = None) -> Insert:
        """Return its new row, pending unless it is paid already."""
        return Insert(
            "settlements",
            {
                "settlement_id": self.settlement_id,
                "position_id": self.position_id,
                "platform": self.platform,
                "contract_id": self.contract_id,
                "kind": self.kind,
                "size": self.size,
                "yes_pays": self.yes_pays,
                "status": "paid" if paid_at else "pending",
                "requested_at": self.requested_at,
                "paid_at": paid_at,
            },
        )

    def ended(self, paid_at: datetime | None) -> Update:
        """Return the final update of its row: paid, or abandoned if `paid_at` is None."""
        return Update(
            "settlements",
            key={"settlement_id": self.settlement_id},
            guard={"status": "pending"},
            put={"status": "paid" if paid_at else "abandoned", "paid_at": paid_at},
        )


async def pending(journal: Journal, kind: str) -> list[SettlementRequest]:
    """Return the pending requests of a kind, oldest first."""
    rows = await journal.rows(
        "settlements", {"status": "pending", "kind": kind}, order_by=("requested_at",)
    )
    return [_request(row) for row in rows]


def _request(row: Mapping[str, Any]) -> SettlementRequest:
    return SettlementRequest(
        row["settlement_id"],
        row["position_id"],
        Platform(row["platform"]),
        row["contract_id"],
        row["kind"],
        Quantity(row["size"]),
        row["yes_pays"],
        row["requested_at"],
    )


async def ask_person(committer: Committer, request: SettlementRequest, detail: str) -> None:
    """Notify a person of a settlement request, once."""
    if request.asked():
        return
    event = SettlementNeedsPerson(
        committer.stamp(request.position_id),
        settlement_id=request.settlement_id,
        position_id=request.position_id,
        platform=request.platform,
        contract_id=request.contract_id,
        kind=request.kind,
        requested_at=request.requested_at,
        detail=detail,
    )
    await committer.commit(Batch(events=(event,)))

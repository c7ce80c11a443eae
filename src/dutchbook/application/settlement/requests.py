"""What we have asked a platform to pay out, as rows: merges of pairs, and redemptions."""

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
"""So long after a call without an answer, a list that does not show it may be believed."""
AGAIN = 30
"""Seconds between two looks at what got no answer."""


@dataclass(slots=True)
class SettlementRequest:
    """One call for cash, durable before it is made.

    Attributes:
        settlement_id: Its row.
        position_id: Whose contracts they are.
        platform: Who is asked.
        contract_id: Of which contract.
        kind: "merge" or "payout".
        size: Pairs that are merged, or contracts that are paid.
        yes_pays: Of a payout: what the result was when it was asked for.
        requested_at: When it was first asked for.
        unsent: Whether the last call is known not to have left.
        person_asked: Whether a person was told of it.
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
        """Note whether the last call is known not to have left."""
        self.unsent = not left

    def asked(self) -> bool:
        """Note that a person is asked; tells whether one was asked before."""
        before, self.person_asked = self.person_asked, True
        return before

    def row(self, paid_at: datetime | None = None) -> Insert:
        """Return its new row, pending unless its cash has come."""
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
        """Return the end of its row: paid, or abandoned where there is no instant."""
        return Update(
            "settlements",
            key={"settlement_id": self.settlement_id},
            guard={"status": "pending"},
            put={"status": "paid" if paid_at else "abandoned", "paid_at": paid_at},
        )


async def pending(journal: Journal, kind: str) -> list[SettlementRequest]:
    """Return what was asked for and has no end yet, oldest first."""
    rows = await journal.rows(
        "settlements", {"status": "pending", "kind": kind}, order_by=("requested_at",)
    )
    return [_claim(row) for row in rows]


def _claim(row: Mapping[str, Any]) -> SettlementRequest:
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
    """Tell a person of a claim, once."""
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

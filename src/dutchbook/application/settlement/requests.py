"""Settlements that were requested of a platform: merges of pairs, and redemptions."""

from __future__ import annotations

from datetime import timedelta

from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import SettlementNeedsPerson
from dutchbook.domain.positions.settlement import (
    Settlement,
    SettlementKind,
    SettlementStatus,
)
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.tables.trading import SETTLEMENTS

WINDOW = timedelta(seconds=120)
"""How long after an unanswered call a list that does not show its effect is trusted."""
AGAIN = 30
"""Seconds between two follow-ups of calls without an answer."""


async def pending(journal: Journal, kind: SettlementKind) -> list[Settlement]:
    """Return the pending settlements of a kind, oldest first."""
    where = {"status": SettlementStatus.PENDING, "kind": kind}
    rows = await journal.rows("settlements", where, order_by=("requested_at",))
    return [SETTLEMENTS.value(row) for row in rows]


class PersonRequests:
    """Notifies a person of settlements, once of each."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._asked: set[str] = set()

    async def ask(self, settlement: Settlement, detail: str) -> None:
        """Notify a person of a settlement, unless that was done before."""
        if settlement.settlement_id in self._asked:
            return
        self._asked.add(settlement.settlement_id)
        event = SettlementNeedsPerson(
            self._committer.stamp(settlement.position_id),
            settlement_id=settlement.settlement_id,
            position_id=settlement.position_id,
            platform=settlement.platform,
            contract_id=settlement.contract_id,
            kind=settlement.kind,
            requested_at=settlement.requested_at,
            detail=detail,
        )
        await self._committer.commit(Batch(events=(event,)))

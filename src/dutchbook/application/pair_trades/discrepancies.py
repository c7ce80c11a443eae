"""Disputes: discrepancies that are open, as rows and as the cache that trading reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import to_its_end
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import Event, ReconciliationDiscrepancy, ReconciliationResolved
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.findings import Choice, Discrepancy, DiscrepancyType
from dutchbook.errors import Conflict, InvalidInput
from dutchbook.ports.journal import Batch, Insert, Journal, Update
from dutchbook.ports.tables.table import Row
from dutchbook.ports.tables.trading import DISCREPANCIES
from dutchbook.ports.time import Clock, Ids

HALT = HaltReason.RECONCILIATION_DISCREPANCY
PASSING = ("as_of",)
"""Fields that describe a platform's answer, not the difference: they vary by query."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """A recorded discrepancy."""

    dispute_id: str
    found: Discrepancy
    detected_at: datetime

    @property
    def halts(self) -> bool:
        """Whether trading halts until it is resolved; some stop only their pair.

        A failed settlement is proven. An order without an answer that its platform does not
        show contradicts nothing: it stays unknown, with its capital reserved, until it is found
        or a person knows better.
        """
        if self.found.kind is DiscrepancyType.ORDER_NOT_FOUND:
            return not self.found.ours.get("awaiting_answer")
        return self.found.kind is not DiscrepancyType.FILL_FAILED

    @property
    def context(self) -> dict[str, Any]:
        """The `reconciliationContext` of its position."""
        found = self.found
        return {
            "discrepancy_type": found.kind.value,
            "order_id": found.order_id,
            "recommended_action": found.recommended_action,
            "our_state": found.ours,
            "platform_state": found.theirs,
            "detected_at": self.detected_at.isoformat(),
        }


class Disputes:
    """Opens, caches and resolves them, and halts trading while a person must decide."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        risk: RiskManager,
        trades: PairTrades,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._risk = risk
        self._trades = trades
        self._clock = clock
        self._ids = ids
        self.open: dict[str, Dispute] = {}
        self._opening: Counter[str | None] = Counter()
        self._accepted: set[tuple[str, str]] = set()
        self._enforcing = asyncio.Lock()
        self.settling = asyncio.Lock()

    async def load(self) -> None:
        """Load open and acknowledged discrepancies from the database."""
        order = ("detected_at", "discrepancy_id")
        for row in await self._journal.rows("discrepancies", {"resolved_at": None}, order):
            self.open[row["discrepancy_id"]] = _dispute(row)
        acknowledged = {"resolution": Choice.ACKNOWLEDGE.value}
        for row in await self._journal.rows("discrepancies", acknowledged):
            self._accepted.add(_fingerprint(_dispute(row).found))

    def on(self, pair_id: str) -> bool:
        """Return whether one is open on a pair, or being opened: nothing starts there (I-23).

        Batches are committed in the order of their calls: an execution that begins before one
        is being opened is recorded before it.
        """
        if self._opening[pair_id] > 0 or any(
            each.found.pair_id == pair_id for each in self.open.values()
        ):
            return True
        disputed = PositionStatus.RECONCILIATION_REQUIRED
        return any(
            trade.position.status is disputed
            for trade in self._trades.all()
            if trade.pair_id == pair_id
        )

    def of_position(self, position_id: str) -> list[Dispute]:
        """Return the open ones of a position, oldest first."""
        return [each for each in self.open.values() if each.found.position_id == position_id]

    def accepted(self, found: Discrepancy) -> bool:
        """Return whether a person has acknowledged this exact difference."""
        return _fingerprint(found) in self._accepted

    def known(self, found: Discrepancy) -> bool:
        """Return whether it is open already."""
        return any(each.found.key == found.key for each in self.open.values())

    # Opened
    # ----------------------------------------------------------------------------------

    def of(self, found: Discrepancy) -> Dispute:
        """Return a new one."""
        return Dispute(self._ids.new("discrepancy", found.subject), found, self._clock.now())

    @contextlib.contextmanager
    def opening(self, disputes: Collection[Dispute]) -> Iterator[Batch]:
        """Yield the rows and events that open some; the caller commits them in the block.

        Nothing starts on their pairs from now on; they are open once committed.
        """
        pairs = Counter(each.found.pair_id for each in disputes)
        self._opening += pairs
        try:
            yield Batch(
                tuple(Insert("discrepancies", _row(each)) for each in disputes),
                tuple(self.event_of(each) for each in disputes),
            )
            for each in disputes:
                self.open[each.dispute_id] = each
        finally:
            self._opening -= pairs

    def event_of(self, dispute: Dispute) -> Event:
        """Return the event that reports one to a person."""
        found = dispute.found
        return ReconciliationDiscrepancy(
            self._committer.stamp("reconciliation"),
            discrepancy_id=dispute.dispute_id,
            discrepancy_type=found.kind.value,
            position_id=found.position_id,
            pair_id=found.pair_id,
            ours=found.ours,
            theirs=found.theirs,
            recommended_action=found.recommended_action,
        )

    @to_its_end
    async def raised(self, found: Iterable[Discrepancy]) -> list[Dispute]:
        """Open what is not open yet, in one commit."""
        new = {each.key: self.of(each) for each in found if not self.known(each)}
        opened = list(new.values())
        if opened:
            with self.opening(opened) as batch:
                await self._committer.commit(batch)
        return opened

    # Resolved
    # --------------------------------------------------------------------------------

    def resolving(self, disputes: Iterable[Dispute], choice: Choice, rationale: str) -> Batch:
        """Return the rows and events that resolve some; call `resolved` after the commit.

        The caller holds `settling` until then, so that each is resolved once.
        """
        disputes = tuple(disputes)
        put = {
            "resolved_at": self._clock.now(),
            "resolution": choice.value,
            "rationale": rationale,
        }
        writes = tuple(
            Update(
                "discrepancies",
                {"discrepancy_id": each.dispute_id},
                {"resolved_at": None},
                put,
            )
            for each in disputes
        )
        events = tuple(
            ReconciliationResolved(
                self._committer.stamp("reconciliation"),
                discrepancy_id=each.dispute_id,
                position_id=each.found.position_id,
                pair_id=each.found.pair_id,
                resolution=choice.value,
                rationale=rationale,
            )
            for each in disputes
        )
        return Batch(writes, events)

    def resolved(self, disputes: Iterable[Dispute], choice: Choice) -> None:
        """Remove some from the open ones; what was acknowledged is not opened again."""
        for each in disputes:
            self.open.pop(each.dispute_id, None)
            if choice is Choice.ACKNOWLEDGE:
                self._accepted.add(_fingerprint(each.found))

    @to_its_end
    async def settle(
        self,
        disputes: Iterable[Dispute],
        choice: Choice,
        rationale: str,
        alongside: Batch | None = None,
    ) -> None:
        """Resolve some, in one commit with what belongs to the same decision.

        Calls are serialised: a person does not close again what a comparison has just closed.
        """
        async with self.settling:
            left = tuple(each for each in disputes if each.dispute_id in self.open)
            batch = self.resolving(left, choice, rationale) + (alongside or Batch())
            if batch:
                await self._committer.commit(batch)
            self.resolved(left, choice)

    async def enforce(self) -> None:
        """Halt while a person must decide; lift only that halt when none remains.

        Calls are serialised, since a comparison and a person's decision may end at the same
        time. If another process halts trading concurrently, the next call lifts this halt.
        """
        async with self._enforcing:
            left = [each for each in self.open.values() if each.halts]
            if left:
                first = left[0].found
                detail = f"{len(left)} open, the first: {first.kind} of {first.subject}"
                await self._risk.halts.halt_trading(HALT, detail)
            elif HALT in self._risk.capital.state.halt_reasons:
                # A person may have lifted it a moment ago: then it is not set any more.
                with contextlib.suppress(Conflict, InvalidInput):
                    await self._risk.halts.resume_trading(HALT, "no discrepancy remains")


def _row(dispute: Dispute) -> dict[str, Any]:
    found = dispute.found
    about = {"subject": found.subject, "order_id": found.order_id}
    return DISCREPANCIES.row_of(
        found,
        discrepancy_id=dispute.dispute_id,
        ours={"about": about, **found.ours},
        detected_at=dispute.detected_at,
    )


def _dispute(row: Row) -> Dispute:
    ours = dict(row["ours"])
    about = ours.pop("about")
    found = DISCREPANCIES.value(row, {"ours": ours, **about})
    return Dispute(row["discrepancy_id"], found, row["detected_at"])


def _fingerprint(found: Discrepancy) -> tuple[str, str]:
    """Return the fingerprint of a difference, stable across comparisons."""
    shown = {name: each for name, each in found.theirs.items() if name not in PASSING}
    return found.key, repr(sorted(shown.items()))

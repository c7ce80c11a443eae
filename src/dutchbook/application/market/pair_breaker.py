"""Pairs that are suspended: one that keeps failing, or whose prices disagree for too long.

After a number of consecutive failures the pair's approval is revoked. That is durable and
prevents new entries until a named person approves the pair again.
"""

from __future__ import annotations

from collections import Counter

from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import to_its_end
from dutchbook.domain.events import Event, PairDecided
from dutchbook.domain.execution.decide import Phase
from dutchbook.errors import InvalidInput
from dutchbook.ports.journal import Batch, Journal, Update
from dutchbook.ports.time import Clock

DISABLED = "disabled: "
"""Prefix of a pair's rationale if the engine disabled it, not a person."""


DECISIONS = {"approved": True, "revoked": False, "disabled": False}
"""Whether a pair may be entered after each decision."""


class PairBreaker:
    """Counts the failures of each pair since its last success."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        watchlist: Watchlist,
        clock: Clock,
        most: int,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._watchlist = watchlist
        self._clock = clock
        self._most = most
        self._failures: Counter[str] = Counter()

    def __call__(self, event: Event, sequence: int) -> None:
        """Apply a committed decision on a pair, including one made in another process."""
        if not isinstance(event, PairDecided) or not sequence:
            return
        if event.pair_id in self._watchlist.pairs and event.decision in DECISIONS:
            approved, digest = DECISIONS[event.decision], event.digest or None
            self._watchlist.decided(event.pair_id, approved=approved, digest=digest)

    async def load(self) -> None:
        """Count each pair's failures since its last approval, from the database."""
        pairs = await self._journal.rows("contract_matches")
        approved = {row["match_id"]: row["operator_approval_timestamp"] for row in pairs}
        self._failures.clear()
        rows = await self._journal.rows("executions")
        ended = [row for row in rows if row["ended_at"] is not None]
        for row in sorted(ended, key=lambda row: (row["ended_at"], row["execution_id"])):
            since = approved.get(row["pair_id"])
            if since is None or row["ended_at"] > since:
                self._count(row["pair_id"], hedged=row["phase"] == Phase.HEDGED)

    def _count(self, pair_id: str, *, hedged: bool) -> int:
        self._failures[pair_id] = 0 if hedged else self._failures[pair_id] + 1
        return self._failures[pair_id]

    async def concluded(self, pair_id: str, *, hedged: bool) -> None:
        """Record how an execution ended; disable its pair if too many have failed in a row."""
        failures = self._count(pair_id, hedged=hedged)
        if failures >= self._most:
            await self.disable(pair_id, f"{failures} failed executions one after the other")

    async def disable(self, pair_id: str, reason: str) -> None:
        """Revoke a pair's approval until a person gives it back; nothing if it has none."""
        match = self._watchlist.pairs[pair_id].match
        if not match.operator_approved:
            return
        why = f"{DISABLED}{reason}"
        self._watchlist.decided(pair_id, approved=False, digest=match.approved_digest)
        event = PairDecided(
            self._committer.stamp(pair_id),
            pair_id,
            "disabled",
            why,
            match.approved_digest or "",
        )
        put = {"operator_approved": False, "operator_rationale": why}
        change = Update("contract_matches", {"match_id": pair_id}, {}, put, {"version": 1})
        await self._committer.commit(Batch((change,), (event,)))

    async def reload(self, pair_id: str) -> None:
        """Apply what a person decided on a pair in another process."""
        rows = await self._journal.rows("contract_matches", {"match_id": pair_id})
        if rows:
            approved, digest = rows[0]["operator_approved"], rows[0]["approved_digest"]
            self._watchlist.decided(pair_id, approved=approved, digest=digest)

    @to_its_end
    async def enable(self, pair_id: str, rationale: str, alongside: Batch) -> None:
        """Approve again a pair that the engine disabled.

        Raises:
            InvalidInput: There is no such pair, or the engine did not disable it.
        """
        rows = await self._journal.rows("contract_matches", {"match_id": pair_id})
        stopped = rows and str(rows[0]["operator_rationale"]).startswith(DISABLED)
        if not rows or rows[0]["operator_approved"] or not stopped:
            raise InvalidInput(
                "reason", pair_id, "a halt reason that is set, or a pair that was disabled"
            )
        digest = rows[0]["approved_digest"]
        put = {
            "operator_approved": True,
            "operator_approval_timestamp": self._clock.now(),
            "operator_rationale": rationale,
        }
        change = Update("contract_matches", {"match_id": pair_id}, {}, put, {"version": 1})
        event = PairDecided(
            self._committer.stamp(pair_id), pair_id, "approved", rationale, digest or ""
        )
        await self._committer.commit(Batch((change,), (event,)) + alongside)
        self._failures[pair_id] = 0
        if pair_id in self._watchlist.pairs:
            self._watchlist.decided(pair_id, approved=True, digest=digest)

"""A person's overrides of the size, slot and platform limits, for one execution of a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from dutchbook.application.capital.capital import Capital
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import to_its_end
from dutchbook.domain.capital.limits import HaltReason, Override
from dutchbook.domain.detection.quote import Caps
from dutchbook.domain.events import Event, OverrideApplied, OverrideDenied
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.rationale import MEANINGFUL
from dutchbook.domain.values.units import MICRO, ZERO, Money
from dutchbook.ports.journal import Batch, Insert, Journal
from dutchbook.ports.time import Clock, Ids

SIZE, HALTED = 3001, 3004


@dataclass(frozen=True, slots=True)
class OverrideVerdict:
    """Result of `process_override`; `denial` and `code` are None if it was granted."""

    approved: bool
    pair_id: str | None
    denial: str | None = None
    code: int | None = None


class Overrides:
    """Grants overrides, and keeps them in memory until they are used once.

    Each lifts limits for one execution only. Free capital, price collars, approval and the
    daily-loss halt are never lifted.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        capital: Capital,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._capital = capital
        self._clock = clock
        self._ids = ids
        self._granted: dict[str, Override] = {}

    def override(self, pair_id: str) -> Override | None:
        """Return the override for the next execution of a pair, if any."""
        return self._granted.get(pair_id)

    def consumed(self, pair_id: str) -> None:
        """Drop a pair's override, once an execution of the pair has its reservation."""
        self._granted.pop(pair_id, None)

    def caps_for(self, pair_id: str) -> Caps:
        """Return how much a new position on a pair may cost, with its override applied."""
        granted = self.override(pair_id)
        if granted is None:
            return self._capital.caps(pair_id)
        return Caps(granted.amount, {p: self._capital.free(p) for p in Platform})

    @to_its_end
    async def process_override(
        self,
        opportunity_id: str,
        amount: Money,
        rationale: str,
        answered: Callable[[OverrideVerdict], Batch] | None = None,
    ) -> OverrideVerdict:
        """Lift limits for the next execution of an opportunity's pair, or return why not.

        An override lifts the position size, the number of open pairs and the capital at risk on
        a platform, up to the full size of one position.

        Args:
            opportunity_id: Id of a recorded opportunity, or of a pair.
            amount: Dollars that the position may cost.
            rationale: Why, in at least ten characters.
            answered: Returns what belongs in the same commit, given the verdict.
        """
        pair_id, original = await self._pair_and_reason(opportunity_id)
        denial, code = await self._denial(pair_id, amount, rationale)
        verdict = OverrideVerdict(denial is None, pair_id, denial, code)
        exact = abs(amount) < self._capital.limits.bankroll and not amount % MICRO
        row = {
            "override_id": self._ids.new("override", opportunity_id),
            "opportunity_id": opportunity_id,
            "rationale": rationale,
            "approved": verdict.approved,
            "original_rejection_reason": original,
            "override_amount_usd": amount if exact else None,
            "denial_reason": denial,
            "recorded_at": self._clock.now(),
        }
        stamp = self._committer.stamp(opportunity_id)
        event: Event
        if denial is None:
            event = OverrideApplied(stamp, opportunity_id, rationale, original, amount)
        else:
            event = OverrideDenied(stamp, opportunity_id, rationale, denial)
        alongside = answered(verdict) if answered else Batch()
        insert = Insert("risk_override_logs", row)
        await self._committer.commit(
            Batch((insert, *alongside.writes), (event, *alongside.events))
        )
        if verdict.approved and pair_id is not None:
            self._granted[pair_id] = Override(opportunity_id, pair_id, amount)
        return verdict

    async def _pair_and_reason(self, subject: str) -> tuple[str | None, str]:
        """Return the pair that an id refers to, and why its opportunity was rejected."""
        found = await self._journal.rows("opportunities", {"opportunity_id": subject})
        if found:
            return found[0]["pair_id"], found[0]["reason"] or "none"
        pairs = await self._journal.rows("contract_matches", {"match_id": subject})
        return (subject if pairs else None), "none"

    async def _denial(
        self, pair_id: str | None, amount: Decimal, rationale: str
    ) -> tuple[str | None, int | None]:
        if len(rationale.strip()) < MEANINGFUL:
            return f"a rationale has at least {MEANINGFUL} characters", SIZE
        if HaltReason.DAILY_LOSS_LIMIT in self._capital.state.halt_reasons:
            return "the daily-loss halt stands", HALTED
        if pair_id is None:
            return "no opportunity and no pair has this id", SIZE
        pairs = await self._journal.rows("contract_matches", {"match_id": pair_id})
        if not pairs or not pairs[0]["operator_approved"]:
            return "the pair is not approved", SIZE
        most = self._capital.limits.position
        if not ZERO < amount <= most or amount % MICRO:
            return f"an amount is above zero, exact to {MICRO} and at most {most}", SIZE
        return None, None

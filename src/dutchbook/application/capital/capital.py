"""The cache of our capital: balances, the risk state, and what is at risk on each pair.

What a step would take is a claim in flight from before its commit is awaited: every limit
counts it, so that two callers never count one dollar twice. The cache itself changes only after
the commit; if the database rejects it, the claim is dropped, and there is nothing to undo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from dutchbook.application.capital.at_risk import CapitalAtRisk
from dutchbook.application.capital.rows import account_row, day_of, state_of, state_row
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.ledger import AccountKey, Balance, Movement, fold
from dutchbook.domain.capital.limits import (
    Crossing,
    HaltReason,
    RiskLimits,
    RiskState,
    crossings,
)
from dutchbook.domain.detection.quote import Caps
from dutchbook.domain.events import Event, LimitApproached, LimitBreached
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.capital import CapitalChange
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.ports.journal import Batch, Insert, Journal
from dutchbook.ports.time import Clock


class Capital:
    """What we have and what is at risk."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        clock: Clock,
        limits: RiskLimits,
        accounts: Mapping[Platform, AccountKey],
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._clock = clock
        self.limits = limits
        self.accounts = dict(accounts)
        self.state = RiskState()
        self.balances = {key: Balance() for key in self.accounts.values()}
        self.at_risk = CapitalAtRisk(journal)
        self._claims: list[CapitalChange] = []
        self._measured: dict[str, Decimal] = {}

    async def load(self) -> None:
        """Read the cache from the database, making the rows that are missing."""
        missing: list[Insert] = []
        held = {row["account_id"]: row for row in await self._journal.rows("accounts")}
        for key in self.balances:
            if row := held.get(str(key)):
                parts = {name: Money(row[name]) for name in ("free", "reserved", "committed")}
                self.balances[key] = Balance(**parts)
            else:
                missing.append(Insert("accounts", account_row(key)))
        rows = await self._journal.rows("risk_states")
        if rows:
            self.state = state_of(rows[0])
        else:
            self.state = RiskState(last_reset=self.today())
            missing.append(Insert("risk_states", state_row(self.state)))
        if missing:
            await self._committer.commit(Batch(tuple(missing)))
        await self.at_risk.load()
        self._measured = self._measures()

    def today(self) -> datetime:
        """Return when the present trading day began."""
        return day_of(self._clock.now(), self.limits.reset_hour_utc)

    # What there is
    # -----------------------------------------------------------------------------

    def balance(self, platform: Platform) -> Balance:
        """Return what the account on `platform` holds, as the database has it."""
        return self.balances[self.accounts[platform]]

    def free(self, platform: Platform) -> Money:
        """Return what can be set aside on `platform`: claims in flight are not free."""
        with self.as_claimed():
            return self.balance(platform).free

    @property
    def slots(self) -> int:
        """Position slots that are taken, claims in flight included."""
        with self.as_claimed():
            return self.state.slots

    def caps(self, pair_id: str) -> Caps:
        """Return the most that a new position on a pair may cost and take now."""
        with self.as_claimed():
            return Caps(
                Money(self.limits.position * self.at_risk.confidence(pair_id)),
                {p: Money(min(self.balance(p).free, self._room(p))) for p in Platform},
                self.limits.room(self.at_risk.on(pair_id), self.at_risk.on_cluster_of(pair_id)),
            )

    def _room(self, platform: Platform) -> Decimal:
        balance = self.balance(platform)
        return max(self.limits.platform - balance.reserved - balance.committed, ZERO)

    # What changes it
    # ------------------------------------------------------------------------------

    @contextmanager
    def claimed(self, steps: Iterable[CapitalChange]) -> Iterator[None]:
        """Count what some steps would set aside while their commit is awaited."""
        taking = [step for step in steps if step.placed]
        self._claims += taking
        try:
            yield
        finally:
            self._claims = [each for each in self._claims if each not in taking]

    def as_claimed(self) -> AbstractContextManager[None]:
        """Look at the cache with all claims in flight counted; nothing is awaited meanwhile."""
        return self._as_if(self._claims)

    def follow(self, step: CapitalChange) -> None:
        """Change the cache as a step has changed the database."""
        self.apply(step.movements)
        self.shift(**step.state)
        self.at_risk.move(step.pair_id, step.at_risk)

    def apply(self, movements: Iterable[Movement]) -> None:
        """Change the balances as movements have changed the database's."""
        postings = (posting for movement in movements for posting in movement)
        self.balances = fold(postings, self.balances)

    def shift(self, **changes: Decimal | int) -> None:
        """Change the risk state by differences."""
        after = {name: getattr(self.state, name) + change for name, change in changes.items()}
        self.state = replace(self.state, **after)

    @contextmanager
    def _as_if(self, steps: Iterable[CapitalChange]) -> Iterator[None]:
        """Look at the cache as some steps would leave it; nothing is awaited meanwhile."""
        state, balances, back = self.state, self.balances, self.at_risk.checkpoint()
        try:
            for step in steps:
                self.follow(step)
            yield
        finally:
            self.state, self.balances = state, balances
            back()

    def halt(self, reason: HaltReason) -> None:
        """Refuse new executions for one more reason."""
        self.state = self.state.halted(reason)

    def resume(self, reason: HaltReason) -> None:
        """Refuse new executions for one reason fewer."""
        self.state = self.state.resumed(reason)

    def begin_day(self, day: datetime, before: Money) -> None:
        """Begin a trading day; what was gained since `before` was read counts for it."""
        gained = Money(self.state.daily_pnl - before)
        self.state = replace(self.state, last_reset=day, daily_pnl=gained)
        self._measured["daily_loss"] = Decimal(0)

    # Limits
    # ---------------------------------------------------------------------------------------

    def limit_events(self, step: CapitalChange, correlation: str) -> tuple[Event, ...]:
        """Return the limits that a step crosses upwards, measured with all claims in flight."""
        steps = self._claims if step.placed else [*self._claims, step]
        with self._as_if(steps):
            bounds = {f"{p.value}_capital": Decimal(self.limits.platform) for p in Platform}
            bounds |= {
                "open_pairs": Decimal(self.limits.max_open_pairs),
                "daily_loss": Decimal(self.limits.daily_loss),
            }
            bounds |= self.at_risk.bounds(self.limits)
            after = self._measures()
        crossed = crossings(self._measured, after, bounds, self.limits.approach_share)
        self._measured = after
        return tuple(self._limit_event(each, correlation) for each in crossed)

    def _measures(self) -> dict[str, Decimal]:
        used = {
            f"{p.value}_capital": Decimal(self.balance(p).reserved + self.balance(p).committed)
            for p in Platform
        }
        return (
            self.at_risk.measures()
            | used
            | {
                "open_pairs": Decimal(self.state.slots),
                "daily_loss": max(-self.state.daily_pnl, Decimal(0)),
            }
        )

    def _limit_event(self, crossing: Crossing, correlation: str) -> Event:
        kind = LimitBreached if crossing.breached else LimitApproached
        stamp = self._committer.stamp(correlation)
        return kind(stamp, limit=crossing.limit, value=crossing.value, bound=crossing.bound)

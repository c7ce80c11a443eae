"""The cache of our capital: balances, the risk state, and the capital at risk on each pair.

The capital that a step would reserve is a claim in flight while its commit is awaited, an
entry's from the moment at which it is approved. Every limit counts claims, so two callers never
count one dollar twice. The cache itself changes only
after the commit; if the database rejects it, the claim is dropped, and nothing must be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from dutchbook.application.capital.at_risk import CapitalAtRisk
from dutchbook.application.capital.rows import account_row, day_of, state_of
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.rows import SINGLETON
from dutchbook.domain.capital.ledger import AccountKey, Balance, Movement, fold
from dutchbook.domain.capital.limits import (
    Crossing,
    HaltReason,
    OpenPairs,
    RiskLimits,
    RiskState,
    Unhedged,
    crossings,
)
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import Caps
from dutchbook.domain.events import Event, LimitApproached, LimitBreached
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.capital import CapitalChange, reserved
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition
from dutchbook.domain.values.units import NOTHING, ZERO, Money, Quantity
from dutchbook.ports.journal import Batch, Insert, Journal
from dutchbook.ports.tables.capital import RISK_STATES
from dutchbook.ports.time import Clock

PART = Decimal("0.0001")
"""To which the share of a limit that is in use is rounded."""
POSITIONS = ("open_position_count", "reserved_position_slots")
"""Columns of the risk state that together count the positions open or about to be."""


@dataclass(frozen=True, slots=True)
class Alone:
    """The unhedged contracts of a position, and their mark if a book gives one.

    See `mark_of_remedies`. No contracts: it has none, or no longer any.
    """

    position_id: str
    quantity: Quantity
    mark: Decimal | None = None

    @classmethod
    def of(cls, position: OpenPosition, mark: Decimal | None) -> Alone:
        """Return what is unhedged of a position now; `mark` is its mark, if there is one."""
        unhedged = position.status in UNHEDGED
        quantity = Quantity(abs(position.imbalance)) if unhedged else NOTHING
        return cls(position.position_id, quantity, mark)


class Capital:
    """Our balances, the risk state, and the capital at risk."""

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
        self._limits = limits
        self.accounts = dict(accounts)
        self.state = RiskState()
        self.balances: Mapping[AccountKey, Balance] = {
            key: Balance() for key in self.accounts.values()
        }
        self._measured_for: Mapping[AccountKey, Balance] = {}
        self.at_risk = CapitalAtRisk(journal)
        self.unhedged: dict[str, Unhedged] = {}
        self._claims: list[CapitalChange] = []
        self._losing: list[Decimal] = []
        self._measured: dict[str, Decimal] = {}

    async def load(self) -> None:
        """Load the cache from the database, and create rows that are missing."""
        missing: list[Insert] = []
        held = {row["account_id"]: row for row in await self._journal.rows("accounts")}
        balances = dict(self.balances)
        for key in balances:
            if row := held.get(str(key)):
                parts = {name: Money(row[name]) for name in ("free", "reserved", "committed")}
                balances[key] = Balance(**parts)
            else:
                missing.append(Insert("accounts", account_row(key)))
        self.balances = balances
        rows = await self._journal.rows("risk_states")
        if rows:
            self.state = state_of(rows[0])
        else:
            self.state = RiskState(last_reset=self.today())
            missing.append(Insert("risk_states", RISK_STATES.row_of(self.state, **SINGLETON)))
        if missing:
            await self._committer.commit(Batch(tuple(missing)))
        await self.at_risk.load()
        self._measured = self._measures()

    @property
    def limits(self) -> RiskLimits:
        """The limits, of what our accounts hold now: deposits less withdrawals, and results."""
        if self._measured_for is not self.balances:
            held = (b.free + b.reserved + b.committed for b in self.balances.values())
            self._limits = self._limits.holding(Money(sum(held, start=Decimal(0))))
            self._measured_for = self.balances
        return self._limits

    def today(self) -> datetime:
        """Return when the current trading day began."""
        return day_of(self._clock.now(), self.limits.reset_hour_utc)

    # Available capital
    # -----------------------------------------------------------------------------

    def balance(self, platform: Platform) -> Balance:
        """Return the balance of the account on `platform`, as committed to the database."""
        return self.balances[self.accounts[platform]]

    def free(self, platform: Platform) -> Money:
        """Return the capital that can be reserved on `platform`, net of claims in flight."""
        with self.as_claimed():
            return self.balance(platform).free

    def open_pairs(self, pair_id: str) -> OpenPairs:
        """Return the pairs with a position open or about to be; see `OpenPairs`."""
        with self.as_claimed():
            return self.at_risk.open_pairs(pair_id)

    def most_positions(self, pair_id: str) -> int:
        """Return how many positions there may be in all once a pair is entered.

        That is one for each pair that may be open, and those that share a pair with another.
        """
        with self.as_claimed():
            sharing = sum(self.at_risk.positions.values()) + 1
            sharing -= self.at_risk.open_pairs(pair_id).entered
            return self.limits.max_open_pairs + sharing

    def caps(self, pair_id: str) -> Caps:
        """Return how much a new position on a pair may cost now, and take on each platform."""
        with self.as_claimed():
            return Caps(
                Money(self.limits.position * self.at_risk.confidence(pair_id)),
                {p: Money(min(self.balance(p).free, self._room(p))) for p in Platform},
                self.limits.room(self.at_risk.on(pair_id), self.at_risk.on_cluster_of(pair_id)),
                self._used(pair_id),
            )

    def _used(self, pair_id: str) -> Decimal:
        """Return the share in use of the tightest limit on capital at risk, rounded down."""
        limits, held = self.limits, [self.balance(platform) for platform in Platform]
        uses = [(each.reserved + each.committed, limits.platform) for each in held]
        uses.append((self.at_risk.on(pair_id), limits.pair))
        if (cluster := self.at_risk.on_cluster_of(pair_id)) is not None:
            uses.append((cluster, limits.cluster))
        shares = [min(use / limit, Decimal(1)) for use, limit in uses if limit]
        return max(shares, default=Decimal(1)).quantize(PART, ROUND_FLOOR)

    def _room(self, platform: Platform) -> Decimal:
        balance = self.balance(platform)
        return max(self.limits.platform - balance.reserved - balance.committed, ZERO)

    # Changes
    # ------------------------------------------------------------------------------

    @contextmanager
    def approved(self, reservation: Reservation) -> Iterator[None]:
        """Count an entry's reservation as a claim until the step that books it claims it.

        Begin this in the same turn of the event loop as the check that approved it: another
        entry may be checked in the next one.
        """
        self._claims.append(reserved(reservation, self.accounts))
        try:
            yield
        finally:
            self._drop(reservation.reservation_id)

    @contextmanager
    def claimed(self, step: CapitalChange) -> Iterator[None]:
        """Count the reservations of a step as claims while its commit is awaited."""
        for reservation, _ in step.placed:
            self._drop(reservation.reservation_id)
        self._claims += [step] if step.placed else []
        try:
            yield
        finally:
            for reservation, _ in step.placed:
                self._drop(reservation.reservation_id)

    def _drop(self, reservation_id: str) -> None:
        """Count a reservation as a claim no longer; its step has one reservation."""
        self._claims = [each for each in self._claims if each.reference != reservation_id]

    @contextmanager
    def losing(self, step: CapitalChange, alone: Alone) -> Iterator[None]:
        """Count what a step loses, and leaves unhedged, while its commit is awaited."""
        loss = -min(Decimal(step.state.get("daily_pnl", ZERO)), Decimal(0))
        before, kept = self.unhedged.get(alone.position_id), False
        self._losing.append(loss)
        self.mark(alone)
        try:
            yield
            kept = True
        finally:
            self._losing.remove(loss)
            if not kept:
                self.unhedged.pop(alone.position_id, None)
            if not kept and before is not None:
                self.unhedged[alone.position_id] = before

    def as_claimed(self) -> AbstractContextManager[None]:
        """Read the cache with all claims in flight counted; do not await in the block."""
        return self._as_if(self._claims)

    def follow(self, step: CapitalChange) -> None:
        """Apply to the cache a step that the database has committed."""
        self.apply(step.movements)
        self.shift(**step.state)
        positions = sum(step.state.get(name, 0) for name in POSITIONS)
        self.at_risk.move(step.pair_id, step.at_risk, int(positions))

    def apply(self, movements: Iterable[Movement]) -> None:
        """Apply to the balances movements that the database has committed."""
        postings = (posting for movement in movements for posting in movement)
        self.balances = fold(postings, self.balances)

    def shift(self, **changes: Decimal | int) -> None:
        """Add differences to fields of the risk state."""
        after = {name: getattr(self.state, name) + change for name, change in changes.items()}
        self.state = replace(self.state, **after)

    @contextmanager
    def _as_if(self, steps: Iterable[CapitalChange]) -> Iterator[None]:
        """Read the cache as if some steps were applied; do not await in the block."""
        state, balances, restore = self.state, self.balances, self.at_risk.checkpoint()
        try:
            for step in steps:
                self.follow(step)
            yield
        finally:
            self.state, self.balances = state, balances
            restore()

    def mark(self, alone: Alone) -> None:
        """Take the present mark of an unhedged leg.

        Before its first mark the leg counts nothing: no book says what it is worth.
        """
        known, mark = self.unhedged.pop(alone.position_id, None), alone.mark
        if known is not None:
            known = known if mark is None else known.marked(mark)
        elif mark is not None:
            known = Unhedged(alone.quantity, mark, mark)
        if alone.quantity and known is not None:
            self.unhedged[alone.position_id] = replace(known, quantity=alone.quantity)

    def halt(self, reason: HaltReason) -> None:
        """Add a reason to reject new executions."""
        self.state = self.state.halted(reason)

    def resume(self, reason: HaltReason) -> None:
        """Remove a reason to reject new executions."""
        self.state = self.state.resumed(reason)

    def begin_day(self, day: datetime, before: Money, kept: Money = ZERO) -> None:
        """Start a trading day with `kept`, and what was gained since `before` was read."""
        gained = Money(self.state.daily_pnl - before + kept)
        self.state = replace(self.state, last_reset=day, daily_pnl=gained)
        legs = self.unhedged.items()
        self.unhedged = {name: replace(leg, worst=leg.last) for name, leg in legs}
        self._measured["daily_loss"] = Decimal(0)

    # Limits
    # ---------------------------------------------------------------------------------------

    @property
    def lost(self) -> Decimal:
        """What the day has lost: commits in flight count, and unhedged legs at their worst."""
        alone = (
            (leg.loss for leg in self.unhedged.values()) if self.limits.count_unhedged else ()
        )
        return sum((*self._losing, *alone), start=Decimal(-self.state.daily_pnl))

    def limit_events(self, step: CapitalChange, correlation: str) -> tuple[Event, ...]:
        """Return events of limits that a step crosses upwards, claims in flight included."""
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
                "open_pairs": Decimal(len(self.at_risk.positions)),
                "daily_loss": max(-self.state.daily_pnl, Decimal(0)),
            }
        )

    def _limit_event(self, crossing: Crossing, correlation: str) -> Event:
        kind = LimitBreached if crossing.breached else LimitApproached
        stamp = self._committer.stamp(correlation)
        return kind(stamp, limit=crossing.limit, value=crossing.value, bound=crossing.bound)

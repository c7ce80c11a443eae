"""The image of our capital: balances and the risk state, in step with the database.

The database holds the truth. The image is changed before a write is awaited, so that two
callers in one process never count the same dollar twice, and put back if the write is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.application.capital.at_risk import Stakes
from dutchbook.application.capital.rows import account_row, day_of, state_of, state_row
from dutchbook.application.records.committer import EventBus
from dutchbook.application.records.rows import ledger_writes
from dutchbook.domain.capital.ledger import (
    AccountKey,
    Balance,
    EntryKind,
    Movement,
    external,
    fold,
)
from dutchbook.domain.capital.limits import Crossing, RiskLimits, RiskState, crossings
from dutchbook.domain.detection.quote import Caps
from dutchbook.domain.events import CapitalMoved, Event, LimitApproached, LimitBreached
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation import NamedCash
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.errors import InvalidInput
from dutchbook.ports.journal import Batch, Insert, Journal
from dutchbook.ports.time import Clock, Ids


class Capital:
    """What we have and what is at stake."""

    def __init__(
        self,
        journal: Journal,
        bus: EventBus,
        clock: Clock,
        ids: Ids,
        limits: RiskLimits,
        accounts: Mapping[Platform, AccountKey],
    ) -> None:
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self.limits = limits
        self.accounts = dict(accounts)
        self.state = RiskState()
        self.balances = {key: Balance() for key in self.accounts.values()}
        self.stakes = Stakes(journal)
        self._measured: dict[str, Decimal] = {}

    async def load(self) -> None:
        """Read the image from the database, making the rows that are missing."""
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
            self.state = RiskState(last_reset=self._today())
            missing.append(Insert("risk_states", state_row(self.state)))
        if missing:
            await self._bus.commit(Batch(tuple(missing)))
        await self.stakes.load()
        self._measured = self._measures()

    def _today(self) -> datetime:
        """Return when the present trading day began."""
        return day_of(self._clock.now(), self.limits.reset_hour_utc)

    def balance(self, platform: Platform) -> Balance:
        """Return what the account on `platform` holds."""
        return self.balances[self.accounts[platform]]

    def caps(self, pair_id: str) -> Caps:
        """Return the most that a new position on a pair may cost and take now."""
        return Caps(
            Money(self.limits.position * self.stakes.confidence(pair_id)),
            {p: Money(min(self.balance(p).free, self._room(p))) for p in Platform},
            self.limits.room(self.stakes.on(pair_id), self.stakes.on_cluster_of(pair_id)),
        )

    def _room(self, platform: Platform) -> Decimal:
        balance = self.balance(platform)
        return max(self.limits.platform - balance.reserved - balance.committed, ZERO)

    async def deposit(self, platform: Platform, amount: Money, note: str = "") -> None:
        """Book cash that came in from outside."""
        await self._external(EntryKind.DEPOSIT, platform, amount, note)

    async def withdraw(self, platform: Platform, amount: Money, note: str = "") -> None:
        """Book cash that went out. Only free capital can leave.

        Raises:
            InvalidInput: More than is free.
        """
        free = self.balance(platform).free
        if amount > free:
            raise InvalidInput("amount", str(amount), f"at most the {free} that is free")
        await self._external(EntryKind.WITHDRAWAL, platform, Money(-amount), note)

    async def adjust(self, account: AccountKey, amount: Money, note: str) -> None:
        """Book cash that nothing explains, because a person said that it is so.

        Raises:
            Conflict: More would leave than is free; nothing was kept.
        """
        reference = self._ids.new("movement", str(account))
        await self._moved(EntryKind.ADJUSTMENT, account, amount, note, reference)

    async def book_named(self, movement: NamedCash) -> None:
        """Book a movement of cash that a platform has named, under the platform's own id.

        Raises:
            Conflict: More would leave than is free; nothing was kept.
        """
        reference = named_reference(movement)
        await self._moved(movement.kind, movement.account, movement.amount, "", reference)

    async def _external(
        self, kind: EntryKind, platform: Platform, amount: Money, note: str
    ) -> None:
        reference = self._ids.new("movement", str(self.accounts[platform]))
        await self._moved(kind, self.accounts[platform], amount, note, reference)

    async def _moved(
        self, kind: EntryKind, account: AccountKey, amount: Money, note: str, reference: str
    ) -> None:
        movement = external(kind, account, amount)
        moved = CapitalMoved(
            self._bus.stamp(reference),
            account=str(account),
            kind=kind.value,
            amount=amount,
            note=note,
        )
        booked = ledger_writes(
            movement, self._ids, self._clock.now(), reference=reference, note=note or None
        )
        await self._bus.commit(Batch(booked, (moved,)))
        self.apply([movement])

    def booked(
        self, movements: list[Movement], at: datetime, reference: str
    ) -> tuple[Any, ...]:
        """Return the rows of several movements."""
        return tuple(
            write
            for movement in movements
            for write in ledger_writes(movement, self._ids, at, reference=reference)
        )

    def apply(self, movements: list[Movement]) -> dict[AccountKey, Balance]:
        """Change the image of the balances; returns what it was."""
        before = dict(self.balances)
        postings = (posting for movement in movements for posting in movement)
        self.balances = fold(postings, before)
        return before

    def undo(self, movements: list[Movement], before: Mapping[AccountKey, Balance]) -> None:
        """Take movements that were refused out of the image again."""
        assert before, "there was an image before"
        postings = (
            replace(posting, amount=Money(-posting.amount))
            for movement in movements
            for posting in movement
        )
        self.balances = fold(postings, self.balances)

    def shift(self, **changes: Decimal | int) -> None:
        """Change the image of the risk state by differences."""
        after = {name: getattr(self.state, name) + change for name, change in changes.items()}
        self.state = replace(self.state, **after)

    def _measures(self) -> dict[str, Decimal]:
        stakes = {
            f"{p.value}_capital": Decimal(self.balance(p).reserved + self.balance(p).committed)
            for p in Platform
        }
        return (
            self.stakes.measures()
            | stakes
            | {
                "open_pairs": Decimal(self.state.slots),
                "daily_loss": max(-self.state.daily_pnl, Decimal(0)),
            }
        )

    def limit_events(self, correlation: str) -> tuple[Event, ...]:
        """Return the limits that were crossed upwards since they were last measured."""
        bounds = {f"{p.value}_capital": Decimal(self.limits.platform) for p in Platform}
        bounds |= {
            "open_pairs": Decimal(self.limits.max_open_pairs),
            "daily_loss": Decimal(self.limits.daily_loss),
        }
        bounds |= self.stakes.bounds(self.limits)
        after = self._measures()
        crossed = crossings(self._measured, after, bounds, self.limits.approach_share)
        self._measured = after
        return tuple(self._limit_event(each, correlation) for each in crossed)

    def _limit_event(self, crossing: Crossing, correlation: str) -> Event:
        kind = LimitBreached if crossing.breached else LimitApproached
        stamp = self._bus.stamp(correlation)
        return kind(stamp, limit=crossing.limit, value=crossing.value, bound=crossing.bound)


def named_reference(movement: NamedCash) -> str:
    """Return what the ledger calls a movement that its platform names: it is booked once."""
    return f"{movement.account.platform}:{movement.movement_id}"

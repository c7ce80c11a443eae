"""RiskManager: reserves, commits and releases capital, validates, halts and resumes.

The database holds the truth; what is kept here is its image, changed before the write is awaited
so that two callers in one process never count the same dollar twice, and put back if the write is
refused. Other processes are held off by the guards of the write itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.application.bus import EventBus
from dutchbook.application.records import ledger_writes, reservation_row
from dutchbook.domain.contract import Platform
from dutchbook.domain.events import (
    BudgetCommitted,
    BudgetReleased,
    BudgetReserved,
    CapitalMoved,
    Event,
    LimitApproached,
    LimitBreached,
    TradingHalted,
    TradingResumed,
)
from dutchbook.domain.ledger import (
    AccountKey,
    Balance,
    EntryKind,
    Movement,
    buy,
    external,
    fold,
    reserve,
    resolve,
    revert,
)
from dutchbook.domain.opportunity import Caps
from dutchbook.domain.risk import (
    Crossing,
    HaltReason,
    RiskLimits,
    RiskState,
    Validation,
    crossings,
    validate,
)
from dutchbook.domain.units import ZERO, Money
from dutchbook.errors import Conflict, InvalidInput, ReservationFailed
from dutchbook.ports import Batch, Clock, Ids, Insert, Journal, Update

SINGLETON = {"singleton_key": "default"}


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """What an execution asks for: its worst case in dollars, by platform."""

    execution_id: str
    pair_id: str
    amounts: Mapping[Platform, Money]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Capital set aside for one execution; resolved exactly once."""

    reservation_id: str
    execution_id: str
    pair_id: str
    amounts: Mapping[Platform, Money]
    epoch: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What an execution really bought on one platform."""

    cost: Money = ZERO
    fees: Money = ZERO


class RiskManager:
    """The gate in front of all capital."""

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
                missing.append(Insert("accounts", _account_row(key)))
        rows = await self._journal.rows("risk_states")
        if rows:
            self.state = _state(rows[0])
        else:
            self.state = RiskState(last_reset=_midnight(self._clock.now()))
            missing.append(Insert("risk_states", _state_row(self.state)))
        if missing:
            await self._bus.commit(Batch(tuple(missing)))
        self._measured = self._measures()

    # What may be spent -----------------------------------------------------------------------

    def balance(self, platform: Platform) -> Balance:
        """Return what the account on `platform` holds."""
        return self.balances[self.accounts[platform]]

    def caps(self) -> Caps:
        """Return the most that a new position may cost and take from each platform now."""
        return Caps(
            self.limits.position,
            {p: Money(min(self.balance(p).free, self._room(p))) for p in Platform},
        )

    def _room(self, platform: Platform) -> Decimal:
        balance = self.balance(platform)
        return max(self.limits.platform - balance.reserved - balance.committed, ZERO)

    def validate_position(self, amounts: Mapping[Platform, Decimal]) -> Validation:
        """Judge a request without reserving anything."""
        free = {p: self.balance(p).free for p in Platform}
        stake = {
            p: Money(self.balance(p).reserved + self.balance(p).committed) for p in Platform
        }
        return validate(self.state, self.limits, free, stake, amounts)

    # Reserve, commit, release ----------------------------------------------------------------

    async def reserve_budget(
        self, request: BudgetRequest, alongside: Batch | None = None
    ) -> Reservation:
        """Set the worst case of an execution aside, in one commit with `alongside`.

        Raises:
            ReservationFailed: A halt, a limit or a shortage; nothing was kept.
        """
        verdict = self.validate_position(request.amounts)
        if not verdict.approved:
            raise ReservationFailed(str(verdict.reason), f"for {request.execution_id}")
        reservation = Reservation(
            self._ids.new("reservation"),
            request.execution_id,
            request.pair_id,
            dict(request.amounts),
            self.state.epoch,
        )
        total = Money(sum(request.amounts.values(), start=Decimal(0)))
        movements = [reserve(self.accounts[p], request.amounts[p]) for p in Platform]
        batch = self._reserving(reservation, total, movements) + (alongside or Batch())
        state, balances = self.state, self._apply(movements)
        self.state = replace(
            state,
            reserved_capital=Money(state.reserved_capital + total),
            reserved_position_slots=state.reserved_position_slots + 1,
        )
        batch += Batch(events=self._limit_events(request.execution_id))
        try:
            await self._bus.commit(batch)
        except Conflict as conflict:
            self._undo(movements, balances)
            self._shift(reserved_capital=-total, reserved_position_slots=-1)
            raise ReservationFailed("refused_by_database", str(conflict)) from conflict
        return reservation

    def _reserving(
        self, reservation: Reservation, total: Money, movements: list[Movement]
    ) -> Batch:
        now = self._clock.now()
        rows = tuple(
            Insert(
                "reservations",
                reservation_row(
                    reservation.reservation_id,
                    reservation.execution_id,
                    self.accounts[p],
                    reservation.amounts[p],
                    now,
                ),
            )
            for p in Platform
        )
        state = Update(
            "risk_states",
            key=SINGLETON,
            guard={"trading_halted": False},
            add={"reserved_capital": total, "reserved_position_slots": 1},
            at_most={
                ("open_position_count", "reserved_position_slots"): self.limits.max_open_pairs
            },
        )
        event = BudgetReserved(
            self._bus.stamp(reservation.execution_id),
            reservation_id=reservation.reservation_id,
            execution_id=reservation.execution_id,
            pair_id=reservation.pair_id,
            kalshi_amount=reservation.amounts[Platform.KALSHI],
            polymarket_amount=reservation.amounts[Platform.POLYMARKET],
        )
        booked = self._booked(movements, now, reservation.reservation_id)
        return Batch((*rows, *booked, state), (event,))

    async def commit_reservation(
        self,
        reservation: Reservation,
        spent: Mapping[Platform, Spent],
        marked_profit: Money,
        alongside: Batch | None = None,
    ) -> None:
        """End a reservation with something bought: commit that, give the rest back.

        Args:
            reservation: What was set aside.
            spent: What was really bought, by platform.
            marked_profit: What the hedged contracts are worth above all that was paid.
            alongside: The rows and events that belong to the same decision.
        """
        await self._resolve(reservation, spent, marked_profit, alongside, opened=1)

    async def release_reservation(
        self, reservation: Reservation, reason: str, alongside: Batch | None = None
    ) -> None:
        """End a reservation with nothing bought: all of it goes back."""
        spent = {p: Spent() for p in Platform}
        await self._resolve(reservation, spent, ZERO, alongside, opened=0, reason=reason)

    async def _resolve(
        self,
        reservation: Reservation,
        spent: Mapping[Platform, Spent],
        marked_profit: Money,
        alongside: Batch | None,
        *,
        opened: int,
        reason: str = "",
    ) -> None:
        now = self._clock.now()
        cost = Money(sum((s.cost for s in spent.values()), start=Decimal(0)))
        fees = Money(sum((s.fees for s in spent.values()), start=Decimal(0)))
        total = Money(sum(reservation.amounts.values(), start=Decimal(0)))
        movements = [
            resolve(
                self.accounts[p],
                reserved=reservation.amounts[p],
                cost=spent[p].cost,
                fees=spent[p].fees,
            )
            for p in Platform
        ]
        changes = {
            "reserved_capital": Money(-total),
            "reserved_position_slots": -1,
            "open_position_count": opened,
            "total_capital_deployed": cost,
            "daily_pnl": marked_profit,
        }
        writes = (
            *(self._resolution(reservation, p, spent[p], now, opened) for p in Platform),
            *self._booked(movements, now, reservation.reservation_id),
            Update("risk_states", SINGLETON, add={k: v for k, v in changes.items() if v}),
        )
        self._apply(movements)
        self._shift(**changes)
        event = self._resolved(
            reservation, cost, fees, Money(total - cost - fees), reason, opened
        )
        limits = self._limit_events(reservation.execution_id)
        before = alongside or Batch()
        await self._bus.commit(
            Batch((*before.writes, *writes), (*before.events, event, *limits))
        )

    def _resolution(
        self,
        reservation: Reservation,
        platform: Platform,
        spent: Spent,
        at: datetime,
        opened: int,
    ) -> Update:
        amount = reservation.amounts[platform]
        return Update(
            "reservations",
            key={
                "reservation_id": reservation.reservation_id,
                "account_id": str(self.accounts[platform]),
            },
            guard={"status": "reserved"},
            put={
                "status": "committed" if opened else "released",
                "committed": spent.cost,
                "fees": spent.fees,
                "released": Money(amount - spent.cost - spent.fees),
                "resolved_at": at,
            },
        )

    def _resolved(
        self,
        reservation: Reservation,
        cost: Money,
        fees: Money,
        rest: Money,
        reason: str,
        opened: int,
    ) -> Event:
        stamp = self._bus.stamp(reservation.execution_id)
        ids = (reservation.reservation_id, reservation.execution_id)
        if opened:
            return BudgetCommitted(stamp, *ids, committed=cost, fees=fees, released=rest)
        return BudgetReleased(stamp, *ids, released=rest, reason=reason)

    # Cash that no reservation covers -----------------------------------------------------------

    def reverted(
        self, platform: Platform, cost: Money, fees: Money, reference: str
    ) -> tuple[Batch, Movement]:
        """Stage the return of what a failed fill had cost; `settle_image` follows its commit."""
        movement = revert(self.accounts[platform], cost=cost, fees=fees)
        return self._staged(movement, cost, reference)

    def bought(
        self, platform: Platform, cost: Money, fees: Money, reference: str
    ) -> tuple[Batch, Movement]:
        """Stage a purchase that was only known after its reservation had ended."""
        movement = buy(self.accounts[platform], cost=cost, fees=fees)
        return self._staged(movement, Money(-cost), reference)

    def _staged(
        self, movement: Movement, freed: Money, reference: str
    ) -> tuple[Batch, Movement]:
        state = Update("risk_states", SINGLETON, add={"total_capital_deployed": Money(-freed)})
        booked = self._booked([movement], self._clock.now(), reference)
        return Batch((*booked, state)), movement

    def settle_image(self, movement: Movement, deployed: Money) -> None:
        """Bring the image in line once a staged movement is durable."""
        self._apply([movement])
        self._shift(total_capital_deployed=deployed)

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

    async def _external(
        self, kind: EntryKind, platform: Platform, amount: Money, note: str
    ) -> None:
        movement = external(kind, self.accounts[platform], amount)
        reference = self._ids.new("movement")
        moved = CapitalMoved(
            self._bus.stamp(reference),
            account=str(self.accounts[platform]),
            kind=kind.value,
            amount=amount,
            note=note,
        )
        booked = ledger_writes(
            movement, self._ids, self._clock.now(), reference=reference, note=note or None
        )
        await self._bus.commit(Batch(booked, (moved,)))
        self._apply([movement])

    # Halts -------------------------------------------------------------------------------------

    async def halt_trading(self, reason: HaltReason, detail: str) -> None:
        """Refuse new executions until every reason is cleared."""
        if reason in self.state.halt_reasons:
            return
        after = self.state.halted(reason)
        event = TradingHalted(
            self._bus.stamp("risk"), reason.value, tuple(sorted(after.halt_reasons)), detail
        )
        self.state = after
        await self._bus.commit(Batch((_halt_update(after),), (event,)))

    async def resume_trading(self, reason: HaltReason, rationale: str) -> bool:
        """Clear one reason; returns whether trading is on again."""
        if reason not in self.state.halt_reasons:
            raise InvalidInput("reason", reason.value, "a halt reason that stands now")
        after = self.state.resumed(reason)
        event = TradingResumed(
            self._bus.stamp("risk"), reason.value, tuple(sorted(after.halt_reasons)), rationale
        )
        await self._bus.commit(Batch((_halt_update(after),), (event,)))
        self.state = after
        return not after.trading_halted

    async def start_day(self) -> None:
        """Reset the daily figures when a UTC day has begun, and lift the daily-loss halt only."""
        midnight = _midnight(self._clock.now())
        if midnight <= self.state.last_reset:
            return
        put = {"last_reset_timestamp": midnight, "daily_pnl": ZERO}
        await self._bus.commit(Batch((Update("risk_states", SINGLETON, put=put),)))
        self.state = replace(self.state, last_reset=midnight, daily_pnl=ZERO)
        self._measured["daily_loss"] = Decimal(0)
        if HaltReason.DAILY_LOSS_LIMIT in self.state.halt_reasons:
            await self.resume_trading(HaltReason.DAILY_LOSS_LIMIT, "a new UTC day began")

    async def enforce(self) -> None:
        """Halt when the day's loss has reached its limit."""
        if -self.state.daily_pnl >= self.limits.daily_loss:
            loss = f"{-self.state.daily_pnl} lost of {self.limits.daily_loss}"
            await self.halt_trading(HaltReason.DAILY_LOSS_LIMIT, loss)

    # The image -----------------------------------------------------------------------------------

    def _booked(
        self, movements: list[Movement], at: datetime, reference: str
    ) -> tuple[Any, ...]:
        return tuple(
            write
            for movement in movements
            for write in ledger_writes(movement, self._ids, at, reference=reference)
        )

    def _apply(self, movements: list[Movement]) -> dict[AccountKey, Balance]:
        before = dict(self.balances)
        postings = (posting for movement in movements for posting in movement)
        self.balances = fold(postings, before)
        return before

    def _undo(self, movements: list[Movement], before: Mapping[AccountKey, Balance]) -> None:
        assert before, "there was an image before"
        postings = (
            replace(posting, amount=Money(-posting.amount))
            for movement in movements
            for posting in movement
        )
        self.balances = fold(postings, self.balances)

    def _shift(self, **changes: Decimal | int) -> None:
        after = {name: getattr(self.state, name) + change for name, change in changes.items()}
        self.state = replace(self.state, **after)  # type: ignore[arg-type]

    def _measures(self) -> dict[str, Decimal]:
        stakes = {
            f"{p.value}_capital": Decimal(self.balance(p).reserved + self.balance(p).committed)
            for p in Platform
        }
        return stakes | {
            "open_pairs": Decimal(self.state.slots),
            "daily_loss": max(-self.state.daily_pnl, Decimal(0)),
        }

    def _limit_events(self, correlation: str) -> tuple[Event, ...]:
        bounds = {f"{p.value}_capital": Decimal(self.limits.platform) for p in Platform}
        bounds |= {
            "open_pairs": Decimal(self.limits.max_open_pairs),
            "daily_loss": Decimal(self.limits.daily_loss),
        }
        after = self._measures()
        crossed = crossings(self._measured, after, bounds, self.limits.approach_share)
        self._measured = after
        return tuple(self._limit_event(each, correlation) for each in crossed)

    def _limit_event(self, crossing: Crossing, correlation: str) -> Event:
        kind = LimitBreached if crossing.breached else LimitApproached
        stamp = self._bus.stamp(correlation)
        return kind(stamp, limit=crossing.limit, value=crossing.value, bound=crossing.bound)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _account_row(key: AccountKey) -> dict[str, Any]:
    return {
        "account_id": str(key),
        "platform": key.platform,
        "account": key.account,
        "currency": key.currency,
        "free": ZERO,
        "reserved": ZERO,
        "committed": ZERO,
    }


def _state_row(state: RiskState) -> dict[str, Any]:
    return SINGLETON | {
        "daily_pnl": state.daily_pnl,
        "open_position_count": state.open_position_count,
        "last_reset_timestamp": state.last_reset,
        "total_capital_deployed": state.total_capital_deployed,
        "trading_halted": state.trading_halted,
        "halt_reason": sorted(reason.value for reason in state.halt_reasons),
        "reserved_capital": state.reserved_capital,
        "reserved_position_slots": state.reserved_position_slots,
        "epoch": state.epoch,
    }


def _state(row: Mapping[str, Any]) -> RiskState:
    return RiskState(
        daily_pnl=Money(row["daily_pnl"]),
        open_position_count=row["open_position_count"],
        total_capital_deployed=Money(row["total_capital_deployed"]),
        reserved_capital=Money(row["reserved_capital"]),
        reserved_position_slots=row["reserved_position_slots"],
        halt_reasons=frozenset(HaltReason(reason) for reason in row["halt_reason"]),
        last_reset=row["last_reset_timestamp"],
        epoch=row["epoch"],
    )


def _halt_update(state: RiskState) -> Update:
    return Update(
        "risk_states",
        key=SINGLETON,
        put={
            "trading_halted": state.trading_halted,
            "halt_reason": sorted(reason.value for reason in state.halt_reasons),
            "epoch": state.epoch,
        },
    )

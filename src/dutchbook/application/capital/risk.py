"""RiskManager: reserves, commits and releases capital, validates, halts and resumes.

Other processes are held off by the guards of the writes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from dutchbook.application.capital.position_capital import PositionCapital
from dutchbook.application.capital.rows import SINGLETON
from dutchbook.application.records.rows import reservation_row
from dutchbook.domain.capital.ledger import Movement, reserve, resolve
from dutchbook.domain.capital.limits import Validation, validate
from dutchbook.domain.capital.reservation import BudgetRequest, Reservation, Spent
from dutchbook.domain.events import BudgetCommitted, BudgetReleased, BudgetReserved, Event
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.errors import Conflict, Halted, ReservationFailed
from dutchbook.ports.journal import Batch, Insert, Update

NOT_APPROVED = "pair_not_approved"
"""Somebody has taken the approval of a pair back since it was read."""


class RiskManager(PositionCapital):
    """The gate in front of all capital."""

    def validate_position(
        self, pair_id: str, amounts: Mapping[Platform, Decimal], size: Decimal = ZERO
    ) -> Validation:
        """Judge a request on a pair; see `dutchbook.domain.risk.validate`."""
        caps, override = self.caps_for(pair_id), self.override(pair_id)
        return validate(self.state, self.limits, caps, amounts, size, override)

    # Reserve, commit, release ----------------------------------------------------------------

    async def reserve_budget(
        self, request: BudgetRequest, alongside: Batch | None = None
    ) -> Reservation:
        """Set the worst case of an execution aside, in one commit with `alongside`.

        Raises:
            ReservationFailed: A halt, a limit or a shortage; nothing was kept.
        """
        verdict = self.validate_position(request.pair_id, request.amounts, request.size)
        if not verdict.approved:
            raise ReservationFailed(str(verdict.reason), f"for {request.execution_id}")
        reservation = Reservation(
            self._ids.new("reservation", request.execution_id),
            request.execution_id,
            request.pair_id,
            dict(request.amounts),
            self.state.epoch,
        )
        total = Money(sum(request.amounts.values(), start=Decimal(0)))
        movements = [reserve(self.accounts[p], request.amounts[p]) for p in Platform]
        batch = self._reserving(reservation, total, movements) + (alongside or Batch())
        state, balances = self.state, self.apply(movements)
        self.state = replace(
            state,
            reserved_capital=Money(state.reserved_capital + total),
            reserved_position_slots=state.reserved_position_slots + 1,
        )
        self.stakes.move(request.pair_id, total)
        batch += Batch(events=self.limit_events(request.execution_id))
        try:
            await self._bus.commit(batch)
        except Conflict as conflict:
            self.undo(movements, balances)
            self.shift(reserved_capital=-total, reserved_position_slots=-1)
            self.stakes.move(request.pair_id, Money(-total))
            raise ReservationFailed(_refusal(conflict), str(conflict)) from conflict
        self.consumed(request.pair_id)
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
        slots: dict[tuple[str, ...], int] = {
            ("open_position_count", "reserved_position_slots"): self.limits.max_open_pairs
        }
        state = Update(
            "risk_states",
            key=SINGLETON,
            guard={"trading_halted": False},
            add={"reserved_capital": total, "reserved_position_slots": 1},
            at_most={} if self.override(reservation.pair_id) else slots,
        )
        event = BudgetReserved(
            self._bus.stamp(reservation.execution_id),
            reservation_id=reservation.reservation_id,
            execution_id=reservation.execution_id,
            pair_id=reservation.pair_id,
            kalshi_amount=reservation.amounts[Platform.KALSHI],
            polymarket_amount=reservation.amounts[Platform.POLYMARKET],
        )
        booked = self.booked(movements, now, reservation.reservation_id)
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
        changes: dict[str, Decimal | int] = {
            "reserved_capital": Money(-total),
            "reserved_position_slots": -1,
            "open_position_count": opened,
            "total_capital_deployed": cost,
            "daily_pnl": marked_profit,
        }
        writes = (
            *(
                self._resolution(reservation, p, spent[p], now, opened=bool(opened))
                for p in Platform
            ),
            *self.booked(movements, now, reservation.reservation_id),
            Update("risk_states", SINGLETON, add={k: v for k, v in changes.items() if v}),
        )
        self.apply(movements)
        self.shift(**changes)
        self.stakes.move(reservation.pair_id, Money(cost - total))
        event = self._resolved(
            reservation, cost, fees, Money(total - cost - fees), reason, opened
        )
        limits = self.limit_events(reservation.execution_id)
        before = alongside or Batch()
        await self._bus.commit(
            Batch((*before.writes, *writes), (*before.events, event, *limits))
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


def _refusal(conflict: Conflict) -> str:
    """Return our word for what the database would not keep."""
    if isinstance(conflict, Halted):
        return "trading_halted"
    return NOT_APPROVED if conflict.table == "contract_matches" else "refused_by_database"

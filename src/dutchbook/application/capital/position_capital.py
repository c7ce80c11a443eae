"""The capital of positions that exist: what further orders may cost, and what changes move."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from dutchbook.application.capital.halts import Halts
from dutchbook.application.capital.rows import SINGLETON
from dutchbook.application.records.rows import reservation_row
from dutchbook.domain.capital.ledger import Movement, reserve, resolve
from dutchbook.domain.capital.reservation import Reservation, Spent
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money
from dutchbook.errors import Conflict, Halted, ReservationFailed
from dutchbook.ports.journal import Batch, Insert, Update, Write


class PositionCapital(Halts):
    """Sets aside, spends and gives back what belongs to positions, beside new executions."""

    async def reserve_order(
        self, order: Order, amount: Money, alongside: Batch | None = None
    ) -> Reservation:
        """Set aside what one more order of a position may cost, in one commit with it.

        It takes no slot, and no limit of new positions is asked: the position exists.

        Raises:
            ReservationFailed: Not enough is free; nothing was kept.
        """
        free = self.balance(order.platform).free
        if amount > free:
            raise ReservationFailed("insufficient_capital", f"{amount} of {free} free")
        reservation = Reservation(
            self._ids.new("reservation", order.order_id),
            order.execution_id,
            order.pair_id,
            {order.platform: amount},
            self.state.epoch,
        )
        account, now = self.accounts[order.platform], self._clock.now()
        movement = reserve(account, amount)
        row = reservation_row(
            reservation.reservation_id,
            order.execution_id,
            account,
            amount,
            now,
            order_id=order.order_id,
        )
        state = Update("risk_states", SINGLETON, add={"reserved_capital": amount})
        booked = self.booked([movement], now, reservation.reservation_id)
        before = self.apply([movement])
        self.shift(reserved_capital=amount)
        self.stakes.move(order.pair_id, amount)
        more = alongside or Batch()
        writes = (*more.writes, Insert("reservations", row), *booked, state)
        try:
            await self._bus.commit(Batch(writes, more.events))
        except Conflict as conflict:
            self.undo([movement], before)
            self.shift(reserved_capital=Money(-amount))
            self.stakes.move(order.pair_id, Money(-amount))
            told = "trading_halted" if isinstance(conflict, Halted) else "refused_by_database"
            raise ReservationFailed(told, str(conflict)) from conflict
        return reservation

    def used(self, reservation: Reservation, platform: Platform, spent: Spent) -> Movement:
        """Return how a reservation on one platform ends with `spent` bought."""
        return resolve(
            self.accounts[platform],
            reserved=reservation.amounts[platform],
            cost=spent.cost,
            fees=spent.fees,
        )

    def changing(
        self,
        movements: Mapping[Platform, Movement],
        before: OpenPosition,
        after: OpenPosition,
        reservation: Reservation | None,
        spent: Mapping[Platform, Spent],
    ) -> Batch:
        """Return the rows and events of capital that go with a change of a position."""
        now = self._clock.now()
        changes = {k: v for k, v in _risk_changes(before, after, reservation).items() if v}
        writes: list[Write] = list(
            self.booked([m for m in movements.values() if m], now, after.position_id)
        )
        if changes:
            writes.append(Update("risk_states", SINGLETON, add=changes))
        if reservation is not None:
            writes += [
                self._resolution(reservation, p, spent.get(p, Spent()), now, opened=p in spent)
                for p in reservation.amounts
            ]
        return Batch(tuple(writes))

    def follow(
        self,
        movements: Mapping[Platform, Movement],
        before: OpenPosition,
        after: OpenPosition,
        reservation: Reservation | None,
    ) -> None:
        """Bring the image in line once such a change is durable."""
        self.apply(list(movements.values()))
        changes = _risk_changes(before, after, reservation)
        self.shift(**changes)
        staked = changes["total_capital_deployed"] + changes["reserved_capital"]
        self.stakes.move(after.pair_id, Money(Decimal(staked)))

    def _resolution(
        self,
        reservation: Reservation,
        platform: Platform,
        spent: Spent,
        at: datetime,
        *,
        opened: bool,
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


def _risk_changes(
    before: OpenPosition, after: OpenPosition, reservation: Reservation | None
) -> dict[str, Decimal | int]:
    """Return by how much a change of a position changes the risk state."""
    closed = PositionStatus.CLOSED
    reserved = sum(reservation.amounts.values(), start=Decimal(0)) if reservation else 0
    deployed = [leg.basis for leg in after.legs]
    released = [leg.basis for leg in before.legs]
    return {
        "reserved_capital": Money(Decimal(-reserved)),
        "open_position_count": (before.status is closed) - (after.status is closed),
        "total_capital_deployed": Money(
            sum(deployed, start=Decimal(0)) - sum(released, start=Decimal(0))
        ),
        "daily_pnl": Money(after.marked_pnl - before.marked_pnl),
    }

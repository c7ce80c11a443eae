"""How a change of a pair trade changes the accounts and the risk state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from dutchbook.domain.capital.ledger import (
    AccountKey,
    EntryKind,
    Movement,
    commit_reservation,
    release_reservation,
    reserve,
)
from dutchbook.domain.capital.reservation import Reservation, Spent
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Change, booked, change
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Money

Accounts = Mapping[Platform, AccountKey]


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a reservation ended: what was spent, by platform; the rest was released."""

    reservation: Reservation
    spent: Mapping[Platform, Spent]
    committed: frozenset[Platform]


@dataclass(frozen=True, slots=True)
class CapitalChange:
    """How one step of a pair trade changes capital: only additions, so that steps commute.

    Attributes:
        pair_id: The pair.
        reference: The reference of the ledger's entries.
        movements: The ledger's movements.
        state: Amounts that are added to columns of the risk state.
        at_risk: Dollars that are added to the capital at risk on the pair.
        placed: Reservations that begin.
        resolved: Reservations that end.
        entry: Whether an entry's reservation begins or ends.
    """

    pair_id: str
    reference: str
    movements: tuple[Movement, ...] = ()
    state: Mapping[str, Decimal | int] = field(default_factory=dict)
    at_risk: Money = ZERO
    placed: tuple[tuple[Reservation, str | None], ...] = ()
    resolved: tuple[Resolution, ...] = ()
    entry: bool = False


def capital_change(
    before: PairTrade | None, after: PairTrade, accounts: Accounts, kind: EntryKind
) -> CapitalChange:
    """Return how the step from `before` to `after` changes capital.

    Args:
        before: The pair trade before; None if it begins.
        after: The pair trade after.
        accounts: The accounts, by platform.
        kind: The ledger's kind for cash that came from no order.

    Raises:
        InvariantBroken: More was spent than was reserved (I-14).
    """
    if before is None or before.reservation is None:
        if after.reservation is not None:
            return reserved(after.reservation, accounts)
    elif after.reservation is None:
        return _entry_ended(before.reservation, after, accounts)
    if before is None or after.position is before.position:
        return _orders_only(before, after, accounts)
    return _held(before, after, accounts, kind)


def reserved(
    reservation: Reservation, accounts: Accounts, order_id: str | None = None
) -> CapitalChange:
    """Reserve what an order may cost; that of an entry, without an order, takes a slot."""
    total, entry = reservation.total, order_id is None
    return CapitalChange(
        reservation.pair_id,
        reservation.reservation_id,
        tuple(reserve(accounts[p], amount) for p, amount in reservation.amounts.items()),
        {"reserved_capital": total, "reserved_position_slots": int(entry)},
        total,
        placed=((reservation, order_id),),
        entry=entry,
    )


def _entry_ended(
    reservation: Reservation, after: PairTrade, accounts: Accounts
) -> CapitalChange:
    """Resolve an entry's reservation: the cost of what it bought is committed."""
    legs = {p: after.position.holding(p) for p in Platform}
    opened = after.held and after.position.status is not PositionStatus.CLOSED
    spent = {p: Spent(leg.cost, leg.fees) if opened else Spent() for p, leg in legs.items()}
    cost = Money(sum((s.cost for s in spent.values()), start=Decimal(0)))
    return CapitalChange(
        after.pair_id,
        reservation.reservation_id,
        tuple(_used(reservation, p, spent[p], accounts) for p in Platform),
        {
            "reserved_capital": Money(-reservation.total),
            "reserved_position_slots": -1,
            "open_position_count": int(opened),
            "total_capital_deployed": cost,
            "daily_pnl": after.position.marked_pnl if opened else ZERO,
        },
        Money(cost - reservation.total),
        resolved=(Resolution(reservation, spent, frozenset(Platform if opened else ())),),
        entry=True,
    )


def _orders_only(
    before: PairTrade | None, after: PairTrade, accounts: Accounts
) -> CapitalChange:
    """Reserve what an order may cost, or release it if it filled nothing."""
    known = before.reservations if before is not None else {}
    placed = [(r, o) for o, r in after.reservations.items() if o not in known]
    over = [r for o, r in known.items() if o not in after.reservations]
    assert len(placed) + len(over) <= 1, "one order after the other"
    if placed:
        reservation, order_id = placed[0]
        return reserved(reservation, accounts, order_id)
    if before is not None and over:
        return _held(before, after, accounts, EntryKind.TRADE)
    return CapitalChange(after.pair_id, after.position_id)


def _held(
    before: PairTrade, after: PairTrade, accounts: Accounts, kind: EntryKind
) -> CapitalChange:
    """Book the change of a position, and resolve the reservation of its order."""
    if not after.held:
        # Purchases are still covered by the reservation of the execution.
        return CapitalChange(after.pair_id, after.position_id)
    over = next(
        (r for o, r in before.reservations.items() if o not in after.reservations), None
    )
    spent = _spent(before, after)
    was, now = before.position, after.position
    movements = tuple(
        _movement(p, (before, after), over, spent, accounts, kind) for p in Platform
    )
    reserved = over.total if over else ZERO
    was_open = before.held and was.status is not PositionStatus.CLOSED
    state: dict[str, Decimal | int] = {
        "reserved_capital": Money(-reserved),
        "open_position_count": (now.status is not PositionStatus.CLOSED) - was_open,
        "total_capital_deployed": Money(_basis(now) - (_basis(was) if before.held else 0)),
        "daily_pnl": Money(now.marked_pnl - (was.marked_pnl if before.held else ZERO)),
    }
    at_risk = Money(Decimal(state["total_capital_deployed"]) - reserved)
    used = () if over is None else (_resolution(over, spent),)
    return CapitalChange(
        after.pair_id,
        after.position_id,
        tuple(movement for movement in movements if movement),
        state,
        at_risk,
        resolved=used,
    )


def _movement(
    platform: Platform,
    steps: tuple[PairTrade, PairTrade],
    over: Reservation | None,
    spent: Mapping[Platform, Spent],
    accounts: Accounts,
    kind: EntryKind,
) -> Movement:
    before, after = steps
    was, now = before.position.holding(platform), after.position.holding(platform)
    moved = change(was, now) if before.held else Change(now.cash, now.basis, now.fees)
    if over is None or platform not in over.amounts:
        return booked(accounts[platform], moved, kind)
    # The order's cost is taken from its reservation; the rest of the change follows.
    bought = spent.get(platform, Spent())
    rest = Change(
        Money(moved.cash + bought.cost + bought.fees),
        Money(moved.basis - bought.cost),
        Money(moved.fees - bought.fees),
    )
    return (*_used(over, platform, bought, accounts), *booked(accounts[platform], rest, kind))


def _used(
    reservation: Reservation, platform: Platform, spent: Spent, accounts: Accounts
) -> Movement:
    account, reserved = accounts[platform], reservation.amounts[platform]
    if spent == Spent():
        return release_reservation(account, reserved)
    return commit_reservation(account, reserved=reserved, cost=spent.cost, fees=spent.fees)


def _resolution(reservation: Reservation, spent: Mapping[Platform, Spent]) -> Resolution:
    parts = {p: spent.get(p, Spent()) for p in reservation.amounts}
    return Resolution(reservation, parts, frozenset(p for p in parts if p in spent))


def _spent(before: PairTrade, after: PairTrade) -> dict[Platform, Spent]:
    """Return the cost and fees by which its orders have filled further, by platform."""
    found: dict[Platform, Spent] = {}
    for order_id, order in after.orders.items():
        was = before.orders.get(order_id)
        if was is None or order.filled <= was.filled:
            continue
        known = found.get(order.platform, Spent())
        found[order.platform] = Spent(
            Money(known.cost + order.cost - was.cost),
            Money(known.fees + order.fees - was.fees),
        )
    return found


def _basis(position: OpenPosition) -> Decimal:
    return sum((leg.basis for leg in position.legs), start=Decimal(0))

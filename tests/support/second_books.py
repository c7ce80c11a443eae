"""A second accounting of repairs, by other rules than the engine's: what tests compare it with.

The engine folds a position from its fills. Here a repair changes the legs by what its order's
fills changed, and the account by what the order bought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from dutchbook.domain.execution.order import Fill, Finality, Unlisted
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.positions.position import (
    Holding,
    OpenPosition,
    PositionStatus,
)
from dutchbook.domain.reconciliation.findings import (
    BookCash,
    BookFill,
    Discrepancy,
    DropStated,
    FailFill,
    Repair,
)
from dutchbook.domain.reconciliation.our_state import (
    OurOrder,
    OurState,
    cash_effect,
    size_effect,
)
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.domain.reconciliation.repairs import OrderRepair, in_order, order_after
from dutchbook.domain.values.units import NOTHING, ZERO, Money, Quantity, owed
from support.reconciliation import AskPerson, Proposal, repairs_of

K = TypeVar("K")


def apply(ours: OurState, proposals: Iterable[Proposal], *, dust: Decimal) -> OurState:
    """Return our state after every repair in `proposals`. Questions change nothing.

    Args:
        ours: Our state when the proposals were made.
        proposals: In any order; each refers to objects in `ours`.
        dust: Legs that differ by less count as balanced.

    Raises:
        IllegalTransition: A repair does not fit the current state in `ours`.
    """
    books = _Books(ours, dust)
    proposals = tuple(proposals)
    for repair in in_order(repairs_of(proposals)):
        books.take(repair)
    for each in proposals:
        if isinstance(each, AskPerson):
            books.doubt(each.discrepancy)
    return books.closed()


class _Books:
    """Our state, indexed by id, so that applying repairs takes linear time."""

    def __init__(self, ours: OurState, dust: Decimal) -> None:
        self._ours = ours
        self._dust = dust
        self._orders = {each.order.order_id: each for each in ours.orders}
        self._positions = {each.position_id: each for each in ours.positions}
        self._members: dict[str | None, list[str]] = {}
        for each in ours.orders:
            self._members.setdefault(each.position_id, []).append(each.order.order_id)
        self._contracts = dict(ours.contracts)
        self._cash = dict(ours.cash)
        self._booked = set(ours.booked)

    def closed(self) -> OurState:
        """Return our state after the repairs applied so far."""
        return replace(
            self._ours,
            orders=tuple(self._orders.values()),
            positions=tuple(self._positions.values()),
            contracts=self._contracts,
            cash=self._cash,
            booked=frozenset(self._booked),
        )

    def take(self, repair: Repair) -> None:
        """Apply one repair."""
        match repair:
            case BookCash(movement):
                self._book(movement)
            case _:
                self._change(repair)

    def doubt(self, found: Discrepancy) -> None:
        """Move a position that a person has to decide about."""
        position = self._positions.get(found.position_id or "")
        doubted = PositionStatus.RECONCILIATION_REQUIRED
        if position is not None and position.status is not doubted:
            self._positions[position.position_id] = position.moved(
                doubted, reconciliation_context=_context(found)
            )

    def _book(self, movement: NamedCash) -> None:
        platform = movement.account.platform
        _add(self._cash, movement.account, movement.amount)
        self._booked.add((platform, movement.movement_id))

    def _change(self, repair: OrderRepair) -> None:
        before = self._orders[repair.order_id]
        position = self._positions.get(before.position_id or "")
        legs = self._leg(before) if position else []
        after = order_after(before, repair)
        self._orders[repair.order_id] = after
        gained = _effect(after, size_effect) - _effect(before, size_effect)
        paid = _effect(after, cash_effect) - _effect(before, cash_effect)
        if gained or paid:
            order = before.order
            _add(self._contracts, (order.platform, order.contract_id, order.outcome), gained)
            _add(self._cash, before.account, paid)
        if position is not None:
            changed = gained or paid
            leg = leg_after(position, legs, self._leg(before)) if changed else None
            self._positions[position.position_id] = position_after(
                position,
                before.order.platform,
                leg,
                failed=leg is None or _took_away(repair),
                busy=self._busy(position.position_id),
                dust=self._dust,
            )

    def _leg(self, of: OurOrder) -> list[OurOrder]:
        """Return the orders of the same position on the same platform."""
        members = (self._orders[each] for each in self._members[of.position_id])
        return [each for each in members if each.order.platform is of.order.platform]

    def _busy(self, position_id: str) -> bool:
        members = (self._orders[each] for each in self._members[position_id])
        return any(each.awaiting or each.order.working_size > 0 for each in members)


def _context(found: Discrepancy) -> dict[str, object]:
    return {
        "discrepancy_type": found.kind.value,
        "order_id": found.order_id,
        "recommended_action": found.recommended_action,
        "our_state": found.ours,
        "platform_state": found.theirs,
        "detected_at": "",
    }


def _add(amounts: dict[K, Decimal], key: K, amount: Decimal) -> None:
    amounts[key] = amounts.get(key, Decimal(0)) + amount


def _took_away(repair: OrderRepair) -> bool:
    """Return whether a repair removes what counted as filled."""
    if isinstance(repair, BookFill):
        return repair.fill.finality is Finality.FAILED
    return isinstance(repair, FailFill | DropStated)


def _effect(ours: OurOrder, of: Callable[[Fill | Unlisted], Decimal]) -> Decimal:
    return sum((of(fill) for fill in ours.counted), start=Decimal(0))


_S = PositionStatus


@dataclass(frozen=True, slots=True)
class _Held:
    size: Decimal
    cost: Decimal
    fees: Decimal


def _held(leg: Holding, orders: Iterable[OurOrder]) -> _Held:
    """Return what a leg's live fills leave; sales remove their share of cost and fees."""
    net = bought = Decimal(0)
    cost = fees = Decimal(0)
    for each in orders:
        for fill in each.counted:
            own = fill.outcome is leg.outcome
            # Buying the complement undoes as much of the leg: a pair of both pays a dollar.
            net += size_effect(fill) if own else -size_effect(fill)
            if own and fill.side is Side.BUY:
                bought += fill.size
                cost += fill.cost
                fees += fill.fee
    left = max(min(net, bought), Decimal(0))
    if left < bought:
        cost, fees = owed(cost * left / bought), owed(fees * left / bought)
    return _Held(max(net, Decimal(0)), cost, fees)


def leg_after(
    position: OpenPosition, before: Sequence[OurOrder], after: Sequence[OurOrder]
) -> Holding:
    """Return a leg changed by the difference between its fills before and after.

    Args:
        position: The position before the repair.
        before: The position's orders on the leg's platform.
        after: The same orders, one of them repaired.
    """
    leg = position.holding(after[0].order.platform)
    old, new = _held(leg, before), _held(leg, after)
    return replace(
        leg,
        order_id=leg.order_id or after[0].order.order_id,
        size=Quantity(max(leg.size + new.size - old.size, NOTHING)),
        cost=Money(max(leg.cost + new.cost - old.cost, ZERO)),
        fees=Money(max(leg.fees + new.fees - old.fees, ZERO)),
    )


def position_after(
    position: OpenPosition,
    platform: Platform,
    leg: Holding | None,
    *,
    failed: bool,
    busy: bool,
    dust: Decimal,
) -> OpenPosition:
    """Return a position after one of its orders changed, with a status that fits its fills.

    CLOSED and RECONCILIATION_REQUIRED stay: only a person changes them.

    Args:
        position: The position before the change.
        platform: Platform of the order.
        leg: The leg there now, None if no fill was added or removed.
        failed: A fill failed, or only the order ended.
        busy: An order of the position may still fill, so it cannot close.
        dust: Legs that differ by less count as balanced.
    """
    facts = {} if leg is None else {platform.value: leg}
    after = replace(position, **facts)  # type: ignore[arg-type]
    imbalanced = after.imbalanced(dust)
    empty = not imbalanced and after.hedged < dust
    if leg is None and not empty:
        return position
    shrank = leg is not None and leg.size < position.holding(platform).size
    change = _Change(
        imbalanced=imbalanced, empty=empty, sold=shrank and not failed, failed=failed
    )
    status = after.status if empty and busy else _status(after.status, change)
    if status is not after.status:
        return position.moved(status, **facts)
    return replace(after, version=position.version + 1) if facts else position


@dataclass(frozen=True, slots=True)
class _Change:
    """How a position changed, as far as its status depends on it."""

    imbalanced: bool
    empty: bool
    sold: bool
    failed: bool


def _status(was: PositionStatus, change: _Change) -> PositionStatus:
    match was:
        case _S.OPEN if change.imbalanced:
            return _S.EXIT_PARTIAL if change.sold else _S.SINGLE_LEG_EXPOSED
        case _S.OPEN | _S.SINGLE_LEG_EXPOSED | _S.EXIT_PARTIAL if change.empty:
            return _S.CLOSED
        case _S.SINGLE_LEG_EXPOSED | _S.EXIT_PARTIAL if not change.imbalanced:
            return _S.OPEN
        case _S.EXIT_PARTIAL if change.failed:
            return _S.SINGLE_LEG_EXPOSED
        case _:
            return was

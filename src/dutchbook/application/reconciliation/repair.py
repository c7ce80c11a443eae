"""Repairs: what a platform has proven, booked through the paths that every answer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.pair_trades.adjustments import REJECTED, Adjustments
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.booking import Bookkeeper, News
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import Held, Holdings
from dutchbook.application.reconciliation.our_state import Own, own_order
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.application.recovery.late_fills import LateFills
from dutchbook.application.recovery.order_inquiry import Inquiries
from dutchbook.application.recovery.recovery import Recovery
from dutchbook.application.recovery.unfinished import Case
from dutchbook.domain.events import Event
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Side
from dutchbook.domain.positions.fold import Cause
from dutchbook.domain.positions.position import OpenPosition, PositionStatus, PositionTrigger
from dutchbook.domain.reconciliation import (
    BookCash,
    FailFill,
    NamedCash,
    OurOrder,
    Proposal,
    Repair,
    RequireReconciliation,
    SettleFill,
)
from dutchbook.domain.reconciliation.repairs import OrderRepair, in_order, order_after
from dutchbook.domain.values.units import ZERO, Money, plain
from dutchbook.errors import Conflict

UNEVEN = "a fill came to light that has no counterpart"


@dataclass(frozen=True, slots=True)
class Short:
    """Fills of an order that cost more than is free on its platform, in dollars."""

    order: Order
    costs: Money
    free: Money

    @property
    def what(self) -> str:
        """The same in words."""
        costs, free = plain(self.costs), plain(self.free)
        return f"what it filled costs {costs} dollars, and {free} are free"


@dataclass(slots=True)
class Repaired:
    """What a pass has repaired, and what it left.

    Attributes:
        count: Facts that were entered.
        resolved: Orders whose outcome nobody knew before.
        left: What it is about, since it had changed meanwhile or could not be paid.
        short: Those among them that could not be paid.
    """

    count: int = 0
    resolved: int = 0
    left: list[str] = field(default_factory=list)
    short: list[Short] = field(default_factory=list)


class Repairer:
    """Turns each repair into the call that books such a thing; it keeps no books of its own."""

    def __init__(
        self,
        risk: RiskManager,
        holdings: Holdings,
        books: Bookkeeper,
        announce: Announcements,
        adjustments: Adjustments,
        settling: SettlementFollower,
        recovery: Recovery,
        inquiries: Inquiries,
        disputes: Disputes,
        late: LateFills,
        exposed: Callable[[str], None],
    ) -> None:
        self._risk = risk
        self._holdings = holdings
        self._books = books
        self._announce = announce
        self._adjustments = adjustments
        self._exposed = exposed
        self._settling = settling
        self._recovery = recovery
        self._inquiries = inquiries
        self._disputes = disputes
        self._late = late

    async def apply(self, own: Own, proposals: Iterable[Proposal]) -> Repaired:
        """Apply every repair among the proposals, one order after the other.

        Positions that a person must decide about are moved first, so that nobody acts on them.
        What is no longer as it was compared is left alone: the next comparison sees it.
        """
        done = Repaired(await self.require())
        of_order: dict[str, list[OrderRepair]] = {}
        for repair in in_order(proposals):
            match repair:
                case BookCash(movement):
                    await self._book(movement, done)
                case RequireReconciliation():
                    continue
                case _:
                    of_order.setdefault(repair.order_id, []).append(repair)
        known = {each.order.order_id: each for each in own.ours.orders}
        for order_id, repairs in of_order.items():
            await self._order(own, known[order_id], repairs, done)
        return done

    async def _book(self, movement: NamedCash, done: Repaired) -> None:
        try:
            await self._risk.book_named(movement)
            done.count += 1
        except Conflict:  # more leaves than is free: the remainder shows as a difference
            done.left.append(movement.movement_id)

    async def require(self) -> int:
        """Move every position that a person must decide about; returns how many moved."""
        moved = 0
        for dispute in list(self._disputes.open.values()):
            position_id = dispute.found.position_id
            if position_id is not None and dispute.halts:
                moved += await self._require(position_id, dispute.context)
        return moved

    async def _require(self, position_id: str, context: dict[str, object]) -> bool:
        async with self._holdings.lock(position_id):
            held = self._holdings.known(position_id)
            doubted = PositionStatus.RECONCILIATION_REQUIRED
            if held is None or held.waiting or held.position.status is doubted:
                return False
            await self._books.move(position_id, PositionTrigger.DISCREPANCY_FOUND, context)
            return True

    # One order
    # -------------------------------------------------------------------------------

    async def _order(
        self, own: Own, ours: OurOrder, repairs: Sequence[OrderRepair], done: Repaired
    ) -> None:
        try:
            kept = await self._kept(own, ours, repairs)
        except Conflict:  # the same is found the next time
            kept = None
            done.short += self._short(own, ours, repairs)
        if kept is None:
            done.left.append(ours.order.order_id)
            return
        done.count += len(repairs)
        if not kept.working_size:
            self._inquiries.known(kept.order_id)
        done.resolved += ours.awaiting and not (
            kept.outcome_unknown_since is not None
            or (kept.platform_order_id is None and kept.working_size > 0)
        )

    def _short(
        self, own: Own, ours: OurOrder, repairs: Sequence[OrderRepair]
    ) -> Iterable[Short]:
        """Tell of an order whose new fills cost more than is free and set aside for it."""
        platform, order_id = ours.order.platform, ours.order.order_id
        case, held = own.cases.get(order_id), self._holdings.known(ours.position_id or "")
        kept = case.reservation if case else None
        if kept is None and held is not None:
            kept = held.reservations.get(order_id)
        free = self._risk.balance(platform).free
        covered = free + (kept.amounts.get(platform, ZERO) if kept else ZERO)
        bought = [
            fill.cost + fill.fee
            for fill in _Change.of(ours, repairs).fills
            if fill.side is Side.BUY and fill.finality is not Finality.FAILED
        ]
        costs = Money(sum(bought, start=Decimal(0)))
        if costs > covered:
            yield Short(ours.order, costs, free)

    async def _kept(
        self, own: Own, ours: OurOrder, repairs: Sequence[OrderRepair]
    ) -> Order | None:
        order_id = ours.order.order_id
        if (case := own.cases.get(order_id)) is not None:
            return await self._of_case(case, ours, repairs)
        if (case := own.spent.get(order_id)) is not None:
            return await self._of_spent(case, ours, repairs)
        assert ours.position_id is not None, "an order belongs to a case or a position"
        async with self._holdings.lock(ours.position_id):
            return await self._of_position(ours.position_id, ours, repairs)

    async def _of_position(
        self, position_id: str, ours: OurOrder, repairs: Sequence[OrderRepair]
    ) -> Order | None:
        """Book what concerns an order of a position, whose lock is held."""
        held, order_id = self._holdings.known(position_id), ours.order.order_id
        if held is None or held.waiting or self._now(held, ours) != ours:
            return None
        final = [each for each in repairs if isinstance(each, SettleFill | FailFill)]
        rest = [each for each in repairs if not isinstance(each, SettleFill | FailFill)]
        if rest:
            change = _Change.of(ours, rest)
            moved = await self._books.keep(position_id, self._news(held, change))
            if moved.uneven() and not held.position.uneven():
                self._exposed(position_id)
        for each in final:
            finality = _finality(each)
            await self._settling.finalise((each.fill.platform, each.fill.trade_id), finality)
        after = self._holdings.known(position_id)
        return after.orders[order_id] if after else _Change.of(ours, repairs).order

    def _now(self, held: Held, ours: OurOrder) -> OurOrder | None:
        order = held.orders.get(ours.order.order_id)
        if order is None:
            return None
        mine = (f for f in held.fills.values() if f.order_id == order.order_id)
        return own_order(order, mine, ours.account, ours.position_id)

    def _news(self, held: Held, change: _Change) -> News:
        order = change.order
        counted = [fill for fill in change.fills if fill.finality is not Finality.FAILED]
        position_id = held.position.position_id
        became: tuple[Event, ...] = tuple(
            self._announce.filled(order, fill, position_id) for fill in counted
        )
        ended = not order.working_size
        if ended and not became and held.orders[order.order_id].working_size:
            reason = order.refusal or "nothing was filled"
            became = (self._announce.failed(order, REJECTED, reason),)

        def told(after: OpenPosition) -> Iterable[Event]:
            yield from became
            yield from self._adjustments.resolved(held.position, after, order)
            if after.uneven() and not held.position.uneven():
                now = held.with_orders((order,)).with_fills(change.fills)
                yield from self._settling.exposures(now, after, change.fills[0], UNEVEN)

        return News(
            Cause.RECONCILED,
            orders=(order,),
            fills=change.fills,
            finalities=change.finalities,
            reservation=held.reservations.get(order.order_id) if ended else None,
            tells=told,
        )

    async def _of_case(
        self, case: Case, ours: OurOrder, repairs: Sequence[OrderRepair]
    ) -> Order | None:
        """Book what concerns an order of an execution that has not ended."""
        async with self._recovery.lock(case.execution_id):
            now = await self._recovery.case(case.execution_id)
            order = now.orders[ours.order.order_id]
            mine = (f for f in now.fills.values() if f.order_id == order.order_id)
            if now.ended or own_order(order, mine, ours.account, ours.position_id) != ours:
                return None
            change = _Change.of(ours, repairs)
            await self._recovery.learnt(now, change.order, change.fills, change.finalities)
            return change.order

    async def _of_spent(
        self, case: Case, ours: OurOrder, repairs: Sequence[OrderRepair]
    ) -> Order | None:
        """Make a position of an execution that had ended with nothing: it bought after all."""
        change = _Change.of(ours, repairs)
        position = await self._late.bought(case.execution_id, change.order, change.fills)
        if position is None:
            return None
        self._exposed(position.position_id)
        return change.order


@dataclass(frozen=True, slots=True)
class _Change:
    """What repairs make of one order, as one step."""

    order: Order
    fills: tuple[Fill, ...]
    finalities: tuple[Fill, ...]

    @classmethod
    def of(cls, ours: OurOrder, repairs: Iterable[Repair]) -> _Change:
        after = ours
        for each in repairs:
            assert not isinstance(each, BookCash | RequireReconciliation), "of an order"
            after = order_after(after, each)
        before = {fill.trade_id: fill for fill in ours.fills}
        new = tuple(fill for fill in after.fills if fill.trade_id not in before)
        final = tuple(
            fill
            for fill in after.fills
            if fill.trade_id in before and before[fill.trade_id].finality is not fill.finality
        )
        version = ours.order.version + (after.order != ours.order)
        return cls(replace(after.order, version=version), new, final)


def _finality(repair: SettleFill | FailFill) -> Finality:
    return Finality.SETTLED if isinstance(repair, SettleFill) else Finality.FAILED

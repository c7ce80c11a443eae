"""Repairs: facts that a platform has proven, booked like every other answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.orders.questions import Questions
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.reconciliation.our_state import OurReading, OurStateReader
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.domain.execution.order import Finality, Order
from dutchbook.domain.market.contract import Side
from dutchbook.domain.pair_trades.facts import Corrected, Moved
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.findings import (
    BookCash,
    FailFill,
    Repair,
    SettleFill,
)
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.domain.reconciliation.repairs import OrderRepair, in_order, order_after
from dutchbook.domain.values.units import ZERO, Money, plain
from dutchbook.errors import Conflict
from dutchbook.ports.time import Clock


@dataclass(frozen=True, slots=True)
class Short:
    """Fills of an order that cost more than is free on its platform, in dollars."""

    order: Order
    costs: Money
    free: Money

    @property
    def what(self) -> str:
        """The shortage in words."""
        costs, free = plain(self.costs), plain(self.free)
        return f"what it filled costs {costs} dollars, and {free} are free"


@dataclass(slots=True)
class Repaired:
    """Repairs of one pass, and what it left out.

    Attributes:
        count: Facts that were booked.
        resolved: Orders whose outcome was unknown before.
        left: Ids that were left out, since they had changed or could not be paid.
        short: Those of them that could not be paid.
    """

    count: int = 0
    resolved: int = 0
    left: list[str] = field(default_factory=list)
    short: list[Short] = field(default_factory=list)

    def add(self, count: int, *, resolved: bool = False) -> None:
        """Count facts that were booked, and an order whose outcome is known now."""
        self.count += count
        self.resolved += resolved


class Repairer:
    """Turns each repair into the fact that books it; keeps no record of its own.

    It takes nine parts because a repair is booked by another service in each state of its pair
    trade: before it opens, while orders are out, while it is exposed, and in dispute.
    """

    def __init__(
        self,
        risk: RiskManager,
        trades: PairTrades,
        own: OurStateReader,
        settling: SettlementFollower,
        recovery: Recovery,
        questions: Questions,
        disputes: Disputes,
        single_leg: SingleLegResolutionService,
        clock: Clock,
    ) -> None:
        self._risk = risk
        self._trades = trades
        self._own = own
        self._settling = settling
        self._recovery = recovery
        self._questions = questions
        self._disputes = disputes
        self._single_leg = single_leg
        self._clock = clock

    async def apply(self, own: OurReading, repairs: Iterable[Repair]) -> Repaired:
        """Apply repairs, one order after the other.

        Positions that a person must decide about are moved first, so that nothing acts on them.
        What has changed since the comparison is skipped: the next comparison sees it.
        """
        done = Repaired(await self.require())
        of_order: dict[str, list[OrderRepair]] = {}
        for repair in in_order(repairs):
            match repair:
                case BookCash(movement):
                    await self._book(movement, done)
                case _:
                    of_order.setdefault(repair.order_id, []).append(repair)
        known = {each.order.order_id: each for each in own.ours.orders}
        for order_id, each in of_order.items():
            await self._order(known[order_id], each, done)
        return done

    async def _book(self, movement: NamedCash, done: Repaired) -> None:
        try:
            done.add(await self._risk.cash.book_named(movement))
        except Conflict:  # exceeds the free capital: it remains a difference
            done.left.append(movement.movement_id)

    async def require(self) -> int:
        """Move every position that a person must decide about; return how many moved."""
        moved = 0
        for dispute in list(self._disputes.open.values()):
            position_id = dispute.found.position_id
            if position_id is not None and dispute.halts:
                moved += await self._require(position_id, dispute.context)
        return moved

    async def _require(self, position_id: str, context: dict[str, object]) -> bool:
        async with self._trades.lock(position_id):
            trade = self._trades.known(position_id)
            disputed = PositionStatus.RECONCILIATION_REQUIRED
            if trade is None or trade.waiting or trade.position.status is disputed:
                return False
            moved = Moved(self._clock.now(), disputed, context)
            await self._trades.book(trade.execution_id, moved)
            return True

    # One order
    # -------------------------------------------------------------------------------

    async def _order(
        self, ours: OurOrder, repairs: Sequence[OrderRepair], done: Repaired
    ) -> None:
        try:
            kept = await self._kept(ours, repairs)
        except Conflict:  # the next comparison finds the same
            kept = None
            done.short.extend(self._short(ours, repairs))
        if kept is None:
            done.left.append(ours.order.order_id)
            return
        done.add(len(repairs))
        if not kept.working_size:
            self._questions.known(kept.order_id)
        known = kept.outcome_unknown_since is None and (
            kept.platform_order_id is not None or not kept.working_size
        )
        done.add(0, resolved=ours.awaiting and known)

    def _short(self, ours: OurOrder, repairs: Sequence[OrderRepair]) -> Iterable[Short]:
        """Yield an order whose new fills cost more than is free and reserved for it."""
        platform, order_id = ours.order.platform, ours.order.order_id
        trade = self._trades.find(ours.order.execution_id)
        kept = trade.reservation or trade.reservations.get(order_id) if trade else None
        free = self._risk.capital.balance(platform).free
        covered = free + (kept.amounts.get(platform, ZERO) if kept else ZERO)
        bought = [
            fill.cost + fill.fee
            for fill in _corrected(self._clock.now(), ours, repairs).fills
            if fill.side is Side.BUY and fill.finality is not Finality.FAILED
        ]
        costs = Money(sum(bought, start=Decimal(0)))
        if costs > covered:
            yield Short(ours.order, costs, free)

    async def _kept(self, ours: OurOrder, repairs: Sequence[OrderRepair]) -> Order | None:
        """Book repairs of one order, if it is unchanged since; return the order."""
        trade = self._trades.find(ours.order.execution_id)
        if trade is None:
            return None
        async with self._trades.lock(trade.position_id):
            compared = self._compared(trade.execution_id, ours)
            if compared is None:
                return None
            booked = self._of_position if compared.held else self._booked
            return await booked(trade.execution_id, ours, repairs)

    async def _of_position(
        self, execution_id: str, ours: OurOrder, repairs: Sequence[OrderRepair]
    ) -> Order | None:
        """Book repairs of a position's order; the caller holds the position's lock."""
        final = [each for each in repairs if isinstance(each, SettleFill | FailFill)]
        rest = [each for each in repairs if not isinstance(each, SettleFill | FailFill)]
        if rest and await self._booked(execution_id, ours, rest) is None:
            return None
        for each in final:
            finality = _finality(each)
            await self._settling.finalise((each.fill.platform, each.fill.trade_id), finality)
        trade = self._trades.find(execution_id)
        if trade is None:
            return _corrected(self._clock.now(), ours, repairs).order
        return trade.orders[ours.order.order_id]

    async def _booked(
        self, execution_id: str, ours: OurOrder, repairs: Sequence[OrderRepair]
    ) -> Order | None:
        """Book repairs of one order, in any state of its pair trade; its lock is held.

        Reports are booked without that lock: None if one has changed the order meanwhile.
        """
        before = self._trades.trade(execution_id)
        corrected = _corrected(self._clock.now(), ours, repairs)
        after = await self._recovery.learnt(before, corrected)
        if before.ended:
            if after.position.imbalanced() and not (
                before.opened and before.position.imbalanced()
            ):
                self._single_leg.exposed(after.position_id)
            if after.opened and not before.opened:
                self._recovery.late(after)
        kept = after.orders[ours.order.order_id]
        return kept if kept == corrected.order else None

    def _compared(self, execution_id: str, ours: OurOrder) -> PairTrade | None:
        """Return the pair trade of an order, None where the order has changed since."""
        trade = self._trades.find(execution_id)
        same = trade is not None and ours in self._own.orders_of(trade)
        return trade if same else None


def _corrected(at: datetime, ours: OurOrder, repairs: Iterable[OrderRepair]) -> Corrected:
    """Return the combined change of one order by its repairs."""
    after = ours
    for each in repairs:
        after = order_after(after, each)
    before = {fill.trade_id: fill for fill in ours.fills}
    new = tuple(fill for fill in after.fills if fill.trade_id not in before)
    final = tuple(
        fill
        for fill in after.fills
        if fill.trade_id in before and before[fill.trade_id].finality is not fill.finality
    )
    version = ours.order.version + (after.order != ours.order)
    return Corrected(at, ours.order, replace(after.order, version=version), new, final)


def _finality(repair: SettleFill | FailFill) -> Finality:
    return Finality.SETTLED if isinstance(repair, SettleFill) else Finality.FAILED

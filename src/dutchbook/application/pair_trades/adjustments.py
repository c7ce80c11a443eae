"""Adjustments: one more order of a position that exists, from its intent to what it changed.

Completing a leg, closing one, buying its complement, and every exit go this way: persist the
intent with its reservation, send, persist what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.send import Turned, Unknown, fill_of, send
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.booking import Bookkeeper, News
from dutchbook.application.pair_trades.store import Held, Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.application.records.rows import order_row
from dutchbook.domain.detection.detect import WORST_FILLS
from dutchbook.domain.events import Event, SingleLegResolved
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.positions.fold import Cause
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import NOTHING, Money, Price, Quantity, owed
from dutchbook.errors import Halted, ReservationFailed
from dutchbook.ports.gateway import OrderReport, PlatformGateway
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.time import Clock, Ids

REJECTED = 2002
CAUSES = {
    Purpose.ENTRY: Cause.REPORTED,
    Purpose.HEDGE: Cause.RETRIED,
    Purpose.UNWIND: Cause.CLOSED,
    Purpose.EXIT: Cause.EXITED,
}
UNEVEN = (PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)


OPPOSITE = "another position holds the opposite outcome on Kalshi, which would net the two"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for, carried out at most once.

    Attributes:
        order_id: The command's own id, which its order takes: an order of that name is the
            proof that the command was begun, in the commit that made it durable.
        version: Of the position, as the person saw it; None where nobody looked.
        tells: Who asked for what and why, told in that same commit.
        at_least: Dollars that closing all that is alone must bring, and a part of it its part;
            None: whatever it brings.
    """

    order_id: str
    version: int | None = None
    tells: tuple[Event, ...] = ()
    at_least: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One order to be sent for a position; `limit` is its worst price."""

    platform: Platform
    outcome: Outcome
    side: Side
    size: Quantity
    limit: Price
    purpose: Purpose
    time_in_force: TimeInForce = TimeInForce.IOC
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an adjustment.

    Attributes:
        position: As it is now.
        order: The order, None when it was not even written.
        reason: Why nothing was filled, None when something was.
        unknown: Nobody knows yet; the order is asked about.
    """

    position: OpenPosition
    order: Order | None
    reason: str | None = None
    unknown: bool = False

    @property
    def filled(self) -> Quantity:
        """Contracts filled."""
        return self.order.filled if self.order else NOTHING


class Adjustments:
    """Carries single orders of positions through. Whoever calls holds the position's lock."""

    def __init__(
        self,
        bus: EventBus,
        risk: RiskManager,
        holdings: Holdings,
        books: Bookkeeper,
        announce: Announcements,
        gate: Gate,
        gateways: Mapping[Platform, PlatformGateway],
        clock: Clock,
        ids: Ids,
        answer_seconds: int,
    ) -> None:
        self.on_unknown: Callable[[Order], None] = _nobody
        self.entering: Callable[[str, Outcome], bool] = lambda *_: False
        self.told: Callable[[OpenPosition], bool] = _always
        self._bus = bus
        self._risk = risk
        self._holdings = holdings
        self._books = books
        self._announce = announce
        self._gate = gate
        self._gateways = gateways
        self._clock = clock
        self._ids = ids
        self._answer_seconds = answer_seconds

    async def carry(self, position_id: str, plan: Plan, told: tuple[Event, ...] = ()) -> Done:
        """Place one order for a position and book what it did; `told` goes with its intent."""
        held = self._holdings.of(position_id)
        if (out := held.order_out()) is not None:
            return Done(held.position, None, out)
        if self._undoes(held.position, plan):
            return Done(held.position, None, OPPOSITE)
        order = self._order(held.position, plan)
        row = Insert("orders", order_row(order) | {"position_id": position_id})
        asked = plan.asked.tells if plan.asked else ()
        rows = Batch((row,), (*told, *asked, self._announce.placed(order)))
        reservations = dict(held.reservations)
        if plan.side is Side.BUY:
            try:
                worst = self._worst(held.position, order)
                reservations[order.order_id] = await self._risk.reserve_order(
                    order, worst, rows
                )
            except ReservationFailed as failed:
                return Done(held.position, None, str(failed))
        else:
            try:
                await self._bus.commit(rows)
            except Halted as halted:
                return Done(held.position, None, str(halted))
        self._holdings.put(replace(held.with_orders((order,)), reservations=reservations))
        try:
            return await self._sent(order)
        finally:
            self._gate.ended(order.execution_id)

    def _undoes(self, position: OpenPosition, plan: Plan) -> bool:
        """Tell whether Kalshi would net what is bought with the leg of another position.

        Or with what an execution buys right now, which `entering` knows of.
        """
        if plan.side is Side.SELL or plan.platform is not Platform.KALSHI:
            return False
        leg = position.kalshi
        own = leg.size if leg.outcome is not plan.outcome else leg.complement
        if plan.size <= own:
            return False
        contract = self._holdings.match(position).contract(plan.platform)
        entered = self.entering(contract.contract_id, plan.outcome.opposite)
        return entered or self._holdings.against(position.position_id, plan.outcome)

    async def _sent(self, order: Order) -> Done:
        """Send a durable order and book what is known of it afterwards."""
        self._gate.plan(order.execution_id, order.size, order.size)
        epoch, seconds = self._risk.state.epoch, self._answer_seconds
        match await send(self._gate, self._gateways, order, epoch, seconds):
            case Refused(reason=reason):
                return await self._ended(order.ended(), reason)
            case Turned(reason, sent):
                after = order.refused(reason) if sent else order.ended()
                return await self._ended(after, reason)
            case Unknown(reason):
                return await self._unknown(order, reason)
            case OrderReport() as report:
                return await self.answered(order.order_id, report)

    async def answered(self, order_id: str, report: OrderReport) -> Done:
        """Book what a platform says of an order of a position.

        An order that was to be done at once and still works is not done: it is asked about.
        """
        self._gate.answered(order_id)
        held = self._holdings.of_order(order_id)
        order = held.orders[order_id]
        if report.working and order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return await self._unknown(order, "the platform still works on it")
        after, fills = reported(held, order, report)
        if not fills:
            return await self._ended(after, after.refusal or "nothing was filled")
        position_id = held.position.position_id
        counted = [fill for fill in fills if fill.finality is not Finality.FAILED]
        told = [self._announce.filled(order, fill, position_id) for fill in counted]
        news = News(
            cause=CAUSES[order.purpose],
            orders=(after,),
            fills=tuple(fills),
            reservation=held.reservations.get(order_id),
            tells=lambda now: (
                *told,
                *self.resolved(held.position, now, after),
                *self._alone(held, now, after, fills),
            ),
        )
        return Done(await self._books.keep(position_id, news), after)

    async def gave_up(self, order_id: str, reason: str) -> Done:
        """Book that an order never arrived and no longer can."""
        order = self._holdings.of_order(order_id).orders[order_id]
        return await self._ended(order.ended(), reason)

    async def _ended(self, after: Order, reason: str) -> Done:
        self._gate.answered(after.order_id)
        held = self._holdings.of_order(after.order_id)
        failed = self._announce.failed(after, REJECTED, reason)
        news = News(
            cause=CAUSES[after.purpose],
            orders=(after,),
            reservation=held.reservations.get(after.order_id),
            tells=lambda _: (failed,),
        )
        return Done(await self._books.keep(held.position.position_id, news), after, reason)

    async def _unknown(self, order: Order, reason: str) -> Done:
        after = order.unknown(self._clock.now())
        held = self._holdings.of_order(order.order_id)
        if order.outcome_unknown_since is not None:
            self.on_unknown(order)
            return Done(held.position, order, reason, unknown=True)
        told = self._announce.unknown(order, reason)
        news = News(CAUSES[order.purpose], (after,), tells=lambda _: (told,))
        position = await self._books.keep(held.position.position_id, news)
        self.on_unknown(after)
        return Done(position, after, reason, unknown=True)

    def resolved(
        self, before: OpenPosition, after: OpenPosition, order: Order
    ) -> Iterable[Event]:
        """Tell that an exposure is gone, where it is and was told of.

        Between the two orders of an exit that goes its way a position is uneven: no exposure.
        """
        if before.status not in UNEVEN or after.status in UNEVEN or not self.told(before):
            return
        unwound = order.purpose in (Purpose.UNWIND, Purpose.EXIT)
        closed = after.status is PositionStatus.CLOSED
        yield SingleLegResolved(
            self._bus.stamp(after.execution_id),
            position_id=after.position_id,
            pair_id=after.pair_id,
            resolution="closed" if unwound else "retried",
            order_id=order.order_id,
            original_edge=before.expected_edge,
            new_edge=None if closed else after.locked_profit,
            retry_price=None if unwound else order.price,
            realised_pnl=after.realised_pnl if closed else None,
        )

    def _alone(
        self, held: Held, now: OpenPosition, order: Order, fills: Iterable[Fill]
    ) -> Iterable[Event]:
        """Tell what is alone now, where an order has changed it and not ended it, or begun it.

        An exit that stands still half done is told of by whoever looks at it then.
        """
        before, with_it = held.position, held.with_orders((order,)).with_fills(fills)
        if before.status in UNEVEN and self.told(before):
            if now.status in UNEVEN and now.imbalance != before.imbalance:
                yield self._announce.changed(now, with_it)
        elif now.status is PositionStatus.SINGLE_LEG_EXPOSED:
            yield self._announce.alone(now, with_it, "an order filled that was not needed")

    def _order(self, position: OpenPosition, plan: Plan) -> Order:
        contract = self._holdings.match(position).contract(plan.platform)
        if plan.asked is not None:
            order_id = plan.asked.order_id
        else:
            order_id = self._ids.new("order", position.execution_id)
        return Order(
            order_id=order_id,
            client_order_id=self._ids.new("client_order", order_id),
            platform=plan.platform,
            contract_id=contract.contract_id,
            pair_id=position.pair_id,
            execution_id=position.execution_id,
            leg=Leg.SECONDARY,
            purpose=plan.purpose,
            outcome=plan.outcome,
            side=plan.side,
            price=plan.limit,
            size=plan.size,
            time_in_force=plan.time_in_force,
            created_at=self._clock.now(),
            working_size=plan.size,
        )

    def _worst(self, position: OpenPosition, order: Order) -> Money:
        """Return the most that a buy can cost: its limit for all of it, with the worst fees."""
        contract = self._holdings.match(position).contract(order.platform)
        terms = contract.fees.at(self._clock.now()) if contract.fees else None
        assert terms is not None, "nothing is traded without known fees"
        dollars = order.price * order.size
        worst = terms.worst(order.price, order.size, fills=WORST_FILLS)
        if contract.sizing.cent_exact:
            worst = max(worst, terms.worst_of_dollars(dollars, fills=WORST_FILLS))
        return owed(dollars + worst)


def _nobody(order: Order) -> None:
    """Hear of an order whose outcome is unknown, and do nothing."""


def _always(position: OpenPosition) -> bool:
    """Every uneven position was told of as an exposure."""
    return bool(position.position_id)


def reported(held: Held, order: Order, report: OrderReport) -> tuple[Order, list[Fill]]:
    """Return an order after a report, and the fills of it that are new."""
    fills = []
    for each in report.fills:
        if (each.platform, each.trade_id) not in held.fills:
            fill = fill_of(order, each)
            fills.append(fill)
            if fill.finality is not Finality.FAILED:
                order = order.with_fill(fill)
    if report.refusal is not None and not order.filled:
        return order.refused(report.refusal), fills
    return order.acknowledged(report.platform_order_id, report.working), fills

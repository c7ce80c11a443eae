"""Adjustments: one more order of an existing position, from its intent to its result.

Completing a leg, closing one, buying its complement, and every exit follow one path: persist
the intent with its reservation, send, persist what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.questions import Questions
from dutchbook.application.orders.send import Rejected, Unknown, reported, send
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.detect import WORST_FILLS
from dutchbook.domain.events import Event
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.pair_trades.facts import (
    REJECTED,
    CameToNothing,
    OutcomeUnknown,
    Placed,
)
from dutchbook.domain.positions.exposure import OPPOSITE, opposite_of
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.values.units import NOTHING, Money, Price, Quantity, owed
from dutchbook.errors import Conflict, Halted, ReservationFailed, Unfit
from dutchbook.ports.orders import OrderGateway, OrderReport
from dutchbook.ports.time import Clock, Ids


@dataclass(frozen=True, slots=True)
class CommandContext:
    """A person's command, carried out at most once.

    Attributes:
        order_id: The command's id, which its order uses: an order with this id proves that the
            command was started, in the commit that made the order durable.
        version: Version of the position that the person saw; None if nobody looked.
        notes: Events in that same commit: who requested what, and why.
        at_least: Dollars that closing the whole exposure must bring, and a part of it
            proportionally; None if there is no minimum.
    """

    order_id: str
    version: int | None = None
    notes: tuple[Event, ...] = ()
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
    asked: CommandContext | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Result of an adjustment.

    Attributes:
        position: The current position.
        order: The order; None if it was not even committed.
        reason: Why nothing was filled; None if something was.
        unknown: Whether the outcome is unknown; the order is then queried.
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
    """Places single orders of positions. The caller holds the position's lock."""

    def __init__(
        self,
        risk: RiskManager,
        trades: PairTrades,
        questions: Questions,
        gate: Gate,
        gateways: Mapping[Platform, OrderGateway],
        clock: Clock,
        ids: Ids,
        answer_seconds: int,
    ) -> None:
        self._risk = risk
        self._trades = trades
        self._questions = questions
        self._gate = gate
        self._gateways = gateways
        self._clock = clock
        self._ids = ids
        self._answer_seconds = answer_seconds

    async def carry(self, position_id: str, plan: Plan, notes: tuple[Event, ...] = ()) -> Done:
        """Place one order for a position, and book its result; `notes` go with its intent."""
        trade = self._trades.of(position_id)
        if (out := trade.order_out()) is not None:
            return Done(trade.position, None, out)
        if self._undoes(trade.position, plan):
            return Done(trade.position, None, OPPOSITE)
        order = self._order(trade.position, plan)
        asked = plan.asked.notes if plan.asked else ()
        reservation = None
        try:
            if plan.side is Side.BUY:
                worst = self._worst(trade.position, order)
                reservation = self._risk.reserve_order(order, worst)
            placed = Placed(self._clock.now(), order, reservation, (*notes, *asked))
            await self._trades.book(trade.execution_id, placed)
        except ReservationFailed as failed:
            return Done(trade.position, None, str(failed))
        except Conflict as conflict:
            if reservation is None and not isinstance(conflict, Halted):
                raise
            return Done(trade.position, None, _rejection(conflict, reservation))
        try:
            return await self._sent(order)
        except Unfit:  # what was reported is not kept: it is asked about
            self._questions.notice(order)
            raise
        finally:
            self._gate.ended(order.execution_id)

    def _undoes(self, position: OpenPosition, plan: Plan) -> bool:
        """Return whether Kalshi would net the purchase with the leg of another position.

        Or with the purchase of a running execution.
        """
        if plan.side is Side.SELL or plan.platform is not Platform.KALSHI:
            return False
        if plan.size <= opposite_of(position.kalshi, plan.outcome):
            return False
        contract = self._trades.match(position).contract(plan.platform)
        trade = self._trades.of(position.position_id)
        return plan.outcome in self._trades.claims.undone_by(trade, contract.contract_id)

    async def _sent(self, order: Order) -> Done:
        """Send a durable order, and book what is known about it afterwards."""
        self._gate.plan(order.execution_id, order.size, order.size)
        epoch, seconds = self._risk.capital.state.epoch, self._answer_seconds
        match await send(self._gate, self._gateways, order, epoch, seconds, self._clock):
            case Refused(reason=reason, code=code):
                return await self._came_to_nothing(order, reason, code=code)
            case Rejected(reason, sent):
                return await self._came_to_nothing(order, reason, sent=sent)
            case Unknown(reason):
                return await self._unknown(order, reason)
            case OrderReport() as report:
                return await self._answered(order.order_id, report)

    async def _answered(self, order_id: str, report: OrderReport) -> Done:
        """Book a platform's report on an order of a position.

        An immediate order that still works has no outcome yet: it is queried.
        """
        self._gate.answered(order_id)
        trade = self._trades.of_order(order_id)
        order = trade.orders[order_id]
        if report.working and order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return await self._unknown(order, "the platform still works on it")
        fact = reported(order, report, self._clock.now())
        after = await self._trades.book(trade.execution_id, fact)
        was, order = order, after.orders[order_id]
        more = order.filled > was.filled
        reason = None if more else order.refusal or "nothing was filled"
        return Done(after.position, order, reason)

    async def _came_to_nothing(
        self, order: Order, reason: str, *, code: int = REJECTED, sent: bool = False
    ) -> Done:
        self._gate.answered(order.order_id)
        fact = CameToNothing(self._clock.now(), order.order_id, reason, code, sent)
        after = await self._trades.book(order.execution_id, fact)
        return Done(after.position, after.orders[order.order_id], reason)

    async def _unknown(self, order: Order, reason: str) -> Done:
        trade = self._trades.of_order(order.order_id)
        if order.outcome_unknown_since is None:
            fact = OutcomeUnknown(self._clock.now(), order.order_id, reason)
            trade = await self._trades.book(trade.execution_id, fact)
            order = trade.orders[order.order_id]
        self._questions.notice(order)
        return Done(trade.position, order, reason, unknown=True)

    def _order(self, position: OpenPosition, plan: Plan) -> Order:
        contract = self._trades.match(position).contract(plan.platform)
        if plan.asked is not None:
            order_id = plan.asked.order_id
        else:
            order_id = self._ids.new("order", position.execution_id)
        order = Order(
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
        return self._gateways[order.platform].prepare(order)

    def _worst(self, position: OpenPosition, order: Order) -> Money:
        """Return the most that a buy can cost: its limit for the full size, with worst fees."""
        contract = self._trades.match(position).contract(order.platform)
        terms = contract.fees.at(self._clock.now()) if contract.fees else None
        assert terms is not None, "nothing is traded without known fees"
        dollars = order.price * order.size
        worst = terms.worst(order.price, order.size, fills=WORST_FILLS)
        if contract.sizing.cent_exact:
            worst = max(worst, terms.worst_of_dollars(dollars, fills=WORST_FILLS))
        return owed(dollars + worst)


def _rejection(conflict: Conflict, reservation: Reservation | None) -> str:
    """Return why the database rejected an intent."""
    if reservation is None:
        return str(conflict)
    reason = "trading_halted" if isinstance(conflict, Halted) else "rejected_by_database"
    return str(ReservationFailed(reason, str(conflict)))

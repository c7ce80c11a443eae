"""The events of an execution, made from its state: what people and alerts are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.application.market.watchlist import PairWatch, Watchlist
from dutchbook.application.pair_trades.store import Held
from dutchbook.application.records.committer import EventBus
from dutchbook.domain.detection.quote import Opportunity
from dutchbook.domain.events import (
    Event,
    ExecutionFailed,
    FailedLeg,
    FilledLeg,
    FillFailed,
    FillSettled,
    OpportunityIdentified,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderPlaced,
    PositionOpened,
    Scenario,
    SingleLegExposure,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
)
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.exposure import Exposure, Place, top_of_book
from dutchbook.domain.positions.position import Holding, OpenPosition
from dutchbook.domain.values.units import NOTHING, Quantity
from dutchbook.ports.time import Clock

SINGLE_LEG = 2004
"""The code of a leg that is alone: the other one's order came to nothing, or less than all."""


class Announcements:
    """Builds the events; stamping them is the only thing it does to the world."""

    def __init__(
        self,
        bus: EventBus,
        watchlist: Watchlist,
        clock: Clock,
        book_age: timedelta,
        collar: Decimal,
    ) -> None:
        self._bus = bus
        self._watchlist = watchlist
        self._clock = clock
        self._book_age = book_age
        self._collar = collar

    def identified(self, opportunity: Opportunity, execution_id: str) -> OpportunityIdentified:
        """An opportunity is acted on."""
        yes = opportunity.kalshi.outcome is Outcome.YES
        first, second = opportunity.kalshi, opportunity.polymarket
        if not yes:
            first, second = second, first
        return OpportunityIdentified(
            self._bus.stamp(execution_id),
            opportunity_id=opportunity.opportunity_id,
            pair_id=opportunity.match.match_id,
            direction=opportunity.direction,
            quantity=opportunity.quantity,
            yes_platform=first.platform,
            yes_price=first.walk.average,
            no_price=second.walk.average,
            gross_edge=opportunity.gross_edge,
            net_edge=opportunity.net_edge,
            expected_profit=opportunity.expected_profit,
            yearly_return=opportunity.yearly_return,
        )

    def placed(self, order: Order) -> OrderPlaced:
        """An order is about to be durable and sent."""
        return OrderPlaced(
            self._bus.stamp(order.execution_id),
            order_id=order.order_id,
            execution_id=order.execution_id,
            pair_id=order.pair_id,
            platform=order.platform,
            side=order.side,
            outcome=order.outcome,
            price=order.price,
            size=order.size,
        )

    def filled(self, order: Order, fill: Fill, position_id: str | None) -> OrderFilled:
        """A platform reported a trade of ours."""
        return OrderFilled(
            self._bus.stamp(order.execution_id),
            order_id=order.order_id,
            pair_id=order.pair_id,
            platform=order.platform,
            side=order.side,
            outcome=order.outcome,
            requested_price=order.price,
            requested_size=order.size,
            filled_price=fill.price,
            filled_size=fill.size,
            fee=fill.fee,
            position_id=position_id,
        )

    def final(self, order: Order, fill: Fill) -> FillFailed | FillSettled:
        """A platform can no longer take a fill back, or it never happened."""
        stamp = self._bus.stamp(order.execution_id)
        ids = (fill.trade_id, fill.order_id, fill.platform)
        if fill.finality is Finality.FAILED:
            return FillFailed(stamp, *ids, fill.size, fill.price)
        return FillSettled(stamp, *ids)

    def failed(self, order: Order, code: int, reason: str) -> ExecutionFailed:
        """An order of an execution came to nothing."""
        return ExecutionFailed(
            self._bus.stamp(order.execution_id),
            execution_id=order.execution_id,
            pair_id=order.pair_id,
            order_id=order.order_id,
            platform=order.platform,
            code=code,
            reason=reason,
        )

    def unknown(self, order: Order, reason: str) -> OrderOutcomeUnknown:
        """Nobody knows what became of an order."""
        return OrderOutcomeUnknown(
            self._bus.stamp(order.execution_id),
            order_id=order.order_id,
            execution_id=order.execution_id,
            platform=order.platform,
            reason=reason,
        )

    def opened(self, position: OpenPosition) -> PositionOpened:
        """Both legs are held."""
        return PositionOpened(
            self._bus.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            quantity=position.hedged,
            paid=position.paid,
            locked_profit=position.locked_profit,
            completed_at_loss=position.completed_at_loss,
        )

    def exposure(self, position: OpenPosition, held: Held, failed: FailedLeg) -> Event:
        """One leg is held without the other; `failed` tells what went wrong with that one."""
        watch = self._watchlist.pairs[position.pair_id]
        place = self.exposed(position, held)
        leg = place.held.leg
        order = _began(held, place.held.platform, leg)
        ways = place.scenarios()
        return SingleLegExposure(
            self._bus.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            expected_edge=position.expected_edge,
            exposed_quantity=place.quantity,
            filled_leg=FilledLeg(
                platform=order.platform,
                order_id=order.order_id,
                side=order.side,
                outcome=order.outcome,
                price=order.price,
                size=order.size,
                filled_price=leg.average or order.price,
                filled_size=leg.size,
            ),
            failed_leg=failed,
            kalshi_book=top_of_book(watch.kalshi),
            polymarket_book=top_of_book(watch.polymarket),
            scenarios=ways,
            recommended_actions=place.recommended(ways),
        )

    def alone(self, position: OpenPosition, held: Held, reason: str) -> Event:
        """One leg is alone, though no order for the other one has just come to nothing."""
        missing = FailedLeg(
            platform=position.longer.other,
            reason=reason,
            code=SINGLE_LEG,
            attempted_price=None,
            attempted_size=Quantity(abs(position.imbalance)),
        )
        return self.exposure(position, held, missing)

    def reminder(self, held: Held, since: datetime) -> SingleLegExposureReminder:
        """One leg is still alone; where its books are followed, with what could be done now."""
        position = held.position
        ways, actions = self._priced(position, held)
        return SingleLegExposureReminder(
            self._bus.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            exposed_quantity=Quantity(abs(position.imbalance)),
            exposed_since=since,
            scenarios=ways,
            recommended_actions=actions,
        )

    def changed(self, position: OpenPosition, held: Held) -> SingleLegExposureChanged:
        """A leg is still alone, in other contracts than before."""
        ways, actions = self._priced(position, held)
        return SingleLegExposureChanged(
            self._bus.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            platform=position.longer,
            outcome=position.holding(position.longer).outcome,
            exposed_quantity=Quantity(abs(position.imbalance)),
            scenarios=ways,
            recommended_actions=actions,
        )

    def _priced(
        self, position: OpenPosition, held: Held
    ) -> tuple[tuple[Scenario, ...], tuple[str, ...]]:
        """Return the ways on, and those that are open, where the books are followed."""
        if position.pair_id not in self._watchlist.pairs:
            return (), ()
        place = self.exposed(position, held)
        ways = place.scenarios()
        return ways, place.recommended(ways)

    def exposed(self, position: OpenPosition, held: Held) -> Exposure:
        """Return an exposure as it stands now, with the books of both platforms."""
        platform, now = position.longer, self._clock.now()
        watch = self._watchlist.pairs[position.pair_id]
        places = {p: self._place(watch, p, position) for p in Platform}
        outcome = position.holding(platform).outcome
        return Exposure(
            quantity=Quantity(abs(position.imbalance)),
            held=places[platform],
            missing=places[platform.other],
            sellable=held.settled_sizes.get((platform, outcome), NOTHING),
            now=now,
            distrust={p: b.distrust(now, self._book_age) for p, b in watch.books.items()},
            collar=self._collar,
        )

    def _place(self, watch: PairWatch, platform: Platform, position: OpenPosition) -> Place:
        contract = watch.match.contract(platform)
        terms = contract.fees.at(self._clock.now()) if contract.fees else None
        assert terms is not None, "nothing is traded without known fees"
        return Place(contract, watch.books[platform], terms, position.holding(platform))


def _began(held: Held, platform: Platform, leg: Holding) -> Order:
    """Return the order that opened a leg, or the first that filled it where none did.

    Where the other leg has sold more than it had, this one may never have had an order: the
    exposure began with that sale.
    """
    if leg.order_id is not None:
        return held.orders[leg.order_id]
    orders = list(held.orders.values())
    placed = [order for order in orders if order.platform is platform]
    bought = [order for order in placed if order.outcome is leg.outcome and order.filled]
    sold = [order for order in orders if order.side is Side.SELL and order.filled]
    return (*bought, *placed, *reversed(sold))[0]

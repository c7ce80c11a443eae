"""The events of an execution, made from its state: what people and alerts are told."""

from __future__ import annotations

from dutchbook.application.bus import EventBus
from dutchbook.application.watch import PairWatch, Watchlist
from dutchbook.domain.book import OrderBook
from dutchbook.domain.contract import Outcome, Platform
from dutchbook.domain.events import (
    ExecutionFailed,
    FailedLeg,
    FilledLeg,
    OpportunityIdentified,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderPlaced,
    PositionOpened,
    SingleLegExposure,
)
from dutchbook.domain.exposure import scenarios, top_of_book
from dutchbook.domain.fees import FeeTerms
from dutchbook.domain.order import Fill, Order
from dutchbook.domain.position import OpenPosition
from dutchbook.domain.quote import Opportunity
from dutchbook.domain.units import Quantity
from dutchbook.ports import Clock

Held = tuple[OrderBook, Outcome, FeeTerms]


class Announcements:
    """Builds the events; stamping them is the only thing it does to the world."""

    def __init__(self, bus: EventBus, watchlist: Watchlist, clock: Clock) -> None:
        self._bus = bus
        self._watchlist = watchlist
        self._clock = clock

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

    def filled(self, order: Order, fill: Fill, position_id: str) -> OrderFilled:
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

    def exposure(
        self, position: OpenPosition, order: Order, failed: FailedLeg
    ) -> SingleLegExposure:
        """One leg is held without the other; `order` is the held leg's, `failed` the other."""
        watch = self._watchlist.pairs[position.pair_id]
        platform = order.platform
        holding = position.holding(platform)
        quantity = Quantity(abs(position.imbalance))
        return SingleLegExposure(
            self._bus.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            expected_edge=position.expected_edge,
            exposed_quantity=quantity,
            filled_leg=FilledLeg(
                platform=platform,
                order_id=order.order_id,
                side=order.side,
                outcome=order.outcome,
                price=order.price,
                size=order.size,
                filled_price=holding.average or order.price,
                filled_size=holding.size,
            ),
            failed_leg=failed,
            kalshi_book=top_of_book(watch.kalshi),
            polymarket_book=top_of_book(watch.polymarket),
            scenarios=scenarios(
                quantity=quantity,
                paid=(holding.cost + holding.fees) * quantity / holding.size,
                held=self._side(watch, platform, position),
                missing=self._side(watch, platform.other, position),
            ),
            recommended_actions=("retry_leg", "close_leg"),
        )

    def _side(self, watch: PairWatch, platform: Platform, position: OpenPosition) -> Held:
        contract = watch.match.contract(platform)
        terms = contract.fees.at(self._clock.now()) if contract.fees else None
        assert terms is not None, "nothing is traded without known fees"
        return watch.books[platform], position.holding(platform).outcome, terms

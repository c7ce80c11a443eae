"""Events of pair trades: stamped, with exposures priced at the current books."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.application.market.watchlist import PairWatch, Watchlist
from dutchbook.application.pair_trades.claims import Claims
from dutchbook.application.records.committer import Committer
from dutchbook.domain.detection.quote import Opportunity
from dutchbook.domain.events import (
    Event,
    ExitMarked,
    FailedLeg,
    FilledLeg,
    OpportunityIdentified,
    Scenario,
    SingleLegExposure,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
)
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.pair_trades.events import Exposed, ExposureChanged, Notice
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import (
    Exposure,
    Place,
    mark_of_remedies,
    top_of_book,
)
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.positions.result import unhedged_cost
from dutchbook.domain.values.units import MICRO, NOTHING, Quantity
from dutchbook.ports.time import Clock


class Announcements:
    """Builds events; stamping them is its only effect."""

    def __init__(
        self,
        committer: Committer,
        watchlist: Watchlist,
        clock: Clock,
        book_age: timedelta,
        collar: Decimal,
        claims: Claims,
    ) -> None:
        self._committer = committer
        self._watchlist = watchlist
        self._clock = clock
        self._book_age = book_age
        self._collar = collar
        self._claims = claims

    def identified(self, opportunity: Opportunity, execution_id: str) -> OpportunityIdentified:
        """Return the event of an opportunity that is acted on."""
        yes = opportunity.kalshi.outcome is Outcome.YES
        first, second = opportunity.kalshi, opportunity.polymarket
        if not yes:
            first, second = second, first
        return OpportunityIdentified(
            self._committer.stamp(execution_id),
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

    def events(self, notice: Notice, trade: PairTrade) -> tuple[Event, ...]:
        """Return what is published of a notice: an exposure with its mark at this moment.

        The stop of an unhedged leg compares with the books of the commit that exposes it.
        """
        event = self.event(notice, trade)
        exposed = trade.position.status is PositionStatus.SINGLE_LEG_EXPOSED
        if not isinstance(event, SingleLegExposure) or not exposed:
            return (event,)
        mark = mark_of_remedies(event.scenarios)
        if mark is None:
            return (event,)
        stamp = self._committer.stamp(trade.execution_id)
        ids = (trade.position_id, trade.pair_id)
        return event, ExitMarked(stamp, *ids, hedged=False, mark=mark.quantize(MICRO))

    def event(self, notice: Notice, trade: PairTrade) -> Event:
        """Return the event of a notice, stamped; exposures are priced at the current books."""
        match notice:
            case Exposed(failed):
                return self.exposure(trade, failed)
            case ExposureChanged():
                return self.changed(trade)
            case Event() if not notice.stamp.event_id:
                correlation_id = notice.stamp.correlation_id
                return replace(notice, stamp=self._committer.stamp(correlation_id))
            case Event():
                return notice

    def exposure(self, trade: PairTrade, failed: FailedLeg) -> Event:
        """Return the event of an unhedged leg; `failed` is what went wrong with the other."""
        position = trade.position
        watch = self._watchlist.pairs[position.pair_id]
        exposure = self.exposed(trade)
        leg = exposure.held.leg
        order = _opening_order(trade, exposure.held.platform, leg)
        scenarios = exposure.scenarios()
        return SingleLegExposure(
            self._committer.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            expected_edge=position.expected_edge,
            exposed_quantity=exposure.quantity,
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
            scenarios=scenarios,
            recommended_actions=exposure.recommended(scenarios),
            platform=exposure.held.platform,
            outcome=leg.outcome,
            at_risk=unhedged_cost(position),
        )

    def reminder(self, trade: PairTrade, since: datetime) -> SingleLegExposureReminder:
        """Return the reminder of an unhedged leg, with remedies if its books are followed."""
        position = trade.position
        scenarios, actions = self._priced(trade)
        return SingleLegExposureReminder(
            self._committer.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            exposed_quantity=Quantity(abs(position.imbalance)),
            exposed_since=since,
            scenarios=scenarios,
            recommended_actions=actions,
            platform=position.longer,
            outcome=position.holding(position.longer).outcome,
            at_risk=unhedged_cost(position),
        )

    def changed(self, trade: PairTrade) -> SingleLegExposureChanged:
        """Return the event of an unhedged leg whose contracts have changed."""
        position = trade.position
        scenarios, actions = self._priced(trade)
        return SingleLegExposureChanged(
            self._committer.stamp(position.execution_id),
            position_id=position.position_id,
            pair_id=position.pair_id,
            platform=position.longer,
            outcome=position.holding(position.longer).outcome,
            exposed_quantity=Quantity(abs(position.imbalance)),
            scenarios=scenarios,
            recommended_actions=actions,
            at_risk=unhedged_cost(position),
        )

    def _priced(self, trade: PairTrade) -> tuple[tuple[Scenario, ...], tuple[str, ...]]:
        """Return the remedies, and those that are possible, if the books are followed."""
        if trade.pair_id not in self._watchlist.pairs:
            return (), ()
        exposure = self.exposed(trade)
        scenarios = exposure.scenarios()
        return scenarios, exposure.recommended(scenarios)

    def exposed(self, trade: PairTrade) -> Exposure:
        """Return the current exposure, with the books of both platforms."""
        position, now = trade.position, self._clock.now()
        platform, watch = position.longer, self._watchlist.pairs[position.pair_id]
        places = {p: self._place(watch, p, position) for p in Platform}
        outcome = position.holding(platform).outcome
        undone = self._claims.undone_by(trade, watch.match.kalshi.contract_id)
        return Exposure(
            quantity=Quantity(abs(position.imbalance)),
            held=places[platform],
            missing=places[platform.other],
            sellable=trade.settled_sizes.get((platform, outcome), NOTHING),
            now=now,
            untrusted_because={
                p: b.untrusted_because(now, self._book_age) for p, b in watch.books.items()
            },
            collar=self._collar,
            order_out=trade.order_out(),
            undone=undone,
        )

    def _place(self, watch: PairWatch, platform: Platform, position: OpenPosition) -> Place:
        contract = watch.match.contract(platform)
        terms = contract.fees.at(self._clock.now()) if contract.fees else None
        assert terms is not None, "nothing is traded without known fees"
        return Place(contract, watch.books[platform], terms, position.holding(platform))


def _opening_order(trade: PairTrade, platform: Platform, leg: Holding) -> Order:
    """Return the order that opened a leg, or else the first that filled it.

    If the other leg has sold more than it held, or only its complement is left since its fills
    failed, this one may never have had an order: the exposure began with that order.
    """
    if leg.order_id is not None:
        return trade.orders[leg.order_id]
    orders = list(trade.orders.values())
    placed = [order for order in orders if order.platform is platform]
    bought = [order for order in placed if order.outcome is leg.outcome and order.filled]
    filled = [order for order in orders if order.filled]
    sold = [order for order in filled if order.side is Side.SELL]
    return (*bought, *placed, *reversed(sold), *reversed(filled))[0]

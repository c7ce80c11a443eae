"""What carries positions on once they exist, joined: settlement, single legs, lost answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.exposure.auto_policy import AutoPolicy
from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.lifecycle import Carrying
from dutchbook.application.market.leg_order import FirstLegs
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.orders.gate import Gate
from dutchbook.application.pair_trades.adjustments import Adjustments
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.booking import Bookkeeper
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.application.recovery.order_inquiry import Inquiries
from dutchbook.application.recovery.recovery import Recovery
from dutchbook.domain.execution.pre_trade_checks import Controls
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock, Ids


@dataclass(frozen=True, slots=True)
class CarryingRules:
    """What these go by; each is a setting.

    Attributes:
        policy: What is done about one leg alone.
        rescue_limit: Dollars a contract that completing may lose.
        controls: How far an order may go.
        book_age: Older books are not traded on.
        answer_seconds: Without an answer for so long, an outcome is unknown.
        person_after: An outcome that is unknown for so long is told to a person.
    """

    policy: AutoPolicy
    rescue_limit: Decimal
    controls: Controls
    book_age: timedelta
    answer_seconds: int
    person_after: timedelta


def carrying(
    journal: Journal,
    bus: EventBus,
    risk: RiskManager,
    watchlist: Watchlist,
    gateways: Mapping[Platform, PlatformGateway],
    clock: Clock,
    ids: Ids,
    rules: CarryingRules,
) -> Carrying:
    """Join what carries positions on."""
    collar = rules.controls.price_collar
    announce = Announcements(bus, watchlist, clock, rules.book_age, collar)
    holdings, first_legs = Holdings(watchlist.matches), FirstLegs(journal)
    books = Bookkeeper(bus, risk, holdings, clock)
    gate = _gate(journal, bus, risk, watchlist, holdings, clock, rules)
    wait = rules.answer_seconds
    adjustments = Adjustments(
        bus, risk, holdings, books, announce, gate, gateways, clock, ids, wait
    )
    single_leg = _single_leg(bus, holdings, adjustments, announce, clock, rules)
    exposed, matches = single_leg.exposed, watchlist.matches
    recovery = Recovery(
        journal, bus, risk, holdings, announce, first_legs, matches, clock, ids, exposed
    )
    inquiries = _inquiries(
        bus, holdings, adjustments, recovery, gateways, clock, exposed, rules
    )
    disputes = Disputes(journal, bus, risk, clock, ids)
    holdings.contested = disputes.on
    settling = SettlementFollower(
        bus,
        holdings,
        books,
        announce,
        exposed,
        gateways,
        clock,
        wait,
        disputes,
        recovery,
    )
    recovery.on_bought = settling.notice
    image = (journal, announce, first_legs, holdings, gate, books)
    return Carrying(*image, adjustments, settling, single_leg, recovery, inquiries, disputes)


def _inquiries(
    bus: EventBus,
    holdings: Holdings,
    adjustments: Adjustments,
    recovery: Recovery,
    gateways: Mapping[Platform, PlatformGateway],
    clock: Clock,
    exposed: Callable[[str], None],
    rules: CarryingRules,
) -> Inquiries:
    """Join what asks about unknown outcomes, and let adjustments name theirs."""
    asking = Inquiries(
        bus,
        holdings,
        adjustments,
        recovery,
        gateways,
        clock,
        exposed,
        answer_seconds=rules.answer_seconds,
        person_after=rules.person_after,
    )
    adjustments.on_unknown = asking.notice
    return asking


def _single_leg(
    bus: EventBus,
    holdings: Holdings,
    adjustments: Adjustments,
    announce: Announcements,
    clock: Clock,
    rules: CarryingRules,
) -> SingleLegResolutionService:
    """Join what resolves exposures, which hears when one is gone."""
    single_leg = SingleLegResolutionService(
        holdings,
        adjustments,
        announce,
        bus,
        clock,
        policy=rules.policy,
        rescue_limit=rules.rescue_limit,
    )
    bus.subscribe(single_leg.hear)
    return single_leg


def _gate(
    journal: Journal,
    bus: EventBus,
    risk: RiskManager,
    watchlist: Watchlist,
    holdings: Holdings,
    clock: Clock,
    rules: CarryingRules,
) -> Gate:
    """Join the last look at an order, which counts the fills that it hears of."""
    gate = Gate(
        lambda: risk.state,
        watchlist.books,
        rules.controls,
        rules.book_age,
        holdings.held,
        clock,
        journal=journal,
        fence=bus.fence,
    )
    bus.subscribe(gate.hear)
    return gate

"""Opportunities, orders, positions and exposures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from dutchbook.domain.events.base import Event
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity


@dataclass(frozen=True, slots=True)
class FilledLeg:
    """The leg that we hold."""

    platform: Platform
    order_id: str
    side: Side
    outcome: Outcome
    price: Price
    size: Quantity
    filled_price: Decimal
    filled_size: Quantity


@dataclass(frozen=True, slots=True)
class FailedLeg:
    """The leg that is missing or short; `code` is one of the 2000s."""

    platform: Platform
    reason: str
    code: int
    attempted_price: Price | None
    attempted_size: Quantity


@dataclass(frozen=True, slots=True)
class TopOfBook:
    """Best prices of a contract in YES dollars; None where a side is empty or unknown."""

    best_bid: Price | None
    best_ask: Price | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way out of an exposure: what it would bring, and the cash that it needs now.

    Attributes:
        name: retry_leg, close_leg, complement or hold.
        pnl: Dollars that the contracts it is taken for would bring altogether; None where the
            way is barred or the result is open.
        cash_needed: Dollars to be paid now.
        detail: The same in words.
        platform: Where the order would go.
        size: Contracts that can be traded there now: those that are alone, or a part of them.
        price: The worst price that it would meet, in dollars of what is traded.
        blocked: Why it cannot be done now.
        fees: Dollars of fees in these figures.
    """

    name: str
    pnl: Money | None
    cash_needed: Money | None
    detail: str
    platform: Platform | None = None
    size: Quantity | None = None
    price: Price | None = None
    blocked: str | None = None
    fees: Money | None = None

    @property
    def each(self) -> Decimal | None:
        """Dollars a contract: what ways for different sizes are compared by."""
        return self.pnl / self.size if self.pnl is not None and self.size else None


@dataclass(frozen=True, slots=True)
class OrderbookUpdated(Event):
    """A book of a contract changed. In-process only."""

    wire: ClassVar[str] = "orderbook.updated"
    durable: ClassVar[bool] = False
    platform: Platform
    contract_id: str
    best_bid_e4: int
    best_ask_e4: int


@dataclass(frozen=True, slots=True)
class OpportunityIdentified(Event):
    """A pair costs less than it pays, by enough, and may be executed."""

    wire: ClassVar[str] = "detection.opportunity.identified"
    opportunity_id: str
    pair_id: str
    direction: str
    quantity: Quantity
    yes_platform: Platform
    yes_price: Decimal
    no_price: Decimal
    gross_edge: Decimal
    net_edge: Decimal
    expected_profit: Money
    yearly_return: Decimal


@dataclass(frozen=True, slots=True)
class OpportunityFiltered(Event):
    """A gross edge was there and was refused, for a named reason."""

    wire: ClassVar[str] = "detection.opportunity.filtered"
    pair_id: str
    direction: str
    reason: str
    gross_edge: Decimal
    net_edge: Decimal | None
    detail: str


@dataclass(frozen=True, slots=True)
class OrderFilled(Event):
    """An order of ours was filled, in whole or in part."""

    wire: ClassVar[str] = "execution.order.filled"
    order_id: str
    pair_id: str
    platform: Platform
    side: Side
    outcome: Outcome
    requested_price: Price
    requested_size: Quantity
    filled_price: Decimal
    filled_size: Quantity
    fee: Money
    position_id: str | None


@dataclass(frozen=True, slots=True)
class ExecutionFailed(Event):
    """An attempt ended without a hedge, or an order of it failed.

    `code` is one of the 2000s.
    """

    wire: ClassVar[str] = "execution.order.failed"
    execution_id: str
    pair_id: str
    order_id: str | None
    platform: Platform
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class SingleLegExposure(Event):
    """One leg is held without the other."""

    wire: ClassVar[str] = "execution.single_leg.exposure"
    position_id: str
    pair_id: str
    expected_edge: Money
    exposed_quantity: Decimal
    filled_leg: FilledLeg
    failed_leg: FailedLeg
    kalshi_book: TopOfBook
    polymarket_book: TopOfBook
    scenarios: tuple[Scenario, ...]
    recommended_actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SingleLegExposureReminder(Event):
    """An exposure is still there; its ways on, as they are priced now."""

    wire: ClassVar[str] = "execution.single_leg.exposure_reminder"
    position_id: str
    pair_id: str
    exposed_quantity: Decimal
    exposed_since: datetime
    scenarios: tuple[Scenario, ...] = ()
    recommended_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SingleLegExposureChanged(Event):
    """What is alone now, and its ways on, beyond what was last told.

    An order changed an exposure and did not end it (one that filled more than was missing has
    turned it round), or its prices are not what a person was shown.
    """

    wire: ClassVar[str] = "execution.single_leg.exposure_changed"
    position_id: str
    pair_id: str
    platform: Platform
    outcome: Outcome
    exposed_quantity: Decimal
    scenarios: tuple[Scenario, ...] = ()
    recommended_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SingleLegResolved(Event):
    """An exposure is gone.

    The missing leg was bought (`retried`) or the held one sold (`closed`).
    """

    wire: ClassVar[str] = "execution.single_leg.resolved"
    position_id: str
    pair_id: str
    resolution: str
    order_id: str
    original_edge: Money
    new_edge: Money | None
    retry_price: Price | None
    realised_pnl: Money | None


@dataclass(frozen=True, slots=True)
class PolicyTried(Event):
    """The engine itself tried a step about an exposure: each step once for each exposure.

    Attributes:
        position_id: Whose.
        pair_id: Its pair.
        platform: Where the leg is alone.
        step: retry_leg or close_leg.
        reason: Why nothing was sent; None where the order was committed together with this.
    """

    wire: ClassVar[str] = "execution.single_leg.policy_tried"
    position_id: str
    pair_id: str
    platform: Platform
    step: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ExitTriggered(Event):
    """A position is to be left before resolution."""

    wire: ClassVar[str] = "execution.exit.triggered"
    position_id: str
    pair_id: str
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    """An order is durable and about to be sent."""

    wire: ClassVar[str] = "execution.order.placed"
    order_id: str
    execution_id: str
    pair_id: str
    platform: Platform
    side: Side
    outcome: Outcome
    price: Price
    size: Quantity


@dataclass(frozen=True, slots=True)
class OrderOutcomeUnknown(Event):
    """No trustworthy answer came for an order: it is asked about and never sent again."""

    wire: ClassVar[str] = "execution.order.outcome_unknown"
    order_id: str
    execution_id: str
    platform: Platform
    reason: str


@dataclass(frozen=True, slots=True)
class PositionOpened(Event):
    """Both legs are held in equal contracts."""

    wire: ClassVar[str] = "execution.position.opened"
    position_id: str
    pair_id: str
    quantity: Quantity
    paid: Money
    locked_profit: Money
    completed_at_loss: bool


@dataclass(frozen=True, slots=True)
class FillSettled(Event):
    """A platform cannot take this fill back any more."""

    wire: ClassVar[str] = "execution.fill.settled"
    trade_id: str
    order_id: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class FillFailed(Event):
    """A fill that had been reported never happened."""

    wire: ClassVar[str] = "execution.fill.failed"
    trade_id: str
    order_id: str
    platform: Platform
    size: Quantity
    price: Price


@dataclass(frozen=True, slots=True)
class PositionMoved(Event):
    """A position's status changed: from what, to what, and why."""

    wire: ClassVar[str] = "execution.position.moved"
    position_id: str
    pair_id: str
    before: str
    after: str
    cause: str


@dataclass(frozen=True, slots=True)
class PositionClosed(Event):
    """Nothing is held any more. The result is in dollars, all fees included.

    `divergence_pnl` is the part of it that comes from both contracts resolving differently.
    """

    wire: ClassVar[str] = "execution.position.closed"
    position_id: str
    pair_id: str
    realised_pnl: Money
    divergence_pnl: Money
    fees: Money
    expected_edge: Money


@dataclass(frozen=True, slots=True)
class OrderNeedsPerson(Event):
    """The outcome of an order has been unknown for too long: a person must look."""

    wire: ClassVar[str] = "execution.order.needs_person"
    order_id: str
    pair_id: str
    platform: Platform
    unknown_since: datetime
    detail: str

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
    """The leg that is held."""

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
    """The leg that is missing or short; `code` is in the 2000s."""

    platform: Platform
    reason: str
    code: int
    attempted_price: Price | None
    attempted_size: Quantity


@dataclass(frozen=True, slots=True)
class TopOfBook:
    """Best prices of a contract in YES dollars; None for an empty or unknown side."""

    best_bid: Price | None
    best_ask: Price | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One remedy for an exposure: its result, and the cash that it needs now.

    Attributes:
        name: retry_leg, close_leg, complement or hold.
        pnl: Total profit in dollars on the contracts it covers; None if the remedy is blocked
            or its result is open.
        cash_needed: Dollars to be paid now.
        detail: The same in words.
        platform: Where the order would go.
        size: Contracts that can be traded there now: all unhedged ones, or a part of them.
        price: The worst price that the order would meet, in dollars of what is traded.
        blocked: Why the remedy is not possible now.
        fees: Dollars of fees included in these amounts.
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
        """Profit per contract, for comparing remedies of different sizes."""
        return self.pnl / self.size if self.pnl is not None and self.size else None


@dataclass(frozen=True, slots=True)
class OrderbookUpdated(Event):
    """A contract's order book changed. In-process only."""

    wire: ClassVar[str] = "orderbook.updated"
    durable: ClassVar[bool] = False
    platform: Platform
    contract_id: str
    best_bid_e4: int
    best_ask_e4: int


@dataclass(frozen=True, slots=True)
class OpportunityIdentified(Event):
    """A pair costs less than it pays by enough to be executed."""

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
    """A gross edge was found and rejected for a named reason."""

    wire: ClassVar[str] = "detection.opportunity.filtered"
    pair_id: str
    direction: str
    reason: str
    gross_edge: Decimal
    net_edge: Decimal | None
    detail: str


@dataclass(frozen=True, slots=True)
class OrderFilled(Event):
    """One of our orders was filled, fully or in part."""

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
    """An execution ended without a hedge, or one of its orders failed.

    `code` is in the 2000s.
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
    """One leg is held without the other.

    `platform` and `outcome` are those of the unhedged contracts, which have cost `at_risk`
    dollars, fees included. Logs of earlier versions do not have these three.
    """

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
    platform: Platform | None = None
    outcome: Outcome | None = None
    at_risk: Money | None = None


@dataclass(frozen=True, slots=True)
class SingleLegExposureReminder(Event):
    """An exposure still exists; its remedies at current prices.

    For `platform`, `outcome` and `at_risk` see `SingleLegExposure`.
    """

    wire: ClassVar[str] = "execution.single_leg.exposure_reminder"
    position_id: str
    pair_id: str
    exposed_quantity: Decimal
    exposed_since: datetime
    scenarios: tuple[Scenario, ...] = ()
    recommended_actions: tuple[str, ...] = ()
    platform: Platform | None = None
    outcome: Outcome | None = None
    at_risk: Money | None = None


@dataclass(frozen=True, slots=True)
class SingleLegExposureChanged(Event):
    """An exposure or its remedies changed since the last notification.

    An order changed the exposure without ending it (an order that filled more than was missing
    reverses it), or prices moved away from those last shown to a person. For `at_risk` see
    `SingleLegExposure`.
    """

    wire: ClassVar[str] = "execution.single_leg.exposure_changed"
    position_id: str
    pair_id: str
    platform: Platform
    outcome: Outcome
    exposed_quantity: Decimal
    scenarios: tuple[Scenario, ...] = ()
    recommended_actions: tuple[str, ...] = ()
    at_risk: Money | None = None


@dataclass(frozen=True, slots=True)
class SingleLegResolved(Event):
    """An exposure ended: the missing leg was bought (`retried`) or the held sold (`closed`)."""

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
    """What the engine did about an exposure itself: it took a remedy, or waits for one.

    Attributes:
        position_id: The exposed position.
        pair_id: Its pair.
        platform: Platform of the unhedged leg.
        step: retry_leg, close_leg, complement; hold if it waits.
        reason: Why nothing was sent; None if the order was committed with this event.
    """

    wire: ClassVar[str] = "execution.single_leg.policy_tried"
    position_id: str
    pair_id: str
    platform: Platform
    step: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ExitTriggered(Event):
    """A position is to be exited before resolution."""

    wire: ClassVar[str] = "execution.exit.triggered"
    position_id: str
    pair_id: str
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    """An order is stored durably and about to be sent."""

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
    """No trustworthy answer arrived for an order: it is queried and never resent."""

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
class FillListed(Event):
    """A platform listed a trade of which it had only stated the total before."""

    wire: ClassVar[str] = "execution.fill.listed"
    trade_id: str
    order_id: str
    platform: Platform
    size: Quantity
    price: Price
    fee: Money


@dataclass(frozen=True, slots=True)
class FillSettled(Event):
    """The platform can no longer take this fill back."""

    wire: ClassVar[str] = "execution.fill.settled"
    trade_id: str
    order_id: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class FillFailed(Event):
    """A reported fill failed to settle: it never happened."""

    wire: ClassVar[str] = "execution.fill.failed"
    trade_id: str
    order_id: str
    platform: Platform
    size: Quantity
    price: Price


@dataclass(frozen=True, slots=True)
class PositionMoved(Event):
    """A position's status changed from `before` to `after`, for `cause`."""

    wire: ClassVar[str] = "execution.position.moved"
    position_id: str
    pair_id: str
    before: str
    after: str
    cause: str


@dataclass(frozen=True, slots=True)
class PositionClosed(Event):
    """A position is no longer held. Its result is in dollars, all fees included.

    `divergence_pnl` is the part of the result due to the contracts resolving differently.
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
    """The outcome of an order has been unknown for too long: a person must look at it."""

    wire: ClassVar[str] = "execution.order.needs_person"
    order_id: str
    pair_id: str
    platform: Platform
    unknown_since: datetime
    detail: str

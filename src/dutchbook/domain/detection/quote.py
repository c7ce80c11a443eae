"""Opportunities: their legs, hurdles and caps, and the reasons for rejecting them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.market.book import Walk
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity


class Reason(StrEnum):
    """Why a direction of a pair is not traded now."""

    NO_EDGE = "no_edge"
    PAIR_NOT_APPROVED = "pair_not_approved"
    CLOSING_SOON = "closing_soon"
    RESOLVED = "resolved"
    BOOK_SYNCING = "book_syncing"
    BOOK_SUSPECT = "book_suspect"
    BOOK_STALE = "book_stale"
    BOOK_OFF_GRID = "book_off_grid"
    FEE_UNKNOWN = "fee_unknown"
    SUSPICIOUS_EDGE = "suspicious_edge"
    BELOW_MINIMUM_EDGE = "below_minimum_edge"
    BELOW_HURDLE_RATE = "below_hurdle_rate"
    BELOW_MINIMUM_SIZE = "below_minimum_size"
    INSUFFICIENT_DEPTH = "insufficient_depth"
    INSUFFICIENT_CAPITAL = "insufficient_capital"
    PAIR_LIMIT = "pair_limit"
    CLUSTER_LIMIT = "cluster_limit"
    COOLING_DOWN = "cooling_down"
    IN_EXECUTION = "in_execution"
    QUEUE_FULL = "queue_full"
    TRADING_HALTED = "trading_halted"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DISCREPANCY_OPEN = "discrepancy_open"
    OPPOSITE_POSITION = "opposite_position"
    POSITION_SIZE = "position_size"
    MAX_OPEN_PAIRS = "max_open_pairs"
    PLATFORM_DEGRADED = "platform_degraded"
    TRADED_BEFORE = "traded_before"
    BOOKS_APART = "books_apart"
    UNHEDGED_LEG = "unhedged_leg"


@dataclass(frozen=True, slots=True)
class Hurdles:
    """What an edge must clear. Edges are dollars per contract, rates are per year.

    `edge_slope` is how much the minimum edge rises with the money in use; see `rising_with`.
    `books_apart` is how far apart the last updates of both books may be. With `adds_up` the
    yearly return is asked for beyond the minimum edge, else whichever is more; `missed_leg` is
    the part of the minimum edge that pays for a missed second leg.
    `kalshi_interest` and `polymarket_interest` are the rates that a platform pays on the
    collateral of a position; they reduce the yearly return that an edge must bring.
    """

    minimum_net_edge: Decimal = Decimal("0.008")
    edge_slope: Decimal = Decimal("0.005")
    suspicious_edge: Decimal = Decimal("0.15")
    yearly_return: Decimal = Decimal("0.08")
    minimum_fill_share: Decimal = Decimal("0.25")
    rescue_limit: Decimal = Decimal("0.02")
    true_up_share: Decimal = Decimal("0.10")
    gas: Money = ZERO
    kalshi_interest: Decimal = Decimal(0)
    polymarket_interest: Decimal = Decimal(0)
    book_age: timedelta = timedelta(seconds=5)
    books_apart: timedelta = timedelta(milliseconds=1_500)
    closing_window: timedelta = timedelta(minutes=2)
    adds_up: bool = False
    missed_leg: Decimal = Decimal(0)

    def adding_up(self, miss: Decimal) -> Hurdles:
        """Return the hurdles of an edge that pays for all its costs, and the minimum besides.

        Args:
            miss: The expected cost of a missed second leg, in dollars a contract.
        """
        asked = self.minimum_net_edge + miss
        return replace(self, minimum_net_edge=asked, adds_up=True, missed_leg=miss)

    @property
    def asked(self) -> str:
        """What a refusal says about the minimum edge, where it is not the setting alone."""
        if not self.missed_leg:
            return ""
        return f"{self.minimum_net_edge:f} is asked, {self.missed_leg:f} for a missed leg"

    def beyond(self, margin: Decimal) -> Decimal:
        """Return what of a margin is there to bring the yearly return, in dollars."""
        return margin - self.minimum_net_edge if self.adds_up else margin

    def rising_with(self, used: Decimal) -> Hurdles:
        """Return the hurdles while a share of the money that an entry may use is in use.

        The minimum edge rises by `edge_slope` times the square of that share: what is left is
        kept for better edges.
        """
        raised = self.minimum_net_edge + self.edge_slope * used * used
        return replace(self, minimum_net_edge=raised)


@dataclass(frozen=True, slots=True)
class Room:
    """What the tightest limit of a pair and its cluster leaves, and which limit that is.

    Reserved and committed capital on the pair may grow by this many dollars in the worst case.
    """

    dollars: Money
    limit: Reason


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be spent now on one position.

    Attributes:
        position: Maximum cost of the position.
        free: Dollars available on each platform for its worst case.
        room: What the pair and its cluster may still take; None if nothing bounds them.
        used: The share in use of the tightest limit on capital at risk, from 0 to 1.
    """

    position: Money
    free: Mapping[Platform, Money]
    room: Room | None = None
    used: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class LegQuote:
    """One leg priced from the book: cost of the whole quantity, and its price bounds.

    Attributes:
        limit: The price of the last contract walked, in dollars of `outcome`.
        bound: The worst price of the leg's order. For the second leg: how far it may be raised
            to complete the pair rather than unwind the first.
        even_bound: The same for a small order that rebalances the legs afterwards.
        budget: The worst case in dollars: all orders at their bounds, with the worst fee.
    """

    platform: Platform
    contract_id: str
    outcome: Outcome
    walk: Walk
    limit: Price
    bound: Price
    even_bound: Price
    fee: Money
    budget: Money


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A quote worth taking: equal contracts of both legs for less than they pay.

    `opportunity_id` is empty until the engine decides to act on the opportunity.
    """

    opportunity_id: str
    match: ContractMatch
    kalshi: LegQuote
    polymarket: LegQuote
    primary: Platform
    quantity: Quantity
    gross_edge: Decimal
    net_edge: Decimal
    expected_profit: Money
    divergence_reserve: Money
    yearly_return: Decimal
    rate_per_day: Decimal
    detected_at: datetime

    def leg(self, platform: Platform) -> LegQuote:
        """Return the leg on `platform`."""
        return self.kalshi if platform is Platform.KALSHI else self.polymarket

    @property
    def direction(self) -> str:
        """The direction, named after the outcome bought on Kalshi; the other leg hedges it."""
        return direction_name(self.kalshi.outcome)

    @property
    def budget(self) -> Money:
        """The worst case of both legs together."""
        return Money(self.kalshi.budget + self.polymarket.budget)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an edge is not traded, with its size."""

    reason: Reason
    gross_edge: Decimal
    net_edge: Decimal | None = None
    detail: str = ""


def direction_name(kalshi_outcome: Outcome) -> str:
    """Return the name of a direction of a pair: the outcome it buys on Kalshi."""
    return f"kalshi_{kalshi_outcome.value}"

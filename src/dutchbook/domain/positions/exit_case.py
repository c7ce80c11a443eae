"""Types of an exit decision: rules, reasons, the inputs (`ExitCase`) and the decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform, Side
from dutchbook.domain.positions.exposure import Place
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity


class ExitRule(StrEnum):
    """When to exit a hedged position: `hold` to resolution, or `classic` profit, stop, time."""

    HOLD = "hold"
    CLASSIC = "classic"


class Why(StrEnum):
    """Why a position is held or exited."""

    WORTH_MORE = "worth_more_at_resolution"
    WITHIN_LIMITS = "within_its_limits"
    NO_MARK = "no_mark_at_birth_yet"
    NO_STOP = "the_stop_is_off"
    NOT_HELD = "nothing_to_leave"
    STATUS = "a_person_resolves_it"
    BOOK = "book_not_trusted"
    THIN = "too_small_for_an_order"
    CLOSED = "contract_closed"
    TOO_COSTLY = "too_costly"
    RESOLVED = "resolved"
    BETTER_NOW = "worth_more_now"
    RULES_CHANGED = "rules_changed"
    PLATFORM_RISK = "platform_risk"
    WIND_DOWN = "wind_down"
    STOP = "stop_loss"
    PROFIT = "take_profit"
    TIME = "time"
    UNFINISHED = "exit_unfinished"


class Way(StrEnum):
    """How a position is exited."""

    SELL = "sell"
    REVERSE = "reverse"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class ExitRules:
    """Rules of an exit; each is a setting.

    Attributes:
        rule: The rule for hedged quantity.
        take_profit_share: Share of the edge at entry at which `classic` takes its profit.
        stop_loss_share: Share of the edge at entry, lost, at which `classic` and the stop of
            unhedged quantity exit.
        time: Time before resolution at which `classic` exits.
        unhedged_stop: Whether unhedged quantity has a stop.
        urgent_cost: Maximum dollars per contract below the value of holding that a forced exit
            may cost.
        minimum_gain: Minimum dollars per contract above the value of holding that an early
            exit must bring, since its second leg can be missed like that of an entry.
        yearly_return: Yearly return that money must earn until it is cash.
        collar: Maximum dollars beyond the best price.
        books_apart: How far apart the last updates of both books may be, unless an exit is
            forced.
        gas: Dollars per order.
    """

    rule: ExitRule = ExitRule.HOLD
    take_profit_share: Decimal = Decimal("0.8")
    stop_loss_share: Decimal = Decimal(2)
    time: timedelta = timedelta(hours=48)
    unhedged_stop: bool = True
    urgent_cost: Decimal = Decimal("0.05")
    minimum_gain: Decimal = Decimal("0.002")
    yearly_return: Decimal = Decimal("0.08")
    collar: Decimal = Decimal("0.10")
    books_apart: timedelta = timedelta(milliseconds=1_500)
    gas: Money = ZERO


@dataclass(frozen=True, slots=True)
class ExitCase:
    """A position with everything that an exit decision depends on, at one moment.

    Attributes:
        match: Its pair.
        position: The position as it is now.
        places: Contract, book, fees and leg on each platform.
        sellable: Contracts of each leg's outcome that its platform cannot take back.
        untrusted_because: Why the book of a platform must not be traded on, None if it may be.
        now: The moment of the decision.
        edge: Dollars per contract that the entry expected to lock in.
        born: Net proceeds per contract (hedged) or profit per contract (unhedged) of an exit
            when the quantity was acquired; None while not known.
        resolved: Whether one of its contracts has a final result.
        forced: What forces an exit, if anything.
    """

    match: ContractMatch
    position: OpenPosition
    places: Mapping[Platform, Place]
    sellable: Mapping[Platform, Quantity]
    untrusted_because: Mapping[Platform, str | None]
    now: datetime
    edge: Decimal
    born: Decimal | None = None
    resolved: bool = False
    forced: Why | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """The decision to do nothing, with its reason."""

    reason: Why
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LegExit:
    """One leg's exit order: `limit` is its worst price, `net` the dollars for all of it."""

    platform: Platform
    outcome: Outcome
    side: Side
    size: Quantity
    limit: Price
    net: Money


@dataclass(frozen=True, slots=True)
class Leave:
    """The decision to exit: the orders to send, in this order, and their proceeds after fees.

    Attributes:
        reason: Why.
        way: `REVERSE` if any leg buys, else `SELL`; `COMPLETE` buys the missing leg.
        size: Contracts of each traded leg.
        legs: The orders, the one on the thinner book first.
        net: Proceeds in dollars, with merged and netted pairs at a dollar each.
        detail: The same in words.
    """

    reason: Why
    way: Way
    size: Quantity
    legs: tuple[LegExit, ...]
    net: Money
    detail: str


Decision = Hold | Leave

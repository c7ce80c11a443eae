"""What an exit is decided from, and what can be decided: rules, reasons, a case, a decision."""

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
    """When a hedged position is left: `hold` to resolution, or `classic` profit, stop, time."""

    HOLD = "hold"
    CLASSIC = "classic"


class Why(StrEnum):
    """Why a position is held, or why it is left."""

    WORTH_MORE = "worth_more_at_resolution"
    WITHIN_LIMITS = "within_its_limits"
    NO_MARK = "no_mark_at_birth_yet"
    NO_STOP = "the_stop_is_off"
    NOT_HELD = "nothing_to_leave"
    STATUS = "a_person_resolves_it"
    ORDER_OUT = "an_order_is_out"
    BOOK = "book_not_trusted"
    THIN = "too_small_for_an_order"
    UNREACHABLE = "the_other_platform_does_not_answer"
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
    """How a position is left."""

    SELL = "sell"
    REVERSE = "reverse"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class ExitRules:
    """What an exit is judged by; each is a setting.

    Attributes:
        rule: For hedged quantity.
        take_profit_share: Of the edge at entry, which `classic` takes.
        stop_loss_share: Of the edge at entry, at which `classic` and the stop of unhedged
            quantity give up.
        time: Before resolution, at which `classic` leaves.
        unhedged_stop: Whether unhedged quantity has a stop.
        urgent_cost: Dollars a contract below the value of holding, at most, that a forced
            exit may cost.
        minimum_gain: Dollars a contract above the value of holding, at least, that an early
            exit must bring: its second leg can be missed, as that of an entry.
        yearly_return: What money must earn until cash.
        collar: Dollars beyond the best price at most.
        gas: Dollars an order.
    """

    rule: ExitRule = ExitRule.HOLD
    take_profit_share: Decimal = Decimal("0.8")
    stop_loss_share: Decimal = Decimal(2)
    time: timedelta = timedelta(hours=48)
    unhedged_stop: bool = True
    urgent_cost: Decimal = Decimal("0.05")
    minimum_gain: Decimal = Decimal("0.008")
    yearly_return: Decimal = Decimal("0.08")
    collar: Decimal = Decimal("0.10")
    gas: Money = ZERO


@dataclass(frozen=True, slots=True)
class ExitCase:
    """A position with all that decides about leaving it, at one moment.

    Attributes:
        match: Its pair.
        position: As it is.
        places: Contract, book, fees and leg on each platform.
        sellable: Contracts of each leg's outcome that their platform cannot take back.
        distrust: Why a book must not be traded on.
        now: The moment.
        edge: Dollars a contract that the entry expected to lock.
        born: Net proceeds a contract (hedged), or profit a contract (unhedged), when the
            quantity came into being; None while it is not known.
        resolved: Whether a contract of it has a final result.
        forced: What forces it out, if anything.
    """

    match: ContractMatch
    position: OpenPosition
    places: Mapping[Platform, Place]
    sellable: Mapping[Platform, Quantity]
    distrust: Mapping[Platform, str | None]
    now: datetime
    edge: Decimal
    born: Decimal | None = None
    resolved: bool = False
    forced: Why | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is done, and why."""

    reason: Why
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Redeem:
    """A contract of it has resolved: its payout is collected, nothing is traded."""


@dataclass(frozen=True, slots=True)
class LegExit:
    """One leg's order on the way out: `limit` is its worst price, `net` dollars for all."""

    platform: Platform
    outcome: Outcome
    side: Side
    size: Quantity
    limit: Price
    net: Money


@dataclass(frozen=True, slots=True)
class Leave:
    """What is sent, in this order, and what it brings after fees.

    Attributes:
        reason: Why.
        way: Reverse where any leg buys, else sell; complete buys the missing leg.
        size: Contracts, of each leg that is traded.
        legs: The thinner book first.
        net: Dollars that come in, merged and netted pairs at a dollar each.
        worth: What holding those contracts is worth now, in dollars.
        detail: The same in words.
    """

    reason: Why
    way: Way
    size: Quantity
    legs: tuple[LegExit, ...]
    net: Money
    worth: Money
    detail: str


Decision = Hold | Redeem | Leave

"""Controls of the last gate before a send: each is a pure check of one order against facts.

The list follows regulation for other firms: price collars, maximum value, message limits, a
throttle on repeated execution (Commission Delegated Regulation (EU) 2017/589, Art. 15), and
duplicates, erroneous orders and pre-set capital (17 CFR 240.15c3-5). The checks do not depend
on the planner that made the order, so that they catch its mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dutchbook.domain.capital.limits import Grade, HaltReason, RiskState
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import CENT, Contract, Side
from dutchbook.domain.values.units import Money, Price, Quantity

DAILY_LOSS, SIZE, DEPTH, HALTED, LEASE = 3003, 3001, 2001, 4001, 4002
EPOCH, COLLAR, RATE, DUPLICATE, EGRESS, NOT_HELD = 3006, 3007, 3008, 3009, 3010, 3011
TERMS = 3012
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Controls:
    """Limits on a single order.

    Attributes:
        price_collar: Maximum dollars between an order's limit and the best opposite price.
        orders_per_minute: Maximum for entries; orders that reduce risk may reach twice that.
        failures_before_disable: Failed executions in a row after which a pair is disabled.
        likeness_seconds: How long an order identical to an unanswered one counts as its
            duplicate.
    """

    price_collar: Decimal = Decimal("0.10")
    orders_per_minute: int = 60
    failures_before_disable: int = 10
    likeness_seconds: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that a check rejected, so that it was not sent.

    `broken`: only a bug of ours can have made such an order, so trading halts.
    """

    reason: str
    detail: str
    code: int
    broken: bool = False


def halted(purpose: Purpose, state: RiskState, grade: Grade) -> Refused | None:
    """Reject entries during any halt, and all orders at `CANCELS_ONLY`."""
    if grade is Grade.CANCELS_ONLY:
        return Refused("cancels_only", "nothing but cancels is allowed", HALTED)
    if purpose is not Purpose.ENTRY or not (state.trading_halted or grade):
        return None
    code = DAILY_LOSS if HaltReason.DAILY_LOSS_LIMIT in state.halt_reasons else HALTED
    reasons = ", ".join(sorted(state.halt_reasons)) or "asked for just now"
    return Refused("trading_halted", reasons, code)


def outdated(purpose: Purpose, approved: int, current: int) -> Refused | None:
    """Reject an entry approved before the last halt or resumption: it needs a new approval."""
    if purpose is not Purpose.ENTRY or approved == current:
        return None
    return Refused("risk_epoch", f"approved in {approved}, now {current}", EPOCH)


def not_orderable(order: Order, contract: Contract) -> Refused | None:
    """Reject a price, size or value that the contract, as it is now, does not admit.

    Whatever made the order: the platform would reject it, and a grid may have changed since.
    """
    sizing, worth = contract.sizing, order.price * order.size
    if not contract.on_grid(order.price, order.outcome):
        detail = f"{order.price} of {order.outcome}, the grid is {contract.grid} of YES"
        return Refused("off_grid", detail, TERMS)
    if order.size % sizing.step:
        return Refused("off_lot", f"{order.size}, in steps of {sizing.step}", TERMS)
    if order.size < sizing.minimum:
        return Refused("below_minimum_size", f"{order.size}, at least {sizing.minimum}", TERMS)
    if worth < sizing.minimum_notional:
        detail = f"{worth} dollars, at least {sizing.minimum_notional}"
        return Refused("below_minimum_size", detail, TERMS)
    immediate = order.time_in_force in (TimeInForce.FOK, TimeInForce.IOC)
    if sizing.cent_exact and immediate and order.side is Side.BUY and worth % CENT:
        return Refused("off_lot", f"{worth} dollars, in whole cents", TERMS)
    return None


def beyond_collar(order: Order, best: Price | None, collar: Decimal) -> Refused | None:
    """Reject a limit too far beyond the best opposite price, or if there is no such price."""
    if best is None:
        return Refused("no_price", "the book offers nothing", DEPTH)
    beyond = order.price - best if order.side is Side.BUY else best - order.price
    if beyond <= collar:
        return None
    detail = f"limit {order.price} is {beyond} beyond {best}, at most {collar}"
    return Refused("price_collar", detail, COLLAR)


def too_dear(order: Order, most: Money) -> Refused | None:
    """Reject an order worth more than `most` at its limit."""
    worth = order.price * order.size
    if worth <= most:
        return None
    return Refused("order_value", f"{worth} dollars, at most {most}", SIZE)


def too_many(purpose: Purpose, sent: int, bound: int) -> Refused | None:
    """Reject an order beyond the rate per minute; hedges and exits may use twice the rate."""
    most = bound if purpose is Purpose.ENTRY else 2 * bound
    if sent < most:
        return None
    return Refused("order_rate", f"{sent} orders in {MINUTE} seconds, at most {most}", RATE)


def alike(order: Order, other: Order) -> bool:
    """Return whether two orders request the same trade."""
    return _request(order) == _request(other)


def _request(order: Order) -> tuple[object, ...]:
    return (
        order.pair_id,
        order.platform,
        order.leg,
        order.side,
        order.outcome,
        order.size,
        order.price,
    )


def beyond_plan(order: Order, sent: Quantity, planned: Quantity) -> Refused | None:
    """Reject an order that would send more for a leg than its execution planned (I-4)."""
    after = sent + order.size
    if after <= planned:
        return None
    detail = f"{after} of execution {order.execution_id}, {planned} were planned"
    return Refused("beyond_plan", detail, EGRESS, broken=True)


def beyond_held(order: Order, selling: Quantity, held: Quantity) -> Refused | None:
    """Reject a sale of more than is held, counting sales in progress."""
    if order.side is Side.BUY or order.size + selling <= held:
        return None
    detail = f"{order.size} to sell, {held} held and {selling} being sold"
    return Refused("not_held", detail, NOT_HELD, broken=True)

"""Orders and fills: their facts, and the order status that follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.values.machine import Machine
from dutchbook.domain.values.units import (
    MICRO,
    NOTHING,
    ZERO,
    Money,
    Price,
    Quantity,
    due,
    owed,
)


class OrderStatus(StrEnum):
    """The five public states of an order."""

    PENDING = "PENDING"
    FILLED = "FILLED"
    PARTIAL = "PARTIAL"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class TimeInForce(StrEnum):
    """How long an order works.

    All or nothing now, whatever fills now, until cancelled, until a given time.
    """

    FOK = "fok"
    IOC = "ioc"
    GTC = "gtc"
    GTD = "gtd"


class Purpose(StrEnum):
    """Why an order was sent."""

    ENTRY = "entry"
    HEDGE = "hedge"
    EXIT = "exit"
    UNWIND = "unwind"


class Finality(StrEnum):
    """Whether a platform can still take a fill back."""

    PROVISIONAL = "provisional"
    SETTLED = "settled"
    FAILED = "failed"


_S = OrderStatus

ORDER = Machine(
    "order",
    {
        _S.PENDING: (_S.FILLED, _S.PARTIAL, _S.REJECTED, _S.CANCELLED),
        # Fills can fail to settle, whether the rest of the order still works or not.
        _S.PARTIAL: (_S.FILLED, _S.CANCELLED, _S.PENDING),
        _S.FILLED: (_S.PARTIAL, _S.CANCELLED),
        # A fill that arrives after the end is still a fact, and always a discrepancy too.
        _S.CANCELLED: (_S.PARTIAL, _S.FILLED),
        _S.REJECTED: (_S.PARTIAL, _S.FILLED),
    },
)


def order_status(
    *, ordered: Decimal, filled: Decimal, working: Decimal, refused: bool
) -> OrderStatus:
    """Return the status that the facts of an order imply: the first that applies.

    Args:
        ordered: Contracts ordered.
        filled: Contracts filled, provisional or settled, but not failed.
        working: Contracts that can still fill, including unsent and unknown ones.
        refused: The platform answered with a documented rejection.
    """
    if filled >= ordered:
        return OrderStatus.FILLED
    if filled > 0:
        return OrderStatus.PARTIAL
    if refused:
        return OrderStatus.REJECTED
    return OrderStatus.PENDING if working > 0 else OrderStatus.CANCELLED


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade report for our order. `price` is in dollars of the outcome that was traded."""

    trade_id: str
    platform: Platform
    order_id: str
    outcome: Outcome
    side: Side
    price: Price
    size: Quantity
    fee: Money
    finality: Finality
    matched_at: datetime

    @property
    def cost(self) -> Money:
        """Dollars before the fee: paid (buy, rounded up to 10⁻⁶) or received (rounded down)."""
        amount = self.price * self.size
        return owed(amount) if self.side is Side.BUY else due(amount)


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals that a platform states of an order, before or without listing its trades.

    Attributes:
        filled: Contracts matched so far; those whose trades failed later are included.
        cost: Their cost in dollars before fees; None if the platform does not state it.
        fees: Their fees in dollars.
    """

    filled: Quantity
    cost: Money | None
    fees: Money


@dataclass(frozen=True, slots=True)
class Unlisted:
    """The part of an order that is stated to have filled, and whose trades are not listed yet.

    It counts like a fill; once its trades are listed, they replace it.
    """

    order_id: str
    platform: Platform
    outcome: Outcome
    side: Side
    size: Quantity
    cost: Money
    fee: Money
    at: datetime

    @property
    def price(self) -> Decimal:
        """Average dollars per contract."""
        return self.cost / self.size

    @property
    def final(self) -> bool:
        """Whether its platform cannot take it back."""
        return self.platform.fills_are_final


@dataclass(frozen=True, slots=True)
class Order:
    """One of our orders, stored durably before its first byte is sent.

    Attributes:
        filled: Contracts filled: over its fills that have not failed, and what is `stated`.
        cost: Their dollars before fees.
        fees: Their fees in dollars.
        stated: The contracts among `filled` whose trades are not listed yet (I-4).
        stated_cost: The dollars of them in `cost`.
        stated_fees: The dollars of them in `fees`.
        reported: Whether its platform has reported its state at least once.
        platform_order_id: The platform's id; Polymarket's is known before the order is sent.
        signed: The signed request where a platform needs one; it is never sent again.
    """

    order_id: str
    client_order_id: str
    platform: Platform
    contract_id: str
    pair_id: str
    execution_id: str
    leg: Leg
    purpose: Purpose
    outcome: Outcome
    side: Side
    price: Price
    size: Quantity
    time_in_force: TimeInForce
    created_at: datetime
    signed: str | None = None
    status: OrderStatus = OrderStatus.PENDING
    filled: Quantity = NOTHING
    cost: Money = ZERO
    fees: Money = ZERO
    working_size: Quantity = NOTHING
    refusal: str | None = None
    platform_order_id: str | None = None
    outcome_unknown_since: datetime | None = None
    stated: Quantity = NOTHING
    stated_cost: Money = ZERO
    stated_fees: Money = ZERO
    reported: bool = False
    version: int = 1

    @property
    def fill_price(self) -> Decimal | None:
        """Average dollars per filled contract, None if nothing is filled."""
        return self.cost / self.filled if self.filled else None

    @property
    def short(self) -> bool:
        """Whether the order may have filled more than is known.

        A Polymarket buy that fills at once spends dollars: better prices buy more than was
        ordered (6.09 filled for 6.00, reported by Polymarket users, 2026).
        """
        spends = self.platform is Platform.POLYMARKET and self.side is Side.BUY
        left = self.price * self.size - self.cost
        return self.filled < self.size or (spends and left > MICRO)

    @property
    def unlisted(self) -> Unlisted | None:
        """What is stated of it and not listed; None if there is nothing."""
        if not self.stated:
            return None
        return Unlisted(
            self.order_id,
            self.platform,
            self.outcome,
            self.side,
            self.stated,
            self.stated_cost,
            self.stated_fees,
            self.created_at,
        )

    def with_fill(self, fill: Fill) -> Order:
        """Return the order after one more trade was listed; a late fill clears a rejection.

        The trade first replaces what was stated: only the rest of it is new. A trade that has
        failed replaces what was stated of it and adds nothing.
        """
        listed = Quantity(min(fill.size, self.stated))
        cost, fees = self._replaced(fill, listed)
        live = fill.finality is not Finality.FAILED
        more = fill.size - listed
        return self._moved(
            filled=Quantity(self.filled - listed + fill.size * live),
            cost=Money(self.cost - cost + fill.cost * live),
            fees=Money(self.fees - fees + fill.fee * live),
            working_size=Quantity(max(self.working_size - more * live, NOTHING)),
            refusal=None if live else self.refusal,
            stated=Quantity(self.stated - listed),
            stated_cost=Money(self.stated_cost - cost),
            stated_fees=Money(self.stated_fees - fees),
        )

    def _replaced(self, fill: Fill, listed: Quantity) -> tuple[Money, Money]:
        """Return the stated cost and fees that a trade replaces; the last one replaces all."""
        if listed >= self.stated:
            return self.stated_cost, self.stated_fees
        return min(fill.cost, self.stated_cost), min(fill.fee, self.stated_fees)

    def with_totals(self, totals: Totals, listed: Iterable[Fill]) -> Order:
        """Return the order after its platform stated its totals.

        Totals never decrease: older totals change nothing. A part whose cost is missing
        or impossible is taken at the order's own limit.

        Args:
            totals: What the platform states.
            listed: All known trades of the order, failed ones included.
        """
        trades = tuple(listed)
        size = totals.filled - sum(fill.size for fill in trades)
        if size <= self.stated:
            return self
        limit = owed(self.price * size)
        cost = limit
        if totals.cost is not None:
            cost = Money(totals.cost - sum(fill.cost for fill in trades))
        fees = Money(max(totals.fees - sum(fill.fee for fill in trades), ZERO))
        if not 0 < cost < size:
            cost = limit
        return self._moved(
            filled=Quantity(self.filled - self.stated + size),
            cost=Money(self.cost - self.stated_cost + cost),
            fees=Money(self.fees - self.stated_fees + fees),
            working_size=Quantity(max(self.working_size - (size - self.stated), NOTHING)),
            refusal=None,
            stated=Quantity(size),
            stated_cost=cost,
            stated_fees=fees,
        )

    def without_stated(self) -> Order:
        """Return the order without what is stated of it and not listed."""
        return self._moved(
            filled=Quantity(self.filled - self.stated),
            cost=Money(self.cost - self.stated_cost),
            fees=Money(self.fees - self.stated_fees),
            stated=NOTHING,
            stated_cost=ZERO,
            stated_fees=ZERO,
        )

    def without_fill(self, fill: Fill) -> Order:
        """Return the order after one of its fills failed to settle."""
        return self._moved(
            filled=Quantity(self.filled - fill.size),
            cost=Money(self.cost - fill.cost),
            fees=Money(self.fees - fill.fee),
        )

    def acknowledged(self, platform_order_id: str, working: Quantity) -> Order:
        """Return the order after the platform reported its state."""
        return self._moved(
            platform_order_id=platform_order_id,
            working_size=working,
            outcome_unknown_since=None,
            reported=True,
        )

    def refused(self, reason: str) -> Order:
        """Return the order after a documented rejection."""
        return self._moved(refusal=reason, working_size=NOTHING, outcome_unknown_since=None)

    def ended(self) -> Order:
        """Return the order with nothing left working: cancelled, expired or never sent."""
        return self._moved(working_size=NOTHING, outcome_unknown_since=None)

    def unknown(self, since: datetime) -> Order:
        """Return the order after no answer: still PENDING, since the platform may hold it."""
        return self._moved(outcome_unknown_since=self.outcome_unknown_since or since)

    def _moved(self, **facts: object) -> Order:
        after = replace(self, version=self.version + 1, **facts)  # type: ignore[arg-type]
        status = order_status(
            ordered=after.size,
            filled=after.filled,
            working=after.working_size,
            refused=after.refusal is not None,
        )
        if status is not self.status:
            ORDER.check(self.status, status)
        return replace(after, status=status)

"""Each platform's fees as dated schedules: the published formula, its rounding, its source.

Both platforms charge takers ``rate x contracts x p x (1 - p)``, which is the same for YES at
``p`` and NO at ``1 - p``. They differ in rates, in who else pays, and in rounding. A schedule
that does not reach back to an instant returns None: the fee is unknown, and nothing is traded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from dutchbook.domain.values.units import (
    E6,
    MICRO,
    Money,
    Price,
    Quantity,
    decimal,
    floor_to,
    owed,
    plain,
)
from dutchbook.errors import InvalidInput, UnknownFee


class Liquidity(StrEnum):
    """The role in a trade: the taker crossed the spread, the maker's order was resting."""

    TAKER = "taker"
    MAKER = "maker"


class FeeRounding(StrEnum):
    """How the modelled fee is rounded to the amount charged.

    `KALSHI_DIRECT` and `KALSHI_CENT`: the balance change is floored to $0.0001 for direct
    members and to $0.01 for others (docs.kalshi.com, fee rounding, 2026-10). `POLYMARKET`:
    five decimals for each fill (docs.polymarket.com, fees, 2026-09); the mode is not published,
    half-even is assumed.
    """

    KALSHI_DIRECT = "kalshi_direct"
    KALSHI_CENT = "kalshi_cent"
    POLYMARKET = "polymarket"

    @property
    def quantum(self) -> Decimal:
        """The step of a balance change, hence the most that rounding adds to one fill."""
        return _QUANTA[self]


_QUANTA = {
    FeeRounding.KALSHI_DIRECT: Decimal("0.0001"),
    FeeRounding.KALSHI_CENT: Decimal("0.01"),
    FeeRounding.POLYMARKET: Decimal("0.00001"),
}
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """The fees of a contract from `effective_from` on.

    The fee in dollars is the rate times contracts times p(1-p).
    """

    effective_from: datetime
    taker_rate: Decimal
    maker_rate: Decimal
    rounding: FeeRounding
    source: str

    @property
    def taker_rate_e6(self) -> int:
        """The taker rate in millionths; exact."""
        scaled = self.taker_rate * E6
        assert scaled == int(scaled), f"{self.taker_rate} is finer than 0.000001"
        return int(scaled)

    def model(
        self, price: Decimal, quantity: Decimal, liquidity: Liquidity = Liquidity.TAKER
    ) -> Decimal:
        """Return the unrounded fee in dollars."""
        rate = self.taker_rate if liquidity is Liquidity.TAKER else self.maker_rate
        return rate * quantity * price * (1 - price)

    def fee(
        self,
        price: Price,
        quantity: Quantity,
        liquidity: Liquidity = Liquidity.TAKER,
        *,
        sale: bool = False,
    ) -> Money:
        """Return the fee charged for a single fill, as the first fill of its order."""
        return FeeAccumulator(self).charge(price, quantity, liquidity, sale=sale)[1]

    def worst(self, limit: Price, quantity: Quantity, *, fills: int = 1) -> Money:
        """Return a bound on the taker fees of a buy at `limit` or better, in `fills` fills.

        A buy may fill anywhere in ``(0, limit]``, and p(1-p) is greatest at one half. Each fill
        can cost one rounding step more than modelled, plus a millionth for rounding up the
        modelled fee.
        """
        dearest = min(Decimal(limit), Decimal("0.5"))
        steps = fills * (self.rounding.quantum + MICRO)
        return owed(self.taker_rate * quantity * dearest * (1 - dearest) + steps)

    def worst_of_dollars(self, amount: Decimal, *, fills: int = 1) -> Money:
        """Return a bound on the taker fees of a buy that spends `amount` dollars.

        At a price p it buys amount/p contracts, so the fee is rate x amount x (1 - p).
        """
        steps = fills * (self.rounding.quantum + MICRO)
        return owed(self.taker_rate * amount + steps)


@dataclass(frozen=True, slots=True)
class FeeAccumulator:
    """One order's fees, fill by fill.

    Kalshi accumulates the rounding cost of an order and refunds whole steps of it with later
    fills (docs.kalshi.com, fee rounding, 2026-10); Polymarket rounds each fill separately.
    """

    terms: FeeTerms
    kept: Decimal = Decimal(0)

    def charge(
        self,
        price: Price,
        quantity: Quantity,
        liquidity: Liquidity = Liquidity.TAKER,
        *,
        sale: bool = False,
    ) -> tuple[FeeAccumulator, Money]:
        """Return the accumulator after a fill at `price`, and the fill's fee.

        The change of the balance that Kalshi floors is what a `sale` brings less the fee, or
        what a purchase costs and the fee.
        """
        model = self.terms.model(price, quantity, liquidity)
        quantum = self.terms.rounding.quantum
        if self.terms.rounding is FeeRounding.POLYMARKET:
            return self, Money(model.quantize(quantum, ROUND_HALF_EVEN))
        trade = model.quantize(MICRO, ROUND_CEILING)
        revenue = price * quantity if sale else -(price * quantity)
        exact = revenue - trade
        rounding = exact - floor_to(exact, quantum)
        kept = self.kept + rounding
        rebate = floor_to(min(kept, trade + rounding), quantum)
        return replace(self, kept=kept - rebate), Money(trade + rounding - rebate)


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """A contract's fees over time, oldest terms first."""

    terms: tuple[FeeTerms, ...]

    def __post_init__(self) -> None:
        dates = [each.effective_from for each in self.terms]
        if not dates or dates != sorted(set(dates)):
            raise InvalidInput("fees", dates, "terms with rising dates, at least one")

    def at(self, instant: datetime) -> FeeTerms | None:
        """Return the terms in force at `instant`, or None (unknown) before the first."""
        for each in reversed(self.terms):
            if each.effective_from <= instant:
                return each
        return None


# Kalshi
# ------------------------------------------------------------------------------------------

KALSHI_TAKER = Decimal("0.07")
KALSHI_MAKER = {
    "quadratic": Decimal(0),
    "quadratic_with_maker_fees": Decimal("0.0175"),
    "quadratic_with_combo_maker_fees": Decimal("0.035"),
}
KALSHI_SOURCE = (
    "Kalshi fee schedule, effective 2026-07-07; docs.kalshi.com fee rounding, 2026-10"
)


def kalshi_terms(
    fee_type: str,
    multiplier: Decimal = Decimal(1),
    effective_from: datetime = ALWAYS,
    rounding: FeeRounding = FeeRounding.KALSHI_DIRECT,
) -> FeeTerms:
    """Return the terms of a series' ``fee_type`` and ``fee_multiplier``.

    Raises:
        UnknownFee: The type's formula is not published, such as that of ``flat``.
    """
    if fee_type not in KALSHI_MAKER:
        raise UnknownFee("kalshi", fee_type)
    maker = KALSHI_MAKER[fee_type]
    return FeeTerms(
        effective_from, KALSHI_TAKER * multiplier, maker * multiplier, rounding, KALSHI_SOURCE
    )


# Polymarket
# --------------------------------------------------------------------------------------

POLYMARKET_SOURCE = "docs.polymarket.com fees, copy of 2026-09-27"
SPORTS_CHANGED = datetime(2026, 7, 10, tzinfo=UTC)
FEES_BEGAN = datetime(2026, 3, 31, tzinfo=UTC)
"""``feeSchedule`` has been the source of fees since then (Polymarket changelog, 2026-03-31)."""
POLYMARKET_RATES: Mapping[str, tuple[tuple[datetime, Decimal], ...]] = {
    "crypto": ((FEES_BEGAN, Decimal("0.07")),),
    "sports": ((FEES_BEGAN, Decimal("0.03")), (SPORTS_CHANGED, Decimal("0.05"))),
    **{
        name: ((FEES_BEGAN, Decimal("0.04")),)
        for name in ("finance", "politics", "mentions", "tech")
    },
    **{
        name: ((FEES_BEGAN, Decimal("0.05")),)
        for name in ("economics", "culture", "weather", "other")
    },
    "geopolitics": ((FEES_BEGAN, Decimal(0)),),
}


def polymarket_schedule(category: str) -> FeeSchedule:
    """Return the dated schedule of a category. Makers pay nothing.

    Raises:
        UnknownFee: The category is not in the published table.
    """
    if category not in POLYMARKET_RATES:
        raise UnknownFee("polymarket", category)
    return FeeSchedule(
        tuple(polymarket_terms(rate, since) for since, rate in POLYMARKET_RATES[category])
    )


def polymarket_terms(rate: Decimal, effective_from: datetime = ALWAYS) -> FeeTerms:
    """Return the terms of a market whose ``feeSchedule`` states `rate`."""
    return FeeTerms(effective_from, rate, Decimal(0), FeeRounding.POLYMARKET, POLYMARKET_SOURCE)


# As JSON
# -----------------------------------------------------------------------------------------


def schedule_to_json(schedule: FeeSchedule) -> list[dict[str, str]]:
    """Return a schedule as JSON values, numbers as text."""
    return [
        {
            "effective_from": each.effective_from.isoformat(),
            "taker_rate": plain(each.taker_rate),
            "maker_rate": plain(each.maker_rate),
            "rounding": each.rounding.value,
            "source": each.source,
        }
        for each in schedule.terms
    ]


def schedule_from_json(terms: Iterable[Mapping[str, str]]) -> FeeSchedule:
    """Read what `schedule_to_json` wrote.

    Raises:
        InvalidInput: A field is missing or not a number, or a rate is outside 0 to 1.
    """
    return FeeSchedule(tuple(_term(each) for each in terms))


def _term(each: Mapping[str, str]) -> FeeTerms:
    rates = [decimal(each.get(name), f"fees.{name}") for name in ("taker_rate", "maker_rate")]
    if any(not 0 <= rate < 1 or rate % MICRO for rate in rates):
        raise InvalidInput("fees", dict(each), "rates from 0 to 1, exact to 0.000001")
    try:
        since = datetime.fromisoformat(each["effective_from"])
        rounding = FeeRounding(each["rounding"])
    except (KeyError, ValueError):
        raise InvalidInput(
            "fees", dict(each), "terms with a date and a known rounding"
        ) from None
    if since.tzinfo is None:
        raise InvalidInput(
            "fees.effective_from", each["effective_from"], "a date with its zone"
        )
    return FeeTerms(since, rates[0], rates[1], rounding, each.get("source", ""))

"""Price, Quantity and Money: exact decimals, checked at the edges, rounded here and in `fees`.

Money we pay rounds up, money we receive rounds down, both to 10⁻⁶ of a dollar. The hot
path uses integers: prices in 10⁻⁴ dollars (`e4`), sizes in 10⁻⁶ contracts and money in 10⁻⁶
dollars (`e6`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from functools import cache
from math import ceil, floor
from typing import NewType

from dutchbook.errors import InvalidInput

Price = NewType("Price", Decimal)
"""Dollars per contract, strictly between 0 and 1."""
Quantity = NewType("Quantity", Decimal)
"""Contracts, a multiple of 10⁻⁶."""
Money = NewType("Money", Decimal)
"""Dollars, signed, a multiple of 10⁻⁶."""

PAYOUT = Decimal(1)
MICRO = Decimal("0.000001")
E4 = 10_000
E6 = 1_000_000
LARGEST = Decimal(1_000_000_000)
"""Far above any real price, size or amount; larger numbers are mistakes or attacks."""

ZERO = Money(Decimal(0))
NOTHING = Quantity(Decimal(0))


def decimal(value: object, field: str) -> Decimal:
    """Read a finite decimal of plausible size from text, an integer or a decimal.

    Raises:
        InvalidInput: For floats, text that is not a number, NaN, infinities, and magnitudes
            above `LARGEST`.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidInput(field, value, "a decimal number written as text")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise InvalidInput(field, value, "a decimal number") from None
    if not number.is_finite() or abs(number) > LARGEST:
        raise InvalidInput(field, value, f"a finite number up to {LARGEST}")
    return number


def price(value: object, *, grid: PriceGrid | None = None, field: str = "price") -> Price:
    """Check a price: strictly between 0 and 1, and on `grid` if given."""
    number = decimal(value, field)
    if not 0 < number < 1:
        raise InvalidInput(field, value, "a price strictly between 0 and 1 dollar")
    if number * E4 % 1:
        raise InvalidInput(field, value, "a multiple of 0.0001 dollar")
    if grid is not None and not grid.contains(number):
        raise InvalidInput(field, value, f"on the contract's price grid ({grid})")
    return Price(number)


def quantity(value: object, *, step: Decimal = MICRO, field: str = "size") -> Quantity:
    """Check a size: above zero and a multiple of `step` contracts."""
    number = decimal(value, field)
    if number <= 0:
        raise InvalidInput(field, value, "above zero")
    if number % step:
        raise InvalidInput(field, value, f"a multiple of {step} contracts")
    return Quantity(number)


def signed(value: object, *, field: str = "size") -> Decimal:
    """Check a change of size, of either sign: a multiple of 10⁻⁶ contracts."""
    number = decimal(value, field)
    if number % MICRO:
        raise InvalidInput(field, value, f"a multiple of {MICRO} contracts")
    return number


def money(value: object, *, field: str = "amount") -> Money:
    """Check an amount of dollars, of either sign: a multiple of 10⁻⁶."""
    number = decimal(value, field)
    if number % MICRO:
        raise InvalidInput(field, value, "a multiple of 0.000001 dollar")
    return Money(number)


def owed(amount: Decimal) -> Money:
    """Round money that we pay: up, to 10⁻⁶."""
    return Money(amount.quantize(MICRO, ROUND_CEILING))


def due(amount: Decimal) -> Money:
    """Round money that we receive: down, to 10⁻⁶."""
    return Money(amount.quantize(MICRO, ROUND_FLOOR))


def floor_to(number: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` not above `number`."""
    return (number / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(number: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` not below `number`."""
    return (number / step).to_integral_value(ROUND_CEILING) * step


def to_e4(value: Decimal) -> int:
    """Convert a price to 10⁻⁴ dollars; the conversion must be exact."""
    scaled = value * E4
    assert scaled == int(scaled), f"{value} is finer than 0.0001"
    return int(scaled)


def to_e6(value: Decimal) -> int:
    """Convert a size or an amount to millionths; the conversion must be exact."""
    scaled = value * E6
    assert scaled == int(scaled), f"{value} is finer than 0.000001"
    return int(scaled)


def from_e4(value: int) -> Decimal:
    """Convert ten-thousandths of a dollar to a price in dollars."""
    return Decimal(value).scaleb(-4)


def from_e6(value: int) -> Decimal:
    """Convert millionths to a decimal."""
    return Decimal(value).scaleb(-6)


def plain(number: Decimal) -> str:
    """Format a decimal as logs, hashes and JSON do: no exponent, no trailing zeros."""
    if not number:
        return "0"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Band:
    """Prices from `start` to `end` dollars, `step` apart."""

    start: Decimal
    end: Decimal
    step: Decimal


@dataclass(frozen=True, slots=True)
class PriceGrid:
    """The prices at which a contract can be quoted, in YES dollars.

    Kalshi publishes bands as a market's ``price_ranges`` (docs.kalshi.com, fixed-point
    migration, 2026-10): a price is valid in a band when ``(price - start) % step == 0``.
    Polymarket has one tick (0.1, 0.01, 0.005, 0.0025, 0.001 or 0.0001) and accepts prices from
    one tick to one minus one tick (py-clob-client-v2 1.2.1).
    """

    bands: tuple[Band, ...]

    @classmethod
    def of_ranges(cls, ranges: list[dict[str, str]]) -> PriceGrid:
        """Read Kalshi's ``price_ranges``, a list of start, end and step in dollar strings."""
        bands = tuple(
            Band(
                *(
                    decimal(each.get(key), f"price_ranges.{key}")
                    for key in ("start", "end", "step")
                )
            )
            for each in ranges
        )
        if not bands or any(
            band.step <= 0 or band.step * E4 % 1 or not 0 <= band.start < band.end <= 1
            for band in bands
        ):
            raise InvalidInput(
                "price_ranges", ranges, "bands within 0 and 1 with steps of 0.0001"
            )
        return cls(bands)

    @classmethod
    def of_tick(cls, tick: object) -> PriceGrid:
        """Return the grid of a single tick from 0 to 1."""
        step = decimal(tick, "tick")
        if not 0 < step < 1 or step * E4 % 1 or 1 % step:
            raise InvalidInput(
                "tick", tick, "a tick that divides 1 and is a multiple of 0.0001"
            )
        return cls((Band(Decimal(0), Decimal(1), step),))

    def contains(self, value: Decimal) -> bool:
        """Return whether an order may be priced at `value` YES dollars."""
        return 0 < value < 1 and any(
            band.start <= value <= band.end and not (value - band.start) % band.step
            for band in self.bands
        )

    @property
    def prices_e4(self) -> frozenset[int]:
        """Every price at which an order is possible, in 10⁻⁴ dollars."""
        return _prices_e4(self)

    @property
    def finest(self) -> Decimal:
        """The smallest step of any band."""
        return min(band.step for band in self.bands)

    def __str__(self) -> str:
        return ", ".join(
            f"{plain(band.start)} to {plain(band.end)} by {plain(band.step)}"
            for band in self.bands
        )


@cache
def _prices_e4(grid: PriceGrid) -> frozenset[int]:
    return frozenset(
        price
        for band in grid.bands
        for price in range(
            ceil(band.start * E4), floor(band.end * E4) + 1, max(1, int(band.step * E4))
        )
        if 0 < price < E4
    )

"""What paper platforms charge, by the platforms' pages and against the engine's own fees."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dutchbook.domain.market.contract import Side
from dutchbook.domain.market.fees import (
    FeeAccumulator,
    FeeRounding,
    FeeTerms,
    kalshi_terms,
    polymarket_schedule,
)
from dutchbook.domain.values.units import Money, Price, Quantity, from_e4, from_e6
from dutchbook.platforms.paper.fees import Charges

DIRECT = kalshi_terms("quadratic")
CENT = kalshi_terms("quadratic", rounding=FeeRounding.KALSHI_CENT)
SPORTS = polymarket_schedule("sports").terms[-1]
prices = st.integers(1, 9_999)
sizes = st.integers(1, 500_000).map(lambda hundredths: hundredths * 10_000)
sides = st.sampled_from(Side)
fills = st.lists(st.tuples(prices, sizes), min_size=1, max_size=8)


def charged(of: FeeTerms, price: str, size: str, side: Side) -> Money:
    charges = Charges(of, side)
    return charges.charge(int(Decimal(price) * 10_000), int(Decimal(size) * 10**6))


@pytest.mark.parametrize(
    ("of", "price", "size", "side", "fee"),
    [
        (DIRECT, "0.52", "1", Side.BUY, "0.0175"),
        (DIRECT, "0.99", "1", Side.BUY, "0.0007"),
        (DIRECT, "0.50", "100", Side.BUY, "1.75"),
        (DIRECT, "0.47", "10", Side.SELL, "0.1744"),
        (CENT, "0.055", "1", Side.BUY, "0.005"),
        (CENT, "0.053", "1", Side.SELL, "0.013"),
        (SPORTS, "0.5", "100", Side.BUY, "1.25"),
        (SPORTS, "0.0005", "0.9", Side.SELL, "0.00002"),
    ],
)
def test_a_fill_is_charged_what_the_platform_publishes(
    of: FeeTerms, price: str, size: str, side: Side, fee: str
) -> None:
    assert charged(of, price, size, side) == Decimal(fee)


@given(st.sampled_from([DIRECT, CENT]), prices, sizes, sides)
def test_a_balance_on_kalshi_changes_by_whole_steps_whether_bought_or_sold(
    of: FeeTerms, price: int, size: int, side: Side
) -> None:
    """Selling 1 at 0.053 brings 4 cents where balances are in cents."""
    fee = Charges(of, side).charge(price, size)
    revenue = from_e4(price) * from_e6(size) * (1 if side is Side.SELL else -1)

    assert (revenue - fee) % of.rounding.quantum == 0
    assert 0 <= fee - of.model(from_e4(price), from_e6(size)) <= of.rounding.quantum * 2


@given(st.sampled_from([DIRECT, CENT, SPORTS]), sides, fills)
def test_the_engine_expects_what_the_platform_charges(
    of: FeeTerms, side: Side, fills: list[tuple[int, int]]
) -> None:
    """Two pieces of code that share only the rates."""
    charges, expected = Charges(of, side), FeeAccumulator(of)
    for price, size in fills:
        own, quantity = Price(from_e4(price)), Quantity(from_e6(size))
        expected, fee = expected.charge(own, quantity, sale=side is Side.SELL)

        assert charges.charge(price, size) == fee

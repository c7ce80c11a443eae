"""Amounts of orders are rounded and books hashed as by Polymarket's official client."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dutchbook.domain.market.contract import Side
from dutchbook.errors import InvalidInput
from dutchbook.platforms.polymarket.book_hash import book_hash
from dutchbook.platforms.polymarket.order_amounts import STEPS, limit_amounts, market_amounts

BUY, SELL = Side.BUY, Side.SELL
ASSET = "71321045679252212594626385532706912750332728571942532289631379312455583992563"


def _d(text: str) -> Decimal:
    return Decimal(text)


# Made with py-clob-client-v2 1.2.1.
@pytest.mark.parametrize(
    ("tick", "side", "price", "size", "limit", "market"),
    [
        ("0.1", BUY, "0.3", "5", (1_500_000, 5_000_000), (5_000_000, 16_666_000)),
        (
            "0.0001",
            SELL,
            "0.5237",
            "21.04",
            (21_040_000, 11_018_648),
            (21_040_000, 11_018_648),
        ),
    ],
)
def test_amounts_are_those_of_the_official_client(
    tick: str,
    side: Side,
    price: str,
    size: str,
    limit: tuple[int, int],
    market: tuple[int, int],
) -> None:
    assert limit_amounts(side, _d(price), _d(size), _d(tick)) == limit
    assert market_amounts(side, _d(price), _d(size), _d(tick)) == market


TICKS = st.sampled_from(sorted(STEPS))
SIZES = st.decimals("0.01", "100000", places=4, allow_nan=False, allow_infinity=False)


@given(st.data(), TICKS, SIZES, st.sampled_from(Side))
def test_an_amount_is_on_its_step_and_less_than_one_away_from_the_exact_one(
    data: st.DataObject, tick: Decimal, size: Decimal, side: Side
) -> None:
    price = tick * data.draw(st.integers(1, int(1 / tick) - 1))
    cut = Fraction(int(size * 100), 100)

    maker, taker = limit_amounts(side, price, size, tick)
    given_up, got = market_amounts(side, price, size, tick)

    step = Fraction(STEPS[tick])
    shares, dollars = (taker, maker) if side is BUY else (maker, taker)
    assert Fraction(shares, 10**6) == Fraction(given_up, 10**6) == cut
    bought = cut / Fraction(price) if side is BUY else cut * Fraction(price)
    exact = ((dollars, cut * Fraction(price)), (got, bought))
    for made, expected in exact:
        amount = Fraction(made, 10**6)
        assert amount % step == 0
        assert -step < amount - expected <= 0


def test_rounding_up_first_as_the_clients_do_would_change_no_amount() -> None:
    for tick, step in STEPS.items():
        for ticks in range(1, int(1 / tick)):
            # The shares for c cents are c / parts steps, so what they are short of a whole
            # step is a multiple of one over the numerator of `parts`.
            parts = Fraction(tick) * ticks * Fraction(step) / Fraction(1, 100)
            assert Fraction(1, parts.numerator) > Fraction(1, 10_000)


@pytest.mark.parametrize(
    ("price", "size", "tick", "field"),
    [
        ("0.5", "5", "0.02", "tick"),
        ("0.55", "5", "0.1", "price"),
        ("0.995", "5", "0.01", "price"),
        ("1", "5", "0.1", "price"),
        ("0", "5", "0.1", "price"),
        ("0.5", "0.009", "0.1", "size"),
        ("0.5", "-5", "0.1", "size"),
    ],
)
def test_what_no_order_can_have_is_named(price: str, size: str, tick: str, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: {price if field == 'price' else ''}"):
        limit_amounts(BUY, _d(price), _d(size), _d(tick))
    with pytest.raises(InvalidInput, match=f"^{field.replace('size', 'amount')}: "):
        market_amounts(SELL, _d(price), _d(size), _d(tick))


def test_a_book_has_the_hash_that_the_official_client_computes() -> None:
    levels = [{"price": "0.99", "size": "7"}, {"size": "3.33", "price": "0.46"}]
    book = {
        "last_trade_price": "0.45",
        "market": "0x" + "0" * 64,
        "asset_id": ASSET,
        "timestamp": "1779868800000",
        "hash": "anything",
        "bids": [],
        "asks": levels,
        "min_order_size": "5",
        "tick_size": "0.01",
        "neg_risk": False,
        "new_field": 1,
    }

    assert book_hash(book) == "da61b58ab78e1190d4e4c63430b3b30647706fd3"
    assert book_hash({**book, "asks": levels[::-1]}) != book_hash(book)

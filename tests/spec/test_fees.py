"""Fees of each platform, compared with the figures on its own pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dutchbook.domain.market.fees import (
    FeeAccumulator,
    FeeRounding,
    FeeSchedule,
    FeeTerms,
    Liquidity,
    kalshi_terms,
    polymarket_schedule,
    schedule_from_json,
    schedule_to_json,
)
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import InvalidInput, UnknownFee

TAKER, MAKER = Liquidity.TAKER, Liquidity.MAKER
JULY = datetime(2026, 7, 10, tzinfo=UTC)
LATE = datetime(2026, 10, 1, tzinfo=UTC)

cents = st.integers(1, 99).map(lambda number: Price(Decimal(number) / 100))
sizes = st.integers(1, 500_000).map(lambda number: Quantity(Decimal(number) / 100))
terms = st.sampled_from(
    [
        kalshi_terms("quadratic"),
        kalshi_terms("quadratic_with_maker_fees", Decimal("0.5")),
        kalshi_terms("quadratic", rounding=FeeRounding.KALSHI_CENT),
        *polymarket_schedule("sports").terms,
    ]
)


def fee(of: FeeTerms, price: str, size: str, liquidity: Liquidity = TAKER) -> Decimal:
    return of.fee(Price(Decimal(price)), Quantity(Decimal(size)), liquidity)


@pytest.mark.parametrize(
    ("price", "size", "charged"),
    [
        ("0.52", "1", "0.0175"),
        ("0.99", "1", "0.0007"),
        ("0.50", "100", "1.75"),
        ("0.01", "100", "0.0693"),
        ("0.47", "10", "0.1744"),
        ("0.50", "1.55", "0.0272"),
    ],
)
def test_a_kalshi_taker_pays_what_the_published_table_says(
    price: str, size: str, charged: str
) -> None:
    assert fee(kalshi_terms("quadratic"), price, size) == Decimal(charged)


def test_a_kalshi_maker_pays_by_the_type_of_the_series() -> None:
    assert fee(kalshi_terms("quadratic"), "0.52", "1", MAKER) == 0
    paying = kalshi_terms("quadratic_with_maker_fees")
    assert fee(paying, "0.52", "1", MAKER) == Decimal("0.0044")
    combo = kalshi_terms("quadratic_with_combo_maker_fees")
    assert fee(combo, "0.50", "100", MAKER) == Decimal("0.875")


def test_a_member_with_a_balance_in_cents_pays_fees_rounded_to_the_cent() -> None:
    terms = kalshi_terms("quadratic", rounding=FeeRounding.KALSHI_CENT)

    assert fee(terms, "0.055", "1") == Decimal("0.005")


def test_rounding_charged_to_an_order_is_refunded_with_its_later_fills() -> None:
    order = FeeAccumulator(kalshi_terms("quadratic"))
    charged: list[Money] = []

    for _ in range(3):
        order, one = order.charge(Price(Decimal("0.055")), Quantity(Decimal("0.33")))
        charged.append(one)

    assert charged == [Decimal("0.00125"), Decimal("0.00125"), Decimal("0.00115")]


def test_a_series_multiplier_scales_the_fee() -> None:
    assert fee(kalshi_terms("quadratic", Decimal("0.5")), "0.50", "100") == Decimal("0.875")
    assert fee(kalshi_terms("quadratic", Decimal(0)), "0.50", "100") == 0


@pytest.mark.parametrize("name", ["flat", "margin_market_maker_program_fees", ""])
def test_a_kalshi_type_without_a_published_formula_is_unknown(name: str) -> None:
    with pytest.raises(UnknownFee, match="kalshi"):
        kalshi_terms(name)


@pytest.mark.parametrize(
    ("category", "charged"),
    [
        ("crypto", "1.75"),
        ("sports", "1.25"),
        ("finance", "1.00"),
        ("politics", "1.00"),
        ("mentions", "1.00"),
        ("tech", "1.00"),
        ("economics", "1.25"),
        ("culture", "1.25"),
        ("weather", "1.25"),
        ("other", "1.25"),
        ("geopolitics", "0"),
    ],
)
def test_polymarket_charges_takers_by_category_and_makers_nothing(
    category: str, charged: str
) -> None:
    now = polymarket_schedule(category).at(LATE)

    assert now is not None
    assert fee(now, "0.50", "100") == Decimal(charged)
    assert fee(now, "0.50", "100", MAKER) == 0


def test_polymarket_rounds_to_five_decimals() -> None:
    now = polymarket_schedule("sports").at(LATE)

    assert now is not None
    assert fee(now, "0.33", "1") == Decimal("0.01106")
    assert fee(now, "0.01", "0.01") == 0


def test_a_fee_follows_the_terms_of_its_day() -> None:
    sports = polymarket_schedule("sports")

    before, after = sports.at(JULY - timedelta(microseconds=1)), sports.at(JULY)

    assert before is not None
    assert after is not None
    assert (before.taker_rate, after.taker_rate) == (Decimal("0.03"), Decimal("0.05"))


def test_before_the_first_terms_the_fee_is_unknown() -> None:
    assert polymarket_schedule("sports").at(datetime(2026, 1, 1, tzinfo=UTC)) is None
    with pytest.raises(UnknownFee, match="polymarket"):
        polymarket_schedule("astrology")


def test_terms_must_have_increasing_dates() -> None:
    first, second = polymarket_schedule("sports").terms

    for wrong in ((), (second, first), (first, first)):
        with pytest.raises(InvalidInput, match="fees"):
            FeeSchedule(wrong)


@given(terms, cents, sizes)
def test_yes_at_a_price_and_no_at_its_complement_have_the_same_model_fee(
    of: FeeTerms, price: Price, size: Quantity
) -> None:
    assert of.model(price, size) == of.model(1 - price, size)


@given(terms, st.lists(st.tuples(cents, sizes), min_size=1, max_size=8))
def test_no_fill_has_a_negative_fee_and_no_order_pays_more_than_its_bound(
    of: FeeTerms, fills: list[tuple[Price, Quantity]]
) -> None:
    order, total = FeeAccumulator(of), Decimal(0)
    for price, size in fills:
        order, charged = order.charge(price, size)
        assert charged >= 0
        total += charged

    limit = max(price for price, _ in fills)
    whole = Quantity(sum((size for _, size in fills), start=Decimal(0)))

    assert total <= of.worst(limit, whole, fills=len(fills))


@given(st.lists(st.tuples(cents, sizes), min_size=1, max_size=8))
def test_an_order_with_many_fills_pays_the_model_fees_plus_a_step_and_kept_rounding(
    fills: list[tuple[Price, Quantity]],
) -> None:
    of = kalshi_terms("quadratic")
    order, total = FeeAccumulator(of), Decimal(0)
    for price, size in fills:
        order, charged = order.charge(price, size)
        total += charged

    model = sum((of.model(price, size) for price, size in fills), start=Decimal(0))
    ceilings = len(fills) * Decimal("0.000001")

    assert 0 <= total - model <= of.rounding.quantum + ceilings + order.kept


def test_a_schedule_survives_a_round_trip_through_json() -> None:
    sports = polymarket_schedule("sports")

    assert schedule_from_json(schedule_to_json(sports)) == sports


@pytest.mark.parametrize(
    "wrong",
    [
        {"taker_rate": "NaN"},
        {"taker_rate": "1"},
        {"maker_rate": "-0.01"},
        {"taker_rate": "0.0000001"},
        {"effective_from": "yesterday"},
        {"effective_from": "2026-07-10"},
        {"rounding": "up"},
    ],
)
def test_invalid_terms_are_rejected(wrong: dict[str, str]) -> None:
    [first, _] = schedule_to_json(polymarket_schedule("sports"))

    with pytest.raises(InvalidInput, match="fees"):
        schedule_from_json([first | wrong])

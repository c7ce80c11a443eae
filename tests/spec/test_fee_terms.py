"""What fee terms say and charge, fill by fill, in exact values."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal, localcontext

import pytest

from dutchbook.domain.market.fees import (
    ALWAYS,
    FEES_BEGAN,
    KALSHI_SOURCE,
    POLYMARKET_SOURCE,
    SPORTS_CHANGED,
    FeeAccumulator,
    FeeRounding,
    FeeSchedule,
    FeeTerms,
    Liquidity,
    kalshi_terms,
    polymarket_schedule,
    polymarket_terms,
    schedule_from_json,
    schedule_to_json,
)
from dutchbook.domain.values.units import Price, Quantity
from dutchbook.errors import InvalidInput, UnknownFee

DIRECT, CENT, FIVE = FeeRounding
TAKER, MAKER = Liquidity
JULY = datetime(2026, 7, 10, tzinfo=UTC)
BOTH = "quadratic_with_maker_fees"
JSON = {
    "effective_from": "2026-07-10T00:00:00+00:00",
    "taker_rate": "0.05",
    "maker_rate": "0.01",
    "rounding": "kalshi_cent",
    "source": "a page",
}


def price(text: str) -> Price:
    return Price(Decimal(text))


def size(text: str) -> Quantity:
    return Quantity(Decimal(text))


# Terms ----------------------------------------------------------------------------------------


def test_kalshi_terms_follow_from_the_type_and_the_multiplier() -> None:
    assert kalshi_terms(BOTH) == FeeTerms(
        ALWAYS, Decimal("0.07"), Decimal("0.0175"), DIRECT, KALSHI_SOURCE
    )
    assert kalshi_terms(BOTH, Decimal("0.5"), JULY, CENT) == FeeTerms(
        JULY, Decimal("0.035"), Decimal("0.00875"), CENT, KALSHI_SOURCE
    )


def test_polymarket_terms_follow_from_the_rate() -> None:
    rate = Decimal("0.04")

    assert polymarket_terms(rate) == FeeTerms(ALWAYS, rate, Decimal(0), FIVE, POLYMARKET_SOURCE)
    assert polymarket_terms(rate, JULY).effective_from == JULY


def test_a_category_has_dated_terms() -> None:
    assert polymarket_schedule("sports").terms == (
        polymarket_terms(Decimal("0.03"), FEES_BEGAN),
        polymarket_terms(Decimal("0.05"), SPORTS_CHANGED),
    )


def test_a_fee_without_a_published_formula_is_unknown() -> None:
    with pytest.raises(UnknownFee) as flat:
        kalshi_terms("flat")
    with pytest.raises(UnknownFee) as chess:
        polymarket_schedule("chess")

    assert str(flat.value) == "kalshi: no published formula for the fee 'flat'"
    assert str(chess.value) == "polymarket: no published formula for the fee 'chess'"


def test_the_step_of_a_balance_is_that_of_its_rounding() -> None:
    assert [each.quantum for each in FeeRounding] == [
        Decimal("0.0001"),
        Decimal("0.01"),
        Decimal("0.00001"),
    ]


def test_a_rate_in_millionths_is_exact() -> None:
    assert polymarket_terms(Decimal("0.040001")).taker_rate_e6 == 40_001
    with pytest.raises(AssertionError, match=r"^0\.0000015 is finer than 0\.000001"):
        _ = polymarket_terms(Decimal("0.0000015")).taker_rate_e6


def test_the_model_is_the_rate_times_contracts_times_both_prices() -> None:
    of = kalshi_terms(BOTH)
    at, contracts = Decimal("0.2"), Decimal(10)

    assert of.model(at, contracts) == Decimal("0.112")
    assert of.model(at, contracts, TAKER) == Decimal("0.112")
    assert of.model(at, contracts, MAKER) == Decimal("0.028")


# Fills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounding", "at", "contracts", "sale", "kept", "charged", "keeps"),
    [
        pytest.param(DIRECT, "0.055", "1", False, "0", "0.0037", "0.000061", id="rounded up"),
        pytest.param(DIRECT, "0.055", "0.33", False, "0", "0.00125", "0.000049", id="sub-cent"),
        pytest.param(
            DIRECT, "0.055", "0.33", False, "0.00012", "0.00115", "0.000069", id="a refund"
        ),
        pytest.param(CENT, "0.052", "1", False, "0", "0.008", "0.004549", id="a purchase"),
        pytest.param(CENT, "0.052", "1", True, "0", "0.012", "0.008549", id="a sale"),
        pytest.param(CENT, "0.052", "2", True, "0", "0.014", "0.007098", id="a sale of two"),
        pytest.param(
            CENT, "0.99", "0.02", False, "0.0099", "0.0002", "0.010086", id="a fee too small"
        ),
        pytest.param(CENT, "0.5", "1", False, "0.02", "0", "0.0025", id="two steps refunded"),
    ],
)
def test_what_rounding_costs_is_kept_and_refunded_in_whole_steps(
    rounding: FeeRounding,
    at: str,
    contracts: str,
    sale: bool,
    kept: str,
    charged: str,
    keeps: str,
) -> None:
    of = kalshi_terms("quadratic", rounding=rounding)

    after, fee = FeeAccumulator(of, Decimal(kept)).charge(price(at), size(contracts), sale=sale)

    assert fee == Decimal(charged)
    assert after == FeeAccumulator(of, Decimal(keeps))


def test_a_fill_is_one_of_a_taker_that_buys_unless_said_otherwise() -> None:
    of, at = kalshi_terms(BOTH, rounding=CENT), (price("0.052"), size("1"))

    assert FeeAccumulator(of).charge(*at) == FeeAccumulator(of).charge(*at, TAKER, sale=False)
    assert of.fee(*at) == of.fee(*at, TAKER, sale=False) == Decimal("0.008")
    assert of.fee(*at, sale=True) == Decimal("0.012")


def test_a_maker_pays_by_the_makers_rate() -> None:
    of, at = kalshi_terms(BOTH), (price("0.5"), size("100"))

    assert of.fee(*at, MAKER) == Decimal("0.4375")
    assert FeeAccumulator(of).charge(*at, MAKER) == (FeeAccumulator(of), Decimal("0.4375"))


@pytest.mark.parametrize(
    ("contracts", "charged"),
    [("0.002", "0.00002"), ("0.0028", "0.00004"), ("0.00201", "0.00003")],
)
def test_polymarket_rounds_each_fill_half_to_even_and_keeps_nothing(
    contracts: str, charged: str
) -> None:
    order = FeeAccumulator(polymarket_terms(Decimal("0.05")), Decimal("0.5"))

    assert order.charge(price("0.5"), size(contracts)) == (order, Decimal(charged))


def test_rounding_does_not_depend_on_the_settings_of_decimal() -> None:
    polymarket = polymarket_terms(Decimal("0.05"))
    kalshi = FeeAccumulator(kalshi_terms("quadratic"), Decimal("0.00012"))

    with localcontext(rounding=ROUND_UP):
        assert polymarket.fee(price("0.5"), size("0.002")) == Decimal("0.00002")
        after, fee = kalshi.charge(price("0.055"), size("0.33"))

    assert (fee, after.kept) == (Decimal("0.00115"), Decimal("0.000069"))


# Bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "contracts", "fills", "bound"),
    [
        ("0.3", "10", 2, "0.147202"),
        ("0.3", "10", 1, "0.147101"),
        ("0.5", "10", 1, "0.175101"),
        ("0.8", "10", 1, "0.175101"),
        ("0.33", "0.01", 1, "0.000256"),
    ],
)
def test_the_worst_fee_of_a_purchase_is_that_at_the_dearest_price_and_a_step_for_each_fill(
    limit: str, contracts: str, fills: int, bound: str
) -> None:
    of = kalshi_terms("quadratic")

    assert of.worst(price(limit), size(contracts), fills=fills) == Decimal(bound)


def test_the_worst_fee_of_an_amount_is_the_rate_of_it_and_a_step_for_each_fill() -> None:
    of = kalshi_terms("quadratic")

    assert of.worst_of_dollars(Decimal(10), fills=3) == Decimal("0.700303")
    assert of.worst_of_dollars(Decimal(10)) == Decimal("0.700101")
    assert of.worst_of_dollars(Decimal("0.00001")) == Decimal("0.000102")
    assert of.worst(price("0.5"), size("10")) == Decimal("0.175101")


# Schedules ------------------------------------------------------------------------------------


def test_the_terms_in_force_are_the_newest_that_have_begun() -> None:
    first, second = polymarket_schedule("sports").terms
    of = FeeSchedule((first, second))

    assert of.at(FEES_BEGAN.replace(year=2025)) is None
    assert of.at(FEES_BEGAN) == first
    assert of.at(SPORTS_CHANGED.replace(day=9)) == first
    assert of.at(SPORTS_CHANGED) == second


def test_a_schedule_has_terms_with_rising_dates() -> None:
    first, second = polymarket_schedule("sports").terms

    for wrong in ((), (second, first), (first, first)):
        with pytest.raises(InvalidInput) as refused:
            FeeSchedule(wrong)
        dates = [each.effective_from for each in wrong]
        assert (refused.value.field, refused.value.value) == ("fees", dates)
        assert refused.value.expected == "terms with rising dates, at least one"


def test_a_schedule_is_stored_as_texts() -> None:
    read = FeeTerms(JULY, Decimal("0.05"), Decimal("0.01"), CENT, "a page")

    assert schedule_to_json(FeeSchedule((read,))) == [JSON]
    assert schedule_from_json([JSON]) == FeeSchedule((read,))
    assert schedule_from_json([JSON | {"taker_rate": "0", "maker_rate": "0.999999"}]).terms == (
        FeeTerms(JULY, Decimal(0), Decimal("0.999999"), CENT, "a page"),
    )


def test_terms_need_no_source() -> None:
    bare = {name: value for name, value in JSON.items() if name != "source"}

    assert schedule_from_json([bare]).terms[0].source == ""


RATES = "rates from 0 to 1, exact to 0.000001"
DATED = "terms with a date and a known rounding"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"taker_rate": "-0.01"}, RATES),
        ({"taker_rate": "1"}, RATES),
        ({"maker_rate": "1"}, RATES),
        ({"maker_rate": "0.0000015"}, RATES),
        ({"effective_from": "soon"}, DATED),
        ({"rounding": "up"}, DATED),
    ],
)
def test_impossible_terms_are_refused_as_they_are_written(
    wrong: dict[str, str], expected: str
) -> None:
    written = JSON | wrong

    with pytest.raises(InvalidInput) as refused:
        schedule_from_json([written])

    told = (refused.value.field, refused.value.value, refused.value.expected)
    assert told == ("fees", written, expected)


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("taker_rate", "fees.taker_rate: None is not a decimal number written as text"),
        ("maker_rate", "fees.maker_rate: None is not a decimal number written as text"),
    ],
)
def test_terms_without_a_rate_are_refused(missing: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        schedule_from_json([{name: text for name, text in JSON.items() if name != missing}])

    assert str(refused.value) == why


@pytest.mark.parametrize("missing", ["effective_from", "rounding"])
def test_terms_without_a_date_or_a_rounding_are_refused(missing: str) -> None:
    written = {name: text for name, text in JSON.items() if name != missing}

    with pytest.raises(InvalidInput) as refused:
        schedule_from_json([written])

    assert (refused.value.value, refused.value.expected) == (written, DATED)


def test_a_date_without_its_zone_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        schedule_from_json([JSON | {"effective_from": "2026-07-10"}])

    assert str(refused.value) == "fees.effective_from: '2026-07-10' is not a date with its zone"

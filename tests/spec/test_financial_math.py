"""The arithmetic of an edge, and which inputs it accepts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dutchbook.domain.detection.financial_math import FinancialMath
from dutchbook.errors import InvalidInput

PRICES = {"price_a": Decimal("0.41"), "price_b": Decimal("0.52")}
EDGE = PRICES | {
    "fee_a": Decimal("0.011"),
    "fee_b": Decimal("0.007"),
    "gas_estimate": Decimal("0.3"),
    "position_size": Decimal(25),
}
THRESHOLD = {"edge": Decimal("0.02"), "threshold": Decimal("0.01")}
BAD = [Decimal("NaN"), Decimal("Infinity"), "0.1", 1, None]


@pytest.mark.parametrize(
    ("price_a", "price_b", "edge"),
    [("0.41", "0.52", "0.07"), ("0.6", "0.55", "-0.15"), ("0.4", "0.6", "0")],
)
def test_a_gross_edge_is_a_dollar_less_both_prices_and_signed(
    price_a: str, price_b: str, edge: str
) -> None:
    found = FinancialMath.calculate_gross_edge(Decimal(price_a), Decimal(price_b))

    assert found == Decimal(edge)


def test_a_net_edge_is_less_both_fees_and_a_contracts_share_of_gas() -> None:
    assert FinancialMath.calculate_net_edge(**EDGE) == Decimal("0.040")


@pytest.mark.parametrize("size", ["1", "0.5"])
def test_a_net_edge_of_any_positive_size_is_defined(size: str) -> None:
    net = FinancialMath.calculate_net_edge(**EDGE | {"position_size": Decimal(size)})

    assert net == Decimal("0.052") - Decimal("0.3") / Decimal(size)


@pytest.mark.parametrize("size", ["0", "-1"])
def test_a_net_edge_of_no_contracts_is_an_error(size: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        FinancialMath.calculate_net_edge(**EDGE | {"position_size": Decimal(size)})

    assert _facts(caught.value) == ("position_size", Decimal(size), "above zero")


@pytest.mark.parametrize(
    ("edge", "above"), [("0.0081", True), ("0.008", True), ("0.0079", False)]
)
def test_a_threshold_is_reached_when_it_is_met(edge: str, above: bool) -> None:
    assert FinancialMath.is_above_threshold(Decimal(edge), Decimal("0.008")) is above


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("name", "function", "given"),
    [
        *((name, FinancialMath.calculate_gross_edge, PRICES) for name in PRICES),
        *((name, FinancialMath.calculate_net_edge, EDGE) for name in EDGE),
        *((name, FinancialMath.is_above_threshold, THRESHOLD) for name in THRESHOLD),
    ],
    ids=lambda each: getattr(each, "__name__", None) or str(each)[:20],
)
def test_an_input_that_is_no_finite_decimal_is_refused_by_name(
    name: str, function: object, given: dict[str, Decimal], value: object
) -> None:
    assert callable(function)

    with pytest.raises(InvalidInput) as caught:
        function(**given | {name: value})

    finite = "a finite number up to 1000000000"
    assert (caught.value.field, caught.value.expected) == (
        name,
        finite if isinstance(value, Decimal) else "a decimal",
    )
    assert caught.value.value is value


def test_a_checked_decimal_is_returned_as_it_is() -> None:
    value = Decimal("0.30")

    assert str(FinancialMath.validate_decimal_input(value, "gas")) == "0.30"


@pytest.mark.parametrize(
    ("value", "number"), [("0.30", "0.3"), (7, "7"), (Decimal("1.5"), "1.5")]
)
def test_a_number_input_reads_text_and_integers(value: object, number: str) -> None:
    assert FinancialMath.validate_number_input(value, "gas") == Decimal(number)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ten", "a decimal number"),
        (None, "a decimal number written as text"),
        ("NaN", "a finite number up to 1000000000"),
    ],
)
def test_a_number_input_that_is_no_number_is_refused_by_name(
    value: object, expected: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        FinancialMath.validate_number_input(value, "gas")

    assert _facts(caught.value) == ("gas", value, expected)


def _facts(error: InvalidInput) -> tuple[str, object, str]:
    return error.field, error.value, error.expected

"""What each checked constructor accepts, and the message with which it rejects the rest."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dutchbook.domain.values import units
from dutchbook.domain.values.units import (
    Band,
    PriceGrid,
    ceil_to,
    decimal,
    floor_to,
    from_e4,
    from_e6,
    money,
    plain,
    price,
    quantity,
    signed,
    to_e4,
    to_e6,
)
from dutchbook.errors import InvalidInput

CENTS = PriceGrid.of_tick("0.01")
Call = Callable[[], object]


def rejected(call: Call) -> tuple[str, object, str]:
    """Return the field, the value and the expectation of the rejection."""
    with pytest.raises(InvalidInput) as caught:
        call()
    return caught.value.field, caught.value.value, caught.value.expected


@pytest.mark.parametrize(
    "value", ["1000000000", "-1000000000", "0", "0.5", 7, Decimal("1.25"), " 2 "]
)
def test_a_decimal_is_read_from_text_an_integer_or_a_decimal(value: Any) -> None:
    assert decimal(value, "edge") == Decimal(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, "a decimal number written as text"),
        (True, "a decimal number written as text"),
        (None, "a decimal number written as text"),
        ("abc", "a decimal number"),
        ("1000000000.000001", "a finite number up to 1000000000"),
        ("-1000000000.000001", "a finite number up to 1000000000"),
        ("NaN", "a finite number up to 1000000000"),
        ("Infinity", "a finite number up to 1000000000"),
    ],
)
def test_a_value_that_is_no_plausible_decimal_is_named_in_the_error(
    value: object, expected: str
) -> None:
    assert rejected(lambda: decimal(value, "edge")) == ("edge", value, expected)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (price, "0.0001"),
        (price, "0.9999"),
        (quantity, "0.000001"),
        (quantity, "1"),
        (quantity, "1000000000"),
        (signed, "-0.000001"),
        (signed, "0"),
        (signed, "12.5"),
        (money, "-0.000001"),
        (money, "0"),
        (money, "12.5"),
    ],
)
def test_the_smallest_and_the_largest_values_are_read_as_they_are(
    read: Callable[[object], Decimal], value: str
) -> None:
    assert read(value) == Decimal(value)


def test_a_price_and_a_size_are_read_on_the_contracts_own_steps() -> None:
    assert price("0.57", grid=CENTS) == Decimal("0.57")
    assert quantity("20", step=Decimal(10)) == 20


@pytest.mark.parametrize(
    ("call", "field", "value", "expected"),
    [
        (lambda: price("x"), "price", "x", "a decimal number"),
        (lambda: price("0"), "price", "0", "a price strictly between 0 and 1 dollar"),
        (
            lambda: price("1", field="limit"),
            "limit",
            "1",
            "a price strictly between 0 and 1 dollar",
        ),
        (lambda: price("0.57315"), "price", "0.57315", "a multiple of 0.0001 dollar"),
        (
            lambda: price("0.575", grid=CENTS),
            "price",
            "0.575",
            "on the contract's price grid (0 to 1 by 0.01)",
        ),
        (lambda: quantity("x"), "size", "x", "a decimal number"),
        (lambda: quantity("0"), "size", "0", "above zero"),
        (lambda: quantity("-1", field="lot"), "lot", "-1", "above zero"),
        (
            lambda: quantity("0.0000005"),
            "size",
            "0.0000005",
            "a multiple of 0.000001 contracts",
        ),
        (
            lambda: quantity("15", step=Decimal(10)),
            "size",
            "15",
            "a multiple of 10 contracts",
        ),
        (lambda: signed("x"), "size", "x", "a decimal number"),
        (
            lambda: signed("-0.0000005"),
            "size",
            "-0.0000005",
            "a multiple of 0.000001 contracts",
        ),
        (lambda: signed("x", field="change"), "change", "x", "a decimal number"),
        (lambda: money("x"), "amount", "x", "a decimal number"),
        (lambda: money("x", field="cost"), "cost", "x", "a decimal number"),
        (
            lambda: money("-0.0000005"),
            "amount",
            "-0.0000005",
            "a multiple of 0.000001 dollar",
        ),
    ],
)
def test_a_rejection_says_the_field_the_value_and_what_would_be_right(
    call: Call, field: str, value: str, expected: str
) -> None:
    assert rejected(call) == (field, value, expected)


@pytest.mark.parametrize(
    ("number", "step", "below", "above"),
    [
        ("7.3", "2", "6", "8"),
        ("6", "2", "6", "6"),
        ("-7.3", "2", "-8", "-6"),
        ("0.57", "0.05", "0.55", "0.60"),
        ("8.9", "2", "8", "10"),
    ],
)
def test_a_number_is_rounded_down_or_up_to_a_multiple_of_the_step(
    number: str, step: str, below: str, above: str
) -> None:
    assert floor_to(Decimal(number), Decimal(step)) == Decimal(below)
    assert ceil_to(Decimal(number), Decimal(step)) == Decimal(above)


def test_prices_and_sizes_are_converted_to_integers_and_back_exactly() -> None:
    assert (to_e4(Decimal("0.5731")), from_e4(5731)) == (5731, Decimal("0.5731"))
    assert (to_e6(Decimal("12.000001")), from_e6(12_000_001)) == (
        12_000_001,
        Decimal("12.000001"),
    )


def test_a_number_finer_than_the_integer_unit_is_not_converted() -> None:
    with pytest.raises(AssertionError, match=r"^0\.57315 is finer than 0\.0001"):
        to_e4(Decimal("0.57315"))
    with pytest.raises(AssertionError, match=r"^12\.0000005 is finer than 0\.000001"):
        to_e6(Decimal("12.0000005"))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.00", "0"),
        ("-0", "0"),
        ("0.50", "0.5"),
        ("12.00", "12"),
        ("100", "100"),
        ("-1.250", "-1.25"),
        ("1E+3", "1000"),
        ("1E-7", "0.0000001"),
        ("10.10", "10.1"),
    ],
)
def test_a_decimal_is_written_without_exponent_and_trailing_zeros(
    number: str, text: str
) -> None:
    assert plain(Decimal(number)) == text


def ranges(start: str, end: str, step: str) -> list[dict[str, str]]:
    return [{"start": start, "end": end, "step": step}]


def band(start: str, end: str, step: str) -> Band:
    return Band(Decimal(start), Decimal(end), Decimal(step))


def test_kalshis_ranges_are_read_as_bands() -> None:
    grid = PriceGrid.of_ranges([*ranges("0", "0.1", "0.0001"), *ranges("0.1", "1", "0.01")])

    assert grid == PriceGrid((band("0", "0.1", "0.0001"), band("0.1", "1", "0.01")))
    assert str(grid) == "0 to 0.1 by 0.0001, 0.1 to 1 by 0.01"


@pytest.mark.parametrize(
    "given",
    [
        [],
        ranges("0", "1", "0"),
        ranges("0", "1", "-0.01"),
        ranges("0", "1", "0.00005"),
        ranges("0.5", "0.5", "0.01"),
        ranges("0.6", "0.5", "0.01"),
        ranges("-0.1", "1", "0.01"),
        ranges("0", "1.0001", "0.01"),
    ],
)
def test_ranges_outside_zero_and_one_or_without_a_step_are_rejected(
    given: list[dict[str, str]],
) -> None:
    expected = "bands within 0 and 1 with steps of 0.0001"

    assert rejected(lambda: PriceGrid.of_ranges(given)) == ("price_ranges", given, expected)


@pytest.mark.parametrize("key", ["start", "end", "step"])
def test_a_range_that_lacks_a_number_is_rejected_with_its_name(key: str) -> None:
    (given,) = ranges("0", "1", "0.01")
    del given[key]

    field, value, _ = rejected(lambda: PriceGrid.of_ranges([given]))

    assert (field, value) == (f"price_ranges.{key}", None)


def test_a_tick_makes_one_band_from_zero_to_one() -> None:
    assert PriceGrid.of_tick("0.0001") == PriceGrid((band("0", "1", "0.0001"),))


@pytest.mark.parametrize("tick", ["0", "1", "2", "-0.1", "0.00005", "0.3", "0.4"])
def test_a_tick_that_does_not_divide_a_dollar_is_rejected(tick: str) -> None:
    expected = "a tick that divides 1 and is a multiple of 0.0001"

    assert rejected(lambda: PriceGrid.of_tick(tick)) == ("tick", tick, expected)


def test_a_tick_that_is_no_number_is_rejected() -> None:
    assert rejected(lambda: PriceGrid.of_tick("x")) == ("tick", "x", "a decimal number")


INNER = PriceGrid((band("0.103", "0.503", "0.01"),))


@pytest.mark.parametrize(
    ("value", "on"),
    [
        ("0.093", False),
        ("0.103", True),
        ("0.105", False),
        ("0.107", False),
        ("0.113", True),
        ("0.503", True),
        ("0.513", False),
    ],
)
def test_a_band_holds_its_ends_and_every_step_between(value: str, *, on: bool) -> None:
    assert INNER.contains(Decimal(value)) is on


@pytest.mark.parametrize(
    ("value", "on"), [("0", False), ("0.01", True), ("0.99", True), ("1", False)]
)
def test_neither_zero_nor_a_dollar_is_a_price(value: str, *, on: bool) -> None:
    assert CENTS.contains(Decimal(value)) is on


def test_the_finest_step_is_the_smallest_of_all_bands() -> None:
    grid = PriceGrid(
        (band("0", "0.1", "0.01"), band("0.1", "0.2", "0.001"), band("0.2", "1", "0.1"))
    )

    assert grid.finest == Decimal("0.001")


def test_the_integer_prices_of_a_grid_are_those_that_it_contains() -> None:
    units._prices_e4.cache_clear()
    finest = PriceGrid((band("0", "0.0003", "0.0001"), band("0.5", "0.5002", "0.0001")))
    last = PriceGrid((band("0.99", "1", "0.005"),))

    assert PriceGrid.of_tick("0.25").prices_e4 == {2_500, 5_000, 7_500}
    assert finest.prices_e4 == {1, 2, 3, 5_000, 5_001, 5_002}
    assert last.prices_e4 == {9_900, 9_950}

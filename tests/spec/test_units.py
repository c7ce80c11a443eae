from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dutchbook.domain.values.units import (
    MICRO,
    PriceGrid,
    due,
    from_e4,
    money,
    owed,
    plain,
    price,
    quantity,
    to_e4,
)
from dutchbook.errors import InvalidInput

HOSTILE = ["NaN", "Infinity", "-Infinity", "1e400", "", "abc", None, 0.5, True, "-0.1", "sNaN"]
amounts = st.decimals(-1_000, 1_000, places=9)


@pytest.mark.parametrize("value", [*HOSTILE, "0", "1", "1.01", "0.00001"])
def test_a_price_that_no_platform_can_quote_is_rejected(value: object) -> None:
    with pytest.raises(InvalidInput, match="price"):
        price(value)


@pytest.mark.parametrize("value", [*HOSTILE, "0", "0.0000001", "1e12"])
def test_a_size_that_cannot_be_held_is_rejected(value: object) -> None:
    with pytest.raises(InvalidInput, match="size"):
        quantity(value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", 0.1, "0.0000001", "1e400"])
def test_money_that_is_not_exact_is_rejected(value: object) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        money(value)


@pytest.mark.parametrize(
    ("tick", "on", "off"),
    [
        ("0.1", "0.3", "0.35"),
        ("0.01", "0.57", "0.575"),
        ("0.005", "0.575", "0.573"),
        ("0.0025", "0.5725", "0.573"),
        ("0.001", "0.573", "0.5735"),
        ("0.0001", "0.5731", "0.99999"),
    ],
)
def test_each_published_tick_admits_only_its_multiples(tick: str, on: str, off: str) -> None:
    grid = PriceGrid.of_tick(tick)

    assert price(on, grid=grid) == Decimal(on)
    with pytest.raises(InvalidInput):
        price(off, grid=grid)


def test_a_tapered_grid_is_fine_at_its_ends_and_coarse_between() -> None:
    grid = PriceGrid.of_ranges(
        [
            {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
            {"start": "0.1000", "end": "0.9000", "step": "0.0100"},
            {"start": "0.9000", "end": "1.0000", "step": "0.0010"},
        ]
    )

    quotable = [p for p in ("0.055", "0.105", "0.11", "0.955", "0", "1") if _on(grid, p)]

    assert quotable == ["0.055", "0.11", "0.955"]


def _on(grid: PriceGrid, value: str) -> bool:
    return grid.contains(Decimal(value))


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [{"start": "0", "end": "1", "step": "0"}],
        [{"start": "0", "end": "2", "step": "0.01"}],
    ],
)
def test_price_ranges_that_make_no_grid_are_rejected(ranges: list[dict[str, str]]) -> None:
    with pytest.raises(InvalidInput, match="price_ranges"):
        PriceGrid.of_ranges(ranges)


@given(amounts)
def test_money_owed_rounds_up_and_money_due_rounds_down(amount: Decimal) -> None:
    assert amount <= owed(amount) < amount + MICRO
    assert amount - MICRO < due(amount) <= amount


@given(st.integers(1, 9_999))
def test_a_price_survives_a_round_trip_through_integers(e4: int) -> None:
    assert to_e4(from_e4(e4)) == e4


@given(amounts)
def test_a_decimal_has_one_written_form_that_reads_back_unchanged(amount: Decimal) -> None:
    text = plain(amount)

    assert Decimal(text) == amount
    assert "E" not in text
    assert text == plain(Decimal(text))

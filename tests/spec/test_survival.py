"""How long a quote lives: the recorded shares, and what is between them."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest

from dutchbook.domain.market.survival import AGED, LAGS_MS, gone

MS = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("lag", "age", "parts"),
    [
        (50 * MS, timedelta(0), 103),
        (100 * MS, 99 * MS, 125),
        (100 * MS, 100 * MS, 77),
        (300 * MS, 999 * MS, 139),
        (300 * MS, SECOND, 94),
        (3_700 * MS, 10 * SECOND - MS, 327),
        (3_700 * MS, 10 * SECOND, 177),
        (7_400 * MS, timedelta(days=1), 239),
    ],
)
def test_at_a_lag_that_was_measured_it_is_the_recorded_share(
    lag: timedelta, age: timedelta, parts: int
) -> None:
    assert gone(lag, age) == Fraction(parts, 1_000)


@pytest.mark.parametrize(
    ("lag", "parts"),
    [
        (timedelta(0), 0),
        (25 * MS, Fraction(103, 2)),
        (75 * MS, 114),
        (1_500 * MS, 315),
        (100 * SECOND, 436),
        (timedelta(microseconds=1), Fraction(103, 50_000)),
    ],
)
def test_between_two_lags_it_is_on_the_line_and_beyond_the_last_the_last(
    lag: timedelta, parts: int | Fraction
) -> None:
    assert gone(lag, timedelta(0)) == Fraction(parts) / 1_000


def test_the_longer_an_order_takes_and_the_younger_its_quote_the_more_is_gone() -> None:
    for _, curve in AGED:
        assert list(curve) == sorted(curve)
        assert len(curve) == len(LAGS_MS)
    for curves in zip(*(curve[1:] for _, curve in AGED), strict=True):
        assert list(curves) == sorted(curves, reverse=True)

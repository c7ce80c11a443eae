"""How long a quote lives: the probability that it is gone when an order reaches it.

Measured on 266,620 quotes of Kalshi's books as its websocket sent them (gold, August 2026, and
bitcoin, May 2026; exchange time, equal weight for each recording), and carried over to
Polymarket's, of which there is no such recording. Not in any of them: our place in a queue, and
what others do because of us.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

LAGS_MS = (0, 50, 100, 200, 300, 500, 1_000, 2_000, 3_700, 7_400)
"""Milliseconds from the decision until the order meets the book."""
PARTS = 1_000
AGED = (
    (timedelta(milliseconds=100), (0, 103, 125, 160, 177, 217, 282, 348, 396, 436)),
    (timedelta(seconds=1), (0, 54, 77, 112, 139, 184, 252, 330, 389, 434)),
    (timedelta(seconds=10), (0, 38, 53, 75, 94, 125, 186, 261, 327, 388)),
    (timedelta.max, (0, 16, 21, 29, 35, 47, 78, 119, 177, 239)),
)
"""Parts per thousand that are gone, by how long the touch had been as it was: up to an age.

A hundred contracts at the best price, at any time.
"""

TAKEN = (
    (Decimal("0.25"), (0, 111, 137, 168, 193, 231, 297, 370, 419, 457)),
    (Decimal("0.5"), (0, 139, 167, 203, 229, 270, 340, 410, 456, 487)),
    (Decimal(1), (0, 285, 332, 378, 408, 456, 515, 557, 563, 560)),
)
"""Parts per thousand that are gone, by the share of the touch that is wanted: up to a share.

Of the side towards which the other side of the same book has just moved.
"""
LONG = timedelta(milliseconds=3_700)
"""One poll of the recordings in which both platforms were seen."""


def gone(lag: timedelta, age: timedelta) -> Fraction:
    """Return the probability that a quote is gone for its size at its price after `lag`.

    Linear between the lags that were measured; the last one counts for all above it.

    Args:
        lag: From the moment at which the quote was seen until the order meets it.
        age: How long its price and size had been as they were.
    """
    curve = next(parts for most, parts in AGED if age < most or most is timedelta.max)
    return _at(curve, lag)


def _at(curve: tuple[int, ...], lag: timedelta) -> Fraction:
    ms = min(Fraction(lag // timedelta(microseconds=1), 1_000), Fraction(LAGS_MS[-1]))
    after = max(bisect_left(LAGS_MS, ms), 1)
    before = after - 1
    share = (ms - LAGS_MS[before]) / (LAGS_MS[after] - LAGS_MS[before])
    return (curve[before] + share * (curve[after] - curve[before])) / PARTS


def relative(lag: timedelta, age: timedelta, share: Decimal) -> Fraction:
    """Return how much likelier a quote is gone after `lag` than after `LONG`.

    The recordings tell it by age and by share, not by both at once: the mean of the two.

    Args:
        lag: As in `gone`.
        age: As in `gone`.
        share: Of the contracts at the best price, how many are wanted; all above 1.
    """
    taken = next((parts for most, parts in TAKEN if share <= most), TAKEN[-1][1])
    by_age = gone(lag, age) / gone(LONG, age)
    return (by_age + _at(taken, lag) / _at(taken, LONG)) / 2

"""How long a quote lives: the probability that it is gone when an order reaches it.

Measured on 266,620 quotes of Kalshi's books as its websocket sent them (gold, August 2026, and
bitcoin, May 2026; exchange time, equal weight for each recording), and carried over to
Polymarket's, of which there is no such recording. Not in any of them: our place in a queue, and
what others do because of us.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta
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

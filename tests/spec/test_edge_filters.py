"""The integer filters that come before detection: they decide at the boundary exactly."""

from __future__ import annotations

import pytest

from dutchbook.domain.detection.detect import has_edge, possible
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Alignment, Outcome, Platform

KALSHI, POLYMARKET = Platform
YES, NO = Outcome


def edges(bid: int, ask: int, platform: Platform) -> OrderBook:
    made = OrderBook(platform, "cup")
    made.replace([(bid, 1)], [(ask, 1)])
    return made


@pytest.mark.parametrize(
    ("alignment", "kalshi", "polymarket", "expected"),
    [
        (Alignment.SAME, (4_500, 5_000), (5_080, 5_200), (YES,)),
        (Alignment.SAME, (4_500, 5_000), (5_079, 5_200), ()),
        (Alignment.SAME, (5_080, 5_200), (4_500, 5_000), (NO,)),
        (Alignment.SAME, (5_079, 5_200), (4_500, 5_000), ()),
        (Alignment.SAME, (5_100, 5_000), (5_090, 5_010), (YES, NO)),
        (Alignment.INVERSE, (3_900, 4_900), (4_900, 5_020), (YES,)),
        (Alignment.INVERSE, (3_900, 4_900), (4_900, 5_021), ()),
        (Alignment.INVERSE, (4_900, 6_000), (5_180, 6_000), (NO,)),
        (Alignment.INVERSE, (4_900, 6_000), (5_179, 6_000), ()),
        (Alignment.INVERSE, (5_100, 4_900), (5_000, 4_900), (YES, NO)),
    ],
)
def test_a_direction_is_possible_from_the_minimum_edge_on(
    alignment: Alignment,
    kalshi: tuple[int, int],
    polymarket: tuple[int, int],
    expected: tuple[Outcome, ...],
) -> None:
    books = edges(*kalshi, KALSHI), edges(*polymarket, POLYMARKET)

    assert possible(*books, alignment, 80) == expected


@pytest.mark.parametrize(
    ("asks", "rates", "expected"),
    [
        # 10 cents less fees of a quarter and of 24 hundredths of the rates
        ((5_000, 4_000), (304_000, 100_000), False),
        ((5_000, 4_000), (303_999, 100_000), True),
        ((5_000, 4_000), (304_000, 99_999), True),
        ((4_000, 5_000), (100_000, 304_000), False),
        ((4_000, 5_000), (99_999, 304_000), True),
        ((4_000, 5_000), (100_000, 303_999), True),
        ((5_000, 5_000), (0, 0), False),
        ((5_000, 4_999), (0, 0), True),
        ((1, 9_998), (0, 0), True),
        ((9_998, 1), (0, 0), True),
        ((0, 5_000), (0, 0), False),
        ((5_000, 0), (0, 0), False),
        ((10_000, 1), (0, 0), False),
        ((1, 10_000), (0, 0), False),
    ],
)
def test_an_edge_is_what_both_asks_and_fees_leave_of_a_dollar(
    asks: tuple[int, int], rates: tuple[int, int], expected: bool
) -> None:
    assert has_edge(*asks, *rates) is expected

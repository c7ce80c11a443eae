"""One book level by level: what it holds, shows and says of itself, in exact values."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import islice

import pytest
from support.pairs import NOW, book

from dutchbook.domain.market.book import (
    ASK,
    BID,
    Levels,
    OrderBook,
    Trust,
    Walk,
    reach,
    segments,
    walk,
)
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Price, Quantity

YES, NO, BUY, SELL = Outcome.YES, Outcome.NO, Side.BUY, Side.SELL
KALSHI = Platform.KALSHI
Change = tuple[int, int, int]
Held = tuple[dict[int, int], dict[int, int], int, int]


def price(text: str) -> Price:
    return Price(Decimal(text))


def size(text: str) -> Quantity:
    return Quantity(Decimal(text))


def deep() -> OrderBook:
    """A book with two bids and three asks, each of a size of its own."""
    return book(KALSHI, {37: 7, 38: 5}, {45: 100, 41: 3, 40: 9})


def state(of: OrderBook) -> dict[str, object]:
    return {name: getattr(of, name) for name in OrderBook.__slots__}


EMPTY = {
    "platform": KALSHI,
    "contract_id": "k",
    "bids": {},
    "asks": {},
    "best_bid": 0,
    "best_ask": 10_000,
    "trust": Trust.SYNCING,
    "updated_at": None,
    "platform_time": None,
    "sequence": 0,
    "whole": False,
    "off_grid": False,
}


# Changes --------------------------------------------------------------------------------------


def test_a_new_book_is_empty_and_awaits_a_snapshot() -> None:
    assert state(OrderBook(KALSHI, "k")) == EMPTY


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        pytest.param([(BID, 30, 1)], ({30: 1}, {}, 30, 10_000), id="a bid of one millionth"),
        pytest.param([(ASK, 30, 1)], ({}, {30: 1}, 0, 30), id="an ask of one millionth"),
        pytest.param(
            [(BID, 30, 5), (BID, 20, 6)], ({30: 5, 20: 6}, {}, 30, 10_000), id="a lower bid"
        ),
        pytest.param(
            [(BID, 30, 5), (BID, 40, 6)], ({30: 5, 40: 6}, {}, 40, 10_000), id="a higher bid"
        ),
        pytest.param(
            [(ASK, 30, 5), (ASK, 40, 6)], ({}, {30: 5, 40: 6}, 0, 30), id="a higher ask"
        ),
        pytest.param(
            [(ASK, 30, 5), (ASK, 20, 6)], ({}, {30: 5, 20: 6}, 0, 20), id="a lower ask"
        ),
        pytest.param([(BID, 30, 5), (BID, 30, 8)], ({30: 8}, {}, 30, 10_000), id="a new size"),
        pytest.param([(BID, 30, 5), (BID, 30, 0)], ({}, {}, 0, 10_000), id="the last bid gone"),
        pytest.param([(ASK, 30, 5), (ASK, 30, 0)], ({}, {}, 0, 10_000), id="the last ask gone"),
        pytest.param(
            [(BID, 30, 5), (BID, 20, 6), (BID, 30, 0)],
            ({20: 6}, {}, 20, 10_000),
            id="the best bid gone",
        ),
        pytest.param(
            [(BID, 30, 5), (BID, 20, 6), (BID, 20, 0)],
            ({30: 5}, {}, 30, 10_000),
            id="another bid gone",
        ),
        pytest.param(
            [(ASK, 30, 5), (ASK, 40, 6), (ASK, 30, 0)],
            ({}, {40: 6}, 0, 40),
            id="the best ask gone",
        ),
        pytest.param(
            [(ASK, 30, 5), (ASK, 40, 6), (ASK, 40, 0)],
            ({}, {30: 5}, 0, 30),
            id="another ask gone",
        ),
        pytest.param([(BID, 30, 0), (ASK, 40, 0)], ({}, {}, 0, 10_000), id="none to remove"),
        pytest.param(
            [(BID, 30, 5), (ASK, 40, 6)], ({30: 5}, {40: 6}, 30, 40), id="one of each side"
        ),
    ],
)
def test_a_change_sets_or_removes_one_level(changes: list[Change], held: Held) -> None:
    made = OrderBook(KALSHI, "k")

    for change in changes:
        made.apply(*change)

    assert (made.bids, made.asks, made.best_bid, made.best_ask) == held


def test_a_snapshot_replaces_everything_and_leaves_out_empty_levels() -> None:
    made = OrderBook(KALSHI, "k")
    made.apply(BID, 10, 5)
    made.apply(ASK, 90, 5)

    made.replace([(20, 1), (30, 2), (40, 0)], [(70, 1), (60, 3), (50, 0)])

    held = {"bids": {20: 1, 30: 2}, "asks": {70: 1, 60: 3}, "best_bid": 30, "best_ask": 60}
    assert state(made) == EMPTY | held | {"whole": True}


def test_an_empty_snapshot_is_whole_and_has_nothing_to_gain() -> None:
    made = OrderBook(KALSHI, "k")
    made.apply(BID, 10, 5)
    made.apply(ASK, 90, 5)

    made.replace([], [])

    assert state(made) == EMPTY | {"whole": True}


def test_a_cleared_book_is_empty_and_awaits_a_snapshot() -> None:
    made = OrderBook(KALSHI, "k")
    made.replace([(20, 1)], [(70, 1)])
    made.touch(NOW, 7)

    made.clear()

    assert state(made) == EMPTY | {"sequence": 7}


# Trust ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "crossed"),
    [(39, 40, False), (40, 40, True), (41, 40, True)],
)
def test_a_message_makes_a_whole_book_live_unless_bid_and_ask_meet(
    bid: int, ask: int, crossed: bool
) -> None:
    made = OrderBook(KALSHI, "k")
    made.replace([(bid, 1)], [(ask, 1)])

    made.touch(NOW, 4)

    assert made.crossed is crossed
    assert made.trust is (Trust.SUSPECT if crossed else Trust.LIVE)
    assert (made.updated_at, made.sequence) == (NOW, 4)


def test_changes_of_a_book_that_was_never_whole_do_not_make_it_live() -> None:
    made = OrderBook(KALSHI, "k")

    made.apply(BID, 30, 5)
    made.touch(NOW, 4)

    assert (made.trust, made.updated_at, made.sequence) == (Trust.SYNCING, NOW, 4)


def test_a_book_keeps_the_number_of_its_last_message() -> None:
    made = OrderBook(KALSHI, "k")

    made.number(12)

    assert state(made) == EMPTY | {"sequence": 12}


def test_a_book_is_not_traded_on_while_its_prices_are_off_the_grid() -> None:
    made = book(KALSHI, {38: 5}, {40: 5})
    oldest = timedelta(seconds=5)

    made.doubt_grid(doubted=True)
    doubted = made.untrusted_because(NOW, oldest)
    made.doubt_grid(doubted=False)

    assert doubted == "book_off_grid"
    assert made.untrusted_because(NOW, oldest) is None


@pytest.mark.parametrize(
    ("trust", "age", "why"),
    [
        (Trust.SYNCING, 0, "book_syncing"),
        (Trust.SUSPECT, 0, "book_suspect"),
        (Trust.LIVE, 5, None),
        (Trust.LIVE, 6, "book_stale"),
        (Trust.LIVE, None, "book_stale"),
    ],
)
def test_a_book_says_why_it_is_not_to_be_trusted(
    trust: Trust, age: int | None, why: str | None
) -> None:
    made = book(KALSHI, {38: 5}, {40: 5})
    made.trust = trust
    made.updated_at = None if age is None else NOW - timedelta(seconds=age)

    assert made.untrusted_because(NOW, timedelta(seconds=5)) == why


@pytest.mark.parametrize(
    ("prices", "on"),
    [
        ({3_700, 3_800, 4_000, 4_100, 4_500}, True),
        ({3_700, 3_800, 4_000, 4_100}, False),
        ({3_700, 4_000, 4_100, 4_500}, False),
        (set[int](), False),
    ],
)
def test_a_book_is_on_a_grid_if_every_level_of_both_sides_is(
    prices: set[int], on: bool
) -> None:
    assert deep().on(frozenset(prices)) is on


# What it offers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "side", "offered"),
    [
        (YES, BUY, ((4_000, 9), (4_100, 3), (4_500, 100))),
        (YES, SELL, ((3_800, 5), (3_700, 7))),
        (NO, BUY, ((6_200, 5), (6_300, 7))),
        (NO, SELL, ((6_000, 9), (5_900, 3), (5_500, 100))),
    ],
)
def test_an_order_meets_the_other_side_of_the_book_best_first(
    outcome: Outcome, side: Side, offered: Levels
) -> None:
    of = deep()

    assert of.offers(outcome, side) == tuple((at, n * 1_000_000) for at, n in offered)
    assert of.best(outcome, side) == Decimal(offered[0][0]) / 10_000


def test_a_purchase_is_what_is_asked_for_unless_said_otherwise() -> None:
    of = deep()

    assert of.offers(YES) == of.offers(YES, BUY)
    assert of.depth(YES, price("0.41")) == of.depth(YES, price("0.41"), BUY)


def test_the_best_ask_of_an_outcome_is_10_000_if_there_is_none() -> None:
    assert (deep().ask_e4(YES), deep().ask_e4(NO)) == (4_000, 6_200)
    bare = OrderBook(KALSHI, "k")
    assert (bare.ask_e4(YES), bare.ask_e4(NO)) == (10_000, 10_000)
    assert [bare.best(outcome, side) for outcome in Outcome for side in Side] == [None] * 4


@pytest.mark.parametrize(
    ("outcome", "side", "limit", "depth"),
    [
        (YES, BUY, "0.3999", 0),
        (YES, BUY, "0.40", 9),
        (YES, BUY, "0.41", 12),
        (YES, BUY, "0.45", 112),
        (YES, SELL, "0.3801", 0),
        (YES, SELL, "0.38", 5),
        (YES, SELL, "0.37", 12),
        (NO, BUY, "0.6199", 0),
        (NO, BUY, "0.62", 5),
        (NO, BUY, "0.63", 12),
        (NO, SELL, "0.60", 9),
        (NO, SELL, "0.59", 12),
    ],
)
def test_depth_counts_the_levels_at_the_limit_or_better(
    outcome: Outcome, side: Side, limit: str, depth: int
) -> None:
    assert deep().depth(outcome, price(limit), side) == depth


def test_the_top_of_a_book_is_its_best_levels_as_text() -> None:
    assert deep().top(2) == {
        "bids": [["0.3800", "5.000000"], ["0.3700", "7.000000"]],
        "asks": [["0.4000", "9.000000"], ["0.4100", "3.000000"]],
    }
    long = book(KALSHI, dict.fromkeys(range(1, 13), 1), dict.fromkeys(range(50, 62), 1))
    assert {side: len(levels) for side, levels in long.top().items()} == {
        "bids": 10,
        "asks": 10,
    }


# Walks ----------------------------------------------------------------------------------------

ASKS: Levels = ((4_000, 9_000_000), (4_100, 3_000_000), (4_500, 100_000_000))


@pytest.mark.parametrize(
    ("wanted", "cost", "worst"),
    [
        ("0.000001", "0.0000004", "0.40"),
        ("9", "3.60", "0.40"),
        ("9.000001", "3.60000041", "0.41"),
        ("12", "4.83", "0.41"),
        ("112", "49.83", "0.45"),
    ],
)
def test_a_walk_costs_each_level_at_its_own_price(wanted: str, cost: str, worst: str) -> None:
    assert walk(ASKS, size(wanted)) == Walk(size(wanted), Decimal(cost), price(worst))


def test_a_walk_a_millionth_beyond_the_depth_is_none() -> None:
    assert walk(ASKS, size("112.000001")) is None
    assert walk((), size("1")) is None


def test_the_average_of_a_walk_is_its_cost_for_each_contract() -> None:
    assert Walk(size("8"), Decimal("3.2"), price("0.41")).average == Decimal("0.4")


@pytest.mark.parametrize(
    ("wanted", "limit", "worst"),
    [
        ("9", "0.50", "0.40"),
        ("9.000001", "0.50", "0.41"),
        ("12", "0.50", "0.41"),
        ("12.000001", "0.50", "0.45"),
        ("500", "0.50", "0.45"),
        ("500", "0.45", "0.45"),
        ("500", "0.4499", "0.41"),
        ("500", "0.41", "0.41"),
        ("500", "0.40", "0.40"),
        ("500", "0.39", "0.39"),
    ],
)
def test_an_order_reaches_as_far_as_its_size_and_its_limit_allow(
    wanted: str, limit: str, worst: str
) -> None:
    assert reach(ASKS, size(wanted), price(limit)) == price(worst)


@pytest.mark.parametrize(
    ("wanted", "limit", "worst"),
    [
        ("9", "0.50", "0.60"),
        ("9.000001", "0.50", "0.59"),
        ("500", "0.50", "0.55"),
        ("500", "0.55", "0.55"),
        ("500", "0.5501", "0.59"),
        ("500", "0.60", "0.60"),
        ("500", "0.61", "0.61"),
    ],
)
def test_a_sale_reaches_down(wanted: str, limit: str, worst: str) -> None:
    bids = tuple((10_000 - at, there) for at, there in ASKS)

    assert reach(bids, size(wanted), price(limit), Side.SELL) == price(worst)


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        pytest.param((), (), [], id="nothing"),
        pytest.param(((40, 5),), (), [], id="nothing on the second"),
        pytest.param((), ((50, 5),), [], id="nothing on the first"),
        pytest.param(((40, 5),), ((50, 5),), [(40, 50, 5)], id="the same sizes"),
        pytest.param(((40, 5),), ((50, 2),), [(40, 50, 2)], id="the second is smaller"),
        pytest.param(((40, 2),), ((50, 5),), [(40, 50, 2)], id="the first is smaller"),
        pytest.param(
            ((40, 5), (41, 4)),
            ((50, 2), (52, 6)),
            [(40, 50, 2), (40, 52, 3), (41, 52, 3)],
            id="levels that overlap",
        ),
        pytest.param(
            ((40, 5), (41, 4)),
            ((50, 5), (52, 4)),
            [(40, 50, 5), (41, 52, 4)],
            id="levels that end together",
        ),
    ],
)
def test_two_ladders_are_paired_level_by_level(
    first: Levels, second: Levels, found: list[tuple[int, int, int]]
) -> None:
    assert list(islice(segments(first, second), 9)) == found

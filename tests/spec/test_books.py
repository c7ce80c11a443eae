from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW, book

from dutchbook.domain.market.book import ASK, BID, OrderBook, Trust, segments, walk
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import E4, Price, Quantity

levels = st.dictionaries(st.integers(1, E4 - 1), st.integers(1, 10**12), max_size=12)
updates = st.lists(
    st.tuples(st.sampled_from([BID, ASK]), st.integers(1, 40), st.integers(0, 3)), max_size=80
)


@given(updates)
def test_the_best_prices_follow_from_the_current_levels_alone(
    changes: list[tuple[int, int, int]],
) -> None:
    made = OrderBook(Platform.KALSHI, "k")

    for side, price, size in changes:
        made.apply(side, price, size)

    assert made.best_bid == max(made.bids, default=0)
    assert made.best_ask == min(made.asks, default=E4)
    assert all(size > 0 for size in [*made.bids.values(), *made.asks.values()])


def test_buying_no_takes_the_yes_bids_from_the_highest_down() -> None:
    made = book(Platform.KALSHI, {38: 5, 37: 7}, {40: 9})

    assert made.offers(Outcome.NO) == ((6_200, 5_000_000), (6_300, 7_000_000))
    assert made.offers(Outcome.NO, Side.SELL) == ((6_000, 9_000_000),)
    assert made.best(Outcome.NO, Side.BUY) == Decimal("0.62")


def test_depth_counts_only_levels_within_the_limit() -> None:
    made = book(Platform.KALSHI, {}, {40: 9, 41: 3, 45: 100})

    assert made.depth(Outcome.YES, Price(Decimal("0.41"))) == 12


def test_a_walk_has_its_cost_and_its_last_price() -> None:
    made = book(Platform.KALSHI, {}, {40: 9, 41: 3})

    taken = walk(made.offers(Outcome.YES), Quantity(Decimal(10)))

    assert taken is not None
    assert (taken.cost, taken.worst) == (Decimal("4.01"), Decimal("0.41"))
    assert taken.average == Decimal("0.401")


def test_a_walk_beyond_the_depth_is_none() -> None:
    assert (
        walk(book(Platform.KALSHI, {}, {40: 9}).offers(Outcome.YES), Quantity(Decimal(10)))
        is None
    )


@given(levels, levels)
def test_matching_two_ladders_uses_each_contract_once_at_prices_that_never_fall(
    first: dict[int, int], second: dict[int, int]
) -> None:
    ladders = [tuple(sorted(each.items())) for each in (first, second)]

    found = list(segments(ladders[0], ladders[1]))

    total = sum(size for _, _, size in found)
    assert total == min(sum(first.values()), sum(second.values()))
    sums = [a + b for a, b, _ in found]
    assert sums == sorted(sums)


def test_a_crossed_book_is_suspect_until_a_message_uncrosses_it() -> None:
    made = book(Platform.KALSHI, {41: 5}, {40: 5})
    crossed = made.trust

    made.apply(BID, 4_100, 0)
    made.touch(NOW, 2)

    assert (crossed, made.trust) == (Trust.SUSPECT, Trust.LIVE)


def test_a_book_is_untrusted_because_of_its_state_or_its_age() -> None:
    fresh = book(Platform.KALSHI, {38: 5}, {40: 5})
    empty = OrderBook(Platform.KALSHI, "k")
    crossed = book(Platform.KALSHI, {41: 5}, {40: 5})
    oldest = timedelta(seconds=5)

    assert fresh.untrusted_because(NOW + oldest, oldest) is None
    assert (
        fresh.untrusted_because(NOW + oldest + timedelta(microseconds=1), oldest)
        == "book_stale"
    )
    assert empty.untrusted_because(NOW, oldest) == "book_syncing"
    assert crossed.untrusted_because(NOW, oldest) == "book_suspect"

"""Choice of the leg that is sent first: the order in which a miss is expected to cost least."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from support.pairs import NOW, book, cheap_books, contract, pair

from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.leg_order import LegOrder, cost_to_resolve, leg_order, missed
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform, Side

KALSHI, POLYMARKET = Platform
EVEN = {KALSHI: Fraction(1, 10), POLYMARKET: Fraction(1, 10)}
BAD_AFTER_KALSHI = {KALSHI: Fraction(9, 10), POLYMARKET: Fraction(0)}


def chosen(
    chances: dict[Platform, Fraction] = EVEN,
    match: ContractMatch | None = None,
    books: dict[Platform, OrderBook] | None = None,
) -> LegOrder:
    return leg_order(match or pair(), books or cheap_books(), NOW, chances)


def choose(
    chances: dict[Platform, Fraction] = EVEN,
    match: ContractMatch | None = None,
    books: dict[Platform, OrderBook] | None = None,
) -> Platform:
    return chosen(chances, match, books).first


def delayed(*platforms: Platform, **facts: object) -> ContractMatch:
    held = {p.value: contract(p, taker_delay=timedelta(seconds=3)) for p in platforms}
    return pair(**held, **facts)


@pytest.mark.parametrize("platform", list(Platform))
def test_the_pairs_own_setting_takes_precedence_over_measurements(
    platform: Platform,
) -> None:
    match = delayed(platform.other, primary_leg=platform)

    assert choose(BAD_AFTER_KALSHI, match) is platform


@pytest.mark.parametrize(
    ("held", "first"),
    [((POLYMARKET,), POLYMARKET), ((KALSHI,), KALSHI)],
)
def test_a_platform_that_delays_takers_longer_goes_first(
    held: tuple[Platform, ...], first: Platform
) -> None:
    assert choose(match=delayed(*held)) is first


@pytest.mark.parametrize(("longer", "shorter"), [(3, 2), (5, 3)])
@pytest.mark.parametrize("platform", list(Platform))
def test_the_longer_of_two_delays_counts_whatever_was_measured(
    platform: Platform, longer: int, shorter: int
) -> None:
    held = {platform: longer, platform.other: shorter}
    match = pair(
        **{p.value: contract(p, taker_delay=timedelta(seconds=held[p])) for p in Platform}
    )

    assert choose(EVEN | {platform: Fraction(1)}, match) is platform


def test_where_both_platforms_delay_takers_equally_the_measurements_decide() -> None:
    assert choose(BAD_AFTER_KALSHI, delayed(*Platform)) is POLYMARKET


def alike(kalshi_bid: int) -> tuple[ContractMatch, dict[Platform, OrderBook]]:
    """Return a pair without fees whose Polymarket spread is four cents, Kalshi's up to 40."""
    match = pair(**{p.value: contract(p, fees=None) for p in Platform})
    return match, {
        KALSHI: book(KALSHI, {kalshi_bid: 500}, {40: 500}),
        POLYMARKET: book(POLYMARKET, {46: 500}, {50: 500}),
    }


@pytest.mark.parametrize(
    ("bid", "first"), [(25, KALSHI), (24, KALSHI), (23, POLYMARKET)], ids=str
)
def test_the_cheaper_order_is_used_and_kalshi_goes_first_where_both_cost_the_same(
    bid: int, first: Platform
) -> None:
    """A miss four times as likely is worth a spread of a quarter: 4 cents against 16."""
    match, books = alike(bid)

    assert choose({KALSHI: Fraction(1, 20), POLYMARKET: Fraction(1, 5)}, match, books) is first


def test_a_chance_is_weighed_exactly() -> None:
    match, books = alike(36)
    a_hair = Fraction(1, 10**30)

    assert choose(
        {KALSHI: Fraction(1, 3) + a_hair, POLYMARKET: Fraction(1, 3)}, match, books
    ) is (POLYMARKET)


def test_what_a_miss_is_expected_to_cost_is_rounded_up_to_the_millionth() -> None:
    match, books = alike(36)

    order = chosen({KALSHI: Fraction(1, 3), POLYMARKET: Fraction(1)}, match, books)

    assert (order.first, order.chance, order.cost) == (KALSHI, Fraction(1, 3), Decimal("0.04"))
    assert order.expected == Decimal("0.013334")
    assert LegOrder(KALSHI, Fraction(1, 4), Decimal("0.04")).expected == Decimal("0.01")


@pytest.mark.parametrize("platform", list(Platform))
def test_an_order_that_is_given_has_its_own_chance_and_cost(platform: Platform) -> None:
    match, books = alike(30)
    chances = {KALSHI: Fraction(1, 2), POLYMARKET: Fraction(1, 4)}

    order = chosen(
        chances,
        pair(**{p.value: match.contract(p) for p in Platform}, primary_leg=platform),
        books,
    )

    costs = {KALSHI: Decimal("0.10"), POLYMARKET: Decimal("0.04")}
    assert order == LegOrder(platform, chances[platform], costs[platform])


def test_each_order_is_judged_by_its_own_book_and_fees() -> None:
    expected = Decimal("0.02") + Decimal("0.03") * (
        Decimal("0.49") * Decimal("0.51") + Decimal("0.47") * Decimal("0.53")
    )

    assert cost_to_resolve(pair(), cheap_books()[POLYMARKET], NOW) == expected


def test_fees_that_are_not_known_yet_are_left_out() -> None:
    before = NOW - timedelta(days=365)

    cost = cost_to_resolve(pair(), cheap_books()[POLYMARKET], before)

    assert cost == Decimal("0.02")


def test_unwinding_a_first_leg_costs_the_spread_and_both_fees() -> None:
    books = cheap_books()

    cost = cost_to_resolve(pair(), books[KALSHI], NOW)

    bought, sold = Decimal("0.40"), Decimal("0.38")
    fees = Decimal("0.07") * (bought * (1 - bought) + sold * (1 - sold))
    assert cost == bought - sold + fees


def test_without_bids_unwinding_loses_the_whole_price() -> None:
    lonely = book(KALSHI, {}, {40: 500})
    match = pair(kalshi=contract(KALSHI, fees=None))

    assert cost_to_resolve(match, lonely, NOW) == Decimal("0.40")


@pytest.mark.parametrize(
    ("phase", "first", "second", "expected"),
    [
        (Phase.HEDGED, "10", "10", False),
        (Phase.EXPOSED, "10", "0", True),
        (Phase.EXPOSED, "10", "4", True),
        (Phase.EXPOSED, "10", "14", False),  # the second was not missed but overfilled
        (Phase.EXPOSED, "10", "10", False),
        (Phase.EXPOSED, "10", "9.99", True),
        (Phase.EXPOSED, "0.01", "0", True),
        (Phase.EXPOSED, "0", "5", None),
        (Phase.HEDGED, "10", "9.995", False),
        (Phase.FAILED, "0", "0", None),
        (Phase.WAITING, "10", "0", None),
        (Phase.SECONDARY_SENT, "10", "0", None),
    ],
)
def test_a_second_leg_is_missed_if_the_first_is_unhedged_at_the_end(
    phase: Phase, first: str, second: str, expected: bool | None
) -> None:
    assert missed(phase, Decimal(first), Decimal(second)) is expected


def test_unwinding_costs_the_same_for_both_outcomes() -> None:
    offered = book(KALSHI, {38: 500}, {45: 500})
    sides = {
        outcome: (offered.best(outcome, Side.BUY), offered.best(outcome, Side.SELL))
        for outcome in Outcome
    }
    match = pair(kalshi=contract(KALSHI, fees=None))

    assert {
        ask - bid for ask, bid in sides.values() if ask is not None and bid is not None
    } == {cost_to_resolve(match, offered, NOW)}

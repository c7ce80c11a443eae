"""Choice of the leg that is sent first, and the measurements behind it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.laws import reached, reaches
from support.pairs import NOW, book, cheap_books, contract, pair

from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.leg_order import (
    ENOUGH,
    Tally,
    chance_of_miss,
    cost_to_resolve,
    first_leg,
    missed,
)
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform, Side

KALSHI, POLYMARKET = Platform
ALL_MISSED = {KALSHI: Tally(ENOUGH, ENOUGH)}


def choose(
    tallies: dict[Platform, Tally] | None = None,
    match: ContractMatch | None = None,
    books: dict[Platform, OrderBook] | None = None,
) -> Platform:
    return first_leg(match or pair(), books or cheap_books(), NOW, tallies or {})


def delayed(*platforms: Platform, **facts: object) -> ContractMatch:
    held = {p.value: contract(p, taker_delay=timedelta(seconds=3)) for p in platforms}
    return pair(**held, **facts)


def test_without_measurements_kalshi_goes_first() -> None:
    assert choose() is KALSHI


@pytest.mark.parametrize("platform", list(Platform))
def test_the_pairs_own_setting_takes_precedence_over_measurements(
    platform: Platform,
) -> None:
    match = delayed(platform.other, primary_leg=platform)

    assert choose(ALL_MISSED, match) is platform


@pytest.mark.parametrize(
    ("held", "first"),
    [((POLYMARKET,), POLYMARKET), ((KALSHI,), KALSHI), ((KALSHI, POLYMARKET), KALSHI)],
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

    assert choose({platform: Tally(ENOUGH, ENOUGH)}, match) is platform


def test_where_both_platforms_delay_takers_equally_the_measurements_decide() -> None:
    assert choose(ALL_MISSED, delayed(*Platform)) is POLYMARKET


def test_polymarket_goes_first_if_second_legs_are_missed_after_kalshi() -> None:
    assert choose(ALL_MISSED) is POLYMARKET


def test_too_few_measurements_change_nothing() -> None:
    assert choose({KALSHI: Tally(ENOUGH - 1, ENOUGH - 1)}) is KALSHI


@pytest.mark.parametrize(("after_polymarket", "first"), [(9, KALSHI), (10, POLYMARKET)])
def test_attempts_in_either_order_count_as_measurements(
    after_polymarket: int, first: Platform
) -> None:
    tallies = {KALSHI: Tally(10, 10), POLYMARKET: Tally(after_polymarket, 0)}

    assert choose(tallies) is first


@pytest.mark.parametrize(("spread", "first"), [(14, KALSHI), (15, KALSHI), (16, POLYMARKET)])
def test_kalshi_goes_first_where_both_orders_cost_the_same(
    spread: int, first: Platform
) -> None:
    """Without misses the study's rates count: 4 after Kalshi for 15 after Polymarket."""
    never = {KALSHI: Tally(20, 0), POLYMARKET: Tally(20, 0)}
    match = pair(**{p.value: contract(p, fees=None) for p in Platform})
    books = {
        KALSHI: book(KALSHI, {40 - spread: 500}, {40: 500}),
        POLYMARKET: book(POLYMARKET, {46: 500}, {50: 500}),
    }

    assert choose(never, match, books) is first


def test_a_platform_that_never_went_first_is_judged_by_the_study() -> None:
    match = pair(**{p.value: contract(p, fees=None) for p in Platform})
    books = {
        KALSHI: book(KALSHI, {39: 500}, {40: 500}),
        POLYMARKET: book(POLYMARKET, {49: 500}, {50: 500}),
    }

    # The study missed 15 of 76 after Polymarket, or 3.95 of 20; after Kalshi 1.05 of 20.
    assert choose({KALSHI: Tally(20, 6)}, match, books) is KALSHI
    assert choose({KALSHI: Tally(20, 7)}, match, books) is POLYMARKET
    assert choose({POLYMARKET: Tally(20, 0)}, match, books) is KALSHI


def test_kalshi_goes_first_again_if_second_legs_are_missed_after_polymarket() -> None:
    both = {KALSHI: Tally(20, 8), POLYMARKET: Tally(20, 16)}

    assert choose(both) is KALSHI


def test_with_few_misses_in_many_attempts_kalshi_stays_first() -> None:
    assert choose({KALSHI: Tally(76, 4), POLYMARKET: Tally(76, 15)}) is KALSHI


def test_a_first_leg_that_is_cheap_to_unwind_may_be_missed_more_often() -> None:
    tallies = {KALSHI: Tally(20, 4), POLYMARKET: Tally(20, 8)}
    wide = cheap_books() | {KALSHI: book(KALSHI, {10: 500}, {40: 500})}

    assert choose(tallies) is KALSHI
    assert choose(tallies, books=wide) is POLYMARKET


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


def test_before_any_measurement_the_expected_chance_is_the_studys() -> None:
    assert chance_of_miss(KALSHI, Tally()) == Fraction(4, 76)
    assert chance_of_miss(POLYMARKET, Tally()) == Fraction(15, 76)


@pytest.mark.parametrize(
    ("platform", "tally", "chance"),
    [
        (KALSHI, Tally(30, 7), Fraction(153, 950)),  # 7 and 20/19 of 50
        (POLYMARKET, Tally(30, 7), Fraction(208, 950)),  # 7 and 75/19 of 50
        (KALSHI, Tally(80, 0), Fraction(1, 95)),
    ],
)
def test_a_chance_is_counted_from_the_tally_and_twenty_attempts_of_the_study(
    platform: Platform, tally: Tally, chance: Fraction
) -> None:
    assert chance_of_miss(platform, tally) == chance


@pytest.mark.parametrize(("was_missed", "after"), [(True, Tally(4, 2)), (False, Tally(4, 1))])
def test_a_tally_counts_every_attempt_and_each_miss(was_missed: bool, after: Tally) -> None:
    assert Tally(3, 1).counted(missed=was_missed) == after


def test_a_new_tally_is_empty() -> None:
    assert (Tally().attempts, Tally().missed) == (0, 0)


@reaches(as_many=10)
@given(
    st.one_of(st.just(ENOUGH), st.integers(0, 10_000)),
    st.integers(0, 10_000),
    st.sampled_from(list(Platform)),
)
def test_an_expected_chance_lies_between_the_measured_one_and_the_studys(
    attempts: int, missed_of_them: int, platform: Platform
) -> None:
    misses = missed_of_them % (attempts + 1)
    study = chance_of_miss(platform, Tally())
    measured = Fraction(misses, attempts) if attempts else study

    found = chance_of_miss(platform, Tally(attempts, misses))

    assert min(measured, study) <= found <= max(measured, study)
    if attempts == ENOUGH:
        reached("as_many")
        assert found == (measured + study) / 2


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

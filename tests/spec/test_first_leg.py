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


def test_where_both_platforms_delay_takers_equally_the_measurements_decide() -> None:
    assert choose(ALL_MISSED, delayed(*Platform)) is POLYMARKET


def test_polymarket_goes_first_if_second_legs_are_missed_after_kalshi() -> None:
    assert choose(ALL_MISSED) is POLYMARKET


def test_too_few_measurements_change_nothing() -> None:
    assert choose({KALSHI: Tally(ENOUGH - 1, ENOUGH - 1)}) is KALSHI


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

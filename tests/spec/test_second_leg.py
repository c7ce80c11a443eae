"""How likely a second leg is missed: the study, what was seen since, and how it fades."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW

from dutchbook.domain.execution.second_leg import (
    HALF_LIFE,
    Evidence,
    Quote,
    chance_of_miss,
    prior,
)
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.survival import LONG, relative

KALSHI, POLYMARKET = Platform
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
ALL, HALF, QUARTER = Decimal(1), Decimal("0.5"), Decimal("0.25")
NEVER = Evidence()


def quote(
    platform: Platform = POLYMARKET,
    lag: timedelta = LONG,
    age: timedelta = SECOND,
    share: Decimal = ALL,
) -> Quote:
    return Quote(platform, lag, age, share)


# The study -----------------------------------------------------------------------------------


@pytest.mark.parametrize("age", [timedelta(0), SECOND, HOUR])
@pytest.mark.parametrize("share", [QUARTER, HALF, ALL])
def test_after_one_poll_the_studys_count_stands_whatever_the_quote(
    age: timedelta, share: Decimal
) -> None:
    assert prior(quote(KALSHI, age=age, share=share)) == Fraction(17, 31)
    assert prior(quote(POLYMARKET, age=age, share=share)) == Fraction(3, 31)


@pytest.mark.parametrize(
    ("lag", "age", "share", "expected"),
    [
        (1_000, SECOND, ALL, (Fraction(186, 327) + Fraction(515, 563)) / 2),
        (1_000, HOUR, ALL, (Fraction(78, 177) + Fraction(515, 563)) / 2),
        (300, timedelta(0), QUARTER, (Fraction(177, 396) + Fraction(193, 419)) / 2),
        (300, SECOND / 2, HALF, (Fraction(139, 389) + Fraction(229, 456)) / 2),
        (300, SECOND / 2, Decimal("0.51"), (Fraction(139, 389) + Fraction(408, 563)) / 2),
        (300, SECOND / 2, Decimal(7), (Fraction(139, 389) + Fraction(408, 563)) / 2),
        (7_400, SECOND, QUARTER, (Fraction(388, 327) + Fraction(457, 419)) / 2),
        (0, SECOND, ALL, Fraction(0)),
    ],
)
def test_at_another_lag_it_is_scaled_as_quotes_of_that_age_and_share_go(
    lag: int, age: timedelta, share: Decimal, expected: Fraction
) -> None:
    wait = timedelta(milliseconds=lag)

    assert relative(wait, age, share) == expected
    assert prior(quote(POLYMARKET, wait, age, share)) == Fraction(3, 31) * expected


def test_a_probability_is_at_most_one() -> None:
    """17 of 31 times more than twice as much would be."""
    slow = Quote(KALSHI, timedelta(milliseconds=7_400), HOUR, ALL)

    assert prior(slow) == Fraction(17, 31) * (Fraction(239, 177) + Fraction(560, 563)) / 2 < 1
    assert all(prior(quote(p, lag=HOUR)) <= 1 for p in Platform)


# What is seen --------------------------------------------------------------------------------


def test_before_anything_was_seen_the_study_decides() -> None:
    assert chance_of_miss(quote(), NEVER) == Fraction(3, 31)


def test_the_study_weighs_as_much_as_twenty_looks() -> None:
    seen = Evidence(Decimal(20), Decimal(10), NOW)

    assert chance_of_miss(quote(), seen) == (Fraction(3, 31) + Fraction(1, 2)) / 2
    assert chance_of_miss(quote(), Evidence(Decimal(5), Decimal(0), NOW)) == Fraction(
        60, 31 * 25
    )


def test_each_look_counts_as_one_and_a_miss_as_a_miss() -> None:
    seen = NEVER.seen(NOW, missed=True).seen(NOW, missed=False)

    assert seen == Evidence(Decimal(2), Decimal(1), NOW)


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (timedelta(0), "8"),
        (HALF_LIFE, "4"),
        (2 * HALF_LIFE, "2"),
        (HALF_LIFE / 2, "5.656854"),
        (timedelta(days=30), "0"),
    ],
)
def test_what_was_seen_counts_half_after_an_hour(after: timedelta, left: str) -> None:
    seen = Evidence(Decimal(8), Decimal(8), NOW).faded(NOW + after)

    assert (seen.looks, seen.missed) == (Decimal(left), Decimal(left))
    assert seen.at == NOW + after


def test_a_look_is_added_to_what_is_left() -> None:
    seen = Evidence(Decimal(8), Decimal(2), NOW).seen(NOW + HOUR, missed=True)

    assert seen == Evidence(Decimal(5), Decimal(2), NOW + HOUR)


def test_a_clock_that_was_put_back_fades_nothing() -> None:
    known = Evidence(Decimal(8), Decimal(2), NOW)

    assert known.faded(NOW - HOUR) == known
    assert known.seen(NOW - HOUR, missed=False) == Evidence(Decimal(9), Decimal(2), NOW)


@given(
    looks=st.integers(0, 5_000),
    share=st.fractions(0, 1),
    minutes=st.integers(0, 600),
    platform=st.sampled_from(list(Platform)),
)
def test_a_chance_lies_between_the_studys_and_what_was_seen(
    looks: int, share: Fraction, minutes: int, platform: Platform
) -> None:
    gone = Decimal(int(looks * share))
    seen = Evidence(Decimal(looks), gone, NOW)
    study = prior(quote(platform))
    measured = Fraction(gone) / looks if looks else study

    low, high = sorted((study, measured))
    faded = chance_of_miss(quote(platform), seen.faded(NOW + timedelta(minutes=minutes)))

    assert low - Fraction(1, 10**6) <= faded <= high + Fraction(1, 10**6)

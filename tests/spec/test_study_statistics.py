"""Episodes, draws and folds of a study: amounts are integers of 10⁻⁶ dollars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dutchbook.domain.values.units import Money
from dutchbook.runtime.randomness import Seeded
from dutchbook.study.episodes import GAP, Bought, episodes
from dutchbook.study.folds import APART, Fold, Sitting, folds, judged, parts
from dutchbook.study.resampling import Interval, compare, interval

START = datetime(2026, 7, 4, 20, 0, tzinfo=UTC)
FIRST, SECOND = (0, "cup"), (0, "league")


def bought(
    minutes: float, kept: str, setting: int = 0, place: tuple[int, str] = FIRST
) -> Bought:
    return Bought(setting, place, START + timedelta(minutes=minutes), Money(Decimal(kept)))


# Episodes ------------------------------------------------------------------------------------


def test_entries_that_follow_one_another_are_one_episode_and_their_sum_is_exact() -> None:
    found = episodes([bought(9, "0.10"), bought(0, "1.25"), bought(18, "-0.000001")], 1)

    assert [(each.first, each.last, each.kept) for each in found] == [
        (START, START + timedelta(minutes=18), (1_349_999,))
    ]


def test_an_entry_more_than_the_gap_after_the_one_before_begins_another() -> None:
    apart = GAP / timedelta(minutes=1)

    assert len(episodes([bought(0, "1"), bought(apart, "1")], 1)) == 1
    assert len(episodes([bought(0, "1"), bought(apart + 0.001, "1")], 1)) == 2


@pytest.mark.parametrize("other", [SECOND, (1, "cup")])
def test_edges_of_another_pair_or_tape_are_other_episodes(other: tuple[int, str]) -> None:
    found = episodes([bought(0, "1"), bought(0, "2", place=other)], 1)

    assert sorted(each.kept for each in found) == [(1_000_000,), (2_000_000,)]


def test_an_episode_is_the_same_for_every_setting_and_who_bought_nothing_kept_nothing() -> None:
    found = episodes(
        [bought(0, "1"), bought(8, "2", 1), bought(16, "4"), bought(60, "8", 1)], 3
    )

    assert [each.kept for each in found] == [(5_000_000, 2_000_000, 0), (0, 8_000_000, 0)]


@pytest.mark.parametrize("setting", [-1, 2])
def test_an_entry_of_a_setting_that_is_none_is_refused(setting: int) -> None:
    with pytest.raises(ValueError, match="of 2"):
        episodes([bought(0, "1", setting)], 2)


def test_no_entry_is_no_episode() -> None:
    assert episodes([], 2) == []


# Draws ---------------------------------------------------------------------------------------


def test_an_interval_leaves_a_twentieth_out_at_each_end() -> None:
    assert interval(range(40, 0, -1)) == Interval(3, 38)
    assert interval([5]) == Interval(5, 5)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        interval([])


class InTurn:
    """Draws the first episode always in every other sample, and the last in the rest."""

    def __init__(self) -> None:
        self.drawn = 0

    def between(self, low: int, high: int) -> int:
        self.drawn += 1
        return (low, high)[(self.drawn - 1) // 2 % 2]

    def one_in(self, chances: int) -> bool:
        raise AssertionError(chances)

    def bell(self, spread: int) -> int:
        raise AssertionError(spread)


def test_totals_intervals_and_differences_are_those_worked_out_by_hand() -> None:
    # Samples: twice the first episode, twice the second, and so on: (20, 2), (2, 8), …
    found = compare([(10, 1), (1, 4)], InTurn(), samples=4)

    assert found is not None
    assert found.totals == (11, 5)
    assert found.intervals == (Interval(2, 20), Interval(2, 8))
    assert found.differences == (Interval(0, 0), Interval(-18, 6))
    assert (found.best, found.not_best, found.by_luck, found.samples) == (0, 2, 4, 4)


def test_without_an_episode_there_is_nothing_to_compare() -> None:
    assert compare([], Seeded(1)) is None


def test_an_episode_without_a_setting_is_refused() -> None:
    with pytest.raises(AssertionError, match="every setting"):
        compare([(1, 2), (3,)], Seeded(1))


class Exhaustive:
    """Draws every sample of so many episodes that there is, each once."""

    def __init__(self, episodes: int) -> None:
        self.left = chain.from_iterable(product(range(episodes), repeat=episodes))

    def between(self, low: int, high: int) -> int:
        found = next(self.left)
        assert low <= found <= high
        return found

    def one_in(self, chances: int) -> bool:
        raise AssertionError(chances)

    def bell(self, spread: int) -> int:
        raise AssertionError(spread)


def middle(amounts: list[int]) -> Interval:
    """Return the interval by its definition: at most a twentieth lies beyond each end."""
    few = Fraction(len(amounts), 20)
    low = min(a for a in amounts if sum(each <= a for each in amounts) > few)
    high = max(a for a in amounts if sum(each >= a for each in amounts) > few)
    return Interval(low, high)


AMOUNT = st.integers(-(10**9), 10**9)
TABLES = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.tuples(*[AMOUNT | st.integers(0, 2)] * width), min_size=1, max_size=4
    )
)
"""What each of one to three settings kept of each of one to four episodes."""


@given(TABLES)
def test_over_all_possible_draws_every_figure_is_that_of_the_definition(
    kept: list[tuple[int, ...]],
) -> None:
    count, settings = len(kept), range(len(kept[0]))
    found = compare(kept, Exhaustive(count), samples=count**count)

    assert found is not None
    draws = list(product(kept, repeat=count))
    true = [sum(row[n] for row in kept) for n in settings]
    sums = [[sum(row[n] for row in draw) for n in settings] for draw in draws]
    assert found.totals == tuple(true)
    for n in settings:
        assert found.intervals[n] == middle([each[n] for each in sums])
        assert found.differences[n] == middle([each[n] - each[0] for each in sums])
    assert true[found.best] == max(true) not in true[: found.best]
    assert found.not_best == sum(any(n > each[found.best] for n in each) for each in sums)
    lead = true[found.best] - true[0]
    # Leads of each episode, less their mean: as if no setting were better than the first.
    mean = [Fraction(each - true[0], count) for each in true]
    even = [[row[n] - row[0] - mean[n] for n in settings] for row in kept]
    by_luck = [
        max(sum(row[n] for row in draw) for n in settings) >= lead
        for draw in product(even, repeat=count)
    ]
    assert found.by_luck == sum(by_luck)


def test_a_lead_that_every_episode_shows_is_never_made_by_luck_and_one_of_one_often_is() -> (
    None
):
    steady = compare([(0, 5, 1)] * 8, Seeded(1))
    once = compare([(0, 8, 0), *[(0, 0, 0)] * 7], Seeded(1))

    assert steady is not None
    assert once is not None
    assert (steady.best, steady.by_luck) == (1, 0)
    assert once.by_luck > once.samples // 5


@given(AMOUNT, st.integers(1, 9), st.integers())
def test_equal_episodes_leave_no_doubt(kept: int, count: int, seed: int) -> None:
    found = compare([(kept,)] * count, Seeded(seed), samples=20)

    assert found is not None
    assert found.intervals == (Interval(kept * count, kept * count),)


@given(st.lists(AMOUNT, min_size=1, max_size=9), st.integers())
def test_a_setting_differs_from_itself_by_nothing(kept: list[int], seed: int) -> None:
    found = compare([(each, each) for each in kept], Seeded(seed), samples=20)

    assert found is not None
    assert found.differences == (Interval(0, 0), Interval(0, 0))
    assert found.not_best == 0


@given(st.lists(st.tuples(AMOUNT, AMOUNT), min_size=1, max_size=9), st.integers())
def test_draws_are_within_what_the_worst_and_the_best_episode_allow(
    kept: list[tuple[int, int]], seed: int
) -> None:
    found = compare(kept, Seeded(seed), samples=20)

    assert found is not None
    assert found == compare(kept, Seeded(seed), samples=20)
    for n, each in enumerate(found.intervals):
        least, most = (len(kept) * of(row[n] for row in kept) for of in (min, max))
        assert least <= each.low <= each.high <= most


# Parts ---------------------------------------------------------------------------------------


def sitting(
    session: int, begins: float, ends: float, messages: int = 100, tape: int = 0
) -> Sitting:
    """Return a session that lasts from and to so many hours after the start."""
    first, last = (START + timedelta(hours=each) for each in (begins, ends))
    return Sitting(tape, session, first, last, messages)


def test_sessions_that_are_apart_are_parts_of_their_own_by_time() -> None:
    first, second, third = sitting(0, 0, 1), sitting(1, 5, 6), sitting(2, 9, 10)

    assert parts([third, first, second]) == ((first,), (second,), (third,))


def test_sessions_of_several_tapes_are_divided_by_time_too() -> None:
    early, late = sitting(0, 0, 1, tape=1), sitting(0, 24, 25, tape=0)

    assert parts([late, early]) == ((early,), (late,))


def test_sessions_that_follow_at_once_stay_together() -> None:
    rest = APART / timedelta(hours=1)
    first, soon = sitting(0, 0, 1, 10), sitting(1, 0.99 + rest, 3, 10)
    last = sitting(2, 3 + rest, 9, 10)

    assert parts([first, soon, last]) == ((first, soon), (last,))


def test_sessions_that_overlap_are_one_part_even_if_a_short_one_ended_before() -> None:
    long, within = sitting(0, 0, 9), sitting(0, 2, 3, tape=1)

    found = parts([long, within, sitting(1, 5, 6, tape=1)])

    assert isinstance(found, str)
    assert "same news" in found


@pytest.mark.parametrize("sittings", [[], [sitting(0, 0, 9)]])
def test_one_session_is_not_divided(sittings: list[Sitting]) -> None:
    found = parts(sittings)

    assert isinstance(found, str)
    assert "not independent" in found


# Folds ---------------------------------------------------------------------------------------


def test_what_is_best_on_one_part_is_judged_on_the_other() -> None:
    assert judged([1, 9, 4], [7, 5, 6]) == Fold(1, 1, 9, 5, 3, 7)


def test_the_first_of_equals_is_chosen_and_shares_its_rank() -> None:
    assert judged([9, 9, 4], [5, 6, 5]) == Fold(0, 2, 9, 5, 2, 6)


@pytest.mark.parametrize(("others", "here"), [([], []), ([1], [1, 2])])
def test_parts_with_other_settings_are_refused(others: list[int], here: list[int]) -> None:
    with pytest.raises(ValueError, match="on the other"):
        judged(others, here)


def test_each_part_is_judged_by_what_was_best_on_all_others() -> None:
    # On the others: of the first (5, 9), of the second (11, 5), of the third (8, 10).
    assert folds([(7, 3), (1, 7), (4, 2)]) == (
        Fold(1, 1, 9, 3, 2, 7), Fold(0, 1, 11, 1, 2, 7), Fold(1, 1, 10, 2, 2, 4),
    )  # fmt: skip


@given(st.lists(st.tuples(AMOUNT, AMOUNT, AMOUNT), min_size=2, max_size=6), st.data())
def test_what_is_chosen_for_a_part_does_not_depend_on_it(
    kept: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(kept) - 1))
    other = data.draw(st.tuples(AMOUNT, AMOUNT, AMOUNT))

    one = folds(kept)[place]
    found = folds([*kept[:place], other, *kept[place + 1 :]])[place]

    assert (found.chosen, found.made) == (one.chosen, one.made)
    assert found.then == other[one.chosen]

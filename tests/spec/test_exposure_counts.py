from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.laws import reached, reaches

from dutchbook.domain.capital.limits import Crossing
from dutchbook.domain.positions.exposure_counts import MONTHLY, WEEKLY, ExposureCounts

MONDAY = datetime(2026, 7, 6, 12, tzinfo=UTC)
SIXTH = Crossing(MONTHLY, Decimal(6), Decimal(5), breached=False)
THIRD_WEEK = Crossing(WEEKLY, Decimal(3), Decimal(3), breached=True)
WEEK, DAY, HOUR = timedelta(weeks=1), timedelta(days=1), timedelta(hours=1)


def crossed(*times: datetime) -> list[tuple[int, Crossing]]:
    """Count one by one, and return each crossing with the number (from 1) of its exposure."""
    counts, found = ExposureCounts(), []
    for number, at in enumerate(times, start=1):
        counts, crossings = counts.counted(at)
        found += [(number, each) for each in crossings]
    return found


def counted(times: list[datetime]) -> ExposureCounts:
    counts = ExposureCounts()
    for at in times:
        counts, _ = counts.counted(at)
    return counts


def twice_a_week(*mondays: datetime) -> list[datetime]:
    return [at for monday in mondays for at in (monday, monday + HOUR)]


def test_the_sixth_exposure_of_a_calendar_month_is_told_of_once() -> None:
    eight = [datetime(2026, 7, day, tzinfo=UTC) for day in (1, 8, 15, 22, 29, 30, 31, 31)]

    found = crossed(*eight)

    assert [(n, c) for n, c in found if c.limit == MONTHLY] == [(6, SIXTH)]


def test_a_month_ends_at_midnight_utc() -> None:
    five = [datetime(2026, 7, day, tzinfo=UTC) for day in (1, 6, 13, 20, 27)]
    east = timezone(timedelta(hours=9))

    still_july = crossed(*five, datetime(2026, 8, 1, 8, 59, tzinfo=east))
    august = crossed(*five, datetime(2026, 8, 1, 9, 0, tzinfo=east))

    assert [c.limit for _, c in still_july] == [MONTHLY]
    assert august == []


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the program nine hours east of UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_months_and_weeks_are_those_of_utc_wherever_the_program_runs() -> None:
    counts, _ = ExposureCounts().counted(datetime(2026, 5, 31, 23, 0, tzinfo=UTC))

    assert counts == ExposureCounts({date(2026, 5, 1): 1}, {date(2026, 5, 25): 1})


def test_exposures_are_counted_by_the_first_of_the_month_and_by_monday() -> None:
    before = ExposureCounts({date(2026, 7, 1): 2}, {date(2026, 7, 6): 1})

    after, crossings = before.counted(datetime(2026, 7, 12, 23, 59, tzinfo=UTC))
    later, _ = after.counted(datetime(2026, 7, 13, tzinfo=UTC))

    assert after == ExposureCounts({date(2026, 7, 1): 3}, {date(2026, 7, 6): 2})
    assert crossings == ()
    assert later.by_week == {date(2026, 7, 6): 2, date(2026, 7, 13): 1}


@pytest.mark.parametrize(("step", "length"), [(WEEK, 2), (-WEEK, 1)])
def test_a_run_is_counted_in_one_direction_from_the_week_next_to_it(
    step: timedelta, length: int
) -> None:
    here = date(2026, 7, 6)
    busy = {here - WEEK: 2, here + WEEK: 2, here + 2 * WEEK: 3, here + 3 * WEEK: 1}

    assert ExposureCounts(by_week=busy).run(here, step) == length


def test_more_than_one_exposure_in_each_of_three_weeks_in_a_row_is_a_breach() -> None:
    times = twice_a_week(MONDAY, MONDAY + WEEK, MONDAY + 2 * WEEK)

    found = crossed(*times)

    assert (6, THIRD_WEEK) in found


def test_one_exposure_a_week_is_not_a_run() -> None:
    assert crossed(*(MONDAY + n * WEEK for n in range(5))) == []


def test_a_week_without_or_with_a_single_exposure_breaks_the_run() -> None:
    without = twice_a_week(MONDAY, MONDAY + WEEK, MONDAY + 3 * WEEK)
    single = [*twice_a_week(MONDAY, MONDAY + WEEK), MONDAY + 2 * WEEK]
    single += twice_a_week(MONDAY + 3 * WEEK)

    assert WEEKLY not in [c.limit for _, c in crossed(*without)]
    assert WEEKLY not in [c.limit for _, c in crossed(*single)]


def test_a_years_end_does_not_break_the_run() -> None:
    """2026 has a week 53; 2027 begins with week 1 on 4 January."""
    last = datetime(2026, 12, 28, tzinfo=UTC)
    assert last.isocalendar()[:2] == (2026, 53)
    assert (last + WEEK).isocalendar()[:2] == (2027, 1)

    found = crossed(*twice_a_week(last - WEEK, last, last + WEEK))

    assert [c.limit for _, c in found] == [WEEKLY]


def test_new_years_eve_and_new_years_day_can_be_one_week() -> None:
    split = [datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
    before = twice_a_week(split[0] - 2 * WEEK, split[0] - WEEK)

    assert [c.limit for _, c in crossed(*before, *split) if c.limit == WEEKLY] == [WEEKLY]


def test_a_continuing_run_is_reported_once_and_a_new_run_again() -> None:
    five = twice_a_week(*(MONDAY + n * WEEK for n in range(5)))
    again = twice_a_week(*(MONDAY + n * WEEK for n in range(6, 9)))

    found = [n for n, c in crossed(*five, *again) if c.limit == WEEKLY]

    assert found == [6, 16]


def test_a_late_exposure_that_closes_the_gap_between_weeks_is_a_breach() -> None:
    first = [*twice_a_week(MONDAY), MONDAY + WEEK, *twice_a_week(MONDAY + 2 * WEEK)]

    found = crossed(*first, MONDAY + WEEK + DAY)

    assert [c for _, c in found if c.limit == WEEKLY] == [THIRD_WEEK]


BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
instants = st.integers(0, 120 * 24 * 60).map(lambda minutes: BEGIN + minutes * HOUR / 60)


@given(st.lists(instants, max_size=60), st.randoms(use_true_random=False))
def test_counts_do_not_depend_on_the_order_of_counting(
    times: list[datetime], chance: object
) -> None:
    shuffled = list(times)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert counted(shuffled) == counted(times)


some = st.lists(instants, max_size=60)
many = st.lists(instants, min_size=25, max_size=60)


@reaches(month=20, three_weeks=4, none=2)
@given(st.one_of(some, many))
def test_counts_and_crossings_are_those_of_a_plain_calendar(times: list[datetime]) -> None:
    """The oracle shares no code: calendar months, and a list of all (ISO year, week)."""
    months = Counter((at.year, at.month) for at in times)
    weeks = Counter(at.isocalendar()[:2] for at in times)
    calendar = [
        (datetime(2026, 10, 5, tzinfo=UTC) + n * WEEK).isocalendar()[:2] for n in range(30)
    ]
    full = "".join("x" if weeks[week] > 1 else " " for week in calendar).split()

    limits = Counter(c.limit for _, c in crossed(*sorted(times)))

    for case, limit in (("month", MONTHLY), ("three_weeks", WEEKLY)):
        if limits[limit]:
            reached(case)
    if not limits:
        reached("none")

    assert limits[MONTHLY] == sum(count >= 6 for count in months.values())
    assert limits[WEEKLY] == sum(len(run) >= 3 for run in full)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_weeks_and_months_are_those_of_utc_wherever_the_machine_is(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        counts, _ = ExposureCounts().counted(datetime(2026, 8, 31, 23, 59, tzinfo=UTC))
        counts, _ = counts.counted(datetime(2026, 9, 1, 0, 1, tzinfo=UTC))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert counts.by_month == {date(2026, 8, 1): 1, date(2026, 9, 1): 1}
    assert counts.by_week == {date(2026, 8, 31): 2}

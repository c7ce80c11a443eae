"""How often a single leg was exposed, by calendar month and by week.

Every SINGLE_LEG_EXPOSURE counts once, at the time of its stamp; reminders do not count. The
counts depend only on these times: counting the same history again, in any order and over any
number of runs, gives the same result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from dutchbook.domain.capital.limits import Crossing

MONTHLY_THRESHOLD = 5
"""Exposures allowed in a calendar month (UTC); the next one is reported."""
WEEKLY_CONSECUTIVE_THRESHOLD = 3
"""This many ISO weeks in a row, each with more than one exposure, are too many."""
MONTHLY, WEEKLY = "monthly_exposure", "weekly_consecutive_exposure"
WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class ExposureCounts:
    """Exposures by the first day of their month and by the Monday of their ISO week.

    Mondays are seven days apart even across a year's end, so week 1 follows week 53.
    """

    by_month: Mapping[date, int] = field(default_factory=dict)
    by_week: Mapping[date, int] = field(default_factory=dict)

    def counted(self, at: datetime) -> tuple[ExposureCounts, tuple[Crossing, ...]]:
        """Return the counts after one more exposure, and the thresholds that it crossed.

        A month is reported once, with the exposure after `MONTHLY_THRESHOLD`; a run of weeks
        once, with the exposure that makes it `WEEKLY_CONSECUTIVE_THRESHOLD` long.
        """
        day = at.astimezone(UTC).date()
        month, monday = day.replace(day=1), day - timedelta(days=day.weekday())
        after = ExposureCounts(_one_more(self.by_month, month), _one_more(self.by_week, monday))
        found = []
        if after.by_month[month] == MONTHLY_THRESHOLD + 1:
            value = Decimal(after.by_month[month])
            found.append(Crossing(MONTHLY, value, Decimal(MONTHLY_THRESHOLD), breached=False))
        # Exposures of an earlier week may be reported late and join two runs.
        sides = (self.run(monday, -WEEK), self.run(monday, WEEK))
        joined = sum(sides) + 1
        bound = WEEKLY_CONSECUTIVE_THRESHOLD
        if after.by_week[monday] == 2 and max(sides) < bound <= joined:  # noqa: PLR2004
            found.append(Crossing(WEEKLY, Decimal(joined), Decimal(bound), breached=True))
        return after, tuple(found)

    def run(self, monday: date, step: timedelta) -> int:
        """Count consecutive weeks with more than one exposure, starting next to `monday`.

        Args:
            monday: The week next to the run; it is not counted itself.
            step: Seven days, backwards or forwards.
        """
        length = 0
        while self.by_week.get(monday + step * (length + 1), 0) > 1:
            length += 1
        return length


def _one_more(counts: Mapping[date, int], day: date) -> dict[date, int]:
    return {**counts, day: counts.get(day, 0) + 1}

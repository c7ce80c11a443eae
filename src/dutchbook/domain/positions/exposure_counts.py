"""How often one leg was left without the other, by calendar month and by week.

Every SINGLE_LEG_EXPOSURE counts once, at the time of its stamp; reminders do not. The counts
are a function of these times alone: in whatever order and in however many runs they are
counted, a recount of the same history gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from dutchbook.domain.capital.limits import Crossing

MONTHLY_THRESHOLD = 5
"""The next exposure of a calendar month (UTC) after so many is told of."""
WEEKLY_CONSECUTIVE_THRESHOLD = 3
"""So many ISO weeks in a row, each with more than one exposure, are too many."""
MONTHLY, WEEKLY = "monthly_exposure", "weekly_consecutive_exposure"
WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class ExposureCounts:
    """Exposures by the first day of their month and by the Monday of their ISO week.

    Mondays are seven days apart across any year's end, so that week 53 is followed by week 1.
    """

    by_month: Mapping[date, int] = field(default_factory=dict)
    by_week: Mapping[date, int] = field(default_factory=dict)

    @classmethod
    def of(cls, times: Iterable[datetime]) -> ExposureCounts:
        """Count a whole history."""
        counts = cls()
        for at in times:
            counts, _ = counts.counted(at)
        return counts

    def counted(self, at: datetime) -> tuple[ExposureCounts, tuple[Crossing, ...]]:
        """Return the counts after one more exposure, and the thresholds that it crossed.

        A month is told of once, with the exposure after `MONTHLY_THRESHOLD`; a run of weeks
        once, with the exposure that makes it `WEEKLY_CONSECUTIVE_THRESHOLD` long.
        """
        day = at.astimezone(UTC).date()
        month, monday = day.replace(day=1), day - timedelta(days=day.weekday())
        after = ExposureCounts(_one_more(self.by_month, month), _one_more(self.by_week, monday))
        found = []
        if after.by_month[month] == MONTHLY_THRESHOLD + 1:
            value = Decimal(after.by_month[month])
            found.append(Crossing(MONTHLY, value, Decimal(MONTHLY_THRESHOLD), breached=False))
        # Exposures of the week before may come late, so that a run can also close a gap.
        sides = (self.run(monday, -WEEK), self.run(monday, WEEK))
        joined = sum(sides) + 1
        bound = WEEKLY_CONSECUTIVE_THRESHOLD
        if after.by_week[monday] == 2 and max(sides) < bound <= joined:  # noqa: PLR2004
            found.append(Crossing(WEEKLY, Decimal(joined), Decimal(bound), breached=True))
        return after, tuple(found)

    def run(self, monday: date, step: timedelta) -> int:
        """Count the weeks in a row with more than one exposure, from the one beside `monday`.

        Args:
            monday: The week that the run touches; it is not part of it.
            step: Seven days back or on.
        """
        length = 0
        while self.by_week.get(monday + step * (length + 1), 0) > 1:
            length += 1
        return length


def _one_more(counts: Mapping[date, int], day: date) -> dict[date, int]:
    return {**counts, day: counts.get(day, 0) + 1}

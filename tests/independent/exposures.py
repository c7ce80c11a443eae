"""Counts single-leg exposures again, and compares the crossings that were reported (I-21).

The sixth exposure of a calendar month (UTC) is reported. So is the exposure that makes three
ISO weeks in a row have more than one each; the run is not reported again while it grows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from independent.stored import EPOCH

MONTHLY, WEEKLY = "monthly_exposure", "weekly_consecutive_exposure"
ALLOWED, WEEKS = 5, 3
Row = Mapping[str, Any]


def exposures(log: Iterable[Row]) -> Iterator[str]:
    """Check the reports of a log.

    The next start makes up for a report that a crash prevented; after an orderly stop none is
    missing.

    Args:
        log: Stored rows of `audit_log`, in order.
    """
    days: list[date] = []
    crossed: set[tuple[str, str]] = set()
    reported: set[tuple[str, str]] = set()
    missing: set[tuple[str, str]] = set()
    for entry in log:
        if entry["name"] == "execution.single_leg.exposure":
            runs = _runs(days)
            days.append((EPOCH + timedelta(microseconds=entry["occurred_at"])).date())
            month = sum(day.replace(day=1) == days[-1].replace(day=1) for day in days)
            if month == ALLOWED + 1:
                crossed.add((MONTHLY, entry["event_id"]))
            if _runs(days) > runs:
                crossed.add((WEEKLY, entry["event_id"]))
        elif entry["name"] in ("risk.limit.approached", "risk.limit.breached"):
            limit = json.loads(entry["payload"])["limit"]
            if limit in (MONTHLY, WEEKLY):
                told = (limit, entry["causation_id"])
                if told in reported or told not in crossed:
                    yield f"I-21 entry {entry['sequence']} reports {limit}, which is not so"
                reported.add(told)
        elif entry["name"] == "system.stopped":
            missing = crossed - reported
    for limit, event_id in sorted(missing - reported):
        yield f"I-21 exposure {event_id} crossed {limit}, and nobody was told"


def _runs(days: list[date]) -> int:
    """Return how many runs there are of weeks in a row that have more than one exposure."""
    weeks = Counter((day.toordinal() - 1) // 7 for day in days)  # day 1 was a Monday
    bad = {week for week, count in weeks.items() if count > 1}
    starts = (week for week in bad if week - 1 not in bad)
    return sum(all(week + more in bad for more in range(WEEKS)) for week in starts)

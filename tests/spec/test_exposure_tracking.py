"""What the tracker counts, what it reports and when it halts, over restarts too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.clocks import START, Hand
from support.executing import NamedIds
from support.exposures import exposure
from support.memory_journal import MemoryJournal

from dutchbook.application.exposure.tracker import ExposureTrackerService
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import Event, LimitApproached, LimitBreached, PolicyTried, Stamp
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.exposure_counts import ExposureCounts
from dutchbook.ports.journal import Batch
from dutchbook.runtime.virtual_time import run_virtual

WEEK = timedelta(weeks=1)
MONDAY = datetime(2026, 7, 6, 12, tzinfo=UTC)
MONTH = [exposure(f"month-{day}", datetime(2026, 7, day, tzinfo=UTC)) for day in range(6, 12)]
"""Six in a month, in one week; the last one crosses the limit of the month."""
WEEKS = [
    exposure(f"week-{week}-{number}", MONDAY + week * WEEK + timedelta(hours=number))
    for week in range(3)
    for number in range(2)
]
"""Two in each of three weeks, all in July: the last one crosses both limits."""
SIXTH = LimitApproached(
    Stamp("event of exposure", START, "exposure", "month-11"),
    limit="monthly_exposure",
    value=Decimal(6),
    bound=Decimal(5),
)
THIRD_WEEK = LimitBreached(
    Stamp("event of exposure, 2", START, "exposure", "week-2-1"),
    limit="weekly_consecutive_exposure",
    value=Decimal(3),
    bound=Decimal(3),
)
HALT = (
    "halted",
    HaltReason.EXPOSURE_LIMIT,
    "more than one single leg in each of 3 weeks in a row",
)


class Tracking:
    """A tracker over a log, and what it does."""

    def __init__(self, *, halt_on_weekly: bool = True) -> None:
        self.journal = MemoryJournal()
        self.committer = Committer(self.journal, Hand(), NamedIds())
        self.did: list[Any] = []
        risk = SimpleNamespace(halts=SimpleNamespace(halt_trading=self._halt))
        self.tracker = ExposureTrackerService(
            self.journal, self.committer, cast("Any", risk), halt_on_weekly=halt_on_weekly
        )

    async def _halt(self, reason: HaltReason, detail: str) -> None:
        self.did.append(("halted", reason, detail))

    async def commit(self, *events: Event) -> None:
        for event in events:
            await self.committer.commit(Batch(events=(event,)))

    async def drained(self) -> list[Any]:
        """Let the tracker report what it has to, and return what it did."""

        def on_event(event: Event, sequence: int) -> None:
            assert sequence
            self.did.append(event)

        self.committer.subscribe(on_event)
        running = asyncio.ensure_future(self.tracker.run())
        await self.tracker.drained()
        running.cancel()
        return self.did


async def started(at: Tracking, *events: Event) -> list[Any]:
    """Start a tracker on a log with these events, and return what it did."""
    await at.commit(*events)
    await at.tracker.start()
    return await at.drained()


async def told(at: Tracking, *events: Event) -> list[Any]:
    """Tell a running tracker of these events, and return what it did."""
    at.committer.subscribe(at.tracker)
    await at.commit(*events)
    return await at.drained()


@pytest.mark.parametrize("learn", [started, told])
def test_five_exposures_of_a_month_are_counted_and_not_reported(learn: Any) -> None:
    at = Tracking()

    assert run_virtual(learn(at, *MONTH[:5])) == []

    day = datetime(2026, 7, 6, tzinfo=UTC).date()
    assert at.tracker.counts == ExposureCounts({day.replace(day=1): 5}, {day: 5})


@pytest.mark.parametrize("learn", [started, told])
def test_the_sixth_of_a_month_is_reported_as_the_cause_without_a_halt(learn: Any) -> None:
    assert run_virtual(learn(Tracking(), *MONTH)) == [SIXTH]


@pytest.mark.parametrize("learn", [started, told])
@pytest.mark.parametrize("halts", [True, False])
def test_a_third_week_halts_before_it_is_reported_if_that_is_chosen(
    learn: Any, halts: bool
) -> None:
    month = replace(SIXTH, stamp=replace(SIXTH.stamp, causation_id="week-2-1"))

    did = run_virtual(learn(Tracking(halt_on_weekly=halts), *WEEKS))

    assert did == [month, *([HALT] if halts else []), THIRD_WEEK]


@pytest.mark.parametrize(
    ("reported", "left"),
    [
        ([], ["monthly_exposure", "weekly_consecutive_exposure"]),
        ([SIXTH], ["weekly_consecutive_exposure"]),
        ([THIRD_WEEK], ["monthly_exposure"]),
        ([SIXTH, THIRD_WEEK], []),
    ],
)
def test_a_start_reports_what_an_earlier_run_did_not(
    reported: list[LimitApproached | LimitBreached], left: list[str]
) -> None:
    earlier = [
        replace(each, stamp=replace(each.stamp, event_id=name, causation_id="week-2-1"))
        for name, each in zip(("one", "two"), reported, strict=False)
    ]

    did = run_virtual(started(Tracking(halt_on_weekly=False), *WEEKS, *earlier))

    assert [each.limit for each in did] == left


def test_the_report_of_another_exposure_is_not_that_of_this_one() -> None:
    other = replace(SIXTH, stamp=replace(SIXTH.stamp, event_id="one", causation_id="other"))

    assert run_virtual(started(Tracking(), *MONTH, other)) == [SIXTH]


def test_a_second_start_counts_anew_and_reports_once() -> None:
    at = Tracking()

    async def main() -> list[Any]:
        await at.commit(*MONTH)
        await at.tracker.start()
        await at.tracker.start()
        return await at.drained()

    assert run_virtual(main()) == [SIXTH]
    assert list(at.tracker.counts.by_month.values()) == [6]


def test_only_committed_exposures_are_counted() -> None:
    at = Tracking()
    other = PolicyTried(
        Stamp("one", MONDAY, "e"), "held", "p", Platform.KALSHI, "close_leg", None
    )

    at.tracker(MONTH[0], 0)
    at.tracker(other, 1)
    assert at.tracker.counts == ExposureCounts()
    at.tracker(MONTH[0], 1)

    assert list(at.tracker.counts.by_month.values()) == [1]


def test_the_tracker_goes_on_after_its_first_report() -> None:
    at = Tracking()

    async def main() -> list[Any]:
        at.committer.subscribe(at.tracker)
        await at.commit(*MONTH)
        await at.drained()
        august = [
            exposure(f"august-{day}", datetime(2026, 8, day, tzinfo=UTC)) for day in range(3, 9)
        ]
        running = asyncio.ensure_future(at.tracker.run())
        await asyncio.sleep(1)
        await at.commit(*august)
        await at.tracker.drained()
        running.cancel()
        return [each.stamp.causation_id for each in at.did if isinstance(each, LimitApproached)]

    assert run_virtual(main()) == ["month-11", "august-8"]

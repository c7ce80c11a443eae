"""When each exposure is reported again, on a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.clocks import START, Hand
from support.executing import NamedIds
from support.exposures import exposure
from support.memory_journal import MemoryJournal

from dutchbook.application.exposure import reminders
from dutchbook.application.exposure.reminders import ExposureAlertScheduler
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import (
    Event,
    LimitApproached,
    PositionMoved,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
    SingleLegResolved,
    Stamp,
)
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.reminding import Reminding
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.ports.journal import Batch
from dutchbook.runtime.virtual_time import run_virtual

EXPOSED, OPEN, PARTIAL = (
    PositionStatus.SINGLE_LEG_EXPOSED,
    PositionStatus.OPEN,
    PositionStatus.EXIT_PARTIAL,
)
RULES = Reminding(
    urgent=timedelta(seconds=60),
    small=timedelta(seconds=600),
    dust=timedelta(seconds=3_600),
    urgent_share=Decimal("0.01"),
    dust_dollars=Decimal(1),
    gap=timedelta(seconds=55),
)
"""Of a bankroll of 10,000: a hundred dollars are urgent."""
OPENED = START - timedelta(days=1)
MANY = 100
Sent = tuple[float, str, datetime]


class Early(Hand):
    """A clock whose sleeps end a little early, and which stops its scheduler after a time."""

    def __init__(self, until: float, early: float) -> None:
        super().__init__()
        self.until, self.early = until, early
        self.slept: list[float] = []
        self.stop: Callable[[], Awaitable[None]] | None = None

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert len(self.slept) < MANY, "it looks again and again, and time stands still"
        await super().sleep(max(seconds - self.early, 0.0))
        if self.elapsed >= self.until and self.stop is not None:
            await self.stop()


class Scheduling:
    """A scheduler with exposed positions, and the reminders that it sends.

    Attributes:
        sent: The second of each reminder, its position, and since when it is exposed.
    """

    def __init__(self, *, until: float, early: float = 0, rules: Reminding = RULES) -> None:
        self.clock = Early(until, early)
        self.journal = MemoryJournal()
        self.committer = Committer(self.journal, self.clock, NamedIds())
        self.sessions = Sessions()
        self.positions: dict[str, Any] = {}
        self.sent: list[Sent] = []
        self.commits: list[int] = []
        self.scheduler = ExposureAlertScheduler(
            self.journal,
            self.committer,
            cast("Any", self),
            cast("Any", self),
            self.sessions,
            cast("Any", SimpleNamespace(limits=SimpleNamespace(bankroll=Decimal(10_000)))),
            self.clock,
            rules,
        )

    def hold(self, *names: str, status: PositionStatus = EXPOSED) -> None:
        for name in names:
            self.positions[name] = SimpleNamespace(
                position_id=name, status=status, opened_at=OPENED
            )

    def of(self, position_id: str) -> str:
        return f"trade of {position_id}"

    def reminder(self, trade: str, since: datetime) -> SingleLegExposureReminder:
        name = trade.removeprefix("trade of ")
        self.sent.append((self.clock.elapsed, name, since))
        return SingleLegExposureReminder(
            self.committer.stamp("e"), name, "cup", Quantity(Decimal(10)), since
        )

    async def run(self) -> list[Sent]:
        """Run until the clock has gone so far, and return what was sent."""
        self.committer.subscribe(self.scheduler)
        self.sessions.began(self.clock.now())
        self.clock.stop = self.scheduler.drained
        await self.scheduler.run()
        return self.sent


def stamp(seconds: float) -> Stamp:
    """Return the stamp of an event so many seconds ago."""
    at = START - timedelta(seconds=seconds)
    return Stamp(f"event {seconds} s ago", at, "e")


def opened(seconds: float, at_risk: str = "100", name: str = "held") -> Event:
    made = exposure("x", START, position_id=name)
    return replace(made, stamp=stamp(seconds), at_risk=Money(Decimal(at_risk)))


def changed(seconds: float, at_risk: str = "100", name: str = "held") -> Event:
    return SingleLegExposureChanged(
        stamp(seconds),
        name,
        "cup",
        Platform.KALSHI,
        Outcome.YES,
        Quantity(Decimal(10)),
        at_risk=Money(Decimal(at_risk)),
    )


def moved(seconds: float, after: PositionStatus, name: str = "held") -> Event:
    return PositionMoved(stamp(seconds), name, "cup", "before", after, "cause")


def resolved(seconds: float, name: str = "held") -> Event:
    return SingleLegResolved(
        stamp(seconds), name, "cup", "closed", "o", Money(Decimal(1)), None, None, None
    )


def unrelated(seconds: float) -> Event:
    return LimitApproached(stamp(seconds), "pair", Decimal(8), Decimal(10))


async def started(at: Scheduling, *history: Event) -> None:
    """Start from a log with a history."""
    for event in history:
        await Committer(at.journal, at.clock, NamedIds()).commit(Batch(events=(event,)))
    await at.scheduler.start()


async def told(at: Scheduling, *history: Event) -> None:
    """Tell of a history as it was committed, none of it for the first time."""
    for sequence, event in enumerate(history, start=1):
        at.scheduler(event, sequence)


HISTORIES: list[tuple[list[Event], float, float]] = [
    # Each: what was committed, seconds to the first reminder, and since when, in seconds ago.
    ([opened(20)], 40, 20),
    ([opened(0)], 60, 0),
    ([opened(59.5)], 0.5, 59.5),
    ([opened(90)], 0, 90),
    ([opened(-30)], 60, -30),
    ([opened(20), unrelated(10)], 40, 20),
    # How much is at risk counts as it was last reported.
    ([opened(20, at_risk="99")], 580, 20),
    ([opened(500, at_risk="99"), changed(20)], 40, 500),
    ([opened(500), changed(20, at_risk="99")], 580, 500),
    # A move begins an exposure but is no report of it, and does not put a reminder off.
    ([moved(30, EXPOSED)], 30, 30),
    ([moved(30, PARTIAL)], 30, 30),
    ([moved(30, EXPOSED), moved(10, PARTIAL)], 30, 30),
    ([moved(30, EXPOSED), opened(20)], 40, 30),
    ([opened(30), moved(10, PARTIAL)], 30, 30),
    # An exposure that opens after another one is gone is a new one.
    ([opened(50, at_risk="99"), resolved(40), moved(30, EXPOSED)], 30, 30),
    ([opened(50, at_risk="99"), moved(40, OPEN), moved(30, EXPOSED)], 30, 30),
    ([resolved(40), moved(35, OPEN), opened(30)], 30, 30),
    ([opened(30), resolved(10, name="another")], 30, 30),
    ([opened(30), opened(10, name="another"), moved(5, OPEN, name="another")], 30, 30),
]


@pytest.mark.parametrize("learn", [started, told])
@pytest.mark.parametrize(("history", "due", "since"), HISTORIES)
def test_the_first_reminder_follows_from_what_was_committed(
    history: list[Event], due: float, since: float, learn: Any
) -> None:
    async def main() -> list[Sent]:
        at = Scheduling(until=due + 0.5)
        at.hold("held")
        await learn(at, *history)
        return await at.run()

    ((when, name, begun),) = run_virtual(main())

    assert (round(when, 6), name) == (due, "held")
    assert begun == START - timedelta(seconds=since)


def test_an_event_that_is_not_committed_is_not_counted() -> None:
    async def main() -> list[Sent]:
        at = Scheduling(until=10)
        at.hold("held")
        at.scheduler(opened(20), 0)
        return await at.run()

    assert run_virtual(main())[0] == (0, "held", OPENED)


def test_reminders_repeat_each_counted_from_the_last_one() -> None:
    async def main() -> tuple[list[Sent], list[float]]:
        at = Scheduling(until=200)
        at.hold("held")
        await told(at, opened(20))
        return await at.run(), at.clock.slept

    sent, slept = run_virtual(main())

    assert [when for when, _, _ in sent] == [40, 100, 160]
    # It looks at least once in a gap, and otherwise exactly when one is due.
    assert slept == [40, 55, 5, 55, 5, 55]


def test_positions_without_an_unhedged_leg_are_not_reported() -> None:
    async def main() -> tuple[list[Sent], list[float]]:
        at = Scheduling(until=100)
        at.hold("open", status=OPEN)
        at.hold("partial", status=PARTIAL)
        return await at.run(), at.clock.slept

    sent, slept = run_virtual(main())

    assert [name for _, name, _ in sent] == ["partial", "partial"]
    assert slept[0] == 55


def test_a_timer_that_fires_a_moment_early_is_not_set_again() -> None:
    async def main() -> tuple[list[Sent], list[float]]:
        at = Scheduling(until=45, early=0.0005)
        at.hold("held")
        await told(at, opened(20))
        return await at.run(), at.clock.slept

    ((when, _, _),), slept = run_virtual(main())

    assert when == 39.9995
    assert slept == [40, 55]


TOGETHER = [
    # Ages of two reports and their dollars at risk; when each is first reported again. Both
    # timers count a quarter of a second as the same moment.
    ((20, "100"), (20, "100"), [(40, "a"), (40, "b")]),
    ((20, "100"), (15, "100"), [(40, "a"), (40, "b")]),
    ((20, "100"), (14.75, "100"), [(40, "a"), (40, "b")]),
    ((20, "100"), (14.5, "100"), [(40, "a"), (45.5, "b")]),
    ((20, "100"), (19.75, "1"), [(40, "a")]),
    ((20, "100"), (555, "1"), [(40, "a"), (40, "b")]),
    ((20, "100"), (554.5, "1"), [(40, "a"), (45.5, "b")]),
]


@pytest.mark.parametrize(("one", "two", "sent"), TOGETHER)
def test_reminders_that_are_due_within_the_same_moments_are_sent_together(
    one: tuple[float, str],
    two: tuple[float, str],
    sent: list[tuple[float, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reminders, "ROUNDING", 0.25)

    async def main() -> list[Sent]:
        at = Scheduling(until=50)
        at.hold("a", "b")
        await told(at, opened(*one, name="a"), opened(*two, name="b"))
        return await at.run()

    assert [(when, name) for when, name, _ in run_virtual(main())] == sent


@pytest.mark.parametrize(("age", "both"), [(15.25, True), (15, False)])
def test_none_is_sent_sooner_after_the_last_report_than_the_gap(
    age: float, both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is due each 55.25 s: at second 40 the other one waits for its gap of 55."""
    monkeypatch.setattr(reminders, "ROUNDING", 0.25)
    rules = replace(RULES, small=timedelta(seconds=55.25))

    async def main() -> list[Sent]:
        at = Scheduling(until=40.1, rules=rules)
        at.hold("a", "b")
        await told(at, opened(20, name="a"), opened(age - 0.5, "1", name="b"))
        return await at.run()

    names = [name for _, name, _ in run_virtual(main())]

    assert names == (["a", "b"] if both else ["a"])


def test_a_timer_within_the_rounding_sends_what_is_due_exactly_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reminders, "ROUNDING", 0.25)

    async def main() -> list[Sent]:
        at = Scheduling(until=45, early=0.25)
        at.hold("held")
        await told(at, opened(20))
        return await at.run()

    assert [when for when, _, _ in run_virtual(main())] == [39.75]


def test_those_that_are_sent_together_are_one_commit() -> None:
    async def main() -> list[Batch]:
        at = Scheduling(until=45)
        at.hold("a", "b")
        await told(at, opened(20, name="a"), opened(16, name="b"))
        batches: list[Batch] = []
        commit = at.committer.commit

        async def watched(batch: Batch) -> Any:
            batches.append(batch)
            return await commit(batch)

        at.committer.commit = watched  # type: ignore[method-assign]
        await at.run()
        return batches

    (batch,) = run_virtual(main())

    assert [type(event) for event in batch.events] == [SingleLegExposureReminder] * 2


def test_once_it_is_drained_nothing_more_is_sent() -> None:
    async def main() -> int:
        at = Scheduling(until=0)
        at.hold("held")
        await told(at, opened(90))
        running = asyncio.ensure_future(at.scheduler.run())
        await asyncio.sleep(1)  # it waits for a session
        await at.scheduler.drained()
        at.sessions.began(START)
        await running
        await at.scheduler.run()
        return len(await at.journal.rows("audit_log"))

    assert run_virtual(main()) == 0

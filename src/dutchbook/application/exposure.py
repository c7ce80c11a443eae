"""ExposureTrackerService and ExposureAlertScheduler: single legs are counted and told again.

Both know nothing but committed events, live from the bus and at a start from the audit log, so
that a restart changes neither a count nor the time of a reminder. What they emit is committed
like everything else and reaches people through the outbox.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dutchbook.application.announcements import Announcements
from dutchbook.application.bus import EventBus
from dutchbook.application.holdings import Holdings
from dutchbook.application.risk import RiskManager
from dutchbook.application.sessions import Sessions
from dutchbook.domain.events import (
    Event,
    LimitApproached,
    LimitBreached,
    PositionMoved,
    SingleLegExposure,
    SingleLegExposureReminder,
    SingleLegResolved,
)
from dutchbook.domain.exposure_counts import ExposureCounts
from dutchbook.domain.position import OpenPosition, PositionStatus
from dutchbook.domain.risk import Crossing, HaltReason
from dutchbook.ports import Batch, Clock, Journal

UNRESOLVED = (PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)


@dataclass(frozen=True, slots=True)
class _Owed:
    """A threshold that was crossed, by which exposure, and that is still to be told of."""

    crossing: Crossing
    cause: str


class ExposureTrackerService:
    """Counts single-leg exposures, and says and acts when there are too many.

    A limit event names the exposure that crossed the limit as its cause. So a start finds what
    a crash between the two has left untold, and tells it once.
    """

    def __init__(
        self, journal: Journal, bus: EventBus, risk: RiskManager, *, halt_on_weekly: bool
    ) -> None:
        self._journal = journal
        self._bus = bus
        self._risk = risk
        self._halt_on_weekly = halt_on_weekly
        self._owed: deque[_Owed] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.counts = ExposureCounts()

    async def start(self) -> None:
        """Recount everything from the audit log; what was crossed and never told is owed.

        What the redelivery of an earlier run's events has counted is in the log as well.
        """
        self._owed.clear()
        self._idle.set()
        told = {
            (json.loads(row["payload"])["limit"], row["causation_id"])
            for kind in (LimitApproached, LimitBreached)
            for row in await _logged(self._journal, kind)
        }
        self.counts = ExposureCounts()
        for row in await _logged(self._journal, SingleLegExposure):
            for owed in self._count(row["occurred_at"], row["event_id"]):
                if (owed.crossing.limit, owed.cause) not in told:
                    self._owe(owed)

    def __call__(self, event: Event, sequence: int) -> None:
        """Count an exposure that was just committed."""
        if isinstance(event, SingleLegExposure) and sequence:
            for owed in self._count(event.stamp.occurred_at, event.stamp.event_id):
                self._owe(owed)

    def _count(self, at: datetime, event_id: str) -> Iterator[_Owed]:
        self.counts, crossed = self.counts.counted(at)
        for crossing in crossed:
            yield _Owed(crossing, event_id)

    def _owe(self, owed: _Owed) -> None:
        self._owed.append(owed)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Halt and tell as thresholds are crossed, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._owed:
                await self._tell(self._owed[0])
                self._owed.popleft()
            self._idle.set()

    async def _tell(self, owed: _Owed) -> None:
        """Stop first, then tell: after a crash in between, both happen at the next start."""
        crossing = owed.crossing
        if crossing.breached and self._halt_on_weekly:
            detail = f"more than one single leg in each of {crossing.value} weeks in a row"
            await self._risk.halt_trading(HaltReason.EXPOSURE_LIMIT, detail)
        kind = LimitBreached if crossing.breached else LimitApproached
        stamp = self._bus.stamp("exposure", owed.cause)
        event = kind(stamp, limit=crossing.limit, value=crossing.value, bound=crossing.bound)
        await self._bus.commit(Batch(events=(event,)))

    async def drained(self) -> None:
        """Wait until everything that was crossed has been told."""
        await self._idle.wait()


class ExposureAlertScheduler:
    """Reminds of every position that stays exposed, on a beat of its own.

    A reminder comes `period` after the last word on its position at the latest, whatever our
    clock is set to meanwhile, and never before `gap`: those that fall due within the difference
    are told together, in one commit. Between the sessions of a tape nobody is reminded.
    """

    def __init__(
        self,
        journal: Journal,
        bus: EventBus,
        holdings: Holdings,
        announce: Announcements,
        sessions: Sessions,
        clock: Clock,
        *,
        period: timedelta,
        gap: timedelta,
    ) -> None:
        self._journal = journal
        self._bus = bus
        self._holdings = holdings
        self._announce = announce
        self._sessions = sessions
        self._clock = clock
        self._period = max(period, gap)
        self._gap = gap
        self._since: dict[str, datetime] = {}
        self._last: dict[str, float] = {}
        self._telling = asyncio.Lock()
        self._over = False

    async def start(self) -> None:
        """Read when each exposure began and was last told of."""
        rows = [
            row
            for kind in (
                PositionMoved,
                SingleLegExposure,
                SingleLegResolved,
                SingleLegExposureReminder,
            )
            for row in await _logged(self._journal, kind)
        ]
        for row in sorted(rows, key=lambda each: int(each["sequence"])):
            facts = json.loads(row["payload"])
            over = row["name"] == SingleLegResolved.wire or _evened(facts.get("after"))
            self._hear(facts["position_id"], row["occurred_at"], over=over)

    def __call__(self, event: Event, sequence: int) -> None:
        """Note an exposure that has just begun or was told of, or its end.

        An exit leaves a leg alone between its two orders: that it begins there counts, so that
        nobody is reminded of what is not yet told.
        """
        kinds = (
            PositionMoved | SingleLegExposure | SingleLegResolved | SingleLegExposureReminder
        )
        if isinstance(event, kinds) and sequence:
            over = isinstance(event, SingleLegResolved)
            if isinstance(event, PositionMoved):
                over = _evened(event.after)
            self._hear(event.position_id, event.stamp.occurred_at, over=over)

    def _hear(self, position_id: str, at: datetime, *, over: bool) -> None:
        if over:
            self._since.pop(position_id, None)
            self._last.pop(position_id, None)
            return
        self._since.setdefault(position_id, at)
        ago = max((self._clock.now() - at).total_seconds(), 0)
        self._last[position_id] = self._clock.monotonic() - ago

    async def run(self) -> None:
        """Remind until drained or cancelled.

        It looks at least once in `gap`: a position that was exposed a moment after one look
        cannot be due before the next.
        """
        while not self._over:
            await self._sessions.under_way()
            async with self._telling:
                await self._remind()
            now = self._clock.monotonic()
            due = [self._due(each, now) - now for each in self._unresolved()]
            await self._clock.sleep(max(min((*due, self._gap.total_seconds())), 0))

    def _unresolved(self) -> list[OpenPosition]:
        return [p for p in self._holdings.positions.values() if p.status in UNRESOLVED]

    def _due(self, position: OpenPosition, now: float) -> float:
        return self._last.get(position.position_id, now) + self._period.total_seconds()

    async def _remind(self) -> None:
        now, gap = self._clock.monotonic(), self._gap.total_seconds()
        events = tuple(
            self._reminder(position)
            for position in self._unresolved()
            if now - self._last.get(position.position_id, now - gap) >= gap
        )
        if events and not self._over:
            await self._bus.commit(Batch(events=events))

    def _reminder(self, position: OpenPosition) -> SingleLegExposureReminder:
        since = self._since.get(position.position_id, position.opened_at)
        return self._announce.reminder(self._holdings.of(position.position_id), since)

    async def drained(self) -> None:
        """Start no further reminder, and wait for the one under way."""
        self._over = True
        async with self._telling:
            pass


def _evened(status: str | None) -> bool:
    """Tell whether a position that has moved to `status` has no leg alone any more."""
    return status is not None and status not in UNRESOLVED


async def _logged(journal: Journal, kind: type[Event]) -> list[dict[str, Any]]:
    """Return the rows of one kind of event, oldest first."""
    return await journal.rows("audit_log", {"name": kind.wire}, order_by=("sequence",))

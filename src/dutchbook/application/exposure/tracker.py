"""ExposureTrackerService: counts single legs, and halts trading if there are too many.

Its only input is committed events, from the audit log at a start and from the bus afterwards,
so that a restart does not change a count.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.log import logged
from dutchbook.domain.capital.limits import Crossing, HaltReason
from dutchbook.domain.events import (
    Event,
    LimitApproached,
    LimitBreached,
    SingleLegExposure,
)
from dutchbook.domain.positions.exposure_counts import ExposureCounts
from dutchbook.ports.journal import Batch, Journal


@dataclass(frozen=True, slots=True)
class _Owed:
    """A threshold whose crossing is still to be reported, and the exposure that crossed it."""

    crossing: Crossing
    cause: str


class ExposureTrackerService:
    """Counts single-leg exposures, and reports and acts when there are too many.

    A limit event names the exposure that crossed the limit as its cause. So if a crash comes
    between the two, the next start finds the unreported crossing and reports it once.
    """

    def __init__(
        self, journal: Journal, committer: Committer, risk: RiskManager, *, halt_on_weekly: bool
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._risk = risk
        self._halt_on_weekly = halt_on_weekly
        self._owed: deque[_Owed] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.counts = ExposureCounts()

    async def start(self) -> None:
        """Count everything in the audit log, and queue crossings that were never reported.

        The count starts from zero, since what the redelivery of an earlier run's events has
        counted is in the log as well.
        """
        self._owed.clear()
        self._idle.set()
        reported = {
            (entry.facts["limit"], entry.causation_id)
            for entry in await logged(self._journal, LimitApproached, LimitBreached)
        }
        self.counts = ExposureCounts()
        for entry in await logged(self._journal, SingleLegExposure):
            for owed in self._count(entry.at, entry.event_id):
                if (owed.crossing.limit, owed.cause) not in reported:
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
        """Halt and report as thresholds are crossed, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._owed:
                await self._report(self._owed[0])
                self._owed.popleft()
            self._idle.set()

    async def _report(self, owed: _Owed) -> None:
        """Halt first, then report: after a crash in between, the next start does both."""
        crossing = owed.crossing
        if crossing.breached and self._halt_on_weekly:
            detail = f"more than one single leg in each of {crossing.value} weeks in a row"
            await self._risk.halts.halt_trading(HaltReason.EXPOSURE_LIMIT, detail)
        kind = LimitBreached if crossing.breached else LimitApproached
        stamp = self._committer.stamp("exposure", owed.cause)
        event = kind(stamp, limit=crossing.limit, value=crossing.value, bound=crossing.bound)
        await self._committer.commit(Batch(events=(event,)))

    async def drained(self) -> None:
        """Wait until every crossing is reported."""
        await self._idle.wait()

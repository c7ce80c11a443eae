"""ExposureAlertScheduler: single legs are told again until they are gone.

It knows nothing but committed events, live from the bus and at a start from the audit log, so
that a restart does not change the time of a reminder. What it emits is committed like
everything else and reaches people through the outbox.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

from dutchbook.application.exposure.tracker import logged
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.domain.events import (
    Event,
    PositionMoved,
    SingleLegExposure,
    SingleLegExposureReminder,
    SingleLegResolved,
)
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

UNRESOLVED = (PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)


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
            for row in await logged(self._journal, kind)
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

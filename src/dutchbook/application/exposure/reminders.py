"""ExposureAlertScheduler: repeats reminders of single legs until they are gone.

Its only input is committed events, from the audit log at a start and from the bus afterwards,
so that a restart does not change the time of a reminder. Its own events are committed like all
others and reach people through the outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dutchbook.application.capital.capital import Capital
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.log import logged
from dutchbook.domain.events import (
    Event,
    PositionMoved,
    SingleLegExposure,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
    SingleLegResolved,
)
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition
from dutchbook.domain.positions.reminding import Reminding
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

REPORTS = (SingleLegExposure, SingleLegExposureChanged, SingleLegExposureReminder)
"""What a person is told of an exposure; it opens, grows and reverses in a report's commit."""
KINDS = (PositionMoved, SingleLegResolved, *REPORTS)

ROUNDING = 0.001
"""Seconds that a timer may fire early, so that none is set again for less than that."""


class ExposureAlertScheduler:
    """Sends reminders of every position that stays exposed.

    `reminding` says how long after a report on its position the next one is due, even if our
    clock is set meanwhile. None comes before its `gap`, and those that fall due as soon as the
    most urgent may be early are sent together, in one commit. Between the sessions of a tape no
    reminders are sent.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        trades: PairTrades,
        announce: Announcements,
        sessions: Sessions,
        capital: Capital,
        clock: Clock,
        reminding: Reminding,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._trades = trades
        self._announce = announce
        self._sessions = sessions
        self._capital = capital
        self._clock = clock
        self._reminding = reminding
        self._gap = reminding.gap.total_seconds()
        self._since: dict[str, datetime] = {}
        self._last: dict[str, float] = {}
        self._period: dict[str, float] = {}
        self._sending = asyncio.Lock()
        self._over = False

    async def start(self) -> None:
        """Load when each exposure began and was last reported."""
        for entry in await logged(self._journal, *KINDS):
            over = entry.name == SingleLegResolved.wire or _hedged(entry.facts.get("after"))
            reported = entry.name in {kind.wire for kind in REPORTS}
            self._note(entry.facts["position_id"], entry.at, over=over, reported=reported)
            if reported:
                self._told(entry.facts)

    def __call__(self, event: Event, sequence: int) -> None:
        """Record that an exposure began, was reported, or ended.

        Between the two orders of an exit one leg is unhedged. The exposure counts from then, so
        that no reminder precedes the first report. One that was reported before is due as it
        was: a person who hears nothing learns nothing of a move.
        """
        if isinstance(event, KINDS) and sequence:
            over = isinstance(event, SingleLegResolved)
            if isinstance(event, PositionMoved):
                over = _hedged(event.after)
            reported = isinstance(event, REPORTS)
            at = event.stamp.occurred_at
            self._note(event.position_id, at, over=over, reported=reported)
            if reported:
                self._told(event.payload())

    def _told(self, facts: Mapping[str, Any]) -> None:
        """Record how long after this report the next one is due."""
        period = self._reminding.after(facts, self._capital.limits.bankroll)
        self._period[facts["position_id"]] = period.total_seconds()

    def _note(self, position_id: str, at: datetime, *, over: bool, reported: bool) -> None:
        if over:
            self._since.pop(position_id, None)
            self._last.pop(position_id, None)
            self._period.pop(position_id, None)
            return
        self._since.setdefault(position_id, at)
        if reported or position_id not in self._last:
            ago = max((self._clock.now() - at).total_seconds(), 0)
            self._last[position_id] = self._clock.monotonic() - ago

    async def run(self) -> None:
        """Send reminders until drained or cancelled.

        It checks at least once in `gap`: a position that was exposed just after one check
        cannot be due before the next.
        """
        while not self._over:
            await self._sessions.under_way()
            async with self._sending:
                await self._remind()
            now = self._clock.monotonic()
            due = [self._due(each, now) - now for each in self._unresolved()]
            await self._clock.sleep(max(min((*due, self._gap)), 0))

    def _unresolved(self) -> list[OpenPosition]:
        return [p for p in self._trades.positions.values() if p.status in UNHEDGED]

    def _due(self, position: OpenPosition, now: float) -> float:
        last = self._last.get(position.position_id)
        urgent = self._reminding.urgent.total_seconds()
        period = max(self._period.get(position.position_id, urgent), self._gap)
        return now if last is None else last + period

    async def _remind(self) -> None:
        """Once one reminder is due, send all that are due within the same moments."""
        now = self._clock.monotonic() + ROUNDING
        soon = now + self._reminding.urgent.total_seconds() - self._gap
        unresolved = self._unresolved()
        if not any(self._due(position, now) <= now for position in unresolved):
            return
        events = tuple(
            self._reminder(position)
            for position in unresolved
            if self._due(position, now) <= soon and self._rested(position, now)
        )
        if events and not self._over:
            await self._committer.commit(Batch(events=events))

    def _rested(self, position: OpenPosition, now: float) -> bool:
        return now - self._last.get(position.position_id, now - self._gap) >= self._gap

    def _reminder(self, position: OpenPosition) -> SingleLegExposureReminder:
        since = self._since.get(position.position_id, position.opened_at)
        return self._announce.reminder(self._trades.of(position.position_id), since)

    async def drained(self) -> None:
        """Start no further reminder, and wait for the one in progress."""
        self._over = True
        async with self._sending:
            pass


def _hedged(status: str | None) -> bool:
    """Return whether a position that moved to `status` has no unhedged leg any more."""
    return status is not None and status not in UNHEDGED

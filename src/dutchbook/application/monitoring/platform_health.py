"""PlatformHealthService and SystemHealth: health of the platforms and of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.monitoring.degradation import DegradationProtocol
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.recorder import Recorder
from dutchbook.domain.events import (
    Event,
    PlatformHealthDegraded,
    PlatformHealthDisconnected,
    PlatformHealthRecovered,
    PlatformHealthUpdated,
    SystemHealthCritical,
)
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.health import HealthLimits, HealthStatus, PlatformHealth, Sample
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.ports.account import AccountGateway
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.tables.records import PLATFORM_HEALTH_LOGS
from dutchbook.ports.time import Clock, Ids

HealthEvent = (
    type[PlatformHealthUpdated]
    | type[PlatformHealthDegraded]
    | type[PlatformHealthRecovered]
    | type[PlatformHealthDisconnected]
)
CHANGED: dict[HealthStatus, HealthEvent] = {
    HealthStatus.HEALTHY: PlatformHealthRecovered,
    HealthStatus.DEGRADED: PlatformHealthDegraded,
    HealthStatus.DISCONNECTED: PlatformHealthDisconnected,
}


@dataclass(frozen=True, slots=True)
class Intervals:
    """Interval between checks, timeout of a ping, and interval between full reports."""

    check: timedelta = timedelta(seconds=30)
    answer: timedelta = timedelta(seconds=5)
    heartbeat: timedelta = timedelta(hours=1)


class SystemHealth:
    """Where components report that the engine cannot be trusted to continue by itself."""

    def __init__(self, committer: Committer, recorder: Recorder) -> None:
        self._committer = committer
        self._recorder = recorder

    def critical(self, component: str, detail: str) -> None:
        """Report that `component` needs a person. Never waits; each caller reports it once."""
        stamp = self._committer.stamp("health")
        event = SystemHealthCritical(stamp, component=component, detail=detail)
        self._recorder.note(Batch(events=(event,)), always=True)


class PlatformHealthService:
    """Pings both platforms, judges their streams, and records the results.

    Every check is a row of `platform_health_logs`. The audit log holds what a person reads:
    PLATFORM_HEALTH_UPDATED when a status changes, and once an hour as a sign of life; in
    addition, DEGRADED, RECOVERED or DISCONNECTED on changes only. Between the sessions of a
    tape nothing is checked.

    It takes ten parts because a check has three inputs (pings, streams, sessions) and three
    effects (a row, an event, a degradation), each with its own limits and times.
    """

    def __init__(
        self,
        committer: Committer,
        gateways: Mapping[Platform, AccountGateway],
        streams: Streams,
        sessions: Sessions,
        protocol: DegradationProtocol,
        system: SystemHealth,
        clock: Clock,
        ids: Ids,
        limits: HealthLimits,
        rhythm: Intervals,
    ) -> None:
        self._committer = committer
        self._gateways = gateways
        self._streams = streams
        self._sessions = sessions
        self._protocol = protocol
        self._system = system
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._rhythm = rhythm
        self._reported: dict[Platform, datetime] = {}
        self._checking = asyncio.Lock()
        self.platforms = {platform: PlatformHealth() for platform in gateways}

    async def start(self) -> None:
        """Load nothing: a platform's earlier health says nothing about its current health."""

    async def run(self) -> None:
        """Check at once and then at every interval, until cancelled."""
        while True:
            await self._sessions.under_way()
            next_check = self._clock.now() + self._rhythm.check
            async with self._checking:
                await self.check()
            await self._clock.sleep_until(next_check)

    async def drained(self) -> None:
        """Wait for the check under way; its results are dropped once the session is over."""
        async with self._checking:
            pass

    async def check(self) -> None:
        """Ping both platforms at once, judge them, record and report the results."""
        async with asyncio.TaskGroup() as group:
            pings = {p: group.create_task(self._ping(g)) for p, g in self._gateways.items()}
        if not self._sessions.running:
            return
        now, before = self._clock.now(), self.platforms
        self.platforms = {
            platform: before[platform].after(
                Sample(ping.result(), self._streams.of(platform, now, self._limits.silence)),
                self._limits,
            )
            for platform, ping in pings.items()
        }
        batch = Batch()
        for platform, health in self.platforms.items():
            batch += self._recorded(platform, before[platform], health, now)
        if _all_unwell(self.platforms) and not _all_unwell(before):
            self._system.critical("platforms", "both are unhealthy at once")
        await self._committer.commit(batch)
        lost = [p for p, h in self.platforms.items() if h.status is HealthStatus.DISCONNECTED]
        await self._protocol.disconnected(tuple(lost))

    async def _ping(self, gateway: AccountGateway) -> int | None:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._rhythm.answer.total_seconds()):
                await gateway.ping()
        except (NotSent, OutcomeUnknown, TimeoutError):
            return None
        return round((self._clock.monotonic() - began) * 1_000)

    def _recorded(
        self, platform: Platform, before: PlatformHealth, health: PlatformHealth, now: datetime
    ) -> Batch:
        health_id = self._ids.new("health", platform)
        row = PLATFORM_HEALTH_LOGS.row_of(
            health, health_id=health_id, platform=platform, recorded_at=now
        )
        changed = health.status is not before.status
        reported = self._reported.get(platform)
        events: tuple[Event, ...] = ()
        if changed or reported is None or now - reported >= self._rhythm.heartbeat:
            self._reported[platform] = now
            events += (self._event(PlatformHealthUpdated, platform, health),)
        if changed:
            events += (self._event(CHANGED[health.status], platform, health),)
        return Batch((Insert("platform_health_logs", row),), events)

    def _event(self, kind: HealthEvent, platform: Platform, health: PlatformHealth) -> Event:
        return kind(
            self._committer.stamp(f"health.{platform}"),
            platform=platform,
            status=health.status.value,
            response_time_ms=health.response_time_ms,
            connection_state=health.connection_state,
            detail=health.detail,
        )


def _all_unwell(platforms: Mapping[Platform, PlatformHealth]) -> bool:
    return all(health.status is not HealthStatus.HEALTHY for health in platforms.values())

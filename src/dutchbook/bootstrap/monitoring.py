"""Builds the monitoring services: exposures, the platforms' health, and our clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.detection.service import DetectionService
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.exposure.reminders import ExposureAlertScheduler
from dutchbook.application.exposure.tracker import ExposureTrackerService
from dutchbook.application.lifecycle import Service
from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.polling import BookPolling
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.monitoring.clock_drift import ClockChecks, TimeDriftService
from dutchbook.application.monitoring.degradation import DegradationProtocol
from dutchbook.application.monitoring.platform_health import (
    Intervals,
    PlatformHealthService,
    SystemHealth,
)
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.recorder import Recorder
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.health import DriftLimits, HealthLimits
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock, Ids, TimeSource


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of the services; each is a setting, except `every_book_speaks`.

    That is whether the streams send every book at each interval, changed or not.
    """

    halt_on_weekly: bool
    reminder_period: timedelta
    reminder_gap: timedelta
    health: HealthLimits
    rhythm: Intervals
    drift: DriftLimits
    asking: ClockChecks
    every_book_speaks: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """The dependencies of the services."""

    journal: Journal
    committer: Committer
    risk: RiskManager
    watchlist: Watchlist
    queue: ExecutionQueueService
    detection: DetectionService
    trades: PairTrades
    announce: Announcements
    recorder: Recorder
    gateways: Mapping[Platform, PlatformGateway]
    clock: Clock
    ids: Ids


@dataclass(frozen=True, slots=True)
class MonitoringServices:
    """The services, and the sessions that they follow."""

    sessions: Sessions
    exposures: ExposureTrackerService
    reminders: ExposureAlertScheduler
    system: SystemHealth
    drift: TimeDriftService
    health: PlatformHealthService
    protocol: DegradationProtocol

    @property
    def services(self) -> tuple[Service, ...]:
        """All services to start, run and drain, in this order: our clock comes first."""
        return (self.drift, self.exposures, self.reminders, self.health, self.protocol)


def build_monitoring(
    parts: Parts, times: Sequence[TimeSource], sessions: Sessions, rules: Rules
) -> MonitoringServices:
    """Build the monitoring services, and subscribe them to the bus."""
    committer, risk, clock = parts.committer, parts.risk, parts.clock
    system = SystemHealth(committer, parts.recorder)
    streams = Streams(parts.watchlist, sessions, heartbeat=rules.every_book_speaks)
    polling = BookPolling(parts.gateways, parts.watchlist, streams, clock, rules.rhythm.answer)
    protocol = DegradationProtocol(
        committer, streams, sessions, parts.detection, parts.queue, polling, clock, rules.health
    )
    made = MonitoringServices(
        sessions=sessions,
        exposures=ExposureTrackerService(
            parts.journal, committer, risk, halt_on_weekly=rules.halt_on_weekly
        ),
        reminders=ExposureAlertScheduler(
            parts.journal,
            committer,
            parts.trades,
            parts.announce,
            sessions,
            clock,
            period=rules.reminder_period,
            gap=rules.reminder_gap,
        ),
        system=system,
        drift=TimeDriftService(
            committer, risk, times, system, clock, rules.drift, rules.asking
        ),
        health=PlatformHealthService(
            committer,
            parts.gateways,
            streams,
            sessions,
            protocol,
            system,
            clock,
            parts.ids,
            rules.health,
            rules.rhythm,
        ),
        protocol=protocol,
    )
    committer.subscribe(made.exposures)
    committer.subscribe(made.reminders)
    return made

"""Builds the monitoring services: exposures, the platforms' health, and our clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.detection.service import DetectionService
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.exposure.reminders import ExposureAlertScheduler
from dutchbook.application.exposure.tracker import ExposureTrackerService
from dutchbook.application.lifecycle import PairTradeServices, Service
from dutchbook.application.market.contract_facts import ContractFacts
from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.polling import BookPolling
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.monitoring.clock_drift import TimeDriftService
from dutchbook.application.monitoring.degradation import DegradationProtocol
from dutchbook.application.monitoring.hooks import HookCommands, Hooks
from dutchbook.application.monitoring.platform_health import (
    Intervals,
    PlatformHealthService,
    SystemHealth,
)
from dutchbook.application.records.recorder import Recorder
from dutchbook.bootstrap.base import Base
from dutchbook.bootstrap.surroundings import Surroundings
from dutchbook.config import Settings
from dutchbook.config.hooks import words
from dutchbook.ports.hooks import Programs
from dutchbook.ports.time import TimeSource


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
    base: Base,
    trading: PairTradeServices,
    queue: ExecutionQueueService,
    detection: DetectionService,
    recorder: Recorder,
    around: Surroundings,
    sessions: Sessions,
    facts: ContractFacts,
) -> MonitoringServices:
    """Build the monitoring services, and subscribe them to the bus."""
    journal, committer, risk, clock = base.journal, base.committer, base.risk, base.clock
    limits, halts = base.settings.health_limits(), base.settings.exposure.halt_on_weekly
    intervals = _intervals(base.settings)
    system = SystemHealth(committer, recorder)
    streams = Streams(base.watchlist, sessions, heartbeat=around.polled)
    answer = intervals.answer
    polling = BookPolling(base.gateways, base.watchlist, facts, streams, clock, answer)
    protocol = DegradationProtocol(
        committer, streams, sessions, detection, queue, polling, clock, limits
    )
    exposures = ExposureTrackerService(journal, committer, risk, halt_on_weekly=halts)
    reminders = _reminders(base, trading, sessions)
    committer.subscribe(exposures)
    committer.subscribe(reminders)
    health = PlatformHealthService(
        committer,
        base.gateways,
        streams,
        sessions,
        protocol,
        system,
        clock,
        base.ids,
        limits,
        intervals,
    )
    drift = _drift(base, around.times, system)
    return MonitoringServices(sessions, exposures, reminders, system, drift, health, protocol)


def _reminders(
    base: Base, trading: PairTradeServices, sessions: Sessions
) -> ExposureAlertScheduler:
    return ExposureAlertScheduler(
        base.journal,
        base.committer,
        trading.trades,
        trading.announce,
        sessions,
        base.risk.capital,
        base.clock,
        base.settings.reminding(),
    )


def build_hooks(base: Base, programs: Programs | None, system: SystemHealth) -> Hooks | None:
    """Build what starts the programs of the user, if there are any, and subscribe it."""
    chosen = base.settings.hooks
    commands = HookCommands(words(chosen.on_exposure), words(chosen.on_halt))
    if programs is None or commands == HookCommands():
        return None
    hooks = Hooks(programs, commands, base.watchlist, system, base.clock)
    base.committer.subscribe(hooks)
    return hooks


def _intervals(settings: Settings) -> Intervals:
    chosen = settings.health
    return Intervals(
        check=timedelta(seconds=chosen.check_seconds),
        answer=timedelta(seconds=chosen.answer_seconds),
        heartbeat=timedelta(seconds=chosen.heartbeat_seconds),
    )


def _drift(base: Base, times: Sequence[TimeSource], system: SystemHealth) -> TimeDriftService:
    settings = base.settings
    return TimeDriftService(
        base.committer,
        base.risk,
        times,
        system,
        base.clock,
        settings.drift_limits(),
        every=timedelta(seconds=settings.time.check_seconds),
    )

"""What works beside trading, joined: exposures, the platforms' health, and our clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.announcements import Announcements
from dutchbook.application.bus import EventBus
from dutchbook.application.degradation import DegradationProtocol
from dutchbook.application.detection import DetectionService
from dutchbook.application.drift import Asking, TimeDriftService
from dutchbook.application.execution_queue import ExecutionQueueService
from dutchbook.application.exposure import ExposureAlertScheduler, ExposureTrackerService
from dutchbook.application.health import PlatformHealthService, Rhythm, SystemHealth
from dutchbook.application.holdings import Holdings
from dutchbook.application.lifecycle import Service
from dutchbook.application.polling import BookPolling
from dutchbook.application.recorder import Recorder
from dutchbook.application.risk import RiskManager
from dutchbook.application.sessions import Sessions
from dutchbook.application.streams import Streams
from dutchbook.application.watch import Watchlist
from dutchbook.domain.contract import Platform
from dutchbook.domain.health import DriftLimits, HealthLimits
from dutchbook.ports import Clock, Ids, Journal, PlatformGateway, TimeSource


@dataclass(frozen=True, slots=True)
class Rules:
    """What the services go by; each is a setting, but for `every_book_speaks`.

    That is whether the streams tell of every book on every beat, changed or not.
    """

    halt_on_weekly: bool
    reminder_period: timedelta
    reminder_gap: timedelta
    health: HealthLimits
    rhythm: Rhythm
    drift: DriftLimits
    asking: Asking
    every_book_speaks: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """What the services stand on."""

    journal: Journal
    bus: EventBus
    risk: RiskManager
    watchlist: Watchlist
    queue: ExecutionQueueService
    detection: DetectionService
    holdings: Holdings
    announce: Announcements
    recorder: Recorder
    gateways: Mapping[Platform, PlatformGateway]
    clock: Clock
    ids: Ids


@dataclass(frozen=True, slots=True)
class Beside:
    """The services, and the sessions that they work in."""

    sessions: Sessions
    exposures: ExposureTrackerService
    reminders: ExposureAlertScheduler
    system: SystemHealth
    drift: TimeDriftService
    health: PlatformHealthService
    protocol: DegradationProtocol

    @property
    def services(self) -> tuple[Service, ...]:
        """All that is started, run and drained, in this order: our clock comes first."""
        return (self.drift, self.exposures, self.reminders, self.health, self.protocol)


def beside(parts: Parts, times: Sequence[TimeSource], rules: Rules) -> Beside:
    """Join what works beside trading, and let it hear the bus."""
    bus, risk, clock = parts.bus, parts.risk, parts.clock
    sessions, system = Sessions(), SystemHealth(bus, parts.recorder)
    streams = Streams(parts.watchlist, sessions, heartbeat=rules.every_book_speaks)
    polling = BookPolling(parts.gateways, parts.watchlist, streams, clock, rules.rhythm.answer)
    protocol = DegradationProtocol(
        bus, streams, sessions, parts.detection, parts.queue, polling, clock, rules.health
    )
    made = Beside(
        sessions=sessions,
        exposures=ExposureTrackerService(
            parts.journal, bus, risk, halt_on_weekly=rules.halt_on_weekly
        ),
        reminders=ExposureAlertScheduler(
            parts.journal,
            bus,
            parts.holdings,
            parts.announce,
            sessions,
            clock,
            period=rules.reminder_period,
            gap=rules.reminder_gap,
        ),
        system=system,
        drift=TimeDriftService(bus, risk, times, system, clock, rules.drift, rules.asking),
        health=PlatformHealthService(
            bus,
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
    bus.subscribe(made.exposures)
    bus.subscribe(made.reminders)
    return made

"""What works beside trading, joined: exposures are counted and told again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.bus import EventBus
from dutchbook.application.exposure import ExposureAlertScheduler, ExposureTrackerService
from dutchbook.application.holdings import Holdings
from dutchbook.application.lifecycle import Service
from dutchbook.application.risk import RiskManager
from dutchbook.application.sessions import Sessions
from dutchbook.ports import Clock, Journal


@dataclass(frozen=True, slots=True)
class Rules:
    """What the services go by; each is a setting."""

    halt_on_weekly: bool
    reminder_period: timedelta
    reminder_gap: timedelta


@dataclass(frozen=True, slots=True)
class Beside:
    """The services, and the sessions that they work in."""

    sessions: Sessions
    exposures: ExposureTrackerService
    reminders: ExposureAlertScheduler

    @property
    def services(self) -> tuple[Service, ...]:
        """All that is started, run and drained, in this order."""
        return (self.exposures, self.reminders)


def beside(
    journal: Journal,
    bus: EventBus,
    risk: RiskManager,
    holdings: Holdings,
    clock: Clock,
    rules: Rules,
) -> Beside:
    """Join what works beside trading, and let it hear the bus."""
    sessions = Sessions()
    exposures = ExposureTrackerService(journal, bus, risk, halt_on_weekly=rules.halt_on_weekly)
    reminders = ExposureAlertScheduler(
        journal,
        bus,
        holdings,
        sessions,
        clock,
        period=rules.reminder_period,
        gap=rules.reminder_gap,
    )
    bus.subscribe(exposures)
    bus.subscribe(reminders)
    return Beside(sessions, exposures, reminders)

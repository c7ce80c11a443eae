"""Rules for the parts of an engine, from the user's settings."""

from __future__ import annotations

from datetime import timedelta

from dutchbook.application.exits.triggers import ExitSettings
from dutchbook.application.exposure.auto_policy import AutoPolicy
from dutchbook.application.monitoring.clock_drift import ClockChecks
from dutchbook.application.monitoring.platform_health import Intervals
from dutchbook.bootstrap.exits import ExitServiceRules
from dutchbook.bootstrap.monitoring import Rules
from dutchbook.bootstrap.pair_trades import PairTradeRules
from dutchbook.config import Settings
from dutchbook.domain.detection.quote import Hurdles
from dutchbook.domain.positions.exit_case import Why


def pair_trade_rules(settings: Settings, hurdles: Hurdles) -> PairTradeRules:
    """Return the rules for the services of existing positions."""
    execution = settings.execution
    return PairTradeRules(
        policy=AutoPolicy(execution.auto_policy),
        rescue_limit=hurdles.rescue_limit,
        controls=settings.controls(),
        book_age=hurdles.book_age,
        answer_seconds=execution.answer_seconds,
        person_after=timedelta(seconds=execution.person_after_seconds),
    )


def exit_service_rules(settings: Settings, *, polled: bool) -> ExitServiceRules:
    """Return the rules for exits; `polled` books come at intervals, changed or not."""
    chosen = settings.exits
    leave = {"nothing": None, "risk": Why.PLATFORM_RISK, "all": Why.WIND_DOWN}
    choices = ExitSettings(
        rules=settings.exit_rules(),
        rescue_limit=settings.execution.rescue_limit,
        book_age=settings.book_age(polled=polled),
        interval=timedelta(seconds=chosen.check_seconds),
        exiting=leave[chosen.leave],
        by_pair=chosen.by_pair(),
    )
    return ExitServiceRules(
        choices,
        poll=timedelta(seconds=chosen.results_seconds),
        answer_seconds=settings.execution.answer_seconds,
        person_after=timedelta(seconds=settings.execution.person_after_seconds),
    )


def monitoring_rules(settings: Settings, *, polled: bool) -> Rules:
    """Return the rules for the monitoring services; see `exit_service_rules`."""
    chosen, health = settings.exposure, settings.health
    return Rules(
        halt_on_weekly=chosen.halt_on_weekly,
        reminder_period=timedelta(seconds=chosen.reminder_seconds),
        reminder_gap=timedelta(seconds=chosen.reminder_gap_seconds),
        health=settings.health_limits(),
        rhythm=Intervals(
            check=timedelta(seconds=health.check_seconds),
            answer=timedelta(seconds=health.answer_seconds),
            heartbeat=timedelta(seconds=health.heartbeat_seconds),
        ),
        drift=settings.drift_limits(),
        asking=ClockChecks(every=timedelta(seconds=settings.time.check_seconds)),
        every_book_speaks=polled,
    )

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
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.exit_case import Why
from dutchbook.domain.values.units import Money
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import Fault, FaultPlan, Window
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.tape.message import Tape

LATER_MS = 5_000
"""Delay in milliseconds of a late answer after the engine has stopped waiting for it."""


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


def exit_service_rules(settings: Settings, tape: Tape) -> ExitServiceRules:
    """Return the rules for exits."""
    chosen = settings.exits
    leave = {"nothing": None, "risk": Why.PLATFORM_RISK, "all": Why.WIND_DOWN}
    choices = ExitSettings(
        rules=settings.exit_rules(),
        rescue_limit=settings.execution.rescue_limit,
        book_age=settings.book_age(polled=tape.meta.polled),
        beat=timedelta(seconds=chosen.beat_seconds),
        leaving=leave[chosen.leave],
        by_pair=chosen.by_pair(),
    )
    return ExitServiceRules(
        choices,
        poll=timedelta(seconds=chosen.results_seconds),
        answer_seconds=settings.execution.answer_seconds,
        person_after=timedelta(seconds=settings.execution.person_after_seconds),
    )


def monitoring_rules(settings: Settings, tape: Tape) -> Rules:
    """Return the rules for the monitoring services."""
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
        every_book_speaks=tape.meta.polled,
    )


def paper_exchange(platform: Platform, settings: Settings, tape: Tape) -> PaperExchange:
    """Create a paper platform for the contracts of a tape."""
    paper = settings.paper
    cash = {
        Platform.KALSHI: paper.kalshi_cash,
        Platform.POLYMARKET: paper.polymarket_cash,
    }
    return PaperExchange(
        platform,
        (each for each in tape.meta.contracts if each.platform is platform),
        Replenishment(paper.replenishment),
        Money(cash[platform]),
    )


def fault_plan(settings: Settings, tape: Tape, seed: int) -> FaultPlan:
    """Return the plan of faults on the paper platforms."""
    paper = settings.paper
    rates = {fault: getattr(paper, f"fault_{fault.value}") for fault in Fault}
    return FaultPlan(
        seed=seed,
        rates=tuple((fault, rate) for fault, rate in rates.items() if rate),
        latency_ms=paper.latency_ms,
        jitter_ms=paper.jitter_ms,
        settle_ms=paper.settle_ms,
        late_ms=1000 * settings.execution.answer_seconds + LATER_MS,
        windows=tuple(
            Window(platform, tape.meta.first + begins, tape.meta.first + ends, outage=outage)
            for name, outage in (("silences", False), ("outages", True))
            for platform, begins, ends in paper.windows(name)
        ),
    )

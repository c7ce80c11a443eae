"""The composition root: the one place that names concrete classes and joins them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.detection.service import DetectionService
from dutchbook.application.execution.attempt import Patience
from dutchbook.application.execution.cancel_all import Cancelling
from dutchbook.application.execution.follow_up import FollowUp
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.lifecycle import Carrying, EngineLifecycleService, Limits, Service
from dutchbook.application.market.pair_breaker import PairThrottle
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.monitoring.log_anchors import Anchoring
from dutchbook.application.operator.commands import Commands
from dutchbook.application.operator.position_commands import PositionCommands, Waiting
from dutchbook.application.operator.reconciliation import Reconciling
from dutchbook.application.reconciliation.platform_state import Patience as Questions
from dutchbook.application.reconciliation.service import Rhythm as Comparing
from dutchbook.application.reconciliation.unbooked_fills import Stragglers
from dutchbook.application.records.committer import EventBus
from dutchbook.application.records.lease import Fence
from dutchbook.application.records.recorder import Recorder
from dutchbook.bootstrap.base import Base
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.exits import Leaving, leaving
from dutchbook.bootstrap.monitoring import Parts, beside
from dutchbook.bootstrap.pair_trades import carrying
from dutchbook.bootstrap.reconciliation import reconciling
from dutchbook.bootstrap.rules import (
    beside_rules,
    carrying_rules,
    fault_plan,
    leaving_rules,
    paper_exchange,
)
from dutchbook.config import Settings
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.domain.positions.settlement import Key, Ruling
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.server import StepLag
from dutchbook.platforms.paper.time_source import PaperTime
from dutchbook.ports.anchors import Anchors
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock, Ids
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.generate import generate
from dutchbook.tape.message import MemoryTape, Tape

ACCOUNTS = {
    Platform.KALSHI: AccountKey(Platform.KALSHI, "shard-0", "USD"),
    Platform.POLYMARKET: AccountKey(Platform.POLYMARKET, "paper-wallet", "pUSD"),
}

Platforms = tuple[Mapping[Platform, PaperExchange], Mapping[Platform, PaperGateway]]
"""Both paper platforms, and the gateways through which our engine reaches them."""

POLL_SECONDS = 60.0
"""Polling interval for commands when time is only the tape's.

A halt takes effect earlier, at the first entry that it rejects."""


def generated_tape(seed: int, *, minutes: int = 20, pairs: int = 2) -> MemoryTape:
    """Generate a tape; see `dutchbook.tape.generate`."""
    return generate(Seeded(seed), seed, minutes=minutes, pairs=pairs)


def build(
    settings: Settings,
    tape: Tape,
    journal: Journal,
    clock: Clock,
    *,
    seed: int,
    run: int = 1,
    ids: Ids | None = None,
    pairs: Iterable[ContractMatch] | None = None,
    results: Mapping[Key, Ruling] | None = None,
    fence: Fence | None = None,
    poll_seconds: float = POLL_SECONDS,
    anchors: Anchors | None = None,
    platforms: Platforms | None = None,
) -> Engine:
    """Build an engine that trades `pairs` on paper (see `traded_pairs`), or else the tape's.

    `results` are those of the tape's contracts at its end. A `fence` checks every commit
    against its lease and every send against its HALT file; `anchors` store heads of the log.
    `platforms` outlive the engine; without them, new ones are created.
    """
    followed = tape.meta.pairs if pairs is None else tuple(pairs)
    ids = ids or SeededIds(seed, run)
    bus = EventBus(journal, clock, ids, fence)
    risk = RiskManager(journal, bus, clock, ids, settings.limits(), ACCOUNTS)
    watchlist, offered = Watchlist(followed), Watchlist(followed)
    lag = StepLag(settings.paper.lag_steps)
    exchanges, gateways = platforms or _platforms(settings, tape, clock, lag, seed)
    hurdles = settings.hurdles(polled=tape.meta.polled)
    base = Base(settings, hurdles, journal, bus, risk, watchlist, gateways, clock, ids)
    carried = carrying(base, carrying_rules(settings, hurdles))
    ending = _leaving(base, carried, tape)
    entering, recorder = _entering(base, carried, ending[1]), Recorder(bus)
    detection = _detection(base, carried, entering, recorder, offered)
    parts = _parts(base, carried, entering, detection, recorder)
    engine = _engine(
        tape,
        base,
        parts,
        carried,
        entering,
        ending,
        offered,
        exchanges,
        lag,
        poll_seconds,
        _anchoring(base, anchors, first=run == 1),
    )
    return _on_results(engine, exchanges, results or {})


def _on_results(
    engine: Engine, exchanges: Mapping[Platform, PaperExchange], results: Mapping[Key, Ruling]
) -> Engine:
    """Give the engine the results, and let it hear of the orders that an exchange takes."""
    engine.results.update(results)
    for platform, exchange in exchanges.items():
        exchange.on_taken = engine.taken(platform)
    return engine


@dataclass(frozen=True, slots=True)
class _Entering:
    """What starts and finishes executions."""

    executions: ExecutionService
    queue: ExecutionQueueService
    throttle: PairThrottle
    reconciling: Reconciling


def _leaving(base: Base, carried: Carrying, tape: Tape) -> tuple[Sessions, Leaving]:
    """Build what ends positions, and the sessions that exits and monitoring both follow."""
    sessions = Sessions()
    return sessions, leaving(base, carried, sessions, leaving_rules(base.settings, tape))


def _detection(
    base: Base, carried: Carrying, entering: _Entering, recorder: Recorder, offered: Watchlist
) -> DetectionService:
    return DetectionService(
        base.watchlist,
        entering.queue,
        base.risk,
        recorder,
        base.bus,
        base.clock,
        base.ids,
        base.hurdles,
        offered,
        carried.first_legs.choose,
    )


def _parts(
    base: Base,
    carried: Carrying,
    entering: _Entering,
    detection: DetectionService,
    recorder: Recorder,
) -> Parts:
    return Parts(
        base.journal,
        base.bus,
        base.risk,
        base.watchlist,
        entering.queue,
        detection,
        carried.trades,
        carried.announce,
        recorder,
        base.gateways,
        base.clock,
        base.ids,
    )


def _lifecycle(
    base: Base,
    parts: Parts,
    carried: Carrying,
    entering: _Entering,
    services: tuple[Service, ...],
    exits: Service,
    poll_seconds: float,
) -> EngineLifecycleService:
    """Build what starts, runs and stops the engine, and executes commands."""
    wait = base.settings.execution
    executions, throttle = entering.executions, entering.throttle
    cancelling = Cancelling(
        base.journal,
        carried.trades,
        carried.recovery,
        executions,
        base.gateways,
        wait.answer_seconds,
    )
    positions = _position_commands(base, carried)
    asked = entering.reconciling.commands
    commands = Commands(
        base.journal, base.bus, base.risk, throttle, cancelling, positions, base.clock, asked
    )
    return EngineLifecycleService(
        base.journal,
        base.bus,
        base.risk,
        base.watchlist,
        entering.queue,
        carried,
        parts.recorder,
        base.gateways,
        services,
        exits,
        base.clock,
        throttle=throttle,
        commands=commands,
        cancelling=cancelling,
        limits=Limits(poll_seconds, wait.drain_seconds),
    )


def _position_commands(base: Base, carried: Carrying) -> PositionCommands:
    seconds = base.settings.execution.command_patience_seconds
    return PositionCommands(
        base.journal,
        base.bus,
        carried.single_leg,
        carried.trades,
        base.watchlist,
        base.clock,
        Waiting(base.hurdles.book_age, timedelta(seconds=seconds)),
    )


def _engine(
    tape: Tape,
    base: Base,
    parts: Parts,
    carried: Carrying,
    entering: _Entering,
    ending: tuple[Sessions, Leaving],
    offered: Watchlist,
    exchanges: Mapping[Platform, PaperExchange],
    lag: StepLag,
    poll_seconds: float,
    anchoring: Anchoring | None,
) -> Engine:
    """Join the parts of trading with the monitoring services."""
    settings, platforms = base.settings, (exchanges, base.gateways)
    times = (PaperTime(settings.paper.clock_offset_ms),)
    sessions, ends = ending
    around = beside(parts, times, sessions, beside_rules(settings, tape))
    for subscriber in (ends.merging, ends.settlement, ends.partial.hear):
        parts.bus.subscribe(subscriber)
    services = (
        *around.services,
        entering.reconciling.service,
        _stragglers(base, carried, entering.reconciling),
        *ends.services,
        *((anchoring,) if anchoring else ()),
    )
    lifecycle = _lifecycle(base, parts, carried, entering, services, ends.exits, poll_seconds)
    return Engine(
        settings,
        tape,
        tuple(parts.watchlist.matches.values()),
        parts.journal,
        parts.clock,
        parts.bus,
        parts.risk,
        parts.watchlist,
        offered,
        parts.queue,
        parts.detection,
        carried,
        parts.recorder,
        lifecycle,
        *platforms,
        lag,
        around,
        ends,
        anchoring,
        entering.reconciling,
    )


def _stragglers(base: Base, carried: Carrying, reconciling: Reconciling) -> Stragglers:
    """Make unbooked fills bring forward the next comparison."""
    return Stragglers(
        base.journal,
        carried.trades,
        carried.reported,
        reconciling.own,
        reconciling.service,
        base.clock,
    )


def _anchoring(base: Base, anchors: Anchors | None, *, first: bool) -> Anchoring | None:
    if anchors is None:
        return None
    every = base.settings.records.anchor_every
    return Anchoring(base.journal, base.bus, anchors, base.clock, every=every, first=first)


def _platforms(
    settings: Settings, tape: Tape, clock: Clock, lag: StepLag, seed: int
) -> Platforms:
    """Create both paper platforms and their gateways."""
    exchanges = {platform: paper_exchange(platform, settings, tape) for platform in Platform}
    plan = fault_plan(settings, tape, seed)
    gateways = {
        platform: PaperGateway(exchange, clock, lag, plan)
        for platform, exchange in exchanges.items()
    }
    return exchanges, gateways


def _entering(base: Base, carried: Carrying, ends: Leaving) -> _Entering:
    """Build what starts executions."""
    settings, bus, clock = base.settings, base.bus, base.clock
    failures = settings.controls().failures_before_disable
    throttle = PairThrottle(base.journal, bus, base.watchlist, clock, failures)
    bus.subscribe(throttle)
    patience = Patience(settings.execution.answer_seconds, settings.execution.queries)
    executions = ExecutionService(
        carried.trades,
        base.risk,
        base.gateways,
        base.watchlist,
        carried.announce,
        carried.gate,
        FollowUp(
            carried.questions,
            carried.settling,
            carried.single_leg,
            carried.first_legs,
            patience.last_wait,
        ),
        clock,
        base.ids,
        base.hurdles,
        patience,
    )
    queue = ExecutionQueueService(
        executions,
        base.risk,
        carried.trades,
        carried.disputes,
        carried.questions,
        throttle,
        clock,
        cool_down=timedelta(seconds=settings.execution.cool_down_seconds),
        bound=settings.execution.queue_bound,
    )
    compared = _reconciling(base, carried, executions, ends)
    return _Entering(executions, queue, throttle, compared)


def _reconciling(
    base: Base, carried: Carrying, executions: ExecutionService, ends: Leaving
) -> Reconciling:
    """Build what compares our state with the platforms'."""
    chosen = base.settings.reconciliation
    every, grace = (timedelta(seconds=s) for s in (chosen.every_seconds, chosen.grace_seconds))
    return reconciling(
        base,
        carried,
        executions,
        ends.settlement,
        Comparing(every, grace),
        Questions(chosen.call_seconds, chosen.whole_seconds),
    )

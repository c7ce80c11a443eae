"""The composition root: the one place that names concrete classes and joins them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.beside import Parts, Rules, beside
from dutchbook.application.bus import EventBus
from dutchbook.application.cancelling import Cancelling
from dutchbook.application.carrying import Carrying, CarryingRules, carrying
from dutchbook.application.commands import Commands
from dutchbook.application.conclusion import Conclusion
from dutchbook.application.detection import DetectionService
from dutchbook.application.drift import Asking
from dutchbook.application.execution import ExecutionService, Patience
from dutchbook.application.execution_queue import ExecutionQueueService
from dutchbook.application.health import Rhythm
from dutchbook.application.lease import Fence
from dutchbook.application.lifecycle import EngineLifecycleService, Limits, Service
from dutchbook.application.pair_throttle import PairThrottle
from dutchbook.application.reconciliation import Rhythm as Comparing
from dutchbook.application.reconciling import Reconciling, reconciling
from dutchbook.application.recorder import Recorder
from dutchbook.application.risk import RiskManager
from dutchbook.application.single_leg import AutoPolicy
from dutchbook.application.their_side import Patience as Questions
from dutchbook.application.watch import Watchlist
from dutchbook.config import Settings
from dutchbook.domain.contract import ContractMatch, Platform
from dutchbook.domain.ledger import AccountKey
from dutchbook.domain.quote import Hurdles
from dutchbook.domain.units import Money
from dutchbook.engine import Engine
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import Fault, FaultPlan, Window
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.platforms.paper.server import StepLag
from dutchbook.platforms.paper.time import PaperTime
from dutchbook.ports import Clock, Ids, Journal
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.generate import generate
from dutchbook.tape.message import MemoryTape, Tape

ACCOUNTS = {
    Platform.KALSHI: AccountKey(Platform.KALSHI, "shard-0", "USD"),
    Platform.POLYMARKET: AccountKey(Platform.POLYMARKET, "paper-wallet", "pUSD"),
}

LATER_MS = 5_000
"""So long after the engine has given up waiting, a late answer comes."""
POLL_SECONDS = 60.0
"""How often commands are looked for where time is the tape's alone.

A halt is met before that, at the first entry that it refuses."""


def generated_tape(seed: int, *, minutes: int = 20, pairs: int = 2) -> MemoryTape:
    """Make up a tape; see `dutchbook.tape.generate`."""
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
    fence: Fence | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> Engine:
    """Join an engine that trades `pairs` on paper: see `traded_pairs`; None for the tape's.

    With a `fence` every commit is held against its lease, and with its file of halts every
    send; see `dutchbook.application.lease`.
    """
    followed = tape.meta.pairs if pairs is None else tuple(pairs)
    ids = ids or SeededIds(seed, run)
    bus = EventBus(journal, clock, ids, fence)
    risk = RiskManager(journal, bus, clock, ids, settings.limits(), ACCOUNTS)
    watchlist, offered = Watchlist(followed), Watchlist(followed)
    lag = StepLag(settings.paper.lag_steps)
    exchanges, gateways = _platforms(settings, tape, clock, lag, seed)
    hurdles = settings.hurdles(polled=tape.meta.polled)
    base = _Base(settings, hurdles, journal, bus, risk, watchlist, gateways, clock, ids)
    rules = _carrying_rules(settings, hurdles)
    carried = carrying(journal, bus, risk, watchlist, gateways, clock, ids, rules)
    entering, recorder = _entering(base, carried), Recorder(bus)
    heard, judged = (watchlist, entering.queue, risk, recorder), (hurdles, offered)
    choose = carried.first_legs.choose
    detection = DetectionService(*heard, bus, clock, ids, *judged, choose)
    parts = _parts(base, carried, entering, detection, recorder)
    engine = _engine(
        tape, base, parts, carried, entering, offered, exchanges, lag, poll_seconds
    )
    for platform, exchange in exchanges.items():
        exchange.on_taken = engine.taken(platform)
    return engine


@dataclass(frozen=True, slots=True)
class _Base:
    """What nearly every part stands on."""

    settings: Settings
    hurdles: Hurdles
    journal: Journal
    bus: EventBus
    risk: RiskManager
    watchlist: Watchlist
    gateways: Mapping[Platform, PaperGateway]
    clock: Clock
    ids: Ids


@dataclass(frozen=True, slots=True)
class _Entering:
    """What starts executions and carries them to their end."""

    executions: ExecutionService
    queue: ExecutionQueueService
    throttle: PairThrottle
    reconciling: Reconciling


def _parts(
    base: _Base,
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
        carried.holdings,
        recorder,
        base.gateways,
        base.clock,
        base.ids,
    )


def _lifecycle(
    base: _Base,
    parts: Parts,
    carried: Carrying,
    entering: _Entering,
    services: tuple[Service, ...],
    poll_seconds: float,
) -> EngineLifecycleService:
    """Join what starts, runs and stops the engine, and does what people ask of it."""
    wait = base.settings.execution
    executions, throttle = entering.executions, entering.throttle
    cancelling = Cancelling(
        base.journal, base.bus, executions, base.gateways, wait.answer_seconds
    )
    asked = entering.reconciling.commands
    commands = Commands(
        base.journal, base.bus, base.risk, throttle, cancelling, base.clock, asked
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
        base.clock,
        throttle=throttle,
        commands=commands,
        cancelling=cancelling,
        limits=Limits(poll_seconds, wait.drain_seconds),
    )


def _engine(
    tape: Tape,
    base: _Base,
    parts: Parts,
    carried: Carrying,
    entering: _Entering,
    offered: Watchlist,
    exchanges: dict[Platform, PaperExchange],
    lag: StepLag,
    poll_seconds: float,
) -> Engine:
    """Join the parts of trading with what works beside it."""
    settings, platforms = base.settings, (exchanges, base.gateways)
    times = (PaperTime(settings.paper.clock_offset_ms),)
    around = beside(parts, times, _rules(settings, tape))
    services = (*around.services, entering.reconciling.service)
    lifecycle = _lifecycle(base, parts, carried, entering, services, poll_seconds)
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
        entering.reconciling,
    )


def _platforms(
    settings: Settings, tape: Tape, clock: Clock, lag: StepLag, seed: int
) -> tuple[dict[Platform, PaperExchange], dict[Platform, PaperGateway]]:
    """Make both paper platforms and their gateways."""
    exchanges = {platform: _exchange(platform, settings, tape) for platform in Platform}
    plan = _fault_plan(settings, tape, seed)
    gateways = {
        platform: PaperGateway(exchange, clock, lag, plan)
        for platform, exchange in exchanges.items()
    }
    return exchanges, gateways


def _carrying_rules(settings: Settings, hurdles: Hurdles) -> CarryingRules:
    execution = settings.execution
    return CarryingRules(
        policy=AutoPolicy(execution.auto_policy),
        rescue_limit=hurdles.rescue_limit,
        controls=settings.controls(),
        book_age=hurdles.book_age,
        answer_seconds=execution.answer_seconds,
        person_after=timedelta(seconds=execution.person_after_seconds),
    )


def _entering(base: _Base, carried: Carrying) -> _Entering:
    """Join what starts executions."""
    settings, bus, clock = base.settings, base.bus, base.clock
    conclusion = Conclusion(
        bus, base.risk, carried.holdings, carried.announce, carried.first_legs, clock
    )
    failures = settings.controls().failures_before_disable
    throttle = PairThrottle(base.journal, bus, base.watchlist, clock, failures)
    executions = ExecutionService(
        bus,
        base.risk,
        base.gateways,
        base.watchlist,
        carried.settling,
        carried.single_leg,
        carried.inquiries,
        carried.announce,
        conclusion,
        carried.gate,
        clock,
        base.ids,
        base.hurdles,
        Patience(settings.execution.answer_seconds, settings.execution.queries),
    )
    queue = ExecutionQueueService(
        executions,
        base.risk,
        carried.holdings,
        carried.inquiries,
        throttle,
        clock,
        cool_down=timedelta(seconds=settings.execution.cool_down_seconds),
        bound=settings.execution.queue_bound,
    )
    return _Entering(executions, queue, throttle, _reconciling(base, carried, executions))


def _reconciling(base: _Base, carried: Carrying, executions: ExecutionService) -> Reconciling:
    """Join what compares our record with the platforms'."""
    chosen = base.settings.reconciliation
    every, grace = (timedelta(seconds=s) for s in (chosen.every_seconds, chosen.grace_seconds))
    return reconciling(
        base.journal,
        base.bus,
        base.risk,
        carried,
        executions,
        base.gateways,
        base.clock,
        base.ids,
        Comparing(every, grace),
        Questions(chosen.call_seconds, chosen.whole_seconds),
    )


def _rules(settings: Settings, tape: Tape) -> Rules:
    """Return what the services beside trading go by."""
    chosen, health = settings.exposure, settings.health
    return Rules(
        halt_on_weekly=chosen.halt_on_weekly,
        reminder_period=timedelta(seconds=chosen.reminder_seconds),
        reminder_gap=timedelta(seconds=chosen.reminder_gap_seconds),
        health=settings.health_limits(),
        rhythm=Rhythm(
            check=timedelta(seconds=health.check_seconds),
            answer=timedelta(seconds=health.answer_seconds),
            heartbeat=timedelta(seconds=health.heartbeat_seconds),
        ),
        drift=settings.drift_limits(),
        asking=Asking(every=timedelta(seconds=settings.time.check_seconds)),
        every_book_speaks=tape.meta.polled,
    )


def _exchange(platform: Platform, settings: Settings, tape: Tape) -> PaperExchange:
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


def _fault_plan(settings: Settings, tape: Tape, seed: int) -> FaultPlan:
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

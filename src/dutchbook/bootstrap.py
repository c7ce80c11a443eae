"""The composition root: the one place that names concrete classes and joins them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from dutchbook.application.beside import Parts, Rules, beside
from dutchbook.application.bus import EventBus
from dutchbook.application.carrying import Carrying, CarryingRules, carrying
from dutchbook.application.conclusion import Conclusion
from dutchbook.application.detection import DetectionService
from dutchbook.application.drift import Asking
from dutchbook.application.execution import ExecutionService, Patience
from dutchbook.application.execution_queue import ExecutionQueueService
from dutchbook.application.health import Rhythm
from dutchbook.application.lifecycle import EngineLifecycleService
from dutchbook.application.recorder import Recorder
from dutchbook.application.risk import RiskManager
from dutchbook.application.single_leg import AutoPolicy
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
from dutchbook.ports import Clock, Ids, Journal, PlatformGateway
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.generate import generate
from dutchbook.tape.message import MemoryTape, Tape

ACCOUNTS = {
    Platform.KALSHI: AccountKey(Platform.KALSHI, "shard-0", "USD"),
    Platform.POLYMARKET: AccountKey(Platform.POLYMARKET, "paper-wallet", "pUSD"),
}

Platforms = tuple[Mapping[Platform, PaperExchange], Mapping[Platform, PaperGateway]]
"""Both paper platforms, and what our engine knows them by."""

LATER_MS = 5_000
"""So long after the engine has given up waiting, a late answer comes."""


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
    platforms: Platforms | None = None,
) -> Engine:
    """Join an engine that trades `pairs` on paper: see `traded_pairs`; None for the tape's.

    `platforms` are those that outlive the engine; without them it has its own, made afresh.
    """
    followed = tape.meta.pairs if pairs is None else tuple(pairs)
    ids = ids or SeededIds(seed, run)
    bus = EventBus(journal, clock, ids)
    risk = RiskManager(journal, bus, clock, ids, settings.limits(), ACCOUNTS)
    watchlist, offered = Watchlist(followed), Watchlist(followed)
    lag = StepLag(settings.paper.lag_steps)
    exchanges, gateways = platforms or _platforms(settings, tape, clock, lag, seed)
    hurdles = settings.hurdles(polled=tape.meta.polled)
    rules = _carrying_rules(settings, hurdles)
    carried = carrying(journal, bus, risk, watchlist, gateways, clock, ids, rules)
    queue = _queue(settings, hurdles, bus, risk, watchlist, carried, gateways, clock, ids)
    recorder = Recorder(bus)
    heard, judged = (watchlist, queue, risk, recorder), (hurdles, offered)
    choose = carried.first_legs.choose
    detection = DetectionService(*heard, bus, clock, ids, *judged, choose)
    parts = Parts(
        journal,
        bus,
        risk,
        watchlist,
        queue,
        detection,
        carried.holdings,
        recorder,
        gateways,
        clock,
        ids,
    )
    engine = _engine(settings, tape, parts, carried, offered, (exchanges, gateways), lag)
    for platform, exchange in exchanges.items():
        exchange.on_taken = engine.taken(platform)
    return engine


def _engine(
    settings: Settings,
    tape: Tape,
    parts: Parts,
    carried: Carrying,
    offered: Watchlist,
    platforms: Platforms,
    lag: StepLag,
) -> Engine:
    """Join the parts of trading with what works beside it."""
    times = (PaperTime(settings.paper.clock_offset_ms),)
    around = beside(parts, times, _rules(settings, tape))
    lifecycle = EngineLifecycleService(
        parts.journal,
        parts.bus,
        parts.risk,
        parts.watchlist,
        parts.queue,
        carried,
        parts.recorder,
        parts.gateways,
        around.services,
        parts.clock,
    )
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
    )


def _platforms(
    settings: Settings, tape: Tape, clock: Clock, lag: StepLag, seed: int
) -> Platforms:
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
        collar=settings.risk.price_collar,
        book_age=hurdles.book_age,
        answer_seconds=execution.answer_seconds,
        person_after=timedelta(seconds=execution.person_after_seconds),
    )


def _queue(
    settings: Settings,
    hurdles: Hurdles,
    bus: EventBus,
    risk: RiskManager,
    watchlist: Watchlist,
    carrying: Carrying,
    gateways: Mapping[Platform, PlatformGateway],
    clock: Clock,
    ids: Ids,
) -> ExecutionQueueService:
    """Join what starts executions."""
    conclusion = Conclusion(
        bus, risk, carrying.holdings, carrying.announce, carrying.first_legs, clock
    )
    executions = ExecutionService(
        bus,
        risk,
        gateways,
        watchlist,
        carrying.settling,
        carrying.single_leg,
        carrying.inquiries,
        carrying.announce,
        conclusion,
        clock,
        ids,
        hurdles,
        Patience(settings.execution.answer_seconds, settings.execution.queries),
    )
    return ExecutionQueueService(
        executions,
        risk,
        carrying.holdings,
        carrying.inquiries,
        clock,
        cool_down=timedelta(seconds=settings.execution.cool_down_seconds),
        bound=settings.execution.queue_bound,
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

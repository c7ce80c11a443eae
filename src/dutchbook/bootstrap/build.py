"""The composition root: the one place that names concrete classes and joins them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.detection.service import DetectionService
from dutchbook.application.lifecycle import (
    PairTradeServices,
)
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.monitoring.log_anchors import LogAnchors
from dutchbook.application.operator.reconciliation import ReconciliationCommands
from dutchbook.application.reconciliation.unbooked_fills import UnbookedFills
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.lease import Fence
from dutchbook.application.records.recorder import Recorder
from dutchbook.bootstrap.base import Base
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.entries import EntryServices, build_entries
from dutchbook.bootstrap.exits import ExitServices, build_exits
from dutchbook.bootstrap.lifecycle import build_lifecycle
from dutchbook.bootstrap.monitoring import Parts, build_monitoring
from dutchbook.bootstrap.pair_trades import build_pair_trades
from dutchbook.bootstrap.rules import (
    exit_service_rules,
    fault_plan,
    monitoring_rules,
    pair_trade_rules,
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
    committer = Committer(journal, clock, ids, fence)
    risk = RiskManager(journal, committer, clock, ids, settings.limits(), ACCOUNTS)
    watchlist, offered = Watchlist(followed), Watchlist(followed)
    lag = StepLag(settings.paper.lag_steps)
    exchanges, gateways = platforms or _platforms(settings, tape, clock, lag, seed)
    hurdles = settings.hurdles(polled=tape.meta.polled)
    base = Base(settings, hurdles, journal, committer, risk, watchlist, gateways, clock, ids)
    trading = build_pair_trades(base, pair_trade_rules(settings, hurdles))
    ending = _exits(base, trading, tape)
    entering, recorder = build_entries(base, trading, ending[1]), Recorder(committer)
    detection = _detection(base, trading, entering, recorder, offered)
    parts = _parts(base, trading, entering, detection, recorder)
    engine = _engine(
        tape,
        base,
        parts,
        trading,
        entering,
        ending,
        offered,
        exchanges,
        lag,
        poll_seconds,
        _anchoring(base, anchors, first=run == 1),
    )
    return _subscribed(engine, exchanges, results or {})


def _subscribed(
    engine: Engine, exchanges: Mapping[Platform, PaperExchange], results: Mapping[Key, Ruling]
) -> Engine:
    """Subscribe the exit services and the engine; give it the results of the contracts."""
    engine.results.update(results)
    exits = engine.exiting
    for subscriber in (exits.merging, exits.settlement, exits.partial.on_event):
        engine.committer.subscribe(subscriber)
    for platform, exchange in exchanges.items():
        exchange.subscribe(engine.taken(platform))
    return engine


def _exits(base: Base, trading: PairTradeServices, tape: Tape) -> tuple[Sessions, ExitServices]:
    """Build the exit services, and the sessions that exits and monitoring both follow."""
    sessions = Sessions()
    return sessions, build_exits(
        base, trading, sessions, exit_service_rules(base.settings, tape)
    )


def _detection(
    base: Base,
    trading: PairTradeServices,
    entering: EntryServices,
    recorder: Recorder,
    offered: Watchlist,
) -> DetectionService:
    return DetectionService(
        base.watchlist,
        entering.queue,
        base.risk,
        recorder,
        base.committer,
        base.clock,
        base.ids,
        base.hurdles,
        offered,
        trading.first_legs,
    )


def _parts(
    base: Base,
    trading: PairTradeServices,
    entering: EntryServices,
    detection: DetectionService,
    recorder: Recorder,
) -> Parts:
    return Parts(
        base.journal,
        base.committer,
        base.risk,
        base.watchlist,
        entering.queue,
        detection,
        trading.trades,
        trading.announce,
        recorder,
        base.gateways,
        base.clock,
        base.ids,
    )


def _engine(
    tape: Tape,
    base: Base,
    parts: Parts,
    trading: PairTradeServices,
    entering: EntryServices,
    ending: tuple[Sessions, ExitServices],
    offered: Watchlist,
    exchanges: Mapping[Platform, PaperExchange],
    lag: StepLag,
    poll_seconds: float,
    anchoring: LogAnchors | None,
) -> Engine:
    """Join the parts of trading with the monitoring services."""
    settings = base.settings
    times = (PaperTime(settings.paper.clock_offset_ms),)
    sessions, ends = ending
    around = build_monitoring(parts, times, sessions, monitoring_rules(settings, tape))
    services = (
        *around.services,
        entering.reconciling.service,
        _unbooked_fills(base, trading, entering.reconciling),
        *ends.services,
        *filter(None, (anchoring,)),
    )
    lifecycle = build_lifecycle(base, parts, trading, entering, services, ends, poll_seconds)
    return Engine(
        settings,
        tape,
        tuple(base.watchlist.matches.values()),
        parts.journal,
        parts.clock,
        parts.committer,
        parts.risk,
        parts.watchlist,
        offered,
        parts.queue,
        parts.detection,
        trading,
        parts.recorder,
        lifecycle,
        exchanges,
        base.gateways,
        lag,
        around,
        ends,
        anchoring,
        entering.reconciling,
    )


def _unbooked_fills(
    base: Base, trading: PairTradeServices, reconciling: ReconciliationCommands
) -> UnbookedFills:
    """Make unbooked fills bring forward the next comparison."""
    return UnbookedFills(
        base.journal,
        trading.trades,
        trading.reported,
        reconciling.own,
        reconciling.service,
        base.clock,
    )


def _anchoring(base: Base, anchors: Anchors | None, *, first: bool) -> LogAnchors | None:
    if anchors is None:
        return None
    every = base.settings.records.anchor_every
    return LogAnchors(
        base.journal, base.committer, anchors, base.clock, every=every, first=first
    )


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

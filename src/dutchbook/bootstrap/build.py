"""The composition root: joins the services of an engine, whatever it trades on."""

from __future__ import annotations

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.detection.service import DetectionService
from dutchbook.application.lifecycle import PairTradeServices
from dutchbook.application.market.feed import MarketFeed
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
from dutchbook.bootstrap.rules import exit_service_rules, monitoring_rules, pair_trade_rules
from dutchbook.bootstrap.surroundings import Surroundings
from dutchbook.config import Settings
from dutchbook.ports.anchors import Anchors
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock, Ids


def build(
    settings: Settings,
    around: Surroundings,
    journal: Journal,
    clock: Clock,
    ids: Ids,
    *,
    poll_seconds: float,
    run: int = 1,
    fence: Fence | None = None,
    anchors: Anchors | None = None,
) -> Engine:
    """Build the engine that trades on what is `around` it.

    A `fence` checks every commit against its lease and every send against its HALT file;
    `anchors` store heads of the log. People's commands are read every `poll_seconds`.
    """
    committer = Committer(journal, clock, ids, fence)
    risk = RiskManager(journal, committer, clock, ids, settings.limits(), around.accounts)
    hurdles = settings.hurdles(polled=around.polled)
    base = Base(
        settings,
        hurdles,
        journal,
        committer,
        risk,
        around.watchlist,
        around.gateways,
        clock,
        ids,
    )
    trading = build_pair_trades(base, pair_trade_rules(settings, hurdles))
    ending = _exits(base, trading, polled=around.polled)
    entering, recorder = build_entries(base, trading, ending[1]), Recorder(committer)
    detection = _detection(base, trading, entering, recorder, around.offered)
    parts = _parts(base, trading, entering, detection, recorder)
    anchoring = _anchoring(base, anchors, first=run == 1)
    engine = _engine(around, base, parts, trading, entering, ending, poll_seconds, anchoring)
    for subscriber in (ending[1].merging, ending[1].settlement, ending[1].partial.on_event):
        committer.subscribe(subscriber)
    return engine


def _exits(
    base: Base, trading: PairTradeServices, *, polled: bool
) -> tuple[Sessions, ExitServices]:
    """Build the exit services, and the sessions that exits and monitoring both follow."""
    sessions = Sessions()
    rules = exit_service_rules(base.settings, polled=polled)
    return sessions, build_exits(base, trading, sessions, rules)


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
    around: Surroundings,
    base: Base,
    parts: Parts,
    trading: PairTradeServices,
    entering: EntryServices,
    ending: tuple[Sessions, ExitServices],
    poll_seconds: float,
    anchoring: LogAnchors | None,
) -> Engine:
    """Join the parts of trading with the monitoring services and the market data."""
    settings = base.settings
    sessions, ends = ending
    rules = monitoring_rules(settings, polled=around.polled)
    monitoring = build_monitoring(parts, around.times, sessions, rules)
    services = (
        *monitoring.services,
        entering.reconciling.service,
        _unbooked_fills(base, trading, entering.reconciling),
        *ends.services,
        *filter(None, (anchoring,)),
    )
    lifecycle = build_lifecycle(base, parts, trading, entering, services, ends, poll_seconds)
    followers = (parts.detection, ends.exits)
    return Engine(
        settings,
        around,
        parts.journal,
        parts.clock,
        parts.committer,
        parts.risk,
        parts.watchlist,
        parts.queue,
        parts.detection,
        trading,
        parts.recorder,
        lifecycle,
        MarketFeed(around.data, base.watchlist, sessions, followers, base.clock),
        monitoring,
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

"""The composition root: joins the services of an engine, whatever it trades on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.detection.service import DetectionService
from dutchbook.application.lifecycle import PairTradeServices, Service
from dutchbook.application.market.contract_facts import ContractFacts
from dutchbook.application.market.feed import BookFollower, MarketFeed
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.monitoring.database_outages import DatabaseOutageService
from dutchbook.application.monitoring.log_anchors import LogAnchors
from dutchbook.application.operator.reconciliation import ReconciliationCommands
from dutchbook.application.reconciliation.unbooked_fills import UnbookedFills
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.lease import Fence
from dutchbook.application.records.outages import Outages
from dutchbook.application.records.recorder import Recorder
from dutchbook.bootstrap.base import Base
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.entries import EntryServices, build_entries
from dutchbook.bootstrap.exits import ExitServices, build_exits
from dutchbook.bootstrap.lifecycle import build_lifecycle
from dutchbook.bootstrap.monitoring import build_hooks, build_monitoring
from dutchbook.bootstrap.pair_trades import build_pair_trades
from dutchbook.bootstrap.surroundings import Surroundings
from dutchbook.config import Settings
from dutchbook.ports.anchors import Anchors
from dutchbook.ports.hooks import Programs
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
    fence: Fence | None = None,
    anchors: Anchors | None = None,
    lease_reader: Journal | None = None,
    programs: Programs | None = None,
    outages: Outages | None = None,
) -> Engine:
    """Build the engine that trades on what is `around` it.

    A `fence` checks every commit against its lease and every send against its HALT file;
    `lease_reader` reads that lease (else the journal does); `anchors` store heads of the log;
    `outages` are those that the journal outlasts. People's commands are read every
    `poll_seconds`; `programs` starts those of the hooks.
    """
    committer = Committer(journal, clock, ids, fence)
    risk = RiskManager(journal, committer, clock, ids, settings.limits(), around.accounts)
    base = Base(
        settings,
        settings.hurdles(polled=around.polled),
        journal,
        lease_reader or journal,
        committer,
        risk,
        around.watchlist,
        around.gateways,
        clock,
        ids,
    )
    return _engine(base, around, anchors, programs, outages or Outages(), poll_seconds)


def _engine(
    base: Base,
    around: Surroundings,
    anchors: Anchors | None,
    programs: Programs | None,
    outages: Outages,
    poll_seconds: float,
) -> Engine:
    """Build all services, and join them with the market data."""
    recorder, sessions = Recorder(base.committer), Sessions()
    trading = build_pair_trades(base)
    ends = build_exits(base, trading, sessions)
    entering = build_entries(base, trading, ends)
    detection = _detection(base, trading, entering, recorder, around.offered)
    anchoring = _anchoring(base, anchors)
    facts = _facts(base)
    monitoring = build_monitoring(
        base, trading, entering.queue, detection, recorder, around, sessions, facts
    )
    services = (
        *monitoring.services,
        facts,
        entering.disagreements,
        trading.second_legs,
        *_comparing(base, trading, outages, entering.reconciling),
        *ends.services,
        *_present(anchoring, build_hooks(base, programs, monitoring.system)),
    )
    _subscribe(base, ends)
    followers = _followers(trading, detection, ends, entering)
    return Engine(
        base.settings,
        around,
        base.journal,
        base.clock,
        base.committer,
        base.risk,
        base.watchlist,
        entering.queue,
        detection,
        trading,
        recorder,
        build_lifecycle(base, recorder, trading, entering, services, ends, poll_seconds),
        MarketFeed(around.data, base.watchlist, facts, sessions, followers, base.clock),
        monitoring,
        ends,
        anchoring,
        entering.reconciling,
    )


def _present(*services: Service | None) -> Iterator[Service]:
    return (each for each in services if each is not None)


def _followers(
    trading: PairTradeServices,
    detection: DetectionService,
    ends: ExitServices,
    entering: EntryServices,
) -> tuple[BookFollower, ...]:
    """Return who is told of each change of a book, in this order."""
    worker, exits = trading.single_leg.worker, ends.exits
    return (trading.second_legs, worker, detection, exits, entering.disagreements)


def _subscribe(base: Base, ends: ExitServices) -> None:
    endings = (ends.merging, ends.settlement, ends.partial.on_event, ends.exits.on_event)
    for subscriber in endings:
        base.committer.subscribe(subscriber)


def _facts(base: Base) -> ContractFacts:
    answer = timedelta(seconds=base.settings.health.answer_seconds)
    return ContractFacts(base.watchlist, base.gateways, base.committer, base.clock, answer)


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
        trading.second_legs,
        costs_add_up=base.settings.detection.costs_add_up,
    )


def _comparing(
    base: Base,
    trading: PairTradeServices,
    outages: Outages,
    reconciling: ReconciliationCommands,
) -> tuple[Service, ...]:
    """Return the service that compares, and those that bring its next comparison forward."""
    unbooked = UnbookedFills(
        base.journal,
        trading.trades,
        trading.reported,
        reconciling.own,
        reconciling.service,
        base.clock,
    )
    service, risk = reconciling.service, base.risk
    after = DatabaseOutageService(outages, base.committer, risk, service, base.clock)
    return service, unbooked, after


def _anchoring(base: Base, anchors: Anchors | None) -> LogAnchors | None:
    if anchors is None:
        return None
    every = base.settings.records.anchor_every
    return LogAnchors(base.journal, base.committer, anchors, base.clock, every=every)

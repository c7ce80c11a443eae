"""Builds the services that run executions, and those that compare with the platforms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.execution.attempt import Timeouts
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.lifecycle import PairTradeServices
from dutchbook.application.market.disagreements import Disagreements, Persistence
from dutchbook.application.market.pair_breaker import PairBreaker
from dutchbook.application.operator.reconciliation import ReconciliationCommands
from dutchbook.bootstrap.base import Base
from dutchbook.bootstrap.exits import ExitServices
from dutchbook.bootstrap.reconciliation import build_reconciliation
from dutchbook.config import Settings
from dutchbook.domain.values.units import Money


@dataclass(frozen=True, slots=True)
class EntryServices:
    """The services that run executions."""

    executions: ExecutionService
    queue: ExecutionQueueService
    breaker: PairBreaker
    reconciling: ReconciliationCommands
    disagreements: Disagreements


def build_entries(base: Base, trading: PairTradeServices, ends: ExitServices) -> EntryServices:
    """Build the services that run executions."""
    settings, committer, clock = base.settings, base.committer, base.clock
    failures = settings.controls().failures_before_disable
    breaker = PairBreaker(base.journal, committer, base.watchlist, clock, failures)
    committer.subscribe(breaker)
    timeouts = Timeouts(settings.execution.answer_seconds, settings.execution.queries)
    executions = ExecutionService(
        trading.trades,
        base.risk,
        base.gateways,
        base.watchlist,
        trading.announce,
        trading.gate,
        trading.follow_up,
        clock,
        base.ids,
        base.hurdles,
        timeouts,
    )
    queue = ExecutionQueueService(
        executions,
        base.risk,
        trading.trades,
        base.watchlist,
        trading.disputes,
        trading.questions,
        breaker,
        clock,
        cool_down=timedelta(seconds=settings.execution.cool_down_seconds),
        bound=settings.execution.queue_bound,
        least_unhedged=_least_unhedged(settings),
    )
    reconciling = build_reconciliation(base, trading, executions, ends.settlement)
    chosen = settings.detection
    persistence = Persistence(chosen.persistent_edge, chosen.persistent_looks)
    disagreements = Disagreements(base.watchlist, breaker, clock, base.hurdles, persistence)
    return EntryServices(executions, queue, breaker, reconciling, disagreements)


def _least_unhedged(settings: Settings) -> Money | None:
    chosen = settings.exposure
    return Money(chosen.dust_dollars) if chosen.blocks_entries else None

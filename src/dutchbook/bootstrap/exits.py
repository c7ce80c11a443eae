"""Builds the services that end positions: exits, merges, and payouts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.exits.monitor import ExitMonitor
from dutchbook.application.exits.partial import PartialExits
from dutchbook.application.exits.triggers import ExitSettings
from dutchbook.application.lifecycle import PairTradeServices, Service
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.settlement.merges import MergingService
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.bootstrap.base import Base
from dutchbook.domain.positions.exit_case import Why


@dataclass(frozen=True, slots=True)
class ExitServices:
    """The services that end positions."""

    exits: ExitMonitor
    partial: PartialExits
    merging: MergingService
    settlement: SettlementService

    @property
    def services(self) -> tuple[Service, ...]:
        """All services to start, run and drain, in this order."""
        return (self.exits, self.partial, self.merging, self.settlement)


def build_exits(base: Base, trading: PairTradeServices, sessions: Sessions) -> ExitServices:
    """Build the services that end positions."""
    chosen = base.settings.execution
    answer_seconds = chosen.answer_seconds
    person_after = timedelta(seconds=chosen.person_after_seconds)
    journal, committer, clock, ids = base.journal, base.committer, base.clock, base.ids
    merging = MergingService(
        journal,
        committer,
        trading.trades,
        base.gateways,
        clock,
        ids,
        answer_seconds=answer_seconds,
        person_after=person_after,
    )
    settlement = SettlementService(
        journal,
        committer,
        trading.trades,
        merging,
        base.watchlist,
        base.gateways,
        trading.questions,
        clock,
        ids,
        every=timedelta(seconds=base.settings.exits.results_seconds),
        answer_seconds=answer_seconds,
        person_after=person_after,
    )
    partial = PartialExits(trading.trades, clock)
    exits = ExitMonitor(
        journal,
        committer,
        trading.trades,
        trading.adjustments,
        partial,
        base.watchlist,
        base.gateways,
        sessions,
        settlement,
        base.risk.halts,
        clock,
        _exit_settings(base),
    )
    return ExitServices(exits, partial, merging, settlement)


def _exit_settings(base: Base) -> ExitSettings:
    chosen = base.settings.exits
    leave = {"nothing": None, "risk": Why.PLATFORM_RISK, "all": Why.WIND_DOWN}
    return ExitSettings(
        rules=base.settings.exit_rules(),
        rescue_limit=base.hurdles.rescue_limit,
        book_age=base.hurdles.book_age,
        interval=timedelta(seconds=chosen.check_seconds),
        worked=bool(base.settings.work_rules().allowed),
        exiting=leave[chosen.leave],
        by_pair=chosen.by_pair(),
    )

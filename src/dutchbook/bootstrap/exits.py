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


@dataclass(frozen=True, slots=True)
class ExitServiceRules:
    """Rules of these services; each is a setting.

    Attributes:
        choices: The settings of exits.
        poll: Interval between two queries for the results of all held contracts.
        answer_seconds: Timeout of an answer, after which an outcome is unknown.
        person_after: How long a request has no answer before a person is notified.
    """

    choices: ExitSettings
    poll: timedelta
    answer_seconds: int
    person_after: timedelta


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


def build_exits(
    base: Base, trading: PairTradeServices, sessions: Sessions, rules: ExitServiceRules
) -> ExitServices:
    """Build the services that end positions."""
    journal, committer, clock, ids = base.journal, base.committer, base.clock, base.ids
    merging = MergingService(
        journal,
        committer,
        trading.trades,
        base.gateways,
        clock,
        ids,
        answer_seconds=rules.answer_seconds,
        person_after=rules.person_after,
    )
    settlement = SettlementService(
        journal,
        committer,
        trading.trades,
        merging,
        base.gateways,
        trading.questions,
        clock,
        ids,
        every=rules.poll,
        answer_seconds=rules.answer_seconds,
        person_after=rules.person_after,
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
        rules.choices,
    )
    return ExitServices(exits, partial, merging, settlement)

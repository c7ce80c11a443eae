"""What ends positions, joined: exits, merges, and the payouts of resolved contracts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dutchbook.application.exits.monitor import ExitMonitor
from dutchbook.application.exits.partial import PartialExits
from dutchbook.application.exits.triggers import Choices
from dutchbook.application.lifecycle import Carrying, Service
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.settlement.merges import MergingService
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.bootstrap.base import Base


@dataclass(frozen=True, slots=True)
class LeavingRules:
    """What these go by; each is a setting.

    Attributes:
        choices: Of exits.
        poll: Between two questions for the results of all held contracts.
        answer_seconds: Without an answer for so long, an outcome is unknown.
        person_after: What got no answer for so long is told to a person.
    """

    choices: Choices
    poll: timedelta
    answer_seconds: int
    person_after: timedelta


@dataclass(frozen=True, slots=True)
class Leaving:
    """The services that end positions."""

    exits: ExitMonitor
    partial: PartialExits
    merging: MergingService
    settlement: SettlementService

    @property
    def services(self) -> tuple[Service, ...]:
        """All that is started, run and drained, in this order."""
        return (self.exits, self.partial, self.merging, self.settlement)


def leaving(base: Base, carried: Carrying, sessions: Sessions, rules: LeavingRules) -> Leaving:
    """Join what ends positions."""
    journal, bus, clock, ids = base.journal, base.bus, base.clock, base.ids
    merging = MergingService(
        journal,
        bus,
        carried.trades,
        base.gateways,
        clock,
        ids,
        answer_seconds=rules.answer_seconds,
        person_after=rules.person_after,
    )
    settlement = SettlementService(
        journal,
        bus,
        carried.trades,
        merging,
        base.gateways,
        carried.questions,
        clock,
        ids,
        every=rules.poll,
        answer_seconds=rules.answer_seconds,
        person_after=rules.person_after,
    )
    partial = PartialExits(carried.trades, clock)
    exits = ExitMonitor(
        journal,
        bus,
        carried.trades,
        carried.adjustments,
        partial,
        base.watchlist,
        base.gateways,
        sessions,
        settlement,
        base.risk.halts,
        clock,
        rules.choices,
    )
    return Leaving(exits, partial, merging, settlement)

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
from dutchbook.bootstrap.monitoring import Parts


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


def leaving(
    parts: Parts, carried: Carrying, sessions: Sessions, rules: LeavingRules
) -> Leaving:
    """Join what ends positions, and let it hear the bus."""
    journal, bus, clock, ids = parts.journal, parts.bus, parts.clock, parts.ids
    merging = MergingService(
        journal,
        bus,
        carried.holdings,
        carried.books,
        parts.gateways,
        clock,
        ids,
        answer_seconds=rules.answer_seconds,
        person_after=rules.person_after,
    )
    settlement = SettlementService(
        journal,
        bus,
        carried.holdings,
        carried.books,
        merging,
        parts.gateways,
        carried.inquiries.notice,
        clock,
        ids,
        every=rules.poll,
        answer_seconds=rules.answer_seconds,
        person_after=rules.person_after,
    )
    partial = PartialExits(journal, bus, carried.holdings, carried.announce)
    exits = ExitMonitor(
        journal,
        bus,
        carried.holdings,
        carried.adjustments,
        partial,
        parts.watchlist,
        parts.gateways,
        sessions,
        settlement.resolved,
        clock,
        rules.choices,
    )
    asked = exits.wind_down
    exits.wind_down = lambda pair_id: parts.risk.winding_down or asked(pair_id)
    carried.adjustments.told = partial.told
    for subscriber in (merging, settlement, partial.hear):
        bus.subscribe(subscriber)
    return Leaving(exits, partial, merging, settlement)

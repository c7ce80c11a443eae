"""Reconciliation, joined."""

from __future__ import annotations

from collections.abc import Mapping

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.lifecycle import Carrying
from dutchbook.application.operator.reconciliation import Reconciling
from dutchbook.application.reconciliation.our_state import OwnSide
from dutchbook.application.reconciliation.outstanding import Outstanding
from dutchbook.application.reconciliation.platform_state import Patience, TheirSide
from dutchbook.application.reconciliation.repair import Repairer
from dutchbook.application.reconciliation.resolve import Resolver
from dutchbook.application.reconciliation.service import Rhythm, StartupReconciliationService
from dutchbook.application.records.committer import EventBus
from dutchbook.application.recovery.late_fills import LateFills
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock, Ids


def reconciling(
    journal: Journal,
    bus: EventBus,
    risk: RiskManager,
    carried: Carrying,
    executions: ExecutionService,
    gateways: Mapping[Platform, PlatformGateway],
    clock: Clock,
    ids: Ids,
    rhythm: Rhythm,
    patience: Patience,
) -> Reconciling:
    """Join what compares our record with the platforms', and let it hear the bus."""
    holdings, disputes = carried.holdings, carried.disputes
    own = OwnSide(journal, risk, holdings, carried.recovery, executions, clock)
    theirs = TheirSide(gateways, risk.accounts, journal, clock, patience)
    late = LateFills(carried.recovery, carried.books, carried.announce, clock, ids)
    repairer = _repairer(risk, carried, late)
    service = StartupReconciliationService(
        journal,
        bus,
        risk,
        holdings,
        disputes,
        Outstanding(holdings, disputes, carried.settling),
        carried.inquiries,
        own,
        theirs,
        repairer,
        clock,
        rhythm,
    )
    resolver = Resolver(
        risk,
        holdings,
        carried.books,
        carried.announce,
        carried.recovery,
        disputes,
        own,
        theirs,
        repairer,
        clock,
        ids,
        carried.single_leg.exposed,
    )
    bus.subscribe(own)
    bus.subscribe(service)
    return Reconciling(service, own, resolver, bus)


def _repairer(risk: RiskManager, carried: Carrying, late: LateFills) -> Repairer:
    return Repairer(
        risk,
        carried.holdings,
        carried.books,
        carried.announce,
        carried.adjustments,
        carried.settling,
        carried.recovery,
        carried.inquiries,
        carried.disputes,
        late,
        carried.single_leg.exposed,
    )

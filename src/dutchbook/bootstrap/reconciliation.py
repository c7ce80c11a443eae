"""Reconciliation, joined."""

from __future__ import annotations

from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.lifecycle import Carrying
from dutchbook.application.operator.reconciliation import Reconciling
from dutchbook.application.reconciliation.our_state import OwnSide
from dutchbook.application.reconciliation.outstanding import Outstanding
from dutchbook.application.reconciliation.platform_state import Patience, TheirSide
from dutchbook.application.reconciliation.repair import Repairer
from dutchbook.application.reconciliation.resolve import Resolver
from dutchbook.application.reconciliation.service import Rhythm, StartupReconciliationService
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.bootstrap.base import Base


def reconciling(
    base: Base,
    carried: Carrying,
    executions: ExecutionService,
    payouts: SettlementService,
    rhythm: Rhythm,
    patience: Patience,
) -> Reconciling:
    """Join what compares our record with the platforms', and subscribe it to the bus."""
    trades, disputes, capital = carried.trades, carried.disputes, base.risk.capital
    own = OwnSide(base.journal, capital, trades, carried.loader, executions, base.clock)
    theirs = TheirSide(base.gateways, capital.accounts, base.journal, base.clock, patience)
    repairer = _repairer(base, carried, own)
    service = StartupReconciliationService(
        base.journal,
        base.bus,
        base.risk,
        trades,
        disputes,
        Outstanding(trades, disputes, carried.settling),
        carried.questions,
        payouts,
        own,
        theirs,
        repairer,
        base.clock,
        rhythm,
    )
    resolver = Resolver(
        base.risk,
        trades,
        carried.recovery,
        disputes,
        own,
        theirs,
        repairer,
        base.clock,
        base.ids,
        carried.single_leg,
    )
    base.bus.subscribe(own)
    base.bus.subscribe(service)
    return Reconciling(service, own, resolver, base.bus)


def _repairer(base: Base, carried: Carrying, own: OwnSide) -> Repairer:
    return Repairer(
        base.risk,
        carried.trades,
        own,
        carried.settling,
        carried.recovery,
        carried.questions,
        carried.disputes,
        carried.single_leg,
        base.clock,
    )

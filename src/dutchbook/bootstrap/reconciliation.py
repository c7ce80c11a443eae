"""Builds the reconciliation services."""

from __future__ import annotations

from datetime import timedelta

from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.lifecycle import PairTradeServices
from dutchbook.application.operator.reconciliation import ReconciliationCommands
from dutchbook.application.reconciliation.our_state import OurStateReader
from dutchbook.application.reconciliation.outstanding import Outstanding
from dutchbook.application.reconciliation.platform_state import PlatformStateReader, Timeouts
from dutchbook.application.reconciliation.repair import Repairer
from dutchbook.application.reconciliation.resolve import Resolver
from dutchbook.application.reconciliation.service import Intervals, StartupReconciliationService
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.bootstrap.base import Base


def build_reconciliation(
    base: Base,
    trading: PairTradeServices,
    executions: ExecutionService,
    payouts: SettlementService,
) -> ReconciliationCommands:
    """Build the services that compare our state with the platforms', and subscribe them."""
    chosen = base.settings.reconciliation
    every, grace = (timedelta(seconds=s) for s in (chosen.every_seconds, chosen.grace_seconds))
    trades, disputes, capital = trading.trades, trading.disputes, base.risk.capital
    own = OurStateReader(base.journal, capital, trades, trading.loader, executions, base.clock)
    theirs = _platform_state(base, trading)
    repairer = _repairer(base, trading, own)
    service = StartupReconciliationService(
        base.journal,
        base.committer,
        base.risk,
        trades,
        disputes,
        Outstanding(trades, disputes, trading.settling),
        trading.questions,
        payouts,
        own,
        theirs,
        repairer,
        base.clock,
        Intervals(every, grace),
    )
    resolver = Resolver(
        base.risk,
        trades,
        trading.recovery,
        disputes,
        own,
        theirs,
        repairer,
        base.clock,
        base.ids,
        trading.single_leg,
    )
    base.committer.subscribe(own)
    base.committer.subscribe(service)
    return ReconciliationCommands(service, own, resolver, base.committer)


def _platform_state(base: Base, trading: PairTradeServices) -> PlatformStateReader:
    chosen = base.settings.reconciliation
    return PlatformStateReader(
        base.gateways,
        base.risk.capital.accounts,
        base.journal,
        trading.reported,
        base.clock,
        Timeouts(chosen.call_seconds, chosen.whole_seconds),
    )


def _repairer(base: Base, trading: PairTradeServices, own: OurStateReader) -> Repairer:
    return Repairer(
        base.risk,
        trading.trades,
        own,
        trading.settling,
        trading.recovery,
        trading.questions,
        trading.disputes,
        trading.single_leg,
        base.clock,
    )

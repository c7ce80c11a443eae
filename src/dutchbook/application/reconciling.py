"""Reconciliation, joined, and what people can ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dutchbook.application.bus import EventBus
from dutchbook.application.carrying import Carrying
from dutchbook.application.commands import Answer, Handler
from dutchbook.application.execution import ExecutionService
from dutchbook.application.late_fills import LateFills
from dutchbook.application.outstanding import Outstanding
from dutchbook.application.own_side import OwnSide
from dutchbook.application.reconciliation import Rhythm, StartupReconciliationService
from dutchbook.application.repairing import Repairer
from dutchbook.application.resolving import Resolver
from dutchbook.application.risk import RiskManager
from dutchbook.application.their_side import Patience, TheirSide
from dutchbook.domain.contract import Platform
from dutchbook.domain.reconciliation import Choice
from dutchbook.domain.units import decimal
from dutchbook.errors import InvalidInput
from dutchbook.ports import Batch, Clock, Ids, Journal, PlatformGateway


@dataclass(frozen=True, slots=True)
class Reconciling:
    """The service, and what carries out a person's decisions."""

    service: StartupReconciliationService
    own: OwnSide
    resolver: Resolver
    bus: EventBus

    @property
    def commands(self) -> Mapping[str, Handler]:
        """What a person can ask for through `operator_commands`."""
        return {"reconcile": self._reconcile, "resolve": self._resolve}

    async def _reconcile(
        self, _: Mapping[str, Any], answered: Callable[[Answer], Batch]
    ) -> None:
        """Compare as soon as possible; the result is an event of its own."""
        why = self.service.request()
        told: Answer = {"done": why is None}
        await self.bus.commit(answered(told if why is None else told | {"why": why}))

    async def _resolve(
        self, row: Mapping[str, Any], answered: Callable[[Answer], Batch]
    ) -> None:
        arguments = row["arguments"] if isinstance(row["arguments"], dict) else {}
        subject = str(arguments.get("subject", ""))

        def told(became: str) -> Batch:
            return answered({"done": True, "subject": subject, "became": became})

        choice = arguments.get("choice")
        if choice not in {each.value for each in Choice}:
            known = ", ".join(each.value for each in Choice)
            raise InvalidInput("choice", choice, f"one of {known}")
        paid = _paid(arguments.get("paid"))
        rationale = row["rationale"] or ""
        await self.resolver.resolve(subject, Choice(choice), rationale, paid, told)


def _paid(given: object) -> dict[Platform, Decimal]:
    if given is None:
        return {}
    known = {each.value for each in Platform}
    if not isinstance(given, dict) or not set(given) <= known:
        raise InvalidInput("paid", given, "dollars a contract, by platform")
    return {Platform(name): decimal(value, f"paid on {name}") for name, value in given.items()}


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

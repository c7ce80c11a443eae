"""A person's commands on reconciliation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from dutchbook.application.operator.commands import Answer, Answered, Handler
from dutchbook.application.reconciliation.our_state import OurStateReader
from dutchbook.application.reconciliation.resolve import Resolver
from dutchbook.application.reconciliation.service import StartupReconciliationService
from dutchbook.application.records.committer import Committer
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.findings import Choice
from dutchbook.domain.values.units import decimal
from dutchbook.errors import InvalidInput
from dutchbook.ports.journal import Batch
from dutchbook.ports.tables.table import Row


@dataclass(frozen=True, slots=True)
class ReconciliationCommands:
    """Hands reconciliation commands to the service and to the resolver."""

    service: StartupReconciliationService
    own: OurStateReader
    resolver: Resolver
    committer: Committer

    @property
    def commands(self) -> Mapping[str, Handler]:
        """Handlers of these `operator_commands`, by name."""
        return {"reconcile": self._reconcile, "resolve": self._resolve}

    async def _reconcile(self, _: Row, answered: Answered) -> None:
        """Compare as soon as possible; the result is an event of its own."""
        why = self.service.request()
        answer: Answer = {"done": why is None}
        await self.committer.commit(answered(answer if why is None else answer | {"why": why}))

    async def _resolve(self, row: Row, answered: Answered) -> None:
        arguments = row["arguments"] if isinstance(row["arguments"], dict) else {}
        subject = str(arguments.get("subject", ""))

        def answer(became: str) -> Batch:
            return answered({"done": True, "subject": subject, "became": became})

        choice = arguments.get("choice")
        if choice not in {each.value for each in Choice}:
            known = ", ".join(each.value for each in Choice)
            raise InvalidInput("choice", choice, f"one of {known}")
        paid = _paid(arguments.get("paid"))
        rationale = row["rationale"] or ""
        await self.resolver.resolve(subject, Choice(choice), rationale, paid, answer)


def _paid(given: object) -> dict[Platform, Decimal]:
    if given is None:
        return {}
    known = {each.value for each in Platform}
    if not isinstance(given, dict) or not set(given) <= known:
        raise InvalidInput("paid", given, "dollars a contract, by platform")
    return {Platform(name): decimal(value, f"paid on {name}") for name, value in given.items()}

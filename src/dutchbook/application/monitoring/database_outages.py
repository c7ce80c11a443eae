"""Halts entries while the database does not answer, and compares before they go on.

Nothing is sent meanwhile, since orders are committed before they are sent. But prices move on,
so that an entry which waited for its commit must not be sent either; and the platforms may have
filled what was sent just before.
"""

from __future__ import annotations

import asyncio

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.reconciliation.service import StartupReconciliationService
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.outages import Outages
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import SystemHealthCritical
from dutchbook.errors import Conflict, InvalidInput
from dutchbook.ports.time import Clock

REASON = HaltReason.DATABASE_OUTAGE
AGAIN_SECONDS = 1


class DatabaseOutageService:
    """Follows the outages of the database, one after the other.

    A halt of an outage is lifted by the comparison after it, also by the one of the next start
    if the engine ended meanwhile.
    """

    def __init__(
        self,
        outages: Outages,
        committer: Committer,
        risk: RiskManager,
        reconciliation: StartupReconciliationService,
        clock: Clock,
    ) -> None:
        self._outages = outages
        self._committer = committer
        self._risk = risk
        self._reconciliation = reconciliation
        self._clock = clock
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Load nothing: the halts are loaded, and the comparison at start follows."""

    async def run(self) -> None:
        """Follow outages until cancelled."""
        await self._resume("the database answers, and the platforms were compared")
        while True:
            await self._outages.next()
            self._idle.clear()
            await self._follow()
            if not self._outages.pending:
                self._idle.set()

    async def drained(self) -> None:
        """Wait for the comparison after an outage."""
        await self._idle.wait()

    async def _follow(self) -> None:
        """Halt entries, wait until the database answers, compare, and lift the halt."""
        detail = f"no answer from {self._outages.standing or 'the database'}"
        stamp = self._committer.stamp("health")
        critical = SystemHealthCritical(stamp, component="database", detail=detail)
        self._committer.publish(critical)
        # It takes effect at once, and is durable when the database answers.
        await self._risk.halts.halt_trading(REASON, detail)
        await self._reconciliation.reconcile()
        if not self._outages.pending:
            after = f"the database answered after {self._outages.seconds} s"
            await self._resume(f"{after}, and the platforms were compared")

    async def _resume(self, rationale: str) -> None:
        while REASON in self._risk.capital.state.halt_reasons:
            try:
                await self._risk.halts.resume_trading(REASON, rationale)
            except InvalidInput:
                return  # a person was faster
            except Conflict:  # a person has just halted trading
                await self._clock.sleep(AGAIN_SECONDS)

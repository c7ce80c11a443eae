"""TimeDriftService: compares our clock with time servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.monitoring.platform_health import SystemHealth
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import TimeDriftCritical, TimeDriftHalt, TimeDriftWarning
from dutchbook.domain.market.health import DriftLevel, DriftLimits
from dutchbook.domain.values.units import plain
from dutchbook.errors import TimeUnknown
from dutchbook.ports.journal import Batch
from dutchbook.ports.time import Clock, TimeSource

KINDS = {
    DriftLevel.WARNING: TimeDriftWarning,
    DriftLevel.CRITICAL: TimeDriftCritical,
    DriftLevel.HALT: TimeDriftHalt,
}
ANSWER_SECONDS = 5
"""Timeout of a time server's answer."""
TRIES = 3
PAUSE_SECONDS = 2
"""Wait between two tries."""


class TimeDriftService:
    """Checks the clock at the start, before anything is traded, and then every hour.

    Signatures carry our time and the age of a book is measured by it, so a clock that is off by
    a second halts trading; a person clears the halt once the clock is right.
    """

    def __init__(
        self,
        committer: Committer,
        risk: RiskManager,
        sources: Sequence[TimeSource],
        system: SystemHealth,
        clock: Clock,
        limits: DriftLimits,
        *,
        every: timedelta,
    ) -> None:
        self._committer = committer
        self._risk = risk
        self._sources = sources
        self._system = system
        self._clock = clock
        self._limits = limits
        self._every = every
        self._checking = asyncio.Lock()
        self._unknown = False

    async def start(self) -> None:
        """Check before the first execution."""
        await self._check()

    async def run(self) -> None:
        """Check every hour, until cancelled."""
        while True:
            await self._clock.sleep(self._every.total_seconds())
            async with self._checking:
                await self._check()

    async def drained(self) -> None:
        """Wait for the check under way."""
        async with self._checking:
            pass

    async def _check(self) -> None:
        drift = await self._ask()
        if drift is None:
            if not self._unknown:
                self._system.critical("clock", f"no time server answered in {TRIES} tries")
            self._unknown = True
            return
        self._unknown = False
        level, bound = self._limits.judge(drift)
        if level is DriftLevel.HALT:
            detail = f"our clock is off by {plain(drift)} ms"
            await self._risk.halts.halt_trading(HaltReason.TIME_DRIFT, detail)
        if level is not DriftLevel.NONE:
            event = KINDS[level](self._committer.stamp("clock"), drift_ms=drift, bound_ms=bound)
            await self._committer.commit(Batch(events=(event,)))

    async def _ask(self) -> Decimal | None:
        """Return the first answer; each try asks one server after the other."""
        for attempt in range(TRIES):
            if attempt:
                await self._clock.sleep(PAUSE_SECONDS)
            for source in self._sources:
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        return await source.offset_ms()
                except (TimeUnknown, TimeoutError):
                    continue
        return None

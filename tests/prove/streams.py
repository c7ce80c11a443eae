"""A platform's stream of trades to the engine that lives: lossy, doubled, or broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dutchbook.ports.orders import Connected, FillReport, Gap, TradeUpdate
from dutchbook.ports.time import Clock
from prove.catalogue import BROKEN_OFF
from prove.platform import Platform

BROKEN_PARTS = 15_000
"""Share of reports at which the stream breaks off, in parts per million."""
LONGEST_BREAK = 30
"""The most seconds until it is connected again."""
Line = Callable[[], "asyncio.Queue[TradeUpdate] | None"]
"""Returns the queue of the engine that lives; None: none does."""


class Stream:
    """Forwards the reports of one platform."""

    def __init__(self, platform: Platform, line: Line, clock: Clock) -> None:
        self._platform = platform
        self._line = line
        self._clock = clock
        self._breaking: asyncio.Task[None] | None = None

    def told_again(self) -> None:
        """Report every fill that is final once more, as at a connection."""
        for report in self._platform.final:
            self._tell(report)

    async def run(self) -> None:
        """Forward reports; lose, delay or repeat some."""
        plan, tally, held = self._platform.plan, self._platform.tally, None
        while True:
            report = await self._platform.updates.get()
            assert isinstance(report, FillReport), "this stream alone breaks off"
            key = f"{report.trade_id}.{report.finality}"
            if self._line() is None or self._broken_off(key):
                continue
            if plan.strikes(21, key):
                tally.hit(21, "settlement")
                continue
            if held is None and plan.strikes(23, key):
                tally.hit(23, "settlement")
                held = report
                continue
            self._tell(report)
            if plan.strikes(22, key):
                tally.hit(22, "settlement")
                self._tell(report)
            if held is not None:
                self._tell(held)
                held = None

    def _tell(self, update: TradeUpdate) -> None:
        line = self._line()
        if line is not None:
            line.put_nowait(update)

    def _broken_off(self, key: str) -> bool:
        """Return whether a report is lost: the stream is broken, or breaks off now."""
        if self._breaking is not None and not self._breaking.done():
            return True
        plan = self._platform.plan
        if not (plan.on and plan.habit(BROKEN_OFF, key, BROKEN_PARTS)):
            return False
        self._platform.tally.hit(BROKEN_OFF, "settlement")
        seconds = 1 + plan.draw(BROKEN_OFF, f"{key}.for") % LONGEST_BREAK
        self._breaking = asyncio.ensure_future(self._break_off(seconds))
        return True

    async def _break_off(self, seconds: int) -> None:
        self._tell(Gap(self._clock.now()))
        await self._clock.sleep(seconds)
        self._tell(Connected())

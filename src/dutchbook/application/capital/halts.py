"""Halts: a set of reasons, durable, cleared one by one; and the trading day."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from dutchbook.application.capital.overrides import Overrides
from dutchbook.application.capital.rows import SINGLETON, halt_update
from dutchbook.domain.capital.limits import HaltReason, RiskState
from dutchbook.domain.events import TradingHalted, TradingResumed
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.errors import Conflict, InvalidInput
from dutchbook.ports.journal import Batch, Update


class Halts(Overrides):
    """Halts and resumes trading.

    A halt counts in this process from the moment it is asked for, before it is durable; a
    resumption only once it is. Their commits go one after the other, each with all reasons that
    stand, so that none overwrites another.
    """

    @cached_property
    def _halting(self) -> asyncio.Lock:
        return asyncio.Lock()

    @property
    def winding_down(self) -> bool:
        """Whether positions are to be left in the cheapest way, and nothing is entered."""
        return HaltReason.WINDING_DOWN in self.state.halt_reasons

    async def halt_trading(
        self, reason: HaltReason, detail: str, alongside: Batch | None = None
    ) -> None:
        """Refuse new executions until every reason is cleared.

        A reason that stands already changes nothing, and `alongside` is kept all the same.
        """
        more = alongside or Batch()
        new = reason not in self.state.halt_reasons
        if new:
            self.state = self.state.halted(reason)
        async with self._halting:
            if new:
                reasons = tuple(sorted(self.state.halt_reasons))
                event = TradingHalted(self._bus.stamp("risk"), reason.value, reasons, detail)
                more = Batch((halt_update(self.state),), (event,)) + more
            if more:
                await self._bus.commit(more)

    async def resume_trading(
        self, reason: HaltReason, rationale: str, alongside: Batch | None = None
    ) -> bool:
        """Clear one reason; returns whether trading is on again.

        Raises:
            InvalidInput: The reason does not stand.
            Conflict: Another process halted trading at this moment; nothing was cleared.
        """
        async with self._halting:
            if reason not in self.state.halt_reasons:
                raise InvalidInput("reason", reason.value, "a halt reason that stands now")
            resumed = self._resumed(self.state, reason, rationale)
            await self._bus.commit(resumed + (alongside or Batch()))
            self.state = self.state.resumed(reason)
        return not self.state.trading_halted

    def _resumed(
        self, before: RiskState, reason: HaltReason, rationale: str, **put: Any
    ) -> Batch:
        """Return what clears a reason, and what other processes see once none is left."""
        after = before.resumed(reason)
        event = TradingResumed(
            self._bus.stamp("risk"), reason.value, tuple(sorted(after.halt_reasons)), rationale
        )
        cleared = halt_update(after)
        change = replace(cleared, put={**cleared.put, **put})
        fence = self._bus.fence
        lifted = () if after.trading_halted or fence is None else fence.lifted()
        return Batch((change, *lifted), (event,))

    async def start_day(self) -> None:
        """Reset the daily figures when a trading day has begun, and lift its halt alone.

        Both in one commit; when another process halts trading in that moment, neither is kept,
        and the next call tries again.
        """
        today, reason = self._today(), HaltReason.DAILY_LOSS_LIMIT
        async with self._halting:
            before = self.state
            if today <= before.last_reset:
                return
            put = {"last_reset_timestamp": today, "daily_pnl": ZERO}
            batch = Batch((Update("risk_states", SINGLETON, put=put),))
            lifts = reason in before.halt_reasons
            if lifts:
                batch = self._resumed(before, reason, "a new trading day began", **put)
            try:
                await self._bus.commit(batch)
            except Conflict:
                return
            # What was won or lost meanwhile was added to the new day's figure.
            won = Money(self.state.daily_pnl - before.daily_pnl)
            self.state = replace(self.state, last_reset=today, daily_pnl=won)
            if lifts:
                self.state = self.state.resumed(reason)
            self._measured["daily_loss"] = Decimal(0)

    async def follow_days(self) -> None:
        """Begin each trading day when its hour comes, until cancelled."""
        while True:
            await self._clock.sleep_until(self._today() + timedelta(days=1))
            await self.start_day()
            while self.state.last_reset < self._today():
                await self._clock.sleep(1)
                await self.start_day()

    async def enforce(self) -> None:
        """Halt when the day's loss has reached its limit."""
        if -self.state.daily_pnl >= self.limits.daily_loss:
            loss = f"{-self.state.daily_pnl} lost of {self.limits.daily_loss}"
            await self.halt_trading(HaltReason.DAILY_LOSS_LIMIT, loss)

"""Halts: a set of reasons, durable, cleared one by one; and the trading day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dutchbook.application.capital.capital import Alone, Capital
from dutchbook.application.capital.rows import halt_update
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.rows import SINGLETON
from dutchbook.application.records.shielding import to_its_end
from dutchbook.domain.capital.limits import HaltReason, RiskState
from dutchbook.domain.events import TradingHalted, TradingResumed
from dutchbook.domain.pair_trades.capital import CapitalChange
from dutchbook.domain.values.units import ZERO, Money, plain
from dutchbook.errors import Conflict, InvalidInput
from dutchbook.ports.journal import Batch, Update
from dutchbook.ports.time import Clock

Halted = tuple[Mapping[str, Any], tuple[TradingHalted, ...]]
"""Columns of the risk state and events that record a halt; empty: there is none to record."""
LOOK_SECONDS = 60
"""How long a clock that was set may go unnoticed."""


class Halts:
    """Halts and resumes trading.

    A halt takes effect in this process when it is requested, before it is durable; a resumption
    only once it is durable. Commits are serialised, and each includes all current reasons, so
    that none overwrites another.
    """

    def __init__(self, capital: Capital, committer: Committer, clock: Clock) -> None:
        self._capital = capital
        self._committer = committer
        self._clock = clock
        self._halting = asyncio.Lock()

    @property
    def winding_down(self) -> bool:
        """Whether positions are to be exited as cheaply as possible, with no new entries."""
        return HaltReason.WINDING_DOWN in self._capital.state.halt_reasons

    @to_its_end
    async def halt_trading(
        self, reason: HaltReason, detail: str, alongside: Batch | None = None
    ) -> None:
        """Reject new executions until every reason is cleared.

        A reason that is already set changes nothing; `alongside` is committed anyway.
        """
        capital, more = self._capital, alongside or Batch()
        new = reason not in capital.state.halt_reasons
        if new:
            capital.halt(reason)
        async with self._halting:
            if new:
                put, events = self._halted(reason, detail)
                more = Batch((Update("risk_states", SINGLETON, put=put),), events) + more
            if more:
                await self._committer.commit(more)

    def _halted(self, reason: HaltReason, detail: str) -> Halted:
        """Return what records a halt, with all reasons as they are now."""
        state, stamp = self._capital.state, self._committer.stamp("risk")
        event = TradingHalted(stamp, reason.value, tuple(sorted(state.halt_reasons)), detail)
        return halt_update(state).put, (event,)

    @to_its_end
    async def resume_trading(
        self, reason: HaltReason, rationale: str, alongside: Batch | None = None
    ) -> bool:
        """Clear one reason; return whether trading has resumed.

        Raises:
            InvalidInput: The reason is not set.
            Conflict: Another process halted trading concurrently; nothing was cleared.
        """
        capital = self._capital
        async with self._halting:
            if reason not in capital.state.halt_reasons:
                raise InvalidInput("reason", reason.value, "a halt reason that is set")
            resumed = self._resumed(capital.state, reason, rationale)
            await self._committer.commit(resumed + (alongside or Batch()))
            capital.resume(reason)
        return not capital.state.trading_halted

    def _resumed(
        self, before: RiskState, reason: HaltReason, rationale: str, day: Update | None = None
    ) -> Batch:
        """Return the batch that clears a reason, and lifts the fence's halt if none is left.

        `day`: the change of the risk state that begins a day, where one begins with it.
        """
        after = before.resumed(reason)
        reasons = tuple(sorted(after.halt_reasons))
        event = TradingResumed(self._committer.stamp("risk"), reason.value, reasons, rationale)
        change = halt_update(after)
        if day is not None:
            change = replace(day, put={**change.put, **day.put})
        fence = self._committer.fence
        lifted = () if after.trading_halted or fence is None else fence.lifted()
        return Batch((change, *lifted), (event,))

    @to_its_end
    async def start_day(self) -> None:
        """Reset the daily figures when a trading day has begun, and lift the daily-loss halt.

        Both are in one commit. If another process halts trading concurrently, neither is kept,
        and the next call tries again. Other halt reasons stay.

        What is booked beside that commit counts towards the new day, whichever of both the
        database takes first: the result of the old day is subtracted. A loss at the limit halts
        again before this returns.

        The day is the one that a trusted clock shows: while ours has drifted, none begins.
        After a clock that was ahead the day is set back; losses stay with it, gains do not.
        """
        capital, reason = self._capital, HaltReason.DAILY_LOSS_LIMIT
        async with self._halting:
            if not self._day_over:
                return
            before, today = capital.state, capital.today()
            set_back = today < before.last_reset
            kept = min(before.daily_pnl, ZERO) if set_back else ZERO
            put, off = {"last_reset_timestamp": today}, Money(kept - before.daily_pnl)
            day = Update("risk_states", SINGLETON, put=put, add={"daily_pnl": off})
            batch = Batch((day,))
            lifts = reason in before.halt_reasons and not set_back
            if lifts:
                batch = self._resumed(before, reason, "a new trading day began", day)
            try:
                await self._committer.commit(batch)
            except Conflict:
                return
            capital.begin_day(today, before.daily_pnl, kept)
            if lifts:
                capital.resume(reason)
        await self.enforce()

    @property
    def _day_over(self) -> bool:
        """Whether another trading day has begun, by a clock that can be trusted."""
        state = self._capital.state
        drifted = HaltReason.TIME_DRIFT in state.halt_reasons
        return not drifted and self._capital.today() != state.last_reset

    async def follow_days(self) -> None:
        """Start each trading day at its hour, until cancelled; a clock may be set."""
        while True:
            ends = self._capital.today() + timedelta(days=1)
            left = (ends - self._clock.now()).total_seconds()
            await self._clock.sleep(min(left, LOOK_SECONDS))
            await self.start_day()
            while self._capital.state.last_reset < self._capital.today():
                await self._clock.sleep(1)
                await self.start_day()

    # The day's loss
    # ------------------------------------------------------------------------------------

    async def enforce(self) -> None:
        """Halt when the day's loss has reached its limit."""
        if (reached := self._reached()) is not None:
            await self.halt_trading(HaltReason.DAILY_LOSS_LIMIT, reached)

    async def mark(self, alone: Alone) -> None:
        """Take the mark of an unhedged leg, and halt if it reaches the day's limit."""
        self._capital.mark(alone)
        await self.enforce()

    @asynccontextmanager
    async def with_loss(self, step: CapitalChange, alone: Alone) -> AsyncIterator[Halted]:
        """Yield the halt that belongs in the commit of a step, if its loss reaches the limit.

        It counts to the day in which it is booked, which begins now if nothing has begun it.
        What the step leaves `alone` counts at its mark. The caller commits the halt and follows
        the step within the block. If the database rejects the commit, nothing was lost, and
        nothing is halted.
        """
        capital, reason = self._capital, HaltReason.DAILY_LOSS_LIMIT
        if self._day_over:  # its hour may pass unnoticed: a clock is set, a process stood still
            await self.start_day()
        with capital.losing(step, alone):
            if self._reached() is None:
                yield {}, ()
                return
            async with self._halting:  # a halt that another commit brings is durable after it
                if halting := self._halting_now():
                    capital.halt(reason)
                    try:
                        yield self._halted(reason, str(self._reached()))
                    except Conflict:
                        capital.resume(reason)
                        raise
            if not halting:
                yield {}, ()

    def _halting_now(self) -> bool:
        """Return whether the day's loss has reached its limit, and nothing says so yet."""
        halted = HaltReason.DAILY_LOSS_LIMIT in self._capital.state.halt_reasons
        return not halted and self._reached() is not None

    def _reached(self) -> str | None:
        """Return how far the day's loss has reached its limit; None if it has not."""
        lost, most = self._capital.lost, self._capital.limits.daily_loss
        return f"{plain(lost)} lost of {plain(most)}" if lost > 0 and lost >= most else None

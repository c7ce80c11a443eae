"""ExposureWorker: works on every unhedged leg until it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any

from dutchbook.application.market.watchlist import Key
from dutchbook.application.pair_trades.adjustments import Done
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.log import logged
from dutchbook.domain.events import (
    Event,
    PolicyTried,
    PositionMoved,
    Scenario,
    SingleLegExposure,
)
from dutchbook.domain.market.book import Trust
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import HOLD, Exposure
from dutchbook.domain.positions.position import UNHEDGED
from dutchbook.domain.positions.work_rules import WorkRules
from dutchbook.domain.values.units import plain
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

GAP_SECONDS = 1.0
"""Least rest after an order that filled nothing."""
LONGEST_GAP_SECONDS = 60.0
"""The rest doubles up to this while orders are refused."""
ONE_BOOK_SECONDS = 60
"""An engine that has run for so long acts even if one platform shows no live book."""
Take = Callable[[PairTrade, Exposure, Scenario, tuple[Event, ...]], Awaitable[Done]]
"""Sends the order of a remedy, and books what it comes to."""


class ExposureWorker:
    """Takes the best remedy of each exposure that the books bear, at each of their changes.

    The ranking is the one that a person is shown. At first a remedy may lose the rescue limit;
    once the patience is over, whatever is best is taken. Nothing is done while the outcome of
    an order is unknown. Each exposure has a task of its own: none waits for another.
    """

    def __init__(
        self,
        trades: PairTrades,
        announce: Announcements,
        committer: Committer,
        clock: Clock,
        rules: WorkRules,
        take: Take,
    ) -> None:
        self._trades = trades
        self._announce = announce
        self._committer = committer
        self._clock = clock
        self._rules = rules
        self._take = take
        self._since: dict[str, datetime] = {}
        self._told: set[tuple[str, str]] = set()
        self._new: dict[str, None] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending = asyncio.Event()
        self._began = clock.monotonic()

    # What there is to work on
    # --------------------------------------------------------------------------------

    async def start(self, journal: Journal) -> None:
        """Take up the exposures of an earlier run, each as old as the log says."""
        began: dict[str, datetime] = {}
        for entry in await logged(journal, SingleLegExposure, PositionMoved):
            position_id = entry.facts["position_id"]
            if entry.name == SingleLegExposure.wire or entry.facts["after"] in UNHEDGED:
                began.setdefault(position_id, entry.at)
            else:
                began.pop(position_id, None)
        for trade in self._trades.all():
            position_id = trade.position_id
            if trade.position.status in UNHEDGED:
                self._since[position_id] = began.get(position_id, trade.position.opened_at)

    def exposed(self, position_id: str) -> None:
        """Work on an exposure, or go on with it: something about it has changed."""
        if not self._rules.allowed:
            return
        self._since.setdefault(position_id, self._clock.now())
        if (changed := self._changed.get(position_id)) is not None:
            changed.set()
        else:
            self._new[position_id] = None
            self._idle.clear()
            self._wake.set()

    def on_event(self, event: Event, sequence: int) -> None:
        """Take up what a committed event says is unhedged, and forget what no longer is."""
        if not sequence:
            return
        if isinstance(event, SingleLegExposure):
            self.exposed(event.position_id)
        elif isinstance(event, PositionMoved):
            if event.after in UNHEDGED:
                self.exposed(event.position_id)
            else:
                self._since.pop(event.position_id, None)

    def book_changed(self, key: Key) -> None:
        """Look again at the exposures that the book of a contract belongs to."""
        for position_id, changed in self._changed.items():
            if key in self._keys(position_id):
                changed.set()

    def _keys(self, position_id: str) -> list[Key]:
        trade = self._trades.known(position_id)
        match = self._trades.pairs.get(trade.pair_id) if trade is not None else None
        return [(p, match.contract(p).contract_id) for p in Platform] if match else []

    # Working
    # --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work on every exposure, until cancelled."""
        self._began = self._clock.monotonic()
        for position_id in self._since:  # of an earlier run, or of this one before a failure
            self.exposed(position_id)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                new, self._new = self._new, {}
                for position_id in new:
                    self._changed[position_id] = asyncio.Event()
                    group.create_task(self._work(position_id))

    async def drained(self) -> None:
        """Do what can be done at once, then stop; the rest is left to the next start."""
        self._ending.set()
        await self._idle.wait()

    async def _work(self, position_id: str) -> None:
        gap = GAP_SECONDS
        try:
            while self._found(position_id) is not None:
                done = await self._step(position_id)
                if done is not None and done.filled:
                    gap = GAP_SECONDS
                    continue
                if self._ending.is_set():
                    return
                await self._rest(position_id, gap)
                refused = done is not None and (done.order is None or done.order.refusal)
                gap = min(2 * gap, LONGEST_GAP_SECONDS) if refused else GAP_SECONDS
            self._since.pop(position_id, None)
        finally:
            self._forget(position_id)

    async def _step(self, position_id: str) -> Done | None:
        """Send the best remedy if it may be taken now; None if nothing was sent."""
        async with self._trades.lock(position_id):
            trade = self._found(position_id)
            if trade is None or trade.order_out() or trade.pair_id not in self._trades.pairs:
                return None
            exposure = self._announce.exposed(trade)
            if not exposure.quantity or not self._begun(exposure):
                return None
            remedy = self._chosen(trade, exposure)
            if isinstance(remedy, str):
                await self._tell(trade, remedy)
                return None
            tried = self._tried(trade, remedy.name, None)
            done = await self._take(trade, exposure, remedy, (tried,))
            if done.order is None:
                await self._tell(trade, f"{remedy.detail}: {done.reason}")
            return done

    def _begun(self, exposure: Exposure) -> bool:
        """Return whether there are books to act on: at a start they are empty."""
        books = (exposure.held.book, exposure.missing.book)
        late = self._clock.monotonic() - self._began >= ONE_BOOK_SECONDS
        return late or all(book.trust is not Trust.SYNCING for book in books)

    def _chosen(self, trade: PairTrade, exposure: Exposure) -> Scenario | str:
        """Return the remedy to take now, or why none is taken."""
        scenarios = exposure.scenarios()
        by_name = {each.name: each for each in scenarios}
        ranked = [n for n in exposure.recommended(scenarios) if n in self._rules.allowed]
        if not ranked:
            return "; ".join(f"{n}: {by_name[n].blocked}" for n in self._rules.allowed)
        best, now = by_name[ranked[0]], self._clock.now()
        # What is recommended has a result and a size.
        assert best.pnl is not None
        assert best.each is not None
        waited = now - self._since.get(trade.position_id, now)
        if -best.each <= self._rules.rescue_limit or waited >= self._rules.patience:
            return best
        seconds = int((self._rules.patience - waited).total_seconds())
        more = f"more than may be lost in the next {seconds} seconds"
        return f"{best.detail} would lose {plain(-best.pnl)} dollars, {more}"

    async def _rest(self, position_id: str, gap: float) -> None:
        """Wait until a book of the exposure changes or its patience ends, at least `gap`."""
        await self._first(self._clock.sleep(gap), self._ending.wait())
        now = self._clock.now()
        ends = self._since.get(position_id, now) + self._rules.patience
        waits: list[Coroutine[Any, Any, object]] = [self._ending.wait()]
        waits.append(self._changed[position_id].wait())
        if ends > now:
            waits.append(self._clock.sleep((ends - now).total_seconds()))
        await self._first(*waits)
        self._changed[position_id].clear()

    async def _first(self, *waits: Coroutine[Any, Any, object]) -> None:
        """Wait until one of several has come."""
        waiting = [asyncio.ensure_future(each) for each in waits]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    # Helpers
    # --------------------------------------------------------------------------------

    def _found(self, position_id: str) -> PairTrade | None:
        trade = self._trades.known(position_id)
        return trade if trade is not None and trade.position.status in UNHEDGED else None

    def _forget(self, position_id: str) -> None:
        """End the work on an exposure, whether it is gone or left to the next start."""
        del self._changed[position_id]
        self._told = {each for each in self._told if each[0] != position_id}
        if not self._changed and not self._new:
            self._idle.set()

    async def _tell(self, trade: PairTrade, reason: str) -> None:
        """Record why nothing is sent for an exposure, once."""
        if (trade.position_id, HOLD) not in self._told:
            self._told.add((trade.position_id, HOLD))
            await self._committer.commit(Batch(events=(self._tried(trade, HOLD, reason),)))

    def _tried(self, trade: PairTrade, step: str, reason: str | None) -> PolicyTried:
        position = trade.position
        stamp = self._committer.stamp(position.execution_id)
        ids = (position.position_id, position.pair_id)
        return PolicyTried(stamp, *ids, platform=position.longer, step=step, reason=reason)

"""Exits that stall with one leg unhedged: each is reported as an exposure, at once and once."""

from __future__ import annotations

import asyncio

from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.domain.events import Event, ExecutionFailed, OrderFilled, PositionMoved
from dutchbook.domain.pair_trades.facts import Stalled
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.ports.time import Clock

PARTIAL = PositionStatus.EXIT_PARTIAL
LOOK_SECONDS = 1
"""Between two looks at a position while the outcome of an order is unknown."""


class PartialExits:
    """Reports each position whose exit has stalled after one leg.

    Between the two orders of an exit a position is imbalanced too: the exit holds its lock
    then, and nothing is reported until that is released. If another service resolves the
    unknown outcome of an exit's order, the exposure is reported as well: what it books may be
    no event, so that the position is looked at until then.
    """

    def __init__(self, trades: PairTrades, clock: Clock) -> None:
        self._trades = trades
        self._clock = clock
        self._suspected: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._later: set[str] = set()
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Check every exit that has stalled and was not reported."""
        self._suspect_all()

    def on_event(self, event: Event, sequence: int) -> None:
        """Note positions in which an event may have left a leg unhedged."""
        del sequence
        if isinstance(event, ExecutionFailed):
            self._suspect_all()
        elif isinstance(event, OrderFilled):
            # An unknown outcome may be resolved without a change of the position's status.
            trade = self._trades.known(event.position_id or "")
            if trade is not None and trade.position.status is PARTIAL:
                self._suspect(trade.position_id)
        elif isinstance(event, PositionMoved) and event.after == PARTIAL:
            self._suspect(event.position_id)

    async def run(self) -> None:
        """Check suspected positions, until cancelled.

        Each has a task of its own: one whose lock is held does not delay the others.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for position_id in self._suspected:
                    if position_id not in self._waiting:
                        self._waiting[position_id] = None
                        group.create_task(self._watch(position_id))
                self._suspected = {}

    async def drained(self) -> None:
        """Check the suspected positions that are left."""
        for position_id in list(self._suspected):
            await self._look(position_id)

    async def tell(self, trade: PairTrade) -> bool:
        """Report that one leg has exited and the other has not; the caller holds the lock.

        Returns whether all is said: not while the outcome of an order is unknown.
        """
        position = trade.position
        if position.status is not PARTIAL or not position.imbalanced():
            return True
        if trade.unknown:
            return False
        if not trade.stall_reported:
            await self._trades.book(trade.execution_id, Stalled(self._clock.now()))
        return True

    async def _watch(self, position_id: str) -> None:
        """Look at a suspected position, and again later if not all can be said of it yet."""
        if await self._look(position_id) or position_id in self._later:
            return
        self._later.add(position_id)
        try:
            await self._clock.sleep(LOOK_SECONDS)
        finally:
            self._later.discard(position_id)
        self._suspect(position_id)

    async def _look(self, position_id: str) -> bool:
        async with self._trades.lock(position_id):
            self._waiting.pop(position_id, None)
            trade = self._trades.known(position_id)
            return trade is None or await self.tell(trade)

    def _suspect_all(self) -> None:
        for position_id, position in self._trades.positions.items():
            if position.status is PARTIAL:
                self._suspect(position_id)

    def _suspect(self, position_id: str) -> None:
        self._suspected[position_id] = None
        self._wake.set()

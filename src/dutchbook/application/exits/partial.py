"""An exit that has left one leg alone is an exposure: it is told at once, and once."""

from __future__ import annotations

import asyncio

from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.domain.events import Event, ExecutionFailed, OrderFilled, PositionMoved
from dutchbook.domain.pair_trades.facts import Stalled
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.ports.time import Clock

PARTIAL = PositionStatus.EXIT_PARTIAL


class PartialExits:
    """Tells of each position whose exit stands still with one leg out.

    Between the two orders of an exit a position is uneven as well: whoever exits holds its
    lock, and nothing is told before they let go of it. What an order did whose outcome was
    unknown becomes known elsewhere, and is told all the same.
    """

    def __init__(self, trades: PairTrades, clock: Clock) -> None:
        self._trades = trades
        self._clock = clock
        self._suspected: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Look at every exit that stands still and was not reported."""
        self._suspect_all()

    def on_event(self, event: Event, sequence: int) -> None:
        """Take note of what may have left a leg unhedged."""
        del sequence
        if isinstance(event, ExecutionFailed):
            self._suspect_all()
        elif isinstance(event, OrderFilled):
            # What was unknown of an order becomes known, and the position stays as it was.
            trade = self._trades.known(event.position_id or "")
            if trade is not None and trade.position.status is PARTIAL:
                self._suspect(trade.position_id)
        elif isinstance(event, PositionMoved) and event.after == PARTIAL:
            self._suspect(event.position_id)

    async def run(self) -> None:
        """Look at whatever is suspected, until cancelled.

        Each is looked at by itself: one that somebody is busy with does not keep another
        waiting.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for position_id in self._suspected:
                    if position_id not in self._waiting:
                        self._waiting[position_id] = None
                        group.create_task(self._look(position_id))
                self._suspected = {}

    async def drained(self) -> None:
        """Wait for what is being looked at."""
        for position_id in list(self._suspected):
            await self._look(position_id)

    async def tell(self, trade: PairTrade) -> None:
        """Report that one leg is out and the other is not; the caller holds its lock."""
        position = trade.position
        if position.status is not PARTIAL or not position.imbalanced() or trade.unknown:
            return
        if not trade.stall_reported:
            await self._trades.book(trade.execution_id, Stalled(self._clock.now()))

    async def _look(self, position_id: str) -> None:
        async with self._trades.lock(position_id):
            self._waiting.pop(position_id, None)
            trade = self._trades.known(position_id)
            if trade is not None:
                await self.tell(trade)

    def _suspect_all(self) -> None:
        for position_id, position in self._trades.positions.items():
            if position.status is PARTIAL:
                self._suspect(position_id)

    def _suspect(self, position_id: str) -> None:
        self._suspected[position_id] = None
        self._wake.set()

"""An exit that has left one leg alone is an exposure: it is told at once, and once."""

from __future__ import annotations

import asyncio
import json

from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import Held, Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.domain.events import (
    Event,
    ExecutionFailed,
    FailedLeg,
    OrderFilled,
    PositionMoved,
    SingleLegExposure,
)
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import Quantity
from dutchbook.ports.journal import Batch, Journal

PARTIAL_EXIT = 2008
"""The code that such an exposure is told with."""
PARTIAL = PositionStatus.EXIT_PARTIAL


class PartialExits:
    """Tells of each position whose exit stands still with one leg out.

    Between the two orders of an exit a position is uneven as well: whoever exits holds its
    lock, and nothing is told before they let go of it. What an order did whose outcome was
    unknown becomes known elsewhere, and is told all the same.
    """

    def __init__(
        self, journal: Journal, bus: EventBus, holdings: Holdings, announce: Announcements
    ) -> None:
        self._journal = journal
        self._bus = bus
        self._holdings = holdings
        self._announce = announce
        self._told: dict[str, None] = {}
        self._suspected: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Read which half-done exits were told of, and tell of the others."""
        rows = [
            row
            for kind in (PositionMoved, SingleLegExposure)
            for row in await self._journal.rows("audit_log", {"name": kind.wire})
        ]
        for row in sorted(rows, key=lambda each: int(each["sequence"])):
            facts = json.loads(row["payload"])
            if row["name"] == SingleLegExposure.wire:
                self._note(facts["position_id"], facts["failed_leg"]["code"])
            else:
                self._told.pop(facts["position_id"], None)
        self._suspect_all()

    def hear(self, event: Event, sequence: int) -> None:
        """Take note of what may have left a leg alone."""
        del sequence
        if isinstance(event, SingleLegExposure):
            self._note(event.position_id, event.failed_leg.code)
        elif isinstance(event, ExecutionFailed):
            self._suspect_all()
        elif isinstance(event, OrderFilled):
            # What nobody knew of an order becomes known, and the position stays as it was.
            held = self._holdings.known(event.position_id or "")
            if held is not None and held.position.status is PARTIAL:
                self._suspect(held.position.position_id)
        elif isinstance(event, PositionMoved):
            # What a dying engine said of the exit before this one counts no longer.
            self._told.pop(event.position_id, None)
            if event.after == PARTIAL:
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

    async def tell(self, held: Held) -> None:
        """Tell that one leg is out and the other is not; whoever calls holds its lock."""
        position = held.position
        if position.status is not PARTIAL or not position.uneven() or held.unknown:
            return
        if position.position_id in self._told:
            return
        failed = FailedLeg(
            platform=position.longer,
            reason="its exit filled less than the other leg's",
            code=PARTIAL_EXIT,
            attempted_price=None,
            attempted_size=Quantity(abs(position.imbalance)),
        )
        event = self._announce.exposure(position, held, failed)
        await self._bus.commit(Batch(events=(event,)))

    def told(self, position: OpenPosition) -> bool:
        """Tell whether an uneven position is an exposure that people have heard of."""
        return position.status is not PARTIAL or position.position_id in self._told

    async def _look(self, position_id: str) -> None:
        async with self._holdings.lock(position_id):
            self._waiting.pop(position_id, None)
            held = self._holdings.known(position_id)
            if held is not None:
                await self.tell(held)

    def _note(self, position_id: str, code: int) -> None:
        if code == PARTIAL_EXIT:
            self._told[position_id] = None

    def _suspect_all(self) -> None:
        for position_id, position in self._holdings.positions.items():
            if position.status is PARTIAL:
                self._suspect(position_id)

    def _suspect(self, position_id: str) -> None:
        self._suspected[position_id] = None
        self._wake.set()

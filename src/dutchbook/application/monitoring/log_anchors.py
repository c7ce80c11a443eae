"""Keeps the head of the audit log outside the database, at regular intervals.

If a person with access to the database alone changes the log, such as by rewriting its end,
`dutchbook audit verify` finds it from the last head that was kept before.
"""

from __future__ import annotations

import asyncio

from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import Event, SystemHealthCritical
from dutchbook.errors import StorageError
from dutchbook.ports.anchors import Anchors
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

PERIOD_SECONDS = 3_600
"""While there are events, a head is kept at least this often."""
COMPONENT = "audit"


class LogAnchors:
    """Keeps a head at the start, every so many events, every hour, and at the end.

    Nothing waits for it, and a failure to keep a head stops nothing: it is reported once, until
    a head is kept again.

    Args:
        journal: The journal whose log is anchored.
        bus: The bus that commits to it.
        anchors: Where heads are kept.
        clock: The engine's clock.
        every: The maximum number of events between two heads.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        anchors: Anchors,
        clock: Clock,
        *,
        every: int,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._anchors = anchors
        self._clock = clock
        self._every = every
        self._tried = 0
        self._failing = False
        self._due = asyncio.Event()
        self._lock = asyncio.Lock()
        committer.subscribe(self)

    def __call__(self, event: Event, sequence: int) -> None:
        """Count an event."""
        if event.durable and sequence - self._tried >= self._every:
            self._due.set()

    async def start(self) -> None:
        """Compare the log with the newest head that was kept, then keep the current one."""
        try:
            last = await self._anchors.last()
        except StorageError as error:
            await self._fail(error)
            return
        if last is not None:
            rows = await self._journal.rows("audit_log", {"sequence": last.sequence})
            if not rows or rows[0]["hash"] != last.hash:
                await self._report(
                    f"entry {last.sequence} of the log is not the one that was anchored"
                    f" ({last.where}): run dutchbook audit verify"
                )
        await self.keep()

    async def run(self) -> None:
        """Keep heads until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hourly())
            group.create_task(self._counted())

    async def drained(self) -> None:
        """Keep the head at the end of trading."""
        await self.keep()

    async def keep(self) -> None:
        """Keep the current head, unless it is kept already."""
        async with self._lock:
            receipt = self._committer.receipt
            if receipt.sequence <= self._tried and not self._failing:
                return
            self._tried = receipt.sequence
            try:
                await self._anchors.keep(receipt.sequence, receipt.head)
            except StorageError as error:
                await self._fail(error)
            else:
                self._failing = False

    async def _hourly(self) -> None:
        while True:
            await self._clock.sleep(PERIOD_SECONDS)
            await self.keep()

    async def _counted(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await self.keep()

    async def _fail(self, error: StorageError) -> None:
        if not self._failing:
            self._failing = True
            await self._report(f"no head of the log can be kept outside the database: {error}")

    async def _report(self, detail: str) -> None:
        stamp = self._committer.stamp("health")
        event = SystemHealthCritical(stamp, component=COMPONENT, detail=detail)
        await self._committer.commit(Batch(events=(event,)))

"""Commits refusals and health notes, which nothing waits for, in order and in batches."""

from __future__ import annotations

import asyncio

from dutchbook.application.records.committer import Committer
from dutchbook.errors import Unfit
from dutchbook.ports.journal import Batch

LOT = 200
"""Batches of one commit at most: a statement takes some thirty thousand values."""


class Recorder:
    """A bounded queue of batches in front of the bus, for callers that cannot await.

    Nothing that money depends on goes through it. When it is full, the newest note is dropped
    and counted: the run's summary has `dropped` if there are any.
    """

    def __init__(self, committer: Committer, bound: int = 10_000) -> None:
        self._committer = committer
        self._bound = bound
        self._waiting: list[Batch] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.dropped = 0

    def note(self, batch: Batch, *, always: bool = False) -> None:
        """Commit `batch` soon; with `always`, even if the queue is full."""
        if len(self._waiting) >= self._bound and not always:
            self.dropped += 1
            return
        self._waiting.append(batch)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Commit all waiting batches, each time in one commit, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batches, self._waiting = self._waiting[:LOT], self._waiting[LOT:]
                await self._commit(batches)
            self._idle.set()

    async def _commit(self, batches: list[Batch]) -> None:
        """Commit batches at once; one with a value that no column holds is dropped alone."""
        try:
            await self._committer.commit(sum(batches, start=Batch()))
        except Unfit:
            if len(batches) == 1:
                self.dropped += 1
                return
            for batch in batches:
                await self._commit([batch])

    async def drained(self) -> None:
        """Wait until everything noted is durable."""
        await self._idle.wait()

"""A connection that a test breaks, and a journal that outlasts it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dutchbook.application.records.outages import Outages, ReconnectingJournal
from dutchbook.errors import Unanswered
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.virtual_time import PassThrough
from support.memory_journal import MemoryJournal

STANDARD = 120
Struck = Callable[[Batch], bool]


class LoopTime(PassThrough):
    """A turnstile whose pauses take the time of the loop, whatever that is."""

    def elapsed(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()


class Breaking(MemoryJournal):
    """A connection in memory: it breaks at the batches that `struck` names.

    Attributes:
        away: No call is answered.
        stores: Whether a batch at which it breaks is stored all the same.
        commits: Batches that the database was asked to store.
    """

    def __init__(self, struck: Struck = lambda _: False, *, stores: bool = False) -> None:
        super().__init__()
        self.struck = struck
        self.stores = stores
        self.away = False
        self.back_after: float | None = 3
        self.commits: list[Batch] = []

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    def misplaced(self) -> str | None:
        """Return None: there is no file."""
        return None

    async def commit(self, batch: Batch) -> Receipt:
        """Commit a batch, or break."""
        await asyncio.sleep(0.001)
        self._require()
        self.commits.append(batch)
        if not self.struck(batch):
            return await super().commit(batch)
        if self.stores:
            await super().commit(batch)
        self.breaks()
        raise Unanswered("the connection broke")

    def breaks(self) -> None:
        """Break, and come back after `back_after` seconds, or never."""
        self.away = True
        if self.back_after is not None:
            asyncio.get_running_loop().call_later(self.back_after, self._back)

    def _back(self) -> None:
        self.away = False

    async def rows(self, *asked: Any, **how: Any) -> list[dict[str, Any]]:
        """Return rows, if it is not broken."""
        self._require()
        return await super().rows(*asked, **how)

    def _require(self) -> None:
        if self.away:
            raise Unanswered("there is no server")

    async def close(self, *, fenced_off: bool = False) -> None:
        """Do nothing: there is nothing to close."""


def once(wanted: Struck) -> Struck:
    """Return a condition that holds for the first batch of a kind."""
    seen: list[Batch] = []

    def struck(batch: Batch) -> bool:
        if seen or not wanted(batch):
            return False
        seen.append(batch)
        return True

    return struck


def outlasting(
    connection: Breaking, seconds: int = STANDARD
) -> tuple[ReconnectingJournal, Outages]:
    """Return a journal that outlasts what breaks, and what it knows of that."""
    outages = Outages()
    return ReconnectingJournal(connection, LoopTime(), seconds, outages), outages

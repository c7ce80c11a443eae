"""The rows of a run in a real database, and a copy in memory that must stay equal to them."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from support.memory_journal import MemoryJournal
from support.shelf import Shelf

from dutchbook.errors import Conflict
from dutchbook.persistence.database import Database
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.ports.tables.catalogue import every_table
from dutchbook.runtime.virtual_time import turnstile
from prove.journal import Row, Store
from prove.oracle import Oracle
from prove.watch import Watch

MEMORY, SQLITE, POSTGRESQL = "memory", "sqlite", "postgresql"
Spawn = Callable[[Coroutine[Any, Any, Receipt]], asyncio.Task[Receipt]]
BEHIND = ("outbox",)
"""Tables that may lag: delivered events leave the outbox only with the next commit."""


class Durable(Store):
    """Sends every commit to the database first, then applies it to the copy in memory.

    A commit during which an engine is killed continues, as it would in a server.
    """

    def __init__(self, oracle: Oracle, database: Database, spawn: Spawn) -> None:
        super().__init__(oracle)
        self._database = database
        self._spawn = spawn
        self._journal = database.journal(turnstile())
        self._under_way: set[asyncio.Task[Receipt]] = set()

    async def begin(self) -> None:
        """Open the database and load the rows that a new one holds."""
        await self._journal.open()
        for name, rules in every_table().items():
            for row in await self._journal.rows(name):
                self._tables[name][tuple(row[column] for column in rules.key)] = row

    async def renew(self) -> None:
        """Reconnect, as the next engine does; the last engine's deliveries are not marked."""
        await self._journal.close(fenced_off=True)
        self._journal = self._database.journal(turnstile())
        await self._journal.open()

    async def rests(self) -> None:
        """Wait for the commits that are in progress."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def close(self) -> None:
        """Close the database."""
        await self._journal.close()

    async def kept(self, batch: Batch, watch: Watch | None) -> Receipt:
        """Commit a batch to both."""
        doing = self._spawn(self._both(batch, watch))
        self._under_way.add(doing)
        doing.add_done_callback(self._under_way.discard)
        return await asyncio.shield(doing)

    async def _both(self, batch: Batch, watch: Watch | None) -> Receipt:
        try:
            receipt = await self._journal.commit(batch)
        except Conflict as conflict:
            await self._rejected(batch, conflict)
            raise
        try:
            mine = await super().kept(batch, watch)
        except Conflict as conflict:
            self._oracle.wrong("I-28", f"the database keeps what the rules refuse: {conflict}")
            return receipt
        difference = f"the database answers {receipt}, the rules {mine}"
        self._oracle.check("I-28", difference, holds=mine == receipt)
        return receipt

    async def _rejected(self, batch: Batch, why: Conflict) -> None:
        try:
            await MemoryJournal.commit(self, batch)
        except Conflict:
            return
        self._oracle.wrong("I-28", f"the database refuses what the rules allow: {why}")

    async def rows(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] = (),
        *,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """Return rows from the database."""
        return await self._journal.rows(
            table, where, order_by, descending=descending, limit=limit
        )

    async def delivered(self, sequence: int) -> None:
        """Mark an event as delivered, in both."""
        await super().delivered(sequence)
        await self._journal.delivered(sequence)

    async def compared(self) -> None:
        """Compare the database with the copy in memory (I-28)."""
        for name, rules in every_table().items():
            if name in BEHIND:
                continue
            rows = await self._journal.rows(name)
            theirs = {tuple(row[column] for column in rules.key): row for row in rows}
            for key in {*theirs, *self._tables[name]}:
                there, here = theirs.get(key), self._tables[name].get(key)
                difference = f"{name} {key}: the database has {there}, the image {here}"
                self._oracle.check("I-28", difference, holds=there == here)


@cache
def _shelf(server: str | None) -> Shelf:
    folder = Path(tempfile.mkdtemp(prefix="dutchbook-prove-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Shelf(folder, server)


@contextmanager
def database(on: str) -> Iterator[Database | None]:
    """Yield the database of one seed: None in memory, an SQLite file, or one on a server.

    Args:
        on: `memory`, `sqlite`, or the URL of a server.
    """
    if on == MEMORY:
        yield None
        return
    shelf = _shelf(None if on == SQLITE else on)
    with tempfile.TemporaryDirectory(prefix="dutchbook-prove-") as folder:
        place = Path(folder)
        with shelf.database(place, fresh=False, on_server=on != SQLITE) as url:
            yield Database.at(url)

"""The journal on SQLite: one writer thread, and one commit for all waiting batches.

A rejected batch does not affect the others. ``synchronous=FULL`` is asserted: an order must
never be sent on the strength of a row that a power cut can undo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from dutchbook.errors import DutchbookError, StorageError
from dutchbook.persistence.journals.sqlite_writer import BUSY_SECONDS, Ready, Writer
from dutchbook.persistence.journals.statements import counting, prepared, select
from dutchbook.persistence.journals.worker import Worker
from dutchbook.persistence.tables.coding import decode
from dutchbook.ports.crash_points import AFTER, BEFORE, OUTBOX, crashpoint
from dutchbook.ports.journal import Access, Batch, Receipt
from dutchbook.ports.time import Turnstile

GROUP = 64
Waiting = tuple[Ready, "asyncio.Future[Receipt]"]


class SqliteJournal:
    """`Journal` over one database file.

    Args:
        path: The file.
        turnstile: Awaits the driver.
        access: Whether other processes may write at the same time.
        timeout: Seconds that a write waits for another process's.
    """

    def __init__(
        self,
        path: str,
        turnstile: Turnstile,
        access: Access = Access.SHARED,
        timeout: float = BUSY_SECONDS,
    ) -> None:
        self._turnstile = turnstile
        self._worker = Worker("journal")
        self._waiting: list[Waiting] = []
        self._flushing: asyncio.Future[None] | None = None
        self._delivered = 0
        self._writer = Writer(path, access, timeout)

    async def open(self) -> None:
        """Open the file, in the writer thread.

        Raises:
            StorageError: The file cannot be opened, or SQLite rejects ``synchronous=FULL``.
        """
        await self._turnstile.drive(lambda: self._worker.run(self._writer.open))

    async def commit(self, batch: Batch) -> Receipt:
        """Commit a batch; see `Journal`.

        Raises:
            StorageError: The journal is closed.
        """
        if self._worker.closed:
            raise StorageError("the journal is closed: nothing is kept any more")
        crashpoint(BEFORE, batch)
        ready = [prepared(write) for write in batch.writes], batch.events
        if self._turnstile.in_order:
            receipt = await self._turnstile.drive(lambda: self._write_alone(ready))
        else:
            receipt = await self._write_grouped(ready)
        crashpoint(AFTER, batch)
        return receipt

    async def _write_alone(self, ready: Ready) -> Receipt:
        (result,) = await self._worker.run(self._writer.write, [ready], self._delivered)
        if isinstance(result, DutchbookError):
            raise result
        written: Receipt = result
        return written

    async def _write_grouped(self, ready: Ready) -> Receipt:
        """Write a batch in one commit with all that wait by then."""
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_mark_retrieved)
        self._waiting.append((ready, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = self._turnstile.begin(self._flush)
            self._flushing.add_done_callback(self._flushed)
        return await done

    async def _flush(self) -> None:
        """Write all waiting batches, one commit for each group, until none is left."""
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            await self._write(group)

    def _flushed(self, flush: asyncio.Future[None]) -> None:
        """Answer what a broken flush has left, or one cancelled before its first step."""
        if flush is self._flushing:  # else a later one has taken it over
            _answer(self._waiting, [_broken()] * len(self._waiting))
            self._waiting = []

    async def _write(self, group: list[Waiting]) -> None:
        results: list[Receipt | DutchbookError] = [_broken()] * len(group)
        batches, delivered = [batch for batch, _ in group], self._delivered
        try:
            results = await self._worker.run(self._writer.write, batches, delivered)
        finally:
            _answer(group, results)

    async def rows(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] = (),
        *,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows that match; see `Journal`."""
        text, wanted = select(
            table, where, order_by, lambda: "?", descending=descending, limit=limit
        )
        return [decode(table, row) for row in await self._found(text, wanted)]

    async def count(self, table: str, where: Mapping[str, Any] | None = None) -> int:
        """Return the number of matching rows; see `StoredJournal`."""
        (found,) = await self._found(*counting(table, where, lambda: "?"))
        return int(found["counted"])

    async def _found(self, text: str, wanted: list[Any]) -> list[dict[str, Any]]:
        return await self._turnstile.drive(
            lambda: self._worker.run(self._writer.read, text, wanted)
        )

    async def delivered(self, sequence: int) -> None:
        """Note a delivery; it is stored with the next batch."""
        self._delivered = max(self._delivered, sequence)

    def misplaced(self) -> str | None:
        """Return what happened to the file if it is not where it was; else None.

        A connection writes on to a deleted file, which nobody will find.
        """
        return self._writer.misplaced()

    async def close(self, *, fenced_off: bool = False) -> None:
        """Store what was delivered, unless fenced off, and close the file."""
        while self._flushing is not None and not self._flushing.done():
            await asyncio.wait({self._flushing})  # commits whose callers were cancelled
        try:
            if fenced_off:
                await self._close_file(None)
            else:
                crashpoint(BEFORE, OUTBOX)
                await self._close_file(self._delivered)
                crashpoint(AFTER, OUTBOX)
        finally:
            self._worker.close()

    async def _close_file(self, delivered: int | None) -> None:
        await self._turnstile.drive(lambda: self._worker.run(self._writer.close, delivered))


def _broken() -> StorageError:
    return StorageError("the journal's writer broke off")


def _mark_retrieved(done: asyncio.Future[Receipt]) -> None:
    """Mark an exception as retrieved: a cancelled caller does not read its result."""
    if not done.cancelled():
        done.exception()


def _answer(group: list[Waiting], results: list[Receipt | DutchbookError]) -> None:
    for (_, done), result in zip(group, results, strict=True):
        if done.done():
            continue
        if isinstance(result, Receipt):
            done.set_result(result)
        else:
            done.set_exception(result)

"""The journal on SQLite: one writer thread, and one commit for all waiting batches.

A rejected batch does not affect the others. ``synchronous=FULL`` is asserted: an order must
never be sent on the strength of a row that a power cut can undo.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dutchbook.domain.events import Event
from dutchbook.errors import Conflict, DutchbookError, LeaseHeld, StorageError
from dutchbook.persistence.journals.statements import (
    Prepared,
    changes_text,
    key_of,
    logged,
    prepared,
    select,
)
from dutchbook.persistence.journals.worker import Worker
from dutchbook.persistence.log.chain import GENESIS, OUTBOX_LOT, chained
from dutchbook.persistence.sqlite_file import WriterLock, check_fit, mark_closed, mark_open
from dutchbook.persistence.tables.coding import decode
from dutchbook.ports.crash_points import AFTER, BEFORE, OUTBOX, crashpoint
from dutchbook.ports.journal import Access, Batch, Receipt
from dutchbook.ports.time import Turnstile

GROUP = 64
FULL = 2
BUSY_SECONDS = 5
UNFIT = (
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
    ValueError,
    OverflowError,
)
"""Errors for a value that SQLite cannot store; they concern one batch only."""
Ready = tuple[list[Prepared], tuple[Event, ...]]
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
        self._writer = _Writer(path, access, timeout)

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
        found = await self._turnstile.drive(
            lambda: self._worker.run(self._writer.read, text, wanted)
        )
        return [decode(table, row) for row in found]

    async def delivered(self, sequence: int) -> None:
        """Note a delivery; it is stored with the next batch."""
        self._delivered = max(self._delivered, sequence)

    async def close(self, *, fenced_off: bool = False) -> None:
        """Store what was delivered, unless fenced off, and close the file."""
        while self._flushing is not None and not self._flushing.done():
            await asyncio.wait({self._flushing})  # commits whose callers were cancelled
        if fenced_off:
            await self._close_file(None)
        else:
            crashpoint(BEFORE, OUTBOX)
            await self._close_file(self._delivered)
            crashpoint(AFTER, OUTBOX)
        self._worker.close()

    async def _close_file(self, delivered: int | None) -> None:
        await self._turnstile.drive(lambda: self._worker.run(self._writer.close, delivered))


class _BatchRejected(Exception):
    """The database rejected one batch."""

    def __init__(self, answer: DutchbookError) -> None:
        super().__init__(str(answer))
        self.answer = answer


class _Connection(sqlite3.Connection):
    """A connection whose rows are read by the names of their columns."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.row_factory = sqlite3.Row


class _Writer:
    """What runs in the writer thread: one connection, plain sqlite3."""

    def __init__(self, path: str, access: Access, timeout: float) -> None:
        self._path = path
        self._access = access
        self._timeout = timeout
        self._exclusive = access is not Access.SHARED
        self._lock: WriterLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._head = (0, GENESIS)
        self._version = -1
        self._cleared = 0

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None, "the journal was opened"
        return self._connection

    def open(self) -> None:
        check_fit(self._path)
        if self._exclusive:
            self._lock = self._take_lock()
        try:
            self._connection = self._connect()
        except sqlite3.Error as error:
            raise _storage(self._path, error) from error
        finally:
            if self._connection is None:
                self._unlock()

    def _connect(self) -> sqlite3.Connection:
        made = sqlite3.connect(
            self._path,
            isolation_level=None,
            timeout=self._timeout,
            cached_statements=512,
            factory=_Connection,
        )
        try:
            self._configure(made)
        except (sqlite3.Error, StorageError):
            made.close()
            raise
        return made

    def _configure(self, made: sqlite3.Connection) -> None:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("PRAGMA synchronous=FULL")
        made.execute("PRAGMA fullfsync=ON")  # macOS: past the drive's own cache
        made.execute("PRAGMA foreign_keys=ON")
        if made.execute("PRAGMA synchronous").fetchone()[0] != FULL:
            raise StorageError(f"{self._path}: SQLite does not take synchronous=FULL")
        if self._exclusive:
            mark_open(self._path, made)

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _take_lock(self) -> WriterLock | None:
        """Take the lock; a takeover from a frozen engine continues without it."""
        try:
            return WriterLock(self._path)
        except LeaseHeld:
            if self._access is Access.TAKING_OVER:
                return None
            raise

    def write(self, batches: list[Ready], delivered: int) -> list[Receipt | DutchbookError]:
        """Write a group in one transaction; return a result for each batch.

        Savepoints are a sixth of the cost of a commit, and rejections are rare. So the group is
        written without them; if a batch is rejected, everything is rolled back and written
        again, each batch in its own savepoint.
        """
        try:
            try:
                return self._write_group(batches, delivered, self._apply)
            except _BatchRejected as rejected:
                if len(batches) == 1:
                    return [rejected.answer]
            return self._write_group(batches, delivered, self._apply_in_savepoint)
        except sqlite3.Error as error:
            return [_storage(self._path, error) for _ in batches]

    def _write_group(
        self,
        batches: list[Ready],
        delivered: int,
        apply: Callable[[Ready], Receipt | DutchbookError],
    ) -> list[Receipt | DutchbookError]:
        """Apply batches in one transaction; any failure rolls everything back."""
        due = delivered - self._cleared >= OUTBOX_LOT
        execute = self._open.execute
        try:
            execute("BEGIN IMMEDIATE")
            self._catch_up()
            answers = [apply(batch) for batch in batches]
            if due:
                execute("DELETE FROM outbox WHERE sequence <= ?", (delivered,))
            execute("COMMIT")
        except BaseException:
            self._version = -1  # the next write reads the head of the chain again
            if self._open.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    execute("ROLLBACK")
            raise
        if due:
            self._cleared = delivered
        return answers

    def _catch_up(self) -> None:
        """Read the chain's head again if another process may have written since.

        No other process appends to the log while a writer is exclusive: it reads the head once,
        and again after a failure.
        """
        if self._exclusive and self._version >= 0:
            return
        version = self._open.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return
        self._version = version
        row = self._open.execute(
            "SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        self._head = (row["sequence"], row["hash"]) if row else (0, GENESIS)

    def _apply_in_savepoint(self, ready: Ready) -> Receipt | DutchbookError:
        self._open.execute("SAVEPOINT batch")
        try:
            receipt = self._apply(ready)
        except _BatchRejected as rejected:
            self._open.execute("ROLLBACK TO batch")
            self._open.execute("RELEASE batch")
            return rejected.answer
        self._open.execute("RELEASE batch")
        return receipt

    def _apply(self, ready: Ready) -> Receipt:
        writes, events = ready
        log, head = chained(events, self._head, changes_text(writes) if events else None)
        execute = self._open.execute
        for write, plan, values in (*writes, *logged(log)):
            try:
                touched = execute(plan.sqlite, values).rowcount
            except sqlite3.IntegrityError as error:
                raise _BatchRejected(Conflict(plan.table, key_of(write), str(error))) from error
            except UNFIT as error:
                message = f"{self._path}: {plan.table} {key_of(write)}: {error}"
                raise _BatchRejected(StorageError(message)) from error
            if touched != 1:
                raise _BatchRejected(
                    Conflict(plan.table, key_of(write), "the row is not as expected")
                )
        self._head = head
        return Receipt(*head)

    def read(self, text: str, wanted: list[Any]) -> list[dict[str, Any]]:
        try:
            return [dict(row) for row in self._open.execute(text, wanted)]
        except sqlite3.Error as error:
            raise _storage(self._path, error) from error

    def close(self, delivered: int | None) -> None:
        """Store what was delivered and close the file; None: write nothing any more."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None and delivered is not None:
                if delivered > self._cleared:
                    connection.execute("DELETE FROM outbox WHERE sequence <= ?", (delivered,))
                if self._exclusive:
                    mark_closed(connection)
        except sqlite3.Error as error:
            raise _storage(self._path, error) from error
        finally:
            if connection is not None:
                connection.close()
            self._unlock()


def _broken() -> StorageError:
    return StorageError("the journal's writer broke off")


def _mark_retrieved(done: asyncio.Future[Receipt]) -> None:
    """Mark an exception as retrieved: a cancelled caller does not read its result."""
    if not done.cancelled():
        done.exception()


def reason(error: object) -> str:
    """Return a driver's error in one line, with a remedy where we know one."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return f"{lines[0]}; make room and start again"
    return lines[0]


def _storage(path: str, error: sqlite3.Error) -> StorageError:
    return StorageError(f"{path}: {reason(error)}")


def _answer(group: list[Waiting], results: list[Receipt | DutchbookError]) -> None:
    for (_, done), result in zip(group, results, strict=True):
        if done.done():
            continue
        if isinstance(result, Receipt):
            done.set_result(result)
        else:
            done.set_exception(result)

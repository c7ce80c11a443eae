"""The writer thread's part of the journal on SQLite: one connection to the file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

from dutchbook.domain.events import Event
from dutchbook.errors import Conflict, Damaged, DutchbookError, LeaseHeld, StorageError
from dutchbook.persistence.journals.statements import (
    Prepared,
    changes_text,
    key_of,
    logged,
)
from dutchbook.persistence.log.chain import GENESIS, OUTBOX_LOT, chained
from dutchbook.persistence.sqlite_connection import connect, failure
from dutchbook.persistence.sqlite_file import (
    Identity,
    WriterLock,
    check_fit,
    identity,
    mark_closed,
    misplaced,
)
from dutchbook.ports.journal import Access, Receipt

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


class _BatchRejected(Exception):
    """The database rejected one batch."""

    def __init__(self, answer: DutchbookError) -> None:
        super().__init__(str(answer))
        self.answer = answer


class Writer:
    """One connection, plain sqlite3: all but `misplaced` runs in the writer thread."""

    def __init__(self, path: str, access: Access, timeout: float) -> None:
        self._path = path
        self._access = access
        self._timeout = timeout
        self._exclusive = access is not Access.SHARED
        self._lock: WriterLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._head = (0, GENESIS)
        self._identity: Identity | None = None
        self._version = -1
        self._cleared = 0

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None, "the journal was opened"
        return self._connection

    def open(self) -> None:
        """Open the file; see `SqliteJournal`."""
        check_fit(self._path)
        if self._exclusive:
            self._lock = self._take_lock()
        try:
            self._connection = connect(self._path, self._timeout, marked=self._exclusive)
            self._identity = identity(self._path)
        except sqlite3.Error as error:
            raise failure(self._path, error) from error
        finally:
            if self._connection is None:
                self._unlock()

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
            return [failure(self._path, error) for _ in batches]

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
        """Return the rows of a query."""
        try:
            return [dict(row) for row in self._open.execute(text, wanted)]
        except sqlite3.Error as error:
            raise failure(self._path, error) from error
        except ValueError as error:  # a text that is none
            raise Damaged(self._path, error) from error

    def misplaced(self) -> str | None:
        """Return what happened to the file if it is not where it was; else None."""
        return misplaced(self._path, self._identity)

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
            raise failure(self._path, error) from error
        finally:
            if connection is not None:
                connection.close()
            self._unlock()

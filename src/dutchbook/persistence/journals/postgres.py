"""The journal on PostgreSQL: a batch is one statement, which its guards abort as a whole."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import asyncpg

from dutchbook.domain.events import Event
from dutchbook.errors import Conflict, DatabaseLost, LeaseHeld, StorageError, Unanswered
from dutchbook.persistence.journals.statements import (
    UNEXPECTED,
    Plan,
    Prepared,
    changes_text,
    counting,
    key_of,
    logged,
    prepared,
    select,
    text,
)
from dutchbook.persistence.log.chain import GENESIS, OUTBOX_LOT, chained
from dutchbook.persistence.tables.coding import decode
from dutchbook.ports.crash_points import AFTER, BEFORE, OUTBOX, crashpoint
from dutchbook.ports.journal import Access, Batch, Receipt
from dutchbook.ports.time import Turnstile

TRIES = 200
CHAIN = ("pk_audit_log", "pk_outbox")
CONTENTION = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""The server aborted this statement in favour of another; nothing of it was committed."""
BROKEN = (
    OSError,
    ValueError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Every other failure of a statement: no server, a value that cannot be stored, …"""
AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)
"""Failures that a server gets over: it restarts, is full of clients, or a lock is held.

The last is what a driver raises that is used while it takes in that its server has hung up.
"""
COMMIT_SECONDS, READ_SECONDS = 15, 60
"""A server that is silent for so long does not answer: the connection is given up."""
RECONNECT_SECONDS = 10
"""How long one try to connect anew may take."""
ONLY_WRITER = "SELECT pg_try_advisory_lock($1)"
LOCK = 0x64757463
"""Advisory lock of the only writing engine; the server frees it when the connection ends."""


class PostgresJournal:
    """`Journal` over one connection, which is made anew by the next call once it has broken.

    Batches are committed one after the other, in call order.
    """

    def __init__(
        self,
        dsn: str,
        shown: str,
        turnstile: Turnstile,
        access: Access = Access.SHARED,
        timeout: float | None = None,
    ) -> None:
        self._access = access
        self._dsn = dsn
        self._timeout = timeout
        self._shown = shown
        self._turnstile = turnstile
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._connected = self._closed = False
        self._head = (0, GENESIS)
        self._delivered = 0
        self._cleared = 0

    async def open(self) -> None:
        """Connect.

        Raises:
            StorageError: The server does not answer or rejects us.
        """
        await self._turnstile.drive(self._connect)

    async def _connect(self) -> None:
        try:
            # Statements are prepared once for each shape of batch, of any length, and kept.
            self._connection = await asyncpg.connect(
                self._dsn,
                statement_cache_size=512,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
                **_timeout_options(self._timeout, again=self._connected),
            )
            await self._admit()
            await self._recognise()
            await self._catch_up()
        except (*BROKEN, LeaseHeld, DatabaseLost) as error:
            raise self._failed(error) from error
        self._connected = True

    async def _admit(self) -> None:
        """Become the only writer, if this journal is to be one.

        After a lost connection the server may not know yet that the last one is gone, and keeps
        its lock: the lease alone then fences off others.
        """
        if self._access is Access.SHARED:
            return
        admitted = await self._open.fetchval(ONLY_WRITER, LOCK)
        if not admitted and self._access is Access.ALONE and not self._connected:
            raise LeaseHeld(f"{self._shown}: another engine writes to it; stop that one first")

    async def _recognise(self) -> None:
        """Check that the log holds the last entry that this journal knows."""
        sequence, known = self._head
        query = "SELECT hash FROM audit_log WHERE sequence = $1"
        if sequence and await self._open.fetchval(query, sequence) != known:
            raise DatabaseLost(
                f"{self._shown}: entry {sequence} of its log is gone, or another one: this is"
                " an older copy, or another database"
            )

    async def _reconnect(self) -> None:
        """Connect anew, if the connection has broken."""
        if self._closed:
            raise StorageError("the journal is closed: nothing is kept any more")
        if self._connection is None or self._connection.is_closed():
            await self._connect()

    async def commit(self, batch: Batch) -> Receipt:
        """Commit a batch; see `Journal`."""
        writes = [prepared(write) for write in batch.writes]
        crashpoint(BEFORE, batch)
        receipt = await self._turnstile.drive(lambda: self._write_locked(batch, writes))
        crashpoint(AFTER, batch)
        return receipt

    async def _write_locked(self, batch: Batch, writes: list[Prepared]) -> Receipt:
        async with self._lock:
            await self._reconnect()
            for _ in range(TRIES):
                try:
                    return await self._write(writes, batch.events)
                except asyncpg.IntegrityConstraintViolationError as error:
                    if not (batch.events and error.constraint_name in CHAIN):
                        raise _conflict(batch, error) from error
                except CONTENTION:
                    pass
                except BROKEN as error:
                    raise self._failed(error) from error
                # Another process has appended to the chain: read its head and try again.
                await self._read_head()
            raise StorageError(f"{self._shown}: other writers were first {TRIES} times")

    async def _write(
        self, writes: list[Prepared], events: tuple[Event, ...], lot: int = OUTBOX_LOT
    ) -> Receipt:
        log, head = chained(events, self._head, changes_text(writes) if events else None)
        delivered = self._delivered
        due = delivered - self._cleared >= lot
        whole = (*writes, *logged(log))
        statement, arguments = one_statement(whole, delivered if due else None)
        if statement:
            await self._ask(COMMIT_SECONDS, statement, arguments)
        if due:
            self._cleared = delivered
        self._head = head
        return Receipt(*head)

    @property
    def _open(self) -> asyncpg.Connection:
        assert self._connection is not None, "the journal was opened"
        return self._connection

    async def _ask(self, seconds: float, statement: str, arguments: Sequence[Any]) -> Any:
        """Run a statement; give the connection up if the server does not answer in time."""
        connection = self._open
        if self._timeout is not None:
            seconds = self._timeout + 1  # the server itself ends the statement before
        elif self._access is Access.SHARED:
            return await connection.fetch(statement, *arguments)
        silent = asyncio.get_running_loop().call_later(seconds, connection.terminate)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            silent.cancel()

    async def _read_head(self) -> None:
        try:
            await self._catch_up()
        except BROKEN as error:
            raise self._failed(error) from error

    async def _catch_up(self) -> None:
        row = await self._open.fetchrow(
            "SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1"
        )
        self._head = (row["sequence"], row["hash"]) if row else (0, GENESIS)

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
        marks = _marks()
        query, wanted = select(
            table, where, order_by, lambda: next(marks), descending=descending, limit=limit
        )

        return [decode(table, row) for row in await self._fetched(query, wanted)]

    async def count(self, table: str, where: Mapping[str, Any] | None = None) -> int:
        """Return the number of matching rows; see `StoredJournal`."""
        marks = _marks()
        query, wanted = counting(table, where, lambda: next(marks))
        (found,) = await self._fetched(query, wanted)
        return int(found["counted"])

    async def _fetched(self, query: str, wanted: list[Any]) -> list[Any]:
        async def read() -> list[Any]:
            async with self._lock:
                await self._reconnect()
                try:
                    found: list[Any] = await self._ask(READ_SECONDS, query, wanted)
                except BROKEN as error:
                    raise self._failed(error) from error
                return found

        return await self._turnstile.drive(read)

    async def delivered(self, sequence: int) -> None:
        """Note a delivery; it is stored with the next batch."""
        self._delivered = max(self._delivered, sequence)

    async def close(self, *, fenced_off: bool = False) -> None:
        """Store what was delivered, unless fenced off, and disconnect."""
        await self._turnstile.drive(lambda: self._close_locked(fenced_off=fenced_off))

    async def _close_locked(self, *, fenced_off: bool) -> None:
        async with self._lock:  # a commit whose caller was cancelled may be running
            await self._disconnect(fenced_off=fenced_off)

    async def _disconnect(self, *, fenced_off: bool) -> None:
        self._closed = True
        if self._connection is None:
            return
        try:
            if not fenced_off:
                crashpoint(BEFORE, OUTBOX)
                await self._write([], (), lot=1)
                crashpoint(AFTER, OUTBOX)
        except BROKEN as error:
            raise self._failed(error) from error
        finally:
            connection, self._connection = self._connection, None
            if connection is not None:
                await _hang_up(connection, self._turnstile)

    def misplaced(self) -> str | None:
        """Return None: a server's database is not found by a file."""
        return None

    def _failed(self, error: Exception) -> StorageError:
        """Return our error; the connection is given up unless it works."""
        connection = self._connection
        away = isinstance(error, AWAY) or connection is None or connection.is_closed()
        if connection is not None and (away or isinstance(error, StorageError)):
            self._connection = None
            connection.terminate()
        if isinstance(error, StorageError):
            return error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return (Unanswered if away else StorageError)(f"{self._shown}: {lines[0]}")


async def _hang_up(connection: asyncpg.Connection, turnstile: Turnstile) -> None:
    """Disconnect, whether the server still answers or not."""
    try:
        await connection.close(timeout=5)
    except BROKEN:
        await turnstile.pause(0)  # the loop closes what was aborted


async def looked(
    dsn: str, queries: Sequence[str], at_most: float | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of some queries; none if the server rejects us or one of them.

    Raises:
        OSError: There is no server, or it does not answer within `at_most` seconds.
    """
    try:
        connection = await asyncpg.connect(dsn, **_timeout_options(at_most, again=False))
        try:
            found = [await connection.fetch(query) for query in queries]
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError):
        return []
    return [tuple(row) for rows in found for row in rows]


def _timeout_options(timeout: float | None, *, again: bool) -> dict[str, Any]:
    """Return the options of a connection with a timeout in seconds, if it has one.

    Args:
        timeout: For connecting and for each statement.
        again: Whether the server was there before.
    """
    if timeout is None:
        return {"timeout": RECONNECT_SECONDS} if again else {}
    limit = str(int(timeout * 1_000))
    return {"timeout": timeout, "server_settings": {"statement_timeout": limit}}


def one_statement(
    writes: tuple[Prepared, ...], delivered: int | None = None
) -> tuple[str, list[Any]]:
    """Return a whole batch as one statement and its values; the text is empty without any.

    Inserts and updates are common table expressions. The final SELECT counts the rows that each
    update touched and raises if it was not one, which rolls everything back. The text depends
    on the shape of the batch alone, so that the server plans each shape once.

    Args:
        writes: Inserts and updates, no two of the same row.
        delivered: Delete the outbox up to this sequence.
    """
    arguments = [value for write in writes for value in write.values]
    if delivered is not None:
        arguments.append(delivered)
    plans = tuple(write.plan for write in writes)
    return _statement_text(plans, clears=delivered is not None), arguments


@lru_cache(maxsize=512)
def _statement_text(plans: tuple[Plan, ...], *, clears: bool) -> str:
    marks = _marks()
    parts: list[str] = []
    checks: list[str] = []
    for number, each in enumerate(plans):
        part = text(each, lambda: next(marks), "IS NOT DISTINCT FROM")
        parts.append(f"w{number} AS ({part} RETURNING 1)")
        if each.update:
            checks.append(f"dutchbook_expect((SELECT count(*) FROM w{number}), 1, '{number}')")
    if clears:
        parts.append(f"delivered AS (DELETE FROM outbox WHERE sequence <= {next(marks)})")
    return f"WITH {', '.join(parts)} SELECT {', '.join(checks) or '1'}" if parts else ""


def _marks() -> Iterator[str]:
    return (f"${number}" for number in itertools.count(1))


def _conflict(batch: Batch, error: asyncpg.PostgresError) -> Conflict:
    """Return the conflict of a rejected batch: the write that matched no row, or the table."""
    if error.constraint_name == UNEXPECTED:
        write = batch.writes[int(str(error))]
        return Conflict(write.table, key_of(write), "the row is not as expected")
    table = error.table_name or "batch"
    keys = [key_of(write) for write in batch.writes if write.table == table]
    return Conflict(table, keys[0] if len(keys) == 1 else "", str(error))

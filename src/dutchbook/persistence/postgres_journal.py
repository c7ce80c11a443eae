"""The journal on PostgreSQL: a batch is one statement, whose guards abort it whole."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from dutchbook.errors import Conflict, LeaseHeld, StorageError
from dutchbook.persistence.chain import GENESIS, audit_row
from dutchbook.persistence.coding import decode
from dutchbook.persistence.statements import select, sql
from dutchbook.ports import Batch, Insert, Receipt, Turnstile, Update, Write

TRIES = 200
CHAIN = "pk_audit_log"
ONLY_WRITER = "SELECT pg_try_advisory_lock($1)"
LOCK = 0x64757463
"""The advisory lock of the one writing engine; the server frees it when the connection ends."""


class PostgresJournal:
    """`Journal` over one connection.

    Batches go one after the other, in the order of their calls.
    """

    def __init__(
        self, dsn: str, shown: str, turnstile: Turnstile, *, alone: bool = False
    ) -> None:
        self._alone = alone
        self._dsn = dsn
        self._shown = shown
        self._turnstile = turnstile
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._head = (0, GENESIS)
        self._delivered = 0

    async def open(self) -> None:
        """Connect.

        Raises:
            StorageError: The server does not answer or does not admit us.
        """
        await self._turnstile.drive(self._connect)

    async def _connect(self) -> None:
        try:
            self._connection = await asyncpg.connect(self._dsn, statement_cache_size=512)
            if self._alone and not await self._open.fetchval(ONLY_WRITER, LOCK):
                await self._open.close()
                self._connection = None
                raise LeaseHeld(
                    f"{self._shown}: another engine writes to it; stop that one first"
                )
            await self._catch_up()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise self._failed(error) from error

    async def commit(self, batch: Batch) -> Receipt:
        """Keep a batch; see `Journal`."""
        return await self._turnstile.drive(lambda: self._in_turn(batch))

    async def _in_turn(self, batch: Batch) -> Receipt:
        async with self._turn:
            for _ in range(TRIES):
                try:
                    return await self._write(batch)
                except asyncpg.UniqueViolationError as error:
                    if error.constraint_name != CHAIN:
                        raise Conflict(*_where(error)) from error
                    # Another process has written to the chain: take its head and try again.
                    await self._catch_up()
                except asyncpg.IntegrityConstraintViolationError as error:
                    raise Conflict(*_where(error)) from error
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    raise self._failed(error) from error
            raise StorageError(
                f"{self._shown}: the audit chain moved {TRIES} times during a write"
            )

    async def _write(self, batch: Batch) -> Receipt:
        sequence, head = self._head
        chained: list[Write] = []
        for event in batch.events:
            sequence += 1
            row = audit_row(event, sequence, head)
            head = row["hash"]
            chained.append(Insert("audit_log", row))
            chained.append(Insert("outbox", {"sequence": sequence, "name": event.wire}))
        if not batch and not chained:
            return Receipt(sequence, head)
        text, values = one_statement((*batch.writes, *chained))
        await self._open.fetch(text, *values)
        self._head = (sequence, head)
        return Receipt(sequence, head)

    @property
    def _open(self) -> asyncpg.Connection:
        assert self._connection is not None, "the journal was opened"
        return self._connection

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
    ) -> list[dict[str, Any]]:
        """Return the rows that match; see `Journal`."""
        marks = _marks()
        text, values = select(table, dict(where or {}), tuple(order_by), lambda: next(marks))

        async def read() -> list[Any]:
            async with self._turn:
                found: list[Any] = await self._open.fetch(text, *values)
                return found

        return [decode(table, row) for row in await self._turnstile.drive(read)]

    async def delivered(self, sequence: int) -> None:
        """Note a delivery; it is written when the journal closes."""
        self._delivered = max(self._delivered, sequence)

    async def close(self) -> None:
        """Write down what was delivered, and disconnect."""

        async def leave() -> None:
            if self._connection is not None:
                await self._clear()
                await self._connection.close()
                self._connection = None

        await self._turnstile.drive(leave)

    async def _clear(self) -> None:
        await self._open.execute("DELETE FROM outbox WHERE sequence <= $1", self._delivered)

    def _failed(self, error: Exception) -> StorageError:
        return StorageError(f"{self._shown}: {str(error) or type(error).__name__}")


def one_statement(writes: tuple[Write, ...]) -> tuple[str, list[Any]]:
    """Return a whole batch as one statement and its values.

    Inserts and updates are common table expressions; the final SELECT counts the rows that each
    update touched and raises if it was not one, which takes everything back.
    """
    marks = _marks()
    parts: list[str] = []
    checks: list[str] = []
    values: list[Any] = []
    for number, write in enumerate(writes):
        text, more = sql(write, lambda: next(marks), "IS NOT DISTINCT FROM")
        parts.append(f"w{number} AS ({text} RETURNING 1)")
        values += more
        if isinstance(write, Update):
            checks.append(
                f"dutchbook_expect((SELECT count(*) FROM w{number}), 1, '{write.table}')"
            )
    return f"WITH {', '.join(parts)} SELECT {', '.join(checks) or '1'}", values


def _marks() -> Any:
    return (f"${number}" for number in itertools.count(1))


def _where(error: asyncpg.PostgresError) -> tuple[str, object, str]:
    return (error.table_name or "batch", error.constraint_name or "", str(error))

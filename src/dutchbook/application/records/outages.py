"""A journal that outlasts a database which does not answer for a while.

The driver says what happened to one call: it was answered, or it was not. Here is decided what
that means for the engine: the call waits and is repeated, a batch that got no answer is looked
up before it is committed again, and after a set time the engine must end. To everything above,
an outage is a commit or a read that takes long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from dutchbook.errors import Conflict, DatabaseLost, StorageError, Unanswered
from dutchbook.ports.journal import Batch, Connection, Insert, Receipt, Write
from dutchbook.ports.tables.catalogue import declared
from dutchbook.ports.time import Turnstile

T = TypeVar("T")
PAUSE_SECONDS = 0.5
"""Between two tries to reach the database."""


class Outages:
    """Whether the database answers now, and how often it did not.

    Attributes:
        standing: Why it does not answer; None if it does.
        begun: The number of outages so far.
        seconds: How long the last one lasted, in real time.
    """

    def __init__(self) -> None:
        self.standing: str | None = None
        self.begun = 0
        self.seconds = 0
        self._seen = 0
        self._began = asyncio.Event()

    def begin(self, reason: str) -> None:
        """Note that the database does not answer."""
        self.standing = reason
        self.begun += 1
        self._began.set()

    def end(self, seconds: float) -> None:
        """Note that it answers again."""
        self.standing, self.seconds = None, round(seconds)

    @property
    def pending(self) -> bool:
        """Whether there is one that `next` has not returned for."""
        return self._seen != self.begun

    async def next(self) -> None:
        """Wait until one is pending, and take all that are."""
        while not self.pending:
            self._began.clear()
            await self._began.wait()
        self._seen = self.begun


class ReconnectingJournal:
    """`Journal` over a connection that may break, or a file that others lock.

    Calls made during an outage wait in the order in which they were made.

    Args:
        connection: Raises `Unanswered` where the database did not answer.
        turnstile: Awaits the driver.
        seconds: How long an outage may last, in real time.
        outages: Told of each.
    """

    def __init__(
        self, connection: Connection, turnstile: Turnstile, seconds: int, outages: Outages
    ) -> None:
        self._connection = connection
        self._turnstile = turnstile
        self._seconds = seconds
        self._outages = outages
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._over = 0
        self._began = 0.0
        self._lost: DatabaseLost | None = None
        self._closing = False

    async def open(self) -> None:
        """Open the database; one that does not answer then is not waited for."""
        await self._connection.open()

    async def commit(self, batch: Batch) -> Receipt:
        """Commit a batch once, however often the database has to be asked; see `Journal`.

        Raises:
            DatabaseLost: There was no answer for the set time. The batch may be stored.
        """
        self._check()
        known, sent = self._over, False
        if not self._waiting:
            try:
                return await self._connection.commit(batch)
            except Unanswered as unanswered:
                self._note(unanswered, known)
                sent = True

        async def repeated() -> Receipt:
            nonlocal sent
            if sent and (receipt := await self._stored(batch)) is not None:
                return receipt
            sent = True
            try:
                return await self._connection.commit(batch)
            except Conflict:
                # The statement that got no answer may have ended only now.
                if (receipt := await self._stored(batch)) is not None:
                    return receipt
                raise

        return await self._outlast(repeated)

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
        self._check()

        async def read() -> list[dict[str, Any]]:
            return await self._connection.rows(
                table, where, order_by, descending=descending, limit=limit
            )

        known = self._over
        if not self._waiting:
            try:
                return await read()
            except Unanswered as unanswered:
                self._note(unanswered, known)
        return await self._outlast(read)

    async def delivered(self, sequence: int) -> None:
        """Note a delivery; see `Journal`."""
        await self._connection.delivered(sequence)

    def misplaced(self) -> str | None:
        """Return what happened to the database's file; see `Connection`."""
        return self._connection.misplaced()

    async def close(self, *, fenced_off: bool = False) -> None:
        """Close the database. What cannot be marked as delivered is delivered once more."""
        self._closing = True
        try:
            await self._connection.close(fenced_off=fenced_off or self._lost is not None)
        except Unanswered:
            return

    # An outage
    # ------------------------------------------------------------------------------------

    async def _outlast(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` in turn, again and again until the database answers.

        It continues if the caller is cancelled, as every commit does.
        """
        self._waiting += 1
        return await self._turnstile.drive(lambda: self._in_turn(work))

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            async with self._turn:
                while True:
                    self._check()
                    try:
                        result = await work()
                    except Unanswered as unanswered:
                        self._note(unanswered, self._over)
                        await self._pause(unanswered)
                    except DatabaseLost as lost:
                        self._lost = lost
                        raise
                    except StorageError:
                        self._answered()
                        raise
                    else:
                        self._answered()
                        return result
        finally:
            self._waiting -= 1

    def _note(self, unanswered: Unanswered, known: int) -> None:
        """Note the beginning of an outage, unless the call failed in one that is over by now.

        Args:
            unanswered: Why the call failed.
            known: How many outages were over when it was made.
        """
        if self._outages.standing is None and known == self._over:
            self._began = self._turnstile.elapsed()
            self._outages.begin(str(unanswered))

    def _answered(self) -> None:
        if self._outages.standing is not None:
            self._over += 1
            self._outages.end(self._turnstile.elapsed() - self._began)

    async def _pause(self, unanswered: Unanswered) -> None:
        """Wait before the next try.

        Raises:
            DatabaseLost: The time is over, or nobody waits any more.
        """
        if self._closing or self._turnstile.elapsed() - self._began >= self._seconds:
            self._lost = DatabaseLost(
                f"{unanswered}; no answer for {self._seconds} s (database.reconnect_seconds):"
                " this engine has ended, and the next start asks what became of its orders"
            )
            raise self._lost
        await self._turnstile.pause(PAUSE_SECONDS)

    def _check(self) -> None:
        if self._lost is not None:
            raise DatabaseLost(str(self._lost))

    # A batch without an answer
    # ------------------------------------------------------------------------------------

    async def _stored(self, batch: Batch) -> Receipt | None:
        """Return the receipt of a batch if the database holds it.

        It is looked up by the id of its last event; without an event, by what it has written.
        """
        if batch.events:
            last = {"event_id": batch.events[-1].stamp.event_id}
            rows = await self._connection.rows("audit_log", last)
            return Receipt(rows[0]["sequence"], rows[0]["hash"]) if rows else None
        for write in batch.writes:
            if not await self._in_place(write):
                return None
        return Receipt(0, "")

    async def _in_place(self, write: Write) -> bool:
        """Return whether a row is as a write leaves it; one that adds leaves no trace."""
        if isinstance(write, Insert):
            key = {name: write.row[name] for name in declared(write.table).key}
            left = dict(write.row)
        else:
            key, left = dict(write.key), {**write.guard, **write.put}
        if not isinstance(write, Insert) and write.add:
            return False
        rows = await self._connection.rows(write.table, key)
        return bool(rows) and all(rows[0][name] == value for name, value in left.items())

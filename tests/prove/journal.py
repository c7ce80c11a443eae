"""The database of a run, watched by the oracle, and an engine's unreliable connection to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from support.memory_journal import MemoryJournal

from dutchbook.application.records.outages import Outages, ReconnectingJournal
from dutchbook.errors import StorageError, Unanswered
from dutchbook.ports.journal import Batch, Insert, Receipt
from dutchbook.ports.tables.catalogue import declared
from dutchbook.ports.time import Clock
from dutchbook.runtime.virtual_time import PassThrough
from prove.catalogue import Tally
from prove.limits import Limits
from prove.oracle import Oracle
from prove.plan import Plan
from prove.watch import Watch

Row = dict[str, Any]
PATIENCE = 120
FOR_EVER = 4
"""One failure in so many ends the engine; after the others the database is back soon."""
AWAY_MS = 3_000


class Store(MemoryJournal):
    """All rows; passes each commit to the oracle together with the rows' previous values."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self._oracle = oracle
        self.watch: Watch | None = None
        self.limits: Limits | None = None
        self.commits = 0
        self.refused: Counter[int] = Counter()

    async def begin(self) -> None:
        """Do nothing: there is nothing to open."""

    async def renew(self) -> None:
        """Do nothing: there is no connection to renew."""

    async def rests(self) -> None:
        """Do nothing: no commit is ever in progress."""

    async def compared(self) -> None:
        """Do nothing: there is no database to compare with."""

    async def commit(self, batch: Batch) -> Receipt:
        """Commit a batch that does not come from an engine."""
        return await self.kept(batch, None)

    async def kept(self, batch: Batch, watch: Watch | None) -> Receipt:
        """Commit a batch; `watch` is that of the engine which sent it, if one did."""
        keys = []
        for write in batch.writes:
            found = write.row if isinstance(write, Insert) else write.key
            key = tuple(found[column] for column in declared(write.table).key)
            keys.append((write.table, self._tables[write.table].get(key), key))
        receipt = await MemoryJournal.commit(self, batch)
        self.commits += 1
        changes = [(name, before, self._tables[name][key]) for name, before, key in keys]
        self._oracle.committed(changes, batch.events)
        if self.limits is not None:
            self.limits.committed(changes)
        if watch is not None:
            watch.committed(changes, batch.events)
        elif self.watch is not None:
            self.watch.decided(changes)
        return receipt

    @property
    def next(self) -> str:
        """Name of the next commit; a batch that is retried after a failure gets another one."""
        again = self.refused[self.commits]
        return f"{self.commits}.{again}" if again else str(self.commits)

    @property
    def head(self) -> str:
        """Hash of the last event: the same seed ends with the same hash."""
        return self._head[1]

    def table(self, name: str) -> list[Row]:
        """Return all rows of a table."""
        return list(self._tables[name].values())

    def row(self, table: str, *key: Any) -> Row | None:
        """Return one row."""
        return self._tables[table].get(key)


class Busy(StorageError):
    """The database did not commit the batch."""


class Unheard(StorageError):
    """The database may have committed the batch."""


class Turn(PassThrough):
    """A turnstile whose pauses take the world's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def pause(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)

    def elapsed(self) -> float:
        """Return the world's seconds."""
        return self._clock.monotonic()


class Link:
    """One engine's link to the store: calls fail, commits are slow, answers get lost.

    After most failures it is back within seconds; after some, never.
    """

    def __init__(
        self, store: Store, plan: Plan, tally: Tally, step: Callable[[str], None], clock: Clock
    ) -> None:
        self._store = store
        self._plan = plan
        self._tally = tally
        self._step = step
        self._clock = clock
        self._back_at = 0.0
        self.failed = False

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    def misplaced(self) -> str | None:
        """Return None: there is no file."""
        return None

    async def commit(self, batch: Batch) -> Receipt:
        """Commit a batch; may fail before the commit, or after it."""
        self._step("before a commit")
        self._require()
        key = self._store.next
        if self._plan.draw(0, key) % 4 == 0:
            await self._clock.sleep(0.001 * (self._plan.draw(1, key) % 40))
            self._step("in a commit")
            self._require()
        if self._plan.strikes(37, f"commit.{key}"):
            self._store.refused[self._store.commits] += 1
            self._fails(37, key, Busy("the database is locked"))
        receipt = await self._store.kept(batch, self._store.watch)
        if self._plan.strikes(38, f"commit.{key}"):
            self._fails(38, key, Unheard("the connection was lost during a commit"))
        return receipt

    def _fails(self, number: int, key: str, forever: StorageError) -> NoReturn:
        self._tally.hit(number, "commit")
        if self._plan.draw(number, f"{key}.for ever") % FOR_EVER == 0:
            self.failed = True
            raise forever
        away = self._plan.draw(number, f"{key}.away") % AWAY_MS
        self._back_at = self._clock.monotonic() + 0.001 * away
        if self._store.watch is not None:
            self._store.watch.unanswered(timedelta(milliseconds=away))
        raise Unanswered(str(forever))

    def _require(self) -> None:
        if self._clock.monotonic() < self._back_at:
            raise Unanswered("there is no server")

    async def rows(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] = (),
        *,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """Return rows."""
        self._step("before a read")
        self._require()
        return await self._store.rows(
            table, where, order_by, descending=descending, limit=limit
        )

    async def delivered(self, sequence: int) -> None:
        """Mark an event as delivered."""
        self._step("before the outbox")
        await self._store.delivered(sequence)

    async def close(self, *, fenced_off: bool = False) -> None:
        """Do nothing: there is nothing to close."""


class Connection:
    """An engine's journal: it outlasts its link's failures, and its batches are watched."""

    def __init__(
        self, store: Store, plan: Plan, tally: Tally, step: Callable[[str], None], clock: Clock
    ) -> None:
        self._store = store
        self._step = step
        self._link = Link(store, plan, tally, step, clock)
        self.outages = Outages()
        self._journal = ReconnectingJournal(self._link, Turn(clock), PATIENCE, self.outages)

    @property
    def failed(self) -> bool:
        """Whether it failed for ever."""
        return self._link.failed

    async def commit(self, batch: Batch) -> Receipt:
        """Commit a batch."""
        assert self._store.watch is not None, "somebody watches"
        with self._store.watch.given(batch):
            receipt = await self._journal.commit(batch)
        self._step("after a commit")
        return receipt

    async def rows(self, *asked: Any, **how: Any) -> list[Row]:
        """Return rows."""
        return await self._journal.rows(*asked, **how)

    async def delivered(self, sequence: int) -> None:
        """Mark an event as delivered."""
        await self._journal.delivered(sequence)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

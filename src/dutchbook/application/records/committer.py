"""EventBus: commits a decision, then notifies subscribers; nothing is published earlier."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from dutchbook.application.records.lease import Fence
from dutchbook.application.records.loading import undelivered
from dutchbook.application.records.shielding import run_to_end
from dutchbook.domain.events import Event, RecordsChanged, Stamp, SystemHealthCritical
from dutchbook.errors import Conflict, LeaseLost, StorageError, Unfit
from dutchbook.ports.crash_points import AFTER, BEFORE, DELIVERY, crashpoint
from dutchbook.ports.journal import Batch, Journal, Receipt, Subscriber
from dutchbook.ports.time import Clock, Ids


class Committer:
    """The only path from a decision to the world: commit, then deliver in order.

    Subscribers are called synchronously and must not block. Events that were committed but not
    delivered when the process died stay in the outbox, and `redeliver` delivers them at the
    next start. If a subscriber fails, nothing is delivered after the event that it failed on,
    so that the next start continues from there, in order.

    An engine's bus has a `fence`: nothing is committed once another engine has its lease.
    """

    def __init__(
        self, journal: Journal, clock: Clock, ids: Ids, fence: Fence | None = None
    ) -> None:
        self._journal = journal
        self.fence = fence
        self._clock = clock
        self._ids = ids
        self._subscribers: list[Subscriber] = []
        self.follows_books = False
        self._delivers = False
        self._broken = False
        self._unsure = False
        self._unfit: set[str] = set()
        self._delivery_lock = asyncio.Lock()
        self._next = 0
        self._begun = self._ended = 0
        self.counts: Counter[str] = Counter()
        self.receipt = Receipt(0, "")

    def subscribe(self, subscriber: Subscriber, *, books: bool = False) -> None:
        """Call `subscriber` with every event from now on.

        With `books`, also with every book update.
        """
        self._subscribers.append(subscriber)
        self.follows_books |= books

    @property
    def wall_time(self) -> datetime:
        """The time by which other processes stamp leases and commands, which no tape sets."""
        return self._clock.now() if self.fence is None else self.fence.now()

    def stamp(self, correlation_id: str, causation_id: str | None = None) -> Stamp:
        """Make the stamp of an event that happens now."""
        return Stamp(
            self._ids.new("event", correlation_id),
            self._clock.now(),
            correlation_id,
            causation_id,
        )

    async def commit(self, batch: Batch) -> Receipt:
        """Commit the batch, then publish its events.

        A batch without an event gets one that names its tables: the log records every change.

        The commit is shielded: if the caller is cancelled it still finishes, since a cancelled
        commit may happen all the same and its events must then be delivered.

        Raises:
            Conflict: A guard failed; nothing was committed and nothing is published.
            Unfit: A column cannot store a value: the same, and an event names the column.
            Halted: A halt that another process requested forbids an order of the batch.
            LeaseLost: Another engine has the lease; this one must end.
            StorageError: The database failed, now or before: the engine's state may differ from
                the database, and nothing more is decided from it.
        """
        if self._unsure:
            raise StorageError("a commit before this one got no answer: this engine must end")
        if batch.writes and not batch.events:
            tables = tuple(sorted({write.table for write in batch.writes}))
            changed = RecordsChanged(self.stamp("records"), tables)
            batch = Batch(batch.writes, (changed,))
        try:
            with self._under_way():
                return await run_to_end(self._commit(batch))
        except Unfit as unfit:
            await self._report(unfit)
            raise

    async def _report(self, unfit: Unfit) -> None:
        """Record which column a rejected value was for, once for each."""
        place = f"{unfit.table}.{unfit.column}"
        if place not in self._unfit:
            self._unfit.add(place)
            detail = f"{place}: {unfit.detail}; nothing of its batch was stored"
            stamp = self.stamp("records")
            critical = SystemHealthCritical(stamp, component="records", detail=detail)
            await self.commit(Batch(events=(critical,)))

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        self._begun += 1
        aware = True
        try:
            yield
        except asyncio.CancelledError:
            aware = False
            raise
        finally:
            self._ended += aware

    @property
    def mark(self) -> int | None:
        """Number that changes with every commit; None while one is under way.

        As long as it stays the same, the engine's state is what its database holds. It stays
        None after a caller of `commit` was cancelled: that caller never learns the result.
        """
        return self._begun if self._begun == self._ended else None

    async def commit_crash_report(self, event: Event) -> None:
        """Commit an ending engine's crash report, even after a commit that got no answer."""
        await run_to_end(self._commit(Batch(events=(event,))))

    async def _commit(self, batch: Batch) -> Receipt:
        with self._under_way():
            receipt = await self._kept(batch)
            if batch.events:
                self.receipt = receipt
                first = receipt.sequence - len(batch.events) + 1
                with self._learnt():
                    await self._deliver(list(enumerate(batch.events, start=first)))
            return receipt

    @contextmanager
    def _learnt(self) -> Iterator[None]:
        """If delivery fails, stop the bus: the caller cannot know that the commit succeeded."""
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self._broken = self._unsure = True

    async def _kept(self, batch: Batch) -> Receipt:
        """Commit; if the outcome is unknown, nothing more is published in this process.

        The batch's events may be in the outbox: later ones must not be marked as delivered
        before the next start has delivered these.
        """
        known = False
        try:
            if self.fence is None:
                receipt = await self._journal.commit(batch)
            else:
                receipt = await self.fence.commit(self._journal, batch)
            known = True
        except Conflict:
            known = True
            raise
        except LeaseLost:
            known = self._broken = True
            raise
        finally:
            if not known:
                self._broken = self._unsure = True
        return receipt

    async def redeliver(self) -> int:
        """Deliver every event that waits in the outbox to the subscribers, in order.

        From then on this bus is responsible for the outbox: what it delivers leaves it. A bus
        that never redelivers, such as that of a command run next to the engine, leaves its
        events to the next engine, whose subscribers are the ones to receive them.

        Returns:
            How many events there were.

        Raises:
            StorageError: The outbox holds an event that is not one of this program's.
        """
        self._delivers, self._next = True, 0
        waiting = await undelivered(self._journal)
        await self._deliver(waiting)
        return len(waiting)

    async def _deliver(self, events: Sequence[tuple[int, Event]]) -> None:
        """Publish events and mark them as delivered; do nothing after a subscriber has failed.

        Events that a command next to the engine has committed in between are delivered first:
        the outbox forgets everything up to the last delivered event. So are those of an older
        commit of this engine whose answer comes later; it does not deliver them again.
        """
        last = events[-1][0] if events else 0
        async with self._delivery_lock:
            if self._broken:
                return
            self._broken = True
            others = await self._missed(events)
            crashpoint(BEFORE, DELIVERY)
            for sequence, event in (*others, *events):
                if not self._delivers or sequence >= self._next:
                    self.publish(event, sequence)
            self._next = max(self._next, last + 1)
            self._broken = False
            crashpoint(AFTER, DELIVERY)
        if self._delivers and last:
            await self._journal.delivered(last)

    async def _missed(self, events: Sequence[tuple[int, Event]]) -> list[tuple[int, Event]]:
        """Return what others committed since the last delivery and before these events."""
        if not self._delivers or not events or events[0][0] == self._next or not self._next:
            return []
        first, waiting = events[0][0], await undelivered(self._journal)
        return [(n, event) for n, event in waiting if self._next <= n < first]

    @property
    def stopped_publishing(self) -> bool:
        """Whether committed events are no longer published in this process."""
        return self._broken

    def publish(self, event: Event, sequence: int = 0) -> None:
        """Deliver one event now. Only in-process events come without a sequence."""
        if event.durable:
            self.counts[event.wire] += 1
        for subscriber in self._subscribers:
            subscriber(event, sequence)

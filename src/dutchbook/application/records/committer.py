"""Commits a decision, then tells whoever listens: nothing is published before it is durable."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dutchbook.application.records.lease import Fence
from dutchbook.application.records.loading import undelivered
from dutchbook.application.records.shielding import whole
from dutchbook.domain.events import Event, RecordsChanged, Stamp
from dutchbook.errors import Conflict, LeaseLost, StorageError
from dutchbook.ports.crash_points import AFTER, BEFORE, DELIVERY, crashpoint
from dutchbook.ports.journal import Batch, Journal, Receipt, Subscriber
from dutchbook.ports.time import Clock, Ids


class EventBus:
    """The one way from a decision to the world: commit, then deliver in order.

    Subscribers are called synchronously and must not block. What was committed and not yet
    delivered when the process died stays in the outbox, and `redeliver` tells of it at the next
    start. When a subscriber breaks, nothing is delivered after the event that it broke at, so
    that the next start goes on from there, in order.

    An engine's bus has a `fence`: nothing is kept once another engine has its lease.
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
        self._turn = asyncio.Lock()
        self._next = 0
        self._begun = self._ended = 0
        self.counts: Counter[str] = Counter()
        self.receipt = Receipt(0, "")

    def subscribe(self, subscriber: Subscriber, *, books: bool = False) -> None:
        """Call `subscriber` with every event from now on.

        With `books`, with each book's too.
        """
        self._subscribers.append(subscriber)
        self.follows_books |= books

    def stamp(self, correlation_id: str, causation_id: str | None = None) -> Stamp:
        """Make the stamp of an event that happens now."""
        return Stamp(
            self._ids.new("event", correlation_id),
            self._clock.now(),
            correlation_id,
            causation_id,
        )

    async def commit(self, batch: Batch) -> Receipt:
        """Keep the batch, then publish its events.

        A batch without an event gets one that names its tables: the log tells every change.

        The commit is shielded: a cancelled caller leaves it to finish, since a cancelled commit
        may happen all the same and its events must then be heard.

        Raises:
            Conflict: A guard refused; nothing was kept and nothing is published.
            Halted: A halt that another process asked for forbids an order of the batch.
            LeaseLost: Another engine has the lease: this one must end.
            StorageError: The database failed, now or before: what this engine believes may not
                be what the database holds, and nothing more is decided from it.
        """
        if self._unsure:
            raise StorageError("a commit before this one got no answer: this engine must end")
        if batch.writes and not batch.events:
            tables = tuple(sorted({write.table for write in batch.writes}))
            changed = RecordsChanged(self.stamp("records"), tables)
            batch = Batch(batch.writes, (changed,))
        with self._under_way():
            return await whole(self._commit(batch))

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
        """What changes with every commit; None while one is under way, or its caller unaware.

        As long as it stays the same, what an engine believes is what its database holds. A
        caller that was cancelled will never be aware.
        """
        return self._begun if self._begun == self._ended else None

    async def last_word(self, event: Event) -> None:
        """Keep what an engine says as it ends, even after a commit that got no answer."""
        await whole(self._commit(Batch(events=(event,))))

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
        """Where this fails, whoever asked for the commit does not learn that it was kept."""
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self._broken = self._unsure = True

    async def _kept(self, batch: Batch) -> Receipt:
        """Commit; where nobody knows whether it was kept, nothing more is told in this life.

        Its events may stand in the outbox: what came later must not be noted as told before
        the next start has told of them.
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
        """Tell the subscribers, in order, of every event that waits in the outbox.

        From then on this bus answers for the outbox: what it delivers leaves it. One that never
        redelivers, such as that of a command beside the engine, leaves its events to the next
        engine, whose subscribers are the ones to hear them. Returns how many there were.

        Raises:
            StorageError: An event in it is not one of this program's.
        """
        self._delivers = True
        waiting = await undelivered(self._journal)
        await self._deliver(waiting)
        return len(waiting)

    async def _deliver(self, events: Sequence[tuple[int, Event]]) -> None:
        """Publish events and note how far; not at all after a subscriber has broken.

        What a command beside the engine has committed in between is told first: the outbox
        forgets everything up to what was told last.
        """
        last = events[-1][0] if events else 0
        async with self._turn:
            if self._broken:
                return
            self._broken = True
            others = await self._missed(events)
            crashpoint(BEFORE, DELIVERY)
            for sequence, event in (*others, *events):
                self.publish(event, sequence)
            self._next = last + 1
            self._broken = False
            crashpoint(AFTER, DELIVERY)
        if self._delivers and last:
            await self._journal.delivered(last)

    async def _missed(self, events: Sequence[tuple[int, Event]]) -> list[tuple[int, Event]]:
        """Return what others have committed since the last time and before these events."""
        if not self._delivers or not events or events[0][0] == self._next or not self._next:
            return []
        first, waiting = events[0][0], await undelivered(self._journal)
        return [(n, event) for n, event in waiting if self._next <= n < first]

    @property
    def silenced(self) -> bool:
        """Whether nothing that is committed is told any more in this life."""
        return self._broken

    def publish(self, event: Event, sequence: int = 0) -> None:
        """Deliver one event now. Only in-process events come here without a sequence."""
        if event.durable:
            self.counts[event.wire] += 1
        for subscriber in self._subscribers:
            subscriber(event, sequence)

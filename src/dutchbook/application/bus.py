"""Commits a decision, then tells whoever listens: nothing is published before it is durable."""

from __future__ import annotations

import asyncio
from collections import Counter

from dutchbook.application.lease import Fence
from dutchbook.domain.events import Event, RecordsChanged, Stamp
from dutchbook.ports import Batch, Clock, Ids, Journal, Receipt, Subscriber


class EventBus:
    """The one way from a decision to the world: commit, then deliver in order.

    Subscribers are called synchronously and must not block. What was committed and not yet
    delivered when the process died stays in the outbox, to be seen by whoever starts next.

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
        return Stamp(self._ids.new("event"), self._clock.now(), correlation_id, causation_id)

    async def commit(self, batch: Batch) -> Receipt:
        """Keep the batch, then publish its events.

        A batch without an event gets one that names its tables: the log tells every change.

        The commit is shielded: a cancelled caller leaves it to finish, since a cancelled commit
        may happen all the same and its events must then be heard.

        Raises:
            Conflict: A guard refused; nothing was kept and nothing is published.
            Halted: A halt that another process asked for forbids an order of the batch.
            LeaseLost: Another engine has the lease: this one must end.
        """
        if batch.writes and not batch.events:
            tables = tuple(sorted({write.table for write in batch.writes}))
            changed = RecordsChanged(self.stamp("records"), tables)
            batch = Batch(batch.writes, (changed,))
        committing = asyncio.ensure_future(self._commit(batch))
        committing.add_done_callback(_heard)
        return await asyncio.shield(committing)

    async def _commit(self, batch: Batch) -> Receipt:
        if self.fence is None:
            receipt = await self._journal.commit(batch)
        else:
            receipt = await self.fence.commit(self._journal, batch)
        first = receipt.sequence - len(batch.events)
        for offset, event in enumerate(batch.events, start=1):
            self.publish(event, first + offset)
        if batch.events:
            self.receipt = receipt
            await self._journal.delivered(receipt.sequence)
        return receipt

    def publish(self, event: Event, sequence: int = 0) -> None:
        """Deliver one event now. Only in-process events come here without a sequence."""
        if event.durable:
            self.counts[event.wire] += 1
        for subscriber in self._subscribers:
            subscriber(event, sequence)


def _heard(committing: asyncio.Future[Receipt]) -> None:
    """A caller that was cancelled does not read its answer; that is no error."""
    if not committing.cancelled():
        committing.exception()

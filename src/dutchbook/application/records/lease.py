"""The lease: one engine at a time may write, and each batch that it commits proves it (I-29).

An engine that was frozen, cut off or forgotten finds out with its next commit that another one
has taken the lease: nothing of that batch is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dutchbook.domain.capital.limits import Grade
from dutchbook.domain.execution.order import Purpose
from dutchbook.errors import (
    Conflict,
    DatabaseLost,
    Halted,
    LeaseHeld,
    LeaseLost,
    StorageError,
)
from dutchbook.ports.halt_file import HaltFile
from dutchbook.ports.journal import Batch, Insert, Journal, Receipt, Update, Write
from dutchbook.ports.time import Clock

TABLE = "leases"
ENGINE = {"name": "engine"}
Gone = Callable[[str], bool]
"""Returns whether the process that a holder's name refers to has certainly ended."""


class Fence:
    """The engine's own lease: what it adds to a batch, and what it knows of the row.

    Attributes:
        epoch: Counts holders; a batch of an older one is rejected whole.
        unclean: The previous holder never released the lease.
        halted: The grade of halt in the row when it was last read.
        pending: Halts that the row counts and the risk state does not show yet.
        blind: The last attempt to read the row failed.
        file: Where a person halts trading while the database does not answer.
    """

    def __init__(
        self,
        epoch: int,
        term: timedelta,
        clock: Clock,
        *,
        unclean: bool,
        file: HaltFile | None = None,
    ) -> None:
        self.epoch = epoch
        self.unclean = unclean
        self.halted = Grade.TRADING
        self.pending = 0
        self.blind = False
        self.file = file
        self._term = term
        self._clock = clock
        self._halts = 0
        self._lost = False
        self._expires_at = clock.now() + term
        self._renewed = clock.monotonic()

    @property
    def grade(self) -> Grade:
        """The halt grade: of the row as last read or of the file now, whichever is stronger."""
        note = self.file.standing() if self.file is not None else None
        return max(self.halted, note.grade) if note is not None else self.halted

    def now(self) -> datetime:
        """Return the time by the clock of the lease."""
        return self._clock.now()

    @property
    def held(self) -> bool:
        """Whether the lease is still ours as far as our clocks can show.

        Both clocks are read: one stands still while the machine sleeps, the other can be set.
        """
        elapsed = self._clock.monotonic() - self._renewed
        in_term = elapsed < self._term.total_seconds() and self._clock.now() < self._expires_at
        return in_term and not self._lost

    def on(self, batch: Batch) -> Batch:
        """Return a batch that commits only while the lease is ours, and that renews it.

        A batch with an entry commits only while nothing is halted; one with any other order,
        only while more than cancels is allowed. An order that was never to be sent is a record,
        not an intent.
        """
        now = self._clock.now()
        update = Update(TABLE, ENGINE, {"epoch": self.epoch}, {"expires_at": now + self._term})
        purposes = {
            write.row["purpose"]
            for write in batch.writes
            if isinstance(write, Insert) and write.table == "orders" and _to_send(write)
        }
        if Purpose.ENTRY in purposes:
            update = replace(update, guard={**update.guard, "halted": int(Grade.TRADING)})
        elif purposes:
            update = replace(update, at_most={("halted",): int(Grade.NO_ENTRIES)})
        rest: list[Write] = []
        for write in batch.writes:
            if isinstance(write, Update) and write.table == TABLE:
                guard = {**update.guard, **write.guard}
                update = replace(update, guard=guard, put={**update.put, **write.put})
            else:
                rest.append(write)
        return Batch((update, *rest), batch.events)

    def renewed(self, began: float, expires_at: datetime) -> None:
        """Record that a batch begun at `began` was committed."""
        self._expires_at = max(self._expires_at, expires_at)
        self._renewed = max(self._renewed, began)

    async def commit(self, journal: Journal, batch: Batch) -> Receipt:
        """Commit a batch under this lease.

        One that took longer than a term is followed by a renewal, so that its orders may be
        sent.

        Raises:
            LeaseLost: Another engine has the lease; this one must end.
            Halted: A halt forbids the batch's orders.
            Conflict: Another guard failed.
        """
        receipt = await self._commit(journal, batch)
        if not self.held:
            await self._commit(journal, Batch())
        return receipt

    async def _commit(self, journal: Journal, batch: Batch) -> Receipt:
        began, fenced = self._clock.monotonic(), self.on(batch)
        self._allow(fenced)
        try:
            receipt = await journal.commit(fenced)
        except Conflict as conflict:
            if conflict.table == TABLE:
                await self._explain(journal, fenced)
            raise
        update = fenced.writes[0]
        assert isinstance(update, Update), "the fence comes first"
        self.renewed(began, update.put["expires_at"])
        if "halted" in update.put:
            self.halted = Grade(update.put["halted"])
        return receipt

    async def _explain(self, journal: Journal, fenced: Batch) -> None:
        await self.look(journal)
        self._allow(fenced)

    def _allow(self, fenced: Batch) -> None:
        """Reject a batch whose orders are forbidden by a halt that is known already."""
        update = fenced.writes[0]
        assert isinstance(update, Update), "the fence comes first"
        entry, order = "halted" in update.guard, bool(update.at_most)
        grade = self.grade if entry or order else Grade.TRADING
        if grade and (entry or grade is Grade.CANCELS_ONLY):
            raise Halted(TABLE, ENGINE["name"], f"trading is halted, grade {int(grade)}")

    async def look(self, journal: Journal) -> Mapping[str, Any] | None:
        """Read the current row; if it cannot be read, set `blind` and return None.

        Raises:
            LeaseLost: Another engine has the lease; this one must end.
        """
        try:
            rows = await journal.rows(TABLE, ENGINE)
        except StorageError:
            self.blind = True
            return None
        if not rows or rows[0]["epoch"] != self.epoch:
            self._lost = True
            holder = rows[0]["holder"] if rows else "nobody"
            raise LeaseLost(f"the lease was taken over by {holder}; this engine has ended")
        try:
            self.halted, self.blind = Grade(rows[0]["halted"]), False
        except ValueError:
            self.halted, self.blind = Grade.NO_ENTRIES, True
        return rows[0]

    def unread(self) -> None:
        """Note that the database did not answer, so that a halt may stand unseen."""
        self.blind = True

    def await_halts(self, count: int) -> None:
        """Note how many halts of the row the risk state does not show yet."""
        self.pending = count

    def known(self, row: Mapping[str, Any], pending: int) -> None:
        """Record the row together with the number of halts that are still to be processed."""
        self._halts = row["halts"]
        self.pending = pending

    def raised(self, grade: Grade) -> tuple[Update, ...]:
        """Return the update that raises the row's halt; it fails if a new halt came between."""
        halted = max(grade, self.halted)
        return (Update(TABLE, ENGINE, {"halts": self._halts}, {"halted": int(halted)}),)

    def lifted(self) -> tuple[Update, ...]:
        """Return the update that lifts the row's halt; none while a newer halt waits.

        It fails if a new halt comes between.
        """
        if self.pending:
            return ()
        guard = {"halts": self._halts}
        return (Update(TABLE, ENGINE, guard, {"halted": int(Grade.TRADING)}),)

    async def renew(self, journal: Journal) -> None:
        """Renew the lease while there is nothing to commit."""
        await self.commit(journal, Batch())

    async def keep(self, journal: Journal) -> None:
        """Renew three times a term, until cancelled.

        If the database fails, it is tried again the next time; until then nothing is entered.

        Raises:
            LeaseLost: Another engine has the lease; this one must end.
            DatabaseLost: The database is gone; this engine must end.
        """
        while True:
            await self._clock.sleep(self._term.total_seconds() / 3)
            if self._clock.monotonic() - self._renewed < self._term.total_seconds() / 4:
                continue
            try:
                await self.renew(journal)
            except (LeaseLost, DatabaseLost):
                raise
            except StorageError:
                self.blind = True

    async def release(self, journal: Journal) -> None:
        """Release the lease, so that the next engine need not wait."""
        put = {"holder": "", "expires_at": self._clock.now()}
        await journal.commit(Batch((Update(TABLE, ENGINE, {"epoch": self.epoch}, put),)))


def _to_send(write: Insert) -> bool:
    return bool(write.row["working_size"])


def lease_row(
    holder: str, epoch: int, at: datetime, until: datetime, halted: Grade = Grade.TRADING
) -> dict[str, Any]:
    """Return the row of `leases`."""
    return {
        **ENGINE,
        "holder": holder,
        "epoch": epoch,
        "acquired_at": at,
        "expires_at": until,
        "halted": int(halted),
        "halts": int(halted > 0),
    }


def live(row: Mapping[str, Any], now: datetime, gone: Gone) -> bool:
    """Return whether a lease is held: not released, not expired, and its holder not dead."""
    return bool(row["holder"]) and row["expires_at"] > now and not gone(row["holder"])


async def take(
    journal: Journal,
    clock: Clock,
    holder: str,
    term: timedelta,
    gone: Gone,
    file: HaltFile | None = None,
) -> Fence:
    """Take the lease with the next epoch; `file` is where people halt without the database.

    Raises:
        LeaseHeld: Another engine has the lease, or took it first.
    """
    rows, now = await journal.rows(TABLE, ENGINE), clock.now()
    if not rows:
        write: Write = Insert(TABLE, lease_row(holder, 1, now, now + term))
        fence = Fence(1, term, clock, unclean=False, file=file)
    else:
        row = rows[0]
        if live(row, now, gone):
            until = row["expires_at"].isoformat(sep=" ", timespec="seconds")
            raise LeaseHeld(
                f"another engine ({row['holder']}) holds the lease until {until};"
                " stop that one first, or start with --standby"
            )
        unclean = bool(row["holder"])
        fence = Fence(row["epoch"] + 1, term, clock, unclean=unclean, file=file)
        guard = {"epoch": row["epoch"], "expires_at": row["expires_at"]}
        put = {
            "holder": holder,
            "epoch": fence.epoch,
            "acquired_at": now,
            "expires_at": now + term,
        }
        write = Update(TABLE, ENGINE, guard, put)
    try:
        await journal.commit(Batch((write,)))
    except Conflict:
        raise LeaseHeld("another engine took the lease at the same moment") from None
    await fence.look(journal)
    return fence


def _nothing() -> None:
    """Do nothing."""


async def turn(
    journal: Journal,
    clock: Clock,
    term: timedelta,
    gone: Gone,
    looked: Callable[[], None] = _nothing,
) -> bool:
    """Wait until the lease can be taken; call `looked` each time that its row was read.

    A lease is expired when its row has been unchanged, and past its end, for a whole term by
    our own monotonic clock: a clock ahead of the holder's does not take the lease early.

    Returns:
        Whether the holder may still be there, frozen, with its locks.
    """
    seen: tuple[Any, ...] = ()
    since = clock.monotonic()
    while True:
        rows = await journal.rows(TABLE, ENGINE)
        looked()
        if not rows or not rows[0]["holder"] or gone(rows[0]["holder"]):
            return False
        state = (rows[0]["epoch"], rows[0]["expires_at"])
        if state != seen:
            seen, since = state, clock.monotonic()
        waited = clock.monotonic() - since >= term.total_seconds()
        if waited and not live(rows[0], clock.now(), gone):
            return True
        await clock.sleep(term.total_seconds() / 10)

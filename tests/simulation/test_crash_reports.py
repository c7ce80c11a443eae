"""An engine that ends unexpectedly leaves a crash report."""

from __future__ import annotations

import json

import pytest
from support.databases import event
from support.memory_journal import MemoryJournal
from support.pairs import NOW

from dutchbook.application.records.committer import Committer
from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.events import Event, SystemHealthCritical
from dutchbook.errors import Conflict, LeaseLost, StorageError
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.virtual_time import run_virtual


class FailingJournal(MemoryJournal):
    """Fails at the commit of the first order and, unless it `recovers`, ever after."""

    def __init__(self, error: Exception, *, recovers: bool) -> None:
        super().__init__()
        self._error = error
        self._recovers = recovers
        self._failed = False

    async def commit(self, batch: Batch) -> Receipt:
        if any(write.table == "orders" for write in batch.writes) and not self._failed:
            self._failed = True
            raise self._error
        if self._failed and not self._recovers:
            raise self._error
        return await super().commit(batch)


def ended(journal: FailingJournal) -> list[SystemHealthCritical]:
    """Run an engine that ends with an error, and return its crash reports."""
    told: list[SystemHealthCritical] = []

    def on_event(event: Event, sequence: int) -> None:
        del sequence
        if isinstance(event, SystemHealthCritical):
            told.append(event)

    async def main() -> None:
        tape = generated_tape(7, minutes=10)
        paper = build_paper(load(None, ()), tape, journal, TapeClock(tape.meta.first), seed=7)
        paper.engine.committer.subscribe(on_event)
        await paper.trade(1)

    with pytest.raises(BaseExceptionGroup):
        run_virtual(main())
    return told


def test_the_failure_of_a_task_is_the_last_entry_of_the_log() -> None:
    journal = FailingJournal(KeyError("token=hunter2"), recovers=True)

    (told,) = ended(journal)

    last = list(journal._tables["audit_log"].values())[-1]
    assert (last["name"], json.loads(last["payload"])["component"]) == (told.wire, "task")
    assert told.detail == "KeyError", "what a foreign error says could hold a secret"


def test_a_database_that_fails_for_good_is_reported_all_the_same() -> None:
    (told,) = ended(FailingJournal(StorageError("the disk is gone"), recovers=False))

    assert (told.component, told.detail) == ("database", "StorageError: the disk is gone")


def test_an_engine_that_lost_its_lease_reports_no_crash() -> None:
    journal = FailingJournal(LeaseLost("another engine has the lease"), recovers=False)

    assert ended(journal) == []


class Unanswered(MemoryJournal):
    """Commits every batch, and answers the first with an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._errors = [error]

    async def commit(self, batch: Batch) -> Receipt:
        receipt = await super().commit(batch)
        if self._errors:
            raise self._errors.pop()
        return receipt


def told_on(journal: MemoryJournal) -> tuple[Committer, list[Event]]:
    """Return a bus, and the events that it delivers."""
    committer, told = Committer(journal, TapeClock(NOW), SeededIds(1, 1)), list[Event]()
    committer.subscribe(lambda heard, _: told.append(heard))
    return committer, told


def test_after_a_commit_that_got_no_answer_only_the_crash_report_is_committed() -> None:
    """The database may hold what this engine does not know: it must decide nothing more."""

    async def main() -> tuple[list[str], list[Event]]:
        journal = Unanswered(StorageError("the disk is slow"))
        committer, told = told_on(journal)
        with pytest.raises(StorageError, match="the disk is slow"):
            await committer.commit(Batch(events=(event("unanswered"),)))
        for name in ("decided", "decided again"):
            with pytest.raises(StorageError, match="got no answer: this engine must end"):
                await committer.commit(Batch(events=(event(name),)))
        await committer.commit_crash_report(event("last word"))
        return [row["event_id"] for row in await journal.rows("audit_log")], told

    kept, told = run_virtual(main())

    assert kept == ["unanswered", "last word"]
    assert told == []


class Untold(MemoryJournal):
    """Fails to mark events as delivered."""

    async def delivered(self, sequence: int) -> None:
        raise StorageError(f"{sequence} is not noted")


def test_after_a_commit_that_could_not_be_delivered_nothing_more_is_decided() -> None:
    """It was committed and its caller does not know: the caller's cache is stale (I-3)."""

    async def main() -> list[str]:
        journal = Untold()
        committer, _ = told_on(journal)
        await committer.redeliver()
        with pytest.raises(StorageError, match="1 is not noted"):
            await committer.commit(Batch(events=(event("kept"),)))
        with pytest.raises(StorageError, match="this engine must end"):
            await committer.commit(Batch(events=(event("decided"),)))
        return [row["event_id"] for row in await journal.rows("audit_log")]

    assert run_virtual(main()) == ["kept"]


def test_a_rejected_commit_leaves_no_doubt_and_the_engine_goes_on() -> None:
    async def main() -> list[Event]:
        committer, told = told_on(Unanswered(Conflict("orders", "o", "is another")))
        with pytest.raises(Conflict):
            await committer.commit(Batch(events=(event("refused"),)))
        await committer.commit(Batch(events=(event("kept"),)))
        return told

    assert [each.stamp.event_id for each in run_virtual(main())] == ["kept"]


def test_a_lost_lease_is_raised_at_every_later_commit() -> None:
    """Every caller must learn why the engine ends: another engine trades."""

    async def main() -> list[Event]:
        failing = FailingJournal(LeaseLost("another engine has the lease"), recovers=False)
        failing._failed = True
        committer, told = told_on(failing)
        for name in ("first", "second", "third"):
            with pytest.raises(LeaseLost):
                await committer.commit(Batch(events=(event(name),)))
        assert committer.stopped_publishing
        return told

    assert run_virtual(main()) == []

"""An engine that ends of something unexpected says so before it ends."""

from __future__ import annotations

import json

import pytest

from dutchbook.bootstrap import build, generated_tape
from dutchbook.config import load
from dutchbook.domain.events import Event, SystemHealthCritical
from dutchbook.engine import Engine
from dutchbook.errors import LeaseLost, StorageError
from dutchbook.persistence.memory import MemoryJournal
from dutchbook.ports import Batch, Receipt
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual


class FailingJournal(MemoryJournal):
    """Fails at the commit of the first order, and, unless it `recovers`, ever after."""

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
    """Run an engine that ends of an error, and return what was told of that."""
    told: list[SystemHealthCritical] = []

    def hear(event: Event, sequence: int) -> None:
        del sequence
        if isinstance(event, SystemHealthCritical):
            told.append(event)

    async def main() -> None:
        tape = generated_tape(7, minutes=10)
        engine: Engine = build(
            load(None, ()), tape, journal, TapeClock(tape.meta.first), seed=7
        )
        engine.bus.subscribe(hear)
        await engine.trade(1)

    with pytest.raises(BaseExceptionGroup):
        run_virtual(main())
    return told


def test_the_death_of_a_task_is_the_last_entry_of_the_log() -> None:
    journal = FailingJournal(KeyError("token=hunter2"), recovers=True)

    (told,) = ended(journal)

    last = list(journal._tables["audit_log"].values())[-1]
    assert (last["name"], json.loads(last["payload"])["component"]) == (told.wire, "task")
    assert told.detail == "KeyError", "what a foreign error says could hold a secret"


def test_a_database_that_fails_for_good_is_told_of_all_the_same() -> None:
    (told,) = ended(FailingJournal(StorageError("the disk is gone"), recovers=False))

    assert (told.component, told.detail) == ("database", "StorageError: the disk is gone")


def test_an_engine_whose_lease_another_took_does_not_call_for_help() -> None:
    journal = FailingJournal(LeaseLost("another engine has the lease"), recovers=False)

    assert ended(journal) == []

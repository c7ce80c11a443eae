"""Rolled-back events are never delivered; committed ones at least once, in order."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.databases import AnyJournal, by_hand
from support.rows import NOW

from dutchbook.application.records.committer import Committer
from dutchbook.application.records.runs import count_run
from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.events import Event, Stamp, SystemStopped
from dutchbook.errors import Conflict, StorageError
from dutchbook.operations import admin
from dutchbook.persistence.database import Database
from dutchbook.persistence.log.chain import canonical
from dutchbook.ports.journal import Batch, Receipt, Update
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.virtual_time import run_virtual, turnstile

Heard = list[tuple[int, Event]]
KILLED = 9
FILLED = "execution.order.filled"


class Listener:
    """Receives committed events; breaks, in a given way, at the first event of a name."""

    def __init__(self, at: str = "", breaks: Callable[[], None] = lambda: None) -> None:
        self.heard: Heard = []
        self._at = at
        self._breaks = breaks

    def __call__(self, event: Event, sequence: int) -> None:
        if event.wire == self._at:
            self._breaks()
        if sequence:
            self.heard.append((sequence, event))


def trade(url: str, listener: Listener, *, minutes: int = 6) -> None:
    """Run on a database with one listener."""
    Database.at(url).prepare("paper")

    async def main() -> None:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            tape = generated_tape(7, minutes=minutes)
            number = await count_run(journal)
            clock = TapeClock(tape.meta.first)
            paper = build_paper(load(), tape, journal, clock, seed=7, run=number)
            paper.engine.committer.subscribe(listener)
            await paper.trade(number)
        finally:
            await journal.close()

    run_virtual(main())


def read(url: str, table: str) -> list[dict[str, Any]]:
    order = ("sequence",)

    async def main() -> list[dict[str, Any]]:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            return await journal.rows(table, order_by=order)
        finally:
            await journal.close()

    return asyncio.run(main())


def killed_at_the_first_fill(url: str, path: str) -> None:
    """Run in a process of its own that ends between a commit and its delivery."""
    listener = Listener(FILLED, lambda: _die(listener, path))
    trade(url, listener)


def _die(listener: Listener, path: str) -> None:
    Path(path).write_text(" ".join(str(number) for number, _ in listener.heard))
    os._exit(KILLED)


def _check(log: list[dict[str, Any]], before: list[int], after: Heard) -> None:
    """Check that every event was received by one engine, in order, and as it was written."""
    told = [number for number, _ in after]
    assert before == list(range(1, len(before) + 1))
    assert told == list(range(told[0], len(log) + 1))
    assert told[0] <= len(before) + 1
    for number, event in after:
        row = log[number - 1]
        assert (event.stamp.event_id, event.wire) == (row["event_id"], row["name"])
        assert event.stamp.occurred_at == row["occurred_at"]
        assert event.stamp.correlation_id == row["correlation_id"]
        assert canonical(event.payload()) == row["payload"]


def test_what_a_killed_engine_did_not_deliver_is_delivered_by_the_next(
    database_url: str, tmp_path: Path
) -> None:
    notes = tmp_path / "heard"
    context = multiprocessing.get_context("spawn")
    dying = context.Process(target=killed_at_the_first_fill, args=(database_url, str(notes)))
    dying.start()
    dying.join(60)
    before = [int(number) for number in notes.read_text().split()]
    left = read(database_url, "audit_log")

    after = Listener()
    trade(database_url, after)

    assert dying.exitcode == KILLED
    assert left[len(before)]["name"] == FILLED
    _check(read(database_url, "audit_log"), before, after.heard)
    assert read(database_url, "outbox") == []


def test_an_event_at_which_a_listener_broke_is_delivered_again_and_none_is_skipped(
    database_url: str,
) -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    broken = Listener(FILLED, breaks)
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        trade(database_url, broken)

    after = Listener()
    trade(database_url, after)

    before = [number for number, _ in broken.heard]
    _check(read(database_url, "audit_log"), before, after.heard)
    assert read(database_url, "outbox") == []


def test_a_run_that_ended_well_leaves_nothing_to_deliver(database_url: str) -> None:
    trade(database_url, Listener())
    told = len(read(database_url, "audit_log"))

    after = Listener()
    trade(database_url, after)

    assert after.heard[0][0] == told + 1


def test_a_command_after_an_engine_died_does_not_remove_its_undelivered_events(
    database_url: str, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (database_url, str(tmp_path / "heard"))
    dying = context.Process(target=killed_at_the_first_fill, args=arguments)
    dying.start()
    dying.join(60)
    waiting = read(database_url, "outbox")
    admin.move_cash(database_url, "kalshi", "100", "by hand", out=False)

    still = read(database_url, "outbox")
    after = Listener()
    trade(database_url, after)

    assert still[: len(waiting)] == waiting
    assert len(still) == len(waiting) + 1
    assert "capital.moved" in [e.wire for n, e in after.heard if n == still[-1]["sequence"]]


WAITS = "INSERT INTO outbox (sequence, name) VALUES (100000, 'x')"
LOGGED = (
    "INSERT INTO audit_log (sequence, event_id, name, occurred_at, correlation_id, payload,"
    " previous_hash, hash) VALUES (100000, 'e', 'x', 0, 'c', '{}', '0', '1')"
)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((WAITS,), "waits in the outbox and is not in"),
        ((LOGGED, WAITS), "cannot be delivered"),
    ],
)
def test_an_event_that_cannot_be_redelivered_is_one_line(
    database_url: str, rows: tuple[str, ...], told: str
) -> None:
    Database.at(database_url).prepare("paper")
    by_hand(database_url, *rows)

    with pytest.raises(StorageError, match=f"event 100000 {told}"):
        trade(database_url, Listener(), minutes=1)


# The bus alone ---------------------------------------------------------------------------


def stopped(name: str) -> SystemStopped:
    return SystemStopped(Stamp(name, NOW, "test"), reason=name)


def with_bus(url: str, work: Any) -> Any:
    Database.at(url).prepare("paper")

    async def main() -> Any:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            committer = Committer(journal, TapeClock(NOW), SeededIds(1, 1))
            return await work(committer, journal)
        finally:
            await journal.close()

    return asyncio.run(main())


def test_no_event_of_a_rejected_batch_is_delivered(database_url: str) -> None:
    listener = Listener()

    async def work(committer: Committer, journal: AnyJournal) -> list[dict[str, Any]]:
        committer.subscribe(listener)
        await committer.redeliver()
        absent = Update("accounts", {"account_id": "nobody"}, add={"free": Decimal(1)})
        with pytest.raises(Conflict):
            await committer.commit(Batch((absent,), (stopped("never"),)))
        await committer.commit(Batch(events=(stopped("kept"),)))
        return await journal.rows("outbox")

    rows = with_bus(database_url, work)

    assert [event.stamp.event_id for _, event in listener.heard] == ["kept"]
    assert [row["sequence"] for row in rows] == [1]


def test_after_a_listener_broke_no_event_overtakes_an_undelivered_one(
    database_url: str,
) -> None:
    heard: list[str] = []

    def on_event(event: Event, sequence: int) -> None:
        assert sequence
        if event.stamp.event_id == "b":
            raise ZeroDivisionError
        heard.append(event.stamp.event_id)

    async def breaking(committer: Committer, journal: AnyJournal) -> int:
        committer.subscribe(on_event)
        await committer.redeliver()
        await committer.commit(Batch(events=(stopped("a"),)))
        both = (stopped("b"), stopped("c")), (stopped("d"),)
        broken, kept = await asyncio.gather(
            *(committer.commit(Batch(events=each)) for each in both), return_exceptions=True
        )
        assert isinstance(broken, ZeroDivisionError)
        assert isinstance(kept, Receipt)
        return len(await journal.rows("audit_log"))

    listener = Listener()

    async def again(committer: Committer, journal: AnyJournal) -> int:
        assert journal is not None
        committer.subscribe(listener)
        return await committer.redeliver()

    assert with_bus(database_url, breaking) == 4
    assert with_bus(database_url, again) == 3
    assert heard == ["a"]
    assert [event.stamp.event_id for _, event in listener.heard] == ["b", "c", "d"]
    assert read(database_url, "outbox") == []

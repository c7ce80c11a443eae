"""A journal over a connection that breaks: each batch is stored once, or the engine ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from support.databases import event
from support.outages import STANDARD, Breaking, once, outlasting
from support.pairs import NOW

from dutchbook.application.records.lease import ENGINE, take
from dutchbook.application.records.outages import ReconnectingJournal
from dutchbook.application.records.runs import count_run
from dutchbook.errors import Conflict, DatabaseLost, LeaseLost
from dutchbook.ports.journal import Batch, Insert, Receipt, Update
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

TERM = timedelta(seconds=10)


def told(name: str) -> Batch:
    return Batch(events=(event(name),))


def named(name: str) -> Callable[[Batch], bool]:
    return lambda batch: name in [each.stamp.event_id for each in batch.events]


def on(
    connection: Breaking,
    work: Callable[[ReconnectingJournal], Awaitable[Any]],
    seconds: int = STANDARD,
) -> tuple[Any, list[str], int]:
    """Return what `work` returns, the ids in the log, and how many outages there were."""

    async def main() -> tuple[Any, list[str], int]:
        journal, outages = outlasting(connection, seconds)
        answer = await work(journal)
        connection.away = False
        log = await connection.rows("audit_log", order_by=("sequence",))
        return answer, [row["event_id"] for row in log], outages.begun

    return run_virtual(main())


@pytest.mark.parametrize("stores", [True, False])
def test_a_commit_that_got_no_answer_is_stored_once(stores: bool) -> None:
    connection = Breaking(once(named("b")), stores=stores)

    async def work(journal: ReconnectingJournal) -> list[Receipt]:
        return [await journal.commit(told(name)) for name in "abc"]

    receipts, log, begun = on(connection, work)

    assert log == ["a", "b", "c"]
    assert [each.sequence for each in receipts] == [1, 2, 3]
    assert len(connection.commits) == (3 if stores else 4), "what is stored is not sent again"
    assert begun == 1


@pytest.mark.parametrize("stores", [True, False])
def test_calls_of_an_outage_return_in_the_order_in_which_they_were_made(stores: bool) -> None:
    connection = Breaking(once(named("b")), stores=stores)
    connection.back_after = 3.1  # between two tries of each call

    async def work(journal: ReconnectingJournal) -> int:
        first = [asyncio.ensure_future(journal.commit(told(name))) for name in "abcd"]
        await asyncio.sleep(1.2)
        later = [asyncio.ensure_future(journal.commit(told(name))) for name in "ef"]
        read = asyncio.ensure_future(journal.rows("audit_log"))
        await asyncio.gather(*first, *later)
        return len(await read)

    seen, log, begun = on(connection, work)

    assert sorted(log[:4]) == ["a", "b", "c", "d"]
    assert log[4:] == ["e", "f"]
    assert (seen, begun) == (6, 1)


def test_a_batch_that_arrives_after_it_was_looked_up_is_not_stored_twice() -> None:
    """The server was still busy with it when the engine connected anew."""
    connection = Breaking(once(named("late")))
    rows, late = connection.rows, told("late")

    async def arriving(table: str, *asked: Any, **how: Any) -> list[dict[str, Any]]:
        found = await rows(table, *asked, **how)
        if table == "audit_log" and not found:
            await super(Breaking, connection).commit(late)
        return found

    connection.rows = arriving  # type: ignore[method-assign]
    change = Insert("system_metadata", {"key": "x", "value": "y"})

    async def work(journal: ReconnectingJournal) -> int:
        nonlocal late
        late = Batch((change,), late.events)
        return (await journal.commit(late)).sequence

    assert on(connection, work)[:2] == (1, ["late"])


def test_a_conflict_after_an_outage_is_a_conflict() -> None:
    connection = Breaking(once(named("b")))
    taken = Insert("system_metadata", {"key": "x", "value": "mine"})
    theirs = Insert("system_metadata", {"key": "x", "value": "theirs"})

    async def work(journal: ReconnectingJournal) -> str:
        await journal.commit(Batch((theirs,), (event("a"),)))
        with pytest.raises(Conflict) as found:
            await journal.commit(Batch((taken,), (event("b"),)))
        await journal.commit(told("c"))
        return found.value.table

    assert on(connection, work) == ("system_metadata", ["a", "c"], 1)


@pytest.mark.parametrize("table", ["leases", "system_metadata"])
def test_an_engine_takes_its_lease_and_counts_its_run_though_no_answer_came(table: str) -> None:
    """These batches have no event: they are looked up by what they write."""
    connection = Breaking(
        once(lambda batch: batch.writes[-1].table == table and not batch.events), stores=True
    )

    async def work(journal: ReconnectingJournal) -> list[Any]:
        fence = await take(journal, TapeClock(NOW), "a", TERM, lambda _: False)
        number = await count_run(journal, fence)
        (lease,) = await journal.rows("leases", ENGINE)
        return [fence.epoch, lease["epoch"], number]

    assert on(connection, work)[0] == [1, 1, 1]


def test_an_engine_that_lost_its_lease_during_an_outage_writes_nothing_more() -> None:
    connection = Breaking()

    async def work(journal: ReconnectingJournal) -> None:
        fence = await take(journal, TapeClock(NOW), "a", TERM, lambda _: False)
        connection.breaks()
        waiting = asyncio.ensure_future(fence.commit(journal, told("late")))
        await asyncio.sleep(1)
        connection.away = False
        await connection.commit(Batch((Update("leases", ENGINE, put={"epoch": 2}),)))
        with pytest.raises(LeaseLost):
            await waiting

    assert on(connection, work)[1] == []


def test_a_lease_that_ran_out_in_an_outage_is_renewed_before_anything_is_sent() -> None:
    connection = Breaking(once(named("hedge")))
    connection.back_after = 30

    async def work(journal: ReconnectingJournal) -> bool:
        fence = await take(journal, TapeClock(NOW), "a", TERM, lambda _: False)
        await fence.commit(journal, told("hedge"))
        return fence.held

    assert on(connection, work)[0]


def test_after_the_set_time_the_engine_must_end_and_nothing_is_asked_again() -> None:
    connection = Breaking(once(named("b")))
    connection.back_after = None

    async def work(journal: ReconnectingJournal) -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(DatabaseLost, match=r"there is no server; no answer for 7 s"):
            await journal.commit(told("b"))
        took = asyncio.get_running_loop().time() - began
        connection.away = False
        for _ in range(2):
            with pytest.raises(DatabaseLost):
                await journal.commit(told("c"))
            with pytest.raises(DatabaseLost):
                await journal.rows("audit_log")
        return took

    took, log, _ = on(connection, work, seconds=7)

    assert 7 <= took < 8
    assert log == []


def test_an_idle_engine_ends_after_the_set_time_too() -> None:
    connection = Breaking()
    connection.back_after = None

    async def work(journal: ReconnectingJournal) -> None:
        fence = await take(journal, TapeClock(NOW), "a", TERM, lambda _: False)
        connection.breaks()
        async with asyncio.timeout(60):
            with pytest.raises(DatabaseLost):
                await fence.keep(journal)

    on(connection, work, seconds=20)


def test_a_second_outage_has_its_own_time() -> None:
    connection = Breaking(once(named("a")))
    connection.back_after = 6

    async def work(journal: ReconnectingJournal) -> None:
        await journal.commit(told("a"))
        connection.struck = once(named("b"))
        await journal.commit(told("b"))

    assert on(connection, work, seconds=8)[1:] == (["a", "b"], 2)


def test_a_commit_continues_though_nobody_waits_for_it_any_more() -> None:
    connection = Breaking(once(named("a")))

    async def work(journal: ReconnectingJournal) -> None:
        waiting = asyncio.ensure_future(journal.commit(told("a")))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.sleep(5)

    assert on(connection, work)[1] == ["a"]


def test_closing_ends_an_outage() -> None:
    connection = Breaking(once(named("a")))
    connection.back_after = None

    async def work(journal: ReconnectingJournal) -> float:
        waiting = asyncio.ensure_future(journal.commit(told("a")))
        await asyncio.sleep(1)
        await journal.close()
        with pytest.raises(DatabaseLost):
            await waiting
        return asyncio.get_running_loop().time()

    assert on(connection, work)[0] < 2

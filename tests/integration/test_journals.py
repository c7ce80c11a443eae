"""The journals: order, neighbours, other writers, and writers that break."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from support.databases import AnyJournal, event, on
from support.memory_journal import MemoryJournal
from support.replay import encoded
from support.rows import ACCOUNT, NOW, order_row

from dutchbook.errors import Conflict, StorageError
from dutchbook.persistence.database import Database
from dutchbook.persistence.journals.postgres import PostgresJournal, one_statement
from dutchbook.persistence.journals.sqlite import SqliteJournal
from dutchbook.persistence.journals.statements import prepared
from dutchbook.persistence.log.chain import GENESIS, OUTBOX_LOT, link_stored
from dutchbook.ports.journal import Batch, Between, Insert, Prefix, Update
from dutchbook.runtime.virtual_time import turnstile

CASH = {"account_id": str(ACCOUNT)}


def spend(amount: str, name: str) -> Batch:
    """Return a batch that takes free cash, with an event."""
    change = Update("accounts", CASH, add={"free": -Decimal(amount)})
    return Batch((change,), (event(name),))


async def chain(journal: AnyJournal) -> list[str]:
    """Return the ids of all events in order, after verifying their hashes."""
    previous, names = GENESIS, []
    for number, row in enumerate(await journal.rows("audit_log", order_by=("sequence",)), 1):
        assert (row["sequence"], row["previous_hash"]) == (number, previous)
        assert row["hash"] == link_stored(encoded("audit_log", row), previous)
        previous = row["hash"]
        names.append(row["event_id"])
    return names


def test_the_chain_has_the_order_of_the_calls_and_skips_rejected_batches(
    database_url: str,
) -> None:
    async def work(journal: AnyJournal) -> tuple[list[Any], list[str], list[Any]]:
        amounts = ["1", "1000", "1", "1", "1000", "1"]
        calls = (journal.commit(spend(a, f"e{n}")) for n, a in enumerate(amounts))
        results = await asyncio.gather(*calls, return_exceptions=True)
        outbox = await journal.rows("outbox", order_by=("sequence",))
        return list(results), await chain(journal), [row["sequence"] for row in outbox]

    results, names, outbox = on(database_url, work)

    assert [isinstance(each, Conflict) for each in results] == [
        False, True, False, False, True, False,
    ]  # fmt: skip
    assert names == ["e0", "e2", "e3", "e5"]
    assert outbox == [1, 2, 3, 4]
    kept = [each for each in results if not isinstance(each, Conflict)]
    assert [each.sequence for each in kept] == [1, 2, 3, 4]


def test_a_second_writer_continues_the_chain_of_the_first(database_url: str) -> None:
    async def work(journal: AnyJournal) -> list[str]:
        other = Database.at(database_url).journal(turnstile())
        await other.open()
        for number in range(4):
            writer = (journal, other)[number % 2]
            await writer.commit(spend("1", f"e{number}"))
        both = [(by, f"{name}{n}") for n, by in enumerate((journal, other)) for name in "ab"]
        await asyncio.gather(*(by.commit(spend("1", name)) for by, name in both))
        await other.close()
        return await chain(journal)

    names = on(database_url, work)

    assert names[:4] == ["e0", "e1", "e2", "e3"]
    assert sorted(names[4:]) == ["a0", "a1", "b0", "b1"]


@pytest.mark.parametrize(
    ("where", "order", "expected"),
    [
        ({}, {"descending": True, "limit": 2}, ["o-4", "o-3"]),
        ({}, {"limit": 0}, []),
        ({"order_id": Prefix("o-")}, {}, ["o-1", "o-2", "o-3", "o-4"]),
        ({"order_id": Prefix("O-")}, {}, []),
        ({"order_id": Prefix("_-")}, {}, []),
        ({"fill_size": Between(Decimal(2), Decimal(3))}, {}, ["o-2", "o-3"]),
        ({"fill_size": Between(first=Decimal(4)), "refusal": None}, {}, ["o-4"]),
        ({"fill_size": Between(last=Decimal(1)), "order_id": Prefix("o-")}, {}, ["o-1"]),
        ({"created_at": Between(NOW, NOW), "order_id": Prefix("o-1")}, {}, ["o-1"]),
    ],
)
def test_every_journal_reads_the_same_ranges(
    database_url: str, where: dict[str, Any], order: dict[str, Any], expected: list[str]
) -> None:
    orders = [order_row(f"o-{n}", fill_size=Decimal(n), size=Decimal(5)) for n in range(1, 5)]
    batch = Batch(tuple(Insert("orders", row) for row in orders))

    async def read(journal: AnyJournal | MemoryJournal) -> list[str]:
        mine = where or {"order_id": Prefix("o-")}
        found = await journal.rows("orders", mine, ("order_id",), **order)
        return [row["order_id"] for row in found]

    async def work(journal: AnyJournal) -> tuple[list[str], list[str]]:
        memory = MemoryJournal()
        await journal.commit(batch)
        await memory.commit(batch)
        return await read(journal), await read(memory)

    assert on(database_url, work) == (expected, expected)


def test_writers_that_block_each_other_both_finish(database_url: str) -> None:
    async def work(journal: AnyJournal) -> tuple[set[int], list[str]]:
        other = Database.at(database_url).journal(turnstile())
        await other.open()
        rows = [Insert("orders", order_row(name)) for name in ("x", "y")]
        await journal.commit(Batch(tuple(rows)))

        async def write(by: AnyJournal, name: str, first: str, second: str) -> None:
            for number in range(15):
                changes = tuple(
                    Update("orders", {"order_id": each}, add={"version": 1})
                    for each in (first, second)
                )
                await by.commit(Batch(changes, (event(f"{name}{number}"),)))

        await asyncio.gather(write(journal, "a", "x", "y"), write(other, "b", "y", "x"))
        await other.close()
        found = {row["version"] for row in await journal.rows("orders")}
        return found, await chain(journal)

    versions, names = on(database_url, work)

    assert versions == {1, 31}
    assert len(names) == 30


def test_a_conflict_names_the_same_row_on_both_databases(database_url: str) -> None:
    async def work(journal: AnyJournal) -> list[tuple[str, object]]:
        found = []
        for write in (
            Update("orders", {"order_id": "o"}, {"version": 7}, put={"version": 8}),
            Update("accounts", CASH, add={"free": Decimal(-101)}),
            Update("orders", {"order_id": "o"}, put={"status": "CANCELLED", "side": "hold"}),
        ):
            note = Insert("system_metadata", {"key": "k", "value": "v"})
            with pytest.raises(Conflict) as caught:
                await journal.commit(Batch((note, write)))
            found.append((caught.value.table, caught.value.key))
        return found

    assert on(database_url, work) == [
        ("orders", ("o",)),
        ("accounts", (str(ACCOUNT),)),
        ("orders", ("o",)),
    ]


def test_a_bound_on_dollars_is_in_dollars(database_url: str) -> None:
    def taking(amount: str) -> Batch:
        change = Update(
            "accounts",
            CASH,
            add={"reserved": Decimal(amount)},
            at_most={("reserved", "committed"): 15},
        )
        return Batch((change,))

    async def work(journal: AnyJournal) -> Decimal:
        await journal.commit(taking("5"))
        with pytest.raises(Conflict):
            await journal.commit(taking("0.000001"))
        reserved: Decimal = (await journal.rows("accounts"))[0]["reserved"]
        return reserved

    assert on(database_url, work) == 15


def test_delivered_events_leave_the_outbox_in_lots(database_url: str) -> None:
    async def work(journal: AnyJournal) -> tuple[int, list[int]]:
        waiting = 0
        for each in range(OUTBOX_LOT):
            receipt = await journal.commit(spend("0.01", f"{each}"))
            waiting = len(await journal.rows("outbox"))
            await journal.delivered(receipt.sequence)
        await journal.commit(spend("0.01", "last"))
        return waiting, [row["sequence"] for row in await journal.rows("outbox")]

    assert on(database_url, work) == (OUTBOX_LOT, [OUTBOX_LOT + 1])


def test_the_text_of_a_statement_depends_only_on_the_shape_of_the_batch() -> None:
    one, values = one_statement(tuple(map(prepared, spend("1", "a").writes)), delivered=1)
    two, others = one_statement(tuple(map(prepared, spend("2", "b").writes)), delivered=2)

    assert one == two
    assert values != others


def test_no_caller_waits_for_ever_for_a_writer_that_broke(tmp_path: Any) -> None:
    async def work(journal: AnyJournal) -> tuple[list[Any], list[str]]:
        assert isinstance(journal, SqliteJournal)
        write, broken = journal._writer.write, [True]

        def breaking(*arguments: Any) -> Any:
            if broken.pop():
                broken.append(False)
                raise MemoryError
            broken.append(False)
            return write(*arguments)

        journal._writer.write = breaking  # type: ignore[assignment]
        calls = (journal.commit(spend("1", f"lost{number}")) for number in range(70))
        lost = await asyncio.gather(*calls, return_exceptions=True)
        await journal.commit(spend("1", "kept"))
        return list(lost), await chain(journal)

    lost, names = on(f"sqlite:///{tmp_path}/x.db", work)

    assert len(lost) == 70
    assert all(isinstance(each, StorageError) for each in lost)
    assert names == ["kept"]


@pytest.mark.parametrize("steps", range(4))
def test_a_journal_closes_wherever_the_end_of_its_loop_cancelled_its_work(
    paper_url: str, steps: int
) -> None:
    async def main() -> object:
        journal = Database.at(paper_url).journal(turnstile())
        await journal.open()
        committing = asyncio.ensure_future(journal.commit(Batch(events=(event("cut off"),))))
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.wait_for(journal.close(), 10)
        return (await asyncio.gather(committing, return_exceptions=True))[0]

    assert isinstance(asyncio.run(main()), asyncio.CancelledError | StorageError)


def test_a_lost_server_is_one_line_without_a_password(fresh_postgres: str) -> None:
    async def work(journal: AnyJournal) -> str:
        assert isinstance(journal, PostgresJournal)
        await journal._open.close()
        with pytest.raises(StorageError) as caught:
            await journal.commit(spend("1", "a"))
        return str(caught.value)

    told = on_lost(fresh_postgres, work)

    assert "\n" not in told
    assert "canary" not in told


def on_lost(url: str, work: Any) -> str:
    """Run `work` on a journal whose server is lost for good."""
    scheme, rest = url.split("://", 1)
    user, place = rest.split("@", 1) if "@" in rest else ("postgres:", rest)
    secret = f"{scheme}://{user.split(':')[0]}:canary@{place}"
    database = Database.at(secret)
    database.prepare("paper")

    async def main() -> str:
        journal = database.journal(turnstile())
        await journal.open()
        try:
            told: str = await work(journal)
        finally:
            await journal.close(fenced_off=True)
        return told

    return asyncio.run(main())

"""The database itself rejects what must never be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from support.rows import ACCOUNT, NOW, everything, order_row, position_row

from dutchbook.domain.execution.order import ORDER, OrderStatus
from dutchbook.domain.positions.position import POSITION, PositionStatus
from dutchbook.domain.values.units import from_e6
from dutchbook.errors import Conflict, StorageError
from dutchbook.persistence.database import Database
from dutchbook.persistence.journals.postgres import PostgresJournal
from dutchbook.persistence.journals.sqlite import SqliteJournal
from dutchbook.persistence.tables.codes import (
    decode_instant,
    encode_instant,
    encode_json,
    encode_micros,
)
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.ports.tables.catalogue import declared, every_table
from dutchbook.runtime.virtual_time import turnstile

AnyJournal = SqliteJournal | PostgresJournal
CASH = str(ACCOUNT)


def on(url: str, work: Callable[[AnyJournal], Awaitable[Any]]) -> Any:
    """Prepare a database, insert one row of everything, and run `work` on it."""
    database = Database.at(url)
    database.prepare("paper")

    async def main() -> Any:
        journal = database.journal(turnstile())
        await journal.open()
        try:
            await journal.commit(Batch(everything()))
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(main())


def changes(
    machine: Any, states: type[OrderStatus | PositionStatus]
) -> tuple[set[Any], set[Any]]:
    allowed = set(machine.changes)
    every = {(a, b) for a, b in product(states, states) if a is not b}
    return allowed, every - allowed


@pytest.mark.parametrize(
    ("table", "key", "machine", "states", "make"),
    [
        ("orders", "order_id", ORDER, OrderStatus, order_row),
        ("open_positions", "position_id", POSITION, PositionStatus, position_row),
    ],
)
def test_a_status_changes_only_along_its_table(
    database_url: str, table: str, key: str, machine: Any, states: Any, make: Any
) -> None:
    allowed, refused = changes(machine, states)

    async def work(journal: AnyJournal) -> tuple[set[Any], set[Any]]:
        taken, denied = set(), set()
        for before, after in sorted(allowed | refused):
            name = f"{before}-{after}"
            await journal.commit(Batch((Insert(table, make(name, status=before)),)))
            try:
                change = Update(table, {key: name}, put={"status": after})
                await journal.commit(Batch((change,)))
                taken.add((before, after))
            except Conflict:
                denied.add((before, after))
        return taken, denied

    assert on(database_url, work) == (allowed, refused)


async def refused(journal: AnyJournal, *writes: Insert | Update) -> str:
    with pytest.raises(Conflict) as caught:
        await journal.commit(Batch(writes))
    return str(caught.value)


def test_free_capital_never_goes_below_zero(database_url: str) -> None:
    async def work(journal: AnyJournal) -> str:
        taking = Update("accounts", {"account_id": CASH}, add={"free": Decimal("-100.000001")})
        return await refused(journal, taking)

    assert "free_floor" in on(database_url, work)


def test_a_reservation_is_resolved_once_and_whole(database_url: str) -> None:
    key = {"reservation_id": "r", "account_id": CASH}

    def resolving(**parts: str) -> Update:
        amounts = {name: Decimal(amount) for name, amount in parts.items()}
        return Update("reservations", key, put={"status": "committed", **amounts})

    async def work(journal: AnyJournal) -> tuple[str, str]:
        short = await refused(journal, resolving(committed="5", fees="1", released="3"))
        await journal.commit(Batch((resolving(committed="5", fees="1", released="4"),)))
        again = await refused(journal, resolving(committed="5", fees="1", released="4"))
        return short, again

    short, again = on(database_url, work)
    assert "resolved_whole" in short
    assert "resolved before" in again


FROZEN = sorted(t for t, rules in every_table().items() if rules.frozen and not rules.mutable)


@pytest.mark.parametrize("table", FROZEN)
def test_a_permanent_record_is_never_changed(database_url: str, table: str) -> None:
    async def work(journal: AnyJournal) -> tuple[str, list[Any], list[Any]]:
        before = await journal.rows(table)
        row = before[0]
        key = {column: row[column] for column in declared(table).key}
        free = next(column for column in row if column not in declared(table).key)
        told = await refused(journal, Update(table, key, put={free: row[free]}))
        return told, before, await journal.rows(table)

    told, before, after = on(database_url, work)
    assert "never changes" in told
    assert before == after


def test_only_the_finality_of_a_fill_changes(database_url: str) -> None:
    key = {"platform": "polymarket", "trade_id": "t"}

    async def work(journal: AnyJournal) -> str:
        await journal.commit(Batch((Update("fills", key, put={"finality": "settled"}),)))
        return await refused(journal, Update("fills", key, put={"size": Decimal(11)}))

    assert "never changes" in on(database_url, work)


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (Insert("orders", order_row("other", client_order_id="c-o")), "client_order_id"),
        (Insert("orders", order_row("other", side="hold")), "side_word"),
        (Insert("orders", order_row("other", pair_id="nobody's")), ""),
        (Update("orders", {"order_id": "nobody's"}, put={"version": 2}), "as expected"),
        (
            Update("orders", {"order_id": "o"}, {"version": 7}, put={"version": 8}),
            "as expected",
        ),
        (
            Update(
                "risk_states",
                {"singleton_key": "default"},
                add={"reserved_position_slots": 1},
                at_most={("open_position_count", "reserved_position_slots"): 0},
            ),
            "as expected",
        ),
    ],
)
def test_a_write_that_does_not_fit_is_a_conflict(
    database_url: str, write: Insert | Update, told: str
) -> None:
    async def work(journal: AnyJournal) -> str:
        return await refused(journal, write)

    assert told in on(database_url, work)


def test_a_rejected_batch_keeps_nothing_and_leaves_its_neighbours_whole(
    database_url: str,
) -> None:
    def batch(name: str, free: int) -> Batch:
        note = Insert("system_metadata", {"key": name, "value": "x"})
        return Batch(
            (note, Update("accounts", {"account_id": CASH}, add={"free": Decimal(free)}))
        )

    async def work(journal: AnyJournal) -> tuple[list[bool], list[str]]:
        results = await asyncio.gather(
            journal.commit(batch("first", 1)),
            journal.commit(batch("second", -1_000)),
            journal.commit(batch("third", 1)),
            return_exceptions=True,
        )
        rows = await journal.rows("system_metadata", order_by=("key",))
        return [isinstance(r, Conflict) for r in results], [row["key"] for row in rows]

    refusals, keys = on(database_url, work)
    assert refusals == [False, True, False]
    assert keys == ["first", "mode", "third"]


@given(st.decimals(-(10**9), 10**9, places=6))
def test_a_decimal_comes_back_exactly(amount: Decimal) -> None:
    assert from_e6(encode_micros(amount)) == amount


def test_a_decimal_that_is_too_fine_is_rejected_and_not_rounded() -> None:
    with pytest.raises(ValueError, match="finer"):
        encode_micros(Decimal("0.0000001"))


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_comes_back_exactly(instant: datetime) -> None:
    assert decode_instant(encode_instant(instant)) == instant


def test_a_document_is_written_one_way() -> None:
    assert encode_json({"b": Decimal("0.10"), "a": [NOW]}) == (
        '{"a":["2026-07-05T18:00:00.000000+00:00"],"b":"0.1"}'
    )


def test_a_database_belongs_to_one_mode(empty_url: str) -> None:
    Database.at(empty_url).prepare("paper")

    with pytest.raises(StorageError, match="belongs to paper trading, not to live"):
        Database.at(empty_url).prepare("live")


def test_a_newer_schema_is_rejected(database_url: str) -> None:
    database = Database.at(database_url)
    database.prepare("paper")
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    database._work(lambda connection: connection.execute(newer))

    with pytest.raises(StorageError, match="newer than this program"):
        database.prepare("paper")


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database" * 100)

    with pytest.raises(StorageError, match="not a database"):
        Database.at(f"sqlite:///{broken}").prepare("paper")


def test_a_password_is_never_shown() -> None:
    database = Database.at("postgresql://me:canary-secret@127.0.0.1:1/none")

    with pytest.raises(StorageError) as caught:
        database.prepare("paper")

    assert "canary-secret" not in str(caught.value)
    assert "canary-secret" not in database.shown

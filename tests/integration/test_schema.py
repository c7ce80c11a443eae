"""The schema: migrations produce what the models declare, and upgrades keep all rows."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, inspect
from sqlalchemy.engine import make_url
from support.databases import AnyJournal, by_hand, event, filled, on
from support.pairs import pair
from support.replay import differences

from dutchbook.application.operator.command_rows import command_row
from dutchbook.errors import StorageError
from dutchbook.persistence import database as database_module
from dutchbook.persistence.database import MIGRATIONS, Database, newest
from dutchbook.persistence.tables.base import METADATA
from dutchbook.persistence.tables.coding import decode, encoders
from dutchbook.persistence.tables.triggers import REMOVABLE, wanted
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.tables.catalogue import every_table
from dutchbook.ports.tables.market import CONTRACTS
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.virtual_time import turnstile

NEXT = '''"""One step more."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("alerts", sa.Column("later", sa.Text()))
'''


def _look(url: str, work: Any) -> Any:
    return Database.at(url)._work(work)


def _checks(connection: Connection) -> dict[str, set[str]]:
    found = inspect(connection)
    return {
        table: {str(check["name"]) for check in found.get_check_constraints(table)}
        for table in METADATA.tables
    }


def test_migrations_produce_what_the_models_declare(empty_url: str) -> None:
    Database.at(empty_url).prepare("paper")

    differences, checks = _look(
        empty_url,
        lambda c: (compare_metadata(MigrationContext.configure(c), METADATA), _checks(c)),
    )

    assert differences == []
    assert checks == {
        name: {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        for name, table in METADATA.tables.items()
    }


def test_the_newest_migration_is_known_by_the_name_of_its_file() -> None:
    assert newest(MIGRATIONS) == ScriptDirectory(str(MIGRATIONS)).get_current_head()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///paper.db",
        "sqlite:////tmp/a folder/p%20per@home:1.db",
        "sqlite:///is it%3F.db",
        "postgresql://me:se/cret@host:5433/name?host=/tmp",
    ],
)
def test_a_url_is_read_as_sqlalchemy_reads_it(url: str) -> None:
    found, wanted = Database.at(url), make_url(url)

    assert (found.dialect, found.database) == (wanted.get_backend_name(), wanted.database)
    assert found.shown == wanted.render_as_string(hide_password=True)


def test_an_older_schema_is_rejected_and_an_upgrade_keeps_every_row(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = on(empty_url, _tables)
    later = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, later)
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    (later / "versions" / "v9999_later.py").write_text(NEXT.replace("{head}", str(head)))
    monkeypatch.setattr(database_module, "MIGRATIONS", later)

    with pytest.raises(StorageError, match=r"older than .*; run: dutchbook db upgrade"):
        Database.at(empty_url).prepare("paper")
    Database.at(empty_url).upgrade()
    Database.at(empty_url).prepare("paper")

    assert asyncio.run(_read(empty_url)) == before


def test_a_database_of_the_first_schema_is_upgraded_with_every_row_that_it_held(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, first, ignore=shutil.ignore_patterns("v000[2-9]*"))
    held = (Insert("contracts", CONTRACTS.row_of(pair().kalshi)), *filled().writes)
    rows = [
        replace(each, row=_then(each.table, each.row))
        for each in held
        if isinstance(each, Insert) and each.table not in NEW_TABLES
    ]
    with monkeypatch.context() as older:
        older.setattr(database_module, "MIGRATIONS", first)
        Database.at(empty_url).prepare("paper")
        asyncio.run(_kept(empty_url, Batch(tuple(rows))))

    Database.at(empty_url).upgrade()
    Database.at(empty_url).check("paper")

    found = asyncio.run(_read(empty_url))
    for write in rows:
        whole = {**write.row, **NEW_COLUMNS.get(write.table, {})}
        assert _stored(write.table, whole) in found[write.table]
    assert Database.at(empty_url).damage() == []


def test_positions_older_than_the_loan_columns_have_none_and_their_log_still_rebuilds_them(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, earlier, ignore=shutil.ignore_patterns("v000[5-9]*"))
    borrowed = [f"{each}_borrowed" for each in PLATFORMS]
    later = [*borrowed, *NEW_COLUMNS["orders"]]
    rows = [
        replace(each, row={n: v for n, v in each.row.items() if n not in later})
        for each in filled().writes
        if isinstance(each, Insert)
    ]
    with monkeypatch.context() as older:
        older.setattr(database_module, "MIGRATIONS", earlier)
        Database.at(empty_url).prepare("paper")
        asyncio.run(_kept(empty_url, Batch(tuple(rows), (event("then"),))))

    Database.at(empty_url).upgrade()
    Database.at(empty_url).prepare("paper")

    found = asyncio.run(_read(empty_url))
    (position,) = found["open_positions"]
    assert [position[name] for name in borrowed] == [0, 0]
    assert list(differences(found["audit_log"], found)) == []
    assert Database.at(empty_url).damage() == []


ZERO = Decimal(0)
PLATFORMS = ("kalshi", "polymarket")
ZEROES = ("settled", "complement", "borrowed")
NEW_TABLES = ("settlements",)
NEW_COLUMNS: dict[str, dict[str, Any]] = {
    "operator_commands": {"expires_at": None, "taken_at": None},
    "contracts": {"taker_delay_ms": 0},
    "contract_matches": {"confidence": Decimal(1)},
    "reservations": {"order_id": None},
    "orders": {
        "signed": None,
        **dict.fromkeys(("stated", "stated_cost", "stated_fees"), ZERO),
        "reported": False,
    },
    "open_positions": {
        **{f"{p}_{name}": ZERO for p in PLATFORMS for name in ZEROES},
        **{f"{p}_complement_cost": ZERO for p in PLATFORMS},
        **{f"{p}_payout": None for p in PLATFORMS},
        **{f"{p}_cash": Decimal(-2) for p in PLATFORMS},
        "realised_pnl": Decimal(-2),
        "marked_pnl": ZERO,
        "divergence_pnl": ZERO,
        "closed_at": None,
    },
}
"""Values that an upgrade gives rows of the first schema: each paid a cost and a fee of one."""


def _then(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the first schema had it."""
    later = NEW_COLUMNS.get(table, {})
    return {name: value for name, value in row.items() if name not in later}


def _stored(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as it is read back."""
    encode = encoders(table)
    return decode(table, {n: v if v is None else encode[n](v) for n, v in row.items()})


async def _kept(url: str, batch: Batch) -> None:
    journal = Database.at(url).journal(turnstile())
    await journal.open()
    try:
        await journal.commit(batch)
    finally:
        await journal.close()


@pytest.mark.parametrize(
    "broken",
    [
        "contracts SET taker_delay_ms = -1",
        "contract_matches SET confidence = 0",
        "contract_matches SET confidence = 1000001",
        "open_positions SET kalshi_borrowed = -1",
        "open_positions SET polymarket_borrowed = -1",
        "operator_commands SET expires_at = 1",
    ],
)
def test_a_new_column_keeps_its_bounds(database_url: str, broken: str) -> None:
    on(database_url, _with_a_contract_and_a_halt)

    with pytest.raises(StorageError, match="ck_"):
        by_hand(database_url, f"UPDATE {broken}")


async def _with_a_contract_and_a_halt(journal: AnyJournal) -> None:
    contract = Insert("contracts", CONTRACTS.row_of(pair().kalshi))
    halt = command_row("halt", "halt", {}, "", "me", SystemClock())
    await journal.commit(Batch((contract, Insert("operator_commands", halt))))


async def _tables(journal: AnyJournal) -> dict[str, list[dict[str, Any]]]:
    return {name: await journal.rows(name) for name in sorted(METADATA.tables)}


async def _read(url: str) -> dict[str, list[dict[str, Any]]]:
    journal = Database.at(url).journal(turnstile())
    await journal.open()
    try:
        return await _tables(journal)
    finally:
        await journal.close()


def test_a_missing_trigger_is_found_and_restored_by_an_upgrade(database_url: str) -> None:
    database = Database.at(database_url)
    database.prepare("paper")
    clean = database.damage()
    on_table = " ON orders" if database.dialect == "postgresql" else ""
    by_hand(database_url, f"DROP TRIGGER orders_status{on_table}")

    found = database.damage()
    database.upgrade()

    assert clean == []
    assert found == ["trigger orders_status is missing"]
    assert database.damage() == []


def test_two_processes_that_create_a_database_at_once_both_find_it_whole(
    empty_url: str,
) -> None:
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            Database.at(empty_url).prepare("paper")
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert Database.at(empty_url).damage() == []


KEPT = sorted({trigger.table for trigger in wanted("sqlite") if trigger.event == "DELETE"})


def test_everything_that_may_be_deleted_is_listed() -> None:
    assert sorted(set(every_table()) - set(KEPT)) == sorted(REMOVABLE)


async def _nothing(journal: AnyJournal) -> None:
    assert journal is not None


@pytest.mark.parametrize("way", ["DELETE FROM", "TRUNCATE TABLE"])
def test_a_record_is_not_deleted_by_hand(database_url: str, way: str) -> None:
    if way.startswith("TRUNCATE") and database_url.startswith("sqlite"):
        way = "DELETE FROM"
    on(database_url, _nothing)
    rows = asyncio.run(_read(database_url))
    filled = [table for table in KEPT if rows[table]]

    for table in filled:
        cascade = " CASCADE" if way.startswith("TRUNCATE") else ""
        with pytest.raises(StorageError, match="never deleted"):
            by_hand(database_url, f"{way} {table}{cascade}")

    assert {"reservations", "fills", "orders", "ledger_entries"} <= set(filled)


@pytest.mark.parametrize(
    ("table", "changed"),
    [("orders", "status = 'FILLED'"), ("fills", "size = 1"), ("reservations", "amount = 1")],
)
def test_a_record_is_not_replaced_by_another(tmp_path: Path, table: str, changed: str) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    on(url, _nothing)
    column, value = changed.split(" = ")
    names = _look(url, lambda c: [each["name"] for each in inspect(c).get_columns(table)])
    values = ", ".join(value if name == column else name for name in names)

    with pytest.raises(StorageError, match="must be unique"):
        by_hand(url, f"REPLACE INTO {table} SELECT {values} FROM {table}")  # noqa: S608


def test_a_reserved_amount_never_changes(database_url: str) -> None:
    on(database_url, _nothing)

    with pytest.raises(StorageError, match="never changes"):
        by_hand(database_url, "UPDATE reservations SET amount = amount + 1")

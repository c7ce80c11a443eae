"""Alterations that bypass the program are found, and a run leaves an intact database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support.databases import by_hand

from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.persistence.database import Database
from dutchbook.persistence.log.verify import problems
from dutchbook.persistence.tables.base import METADATA
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual, turnstile

FAULTS = ("paper.fault_lost_answer=200000", "paper.fault_failed_fill=300000")


def traded(url: str, *settings: str) -> str:
    """Run on a database; return its URL."""
    database = Database.at(url)
    database.prepare("paper")

    async def main() -> None:
        journal = database.journal(turnstile())
        await journal.open()
        try:
            tape = generated_tape(7, minutes=8)
            clock = TapeClock(tape.meta.first)
            paper = build_paper(load(None, settings), tape, journal, clock, seed=7)
            await paper.trade(1)
        finally:
            await journal.close()

    run_virtual(main())
    return url


def found(url: str) -> list[str]:
    """Return what verification finds."""
    return Database.at(url).read(problems)


@pytest.mark.parametrize("faults", [(), FAULTS])
def test_a_run_leaves_an_intact_database_whatever_went_wrong(
    database_url: str, faults: tuple[str, ...]
) -> None:
    assert found(traded(database_url, *faults)) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a database after a run, without its triggers."""
    path = tmp_path_factory.mktemp("whole") / "paper.db"
    traded(f"sqlite:///{path}", *FAULTS)
    with sqlite3.connect(path) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert found(f"sqlite:///{path}") == []
    return path.read_bytes()


EDITS = [
    "DELETE FROM audit_log WHERE sequence = 3",
    "DELETE FROM audit_log WHERE sequence = 1",
    "UPDATE audit_log SET sequence = sequence + 1000 WHERE sequence = 4",
    "UPDATE ledger_entries SET amount = amount + 1 WHERE rowid = 1",
    "DELETE FROM ledger_entries WHERE rowid = 1",
    "UPDATE ledger_entries SET bucket = 'external' WHERE bucket = 'committed'",
    "UPDATE accounts SET free = free + 1 WHERE platform = 'kalshi'",
    "UPDATE accounts SET reserved = reserved + 1, free = free - 1",
    "DELETE FROM accounts WHERE platform = 'kalshi'",
    "UPDATE risk_states SET reserved_capital = reserved_capital + 1",
    "UPDATE risk_states SET reserved_position_slots = reserved_position_slots + 1",
    "UPDATE risk_states SET total_capital_deployed = total_capital_deployed + 1",
    "UPDATE fills SET size = size + 1 WHERE rowid = 1",
    "UPDATE fills SET price = price + 1000 WHERE rowid = 1",
    "UPDATE fills SET fee = fee + 1 WHERE rowid = 1",
    "DELETE FROM fills WHERE rowid = 1",
    "UPDATE orders SET fill_cost = fill_cost + 1 WHERE status = 'FILLED'",
    "UPDATE orders SET status = 'CANCELLED', working_size = 0 WHERE status = 'FILLED'",
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_by_hand_is_found(whole: bytes, tmp_path: Path, edit: str) -> None:
    assert altered(whole, tmp_path, edit) != []


CHAINED = sorted(column.name for column in METADATA.tables["audit_log"].columns)


@pytest.mark.parametrize("column", CHAINED)
def test_every_column_of_an_event_is_under_its_hash(
    whole: bytes, tmp_path: Path, column: str
) -> None:
    number = column in ("sequence", "occurred_at")
    value = f"{column} + 1000000" if number else f"coalesce({column}, '') || ' '"

    edit = f"UPDATE audit_log SET {column} = {value} WHERE sequence = 7"  # noqa: S608
    told = altered(whole, tmp_path, edit)

    assert told[0].startswith("audit log: entry 7")


def altered(whole: bytes, folder: Path, edit: str) -> list[str]:
    """Return what is found in a whole database after one edit."""
    path = folder / "paper.db"
    path.write_bytes(whole)
    with sqlite3.connect(path) as connection:
        assert connection.execute(edit).rowcount
    connection.close()
    return found(f"sqlite:///{path}")


def test_a_run_on_postgresql_that_was_edited_is_found(fresh_postgres: str) -> None:
    url = traded(fresh_postgres)
    by_hand(url, "DROP TRIGGER audit_log_frozen ON audit_log")

    by_hand(url, "UPDATE audit_log SET payload = '{}' WHERE sequence = 5")

    assert found(url) == ["audit log: entry 5 is not what was written"]

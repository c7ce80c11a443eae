"""The log alone rebuilds the tables (I-26)."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from support.replay import differences, encoded, replayed
from support.runs import Finished, play

from dutchbook.persistence.database import MIGRATIONS, Database
from dutchbook.persistence.log.chain import GENESIS, link_stored
from dutchbook.persistence.log.replay import AUDITED
from dutchbook.ports.tables.catalogue import declared
from dutchbook.runtime.virtual_time import turnstile

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def finished() -> Finished:
    faults = ("paper.fault_failed_fill=300000", "paper.fault_partial=300000")
    return play(*faults, minutes=20)


def test_replaying_the_log_of_a_run_rebuilds_every_table(finished: Finished) -> None:
    tables = finished.tables

    made = replayed(tables["audit_log"])

    assert list(differences(tables["audit_log"], tables)) == []
    assert {name: len(made[name]) for name in AUDITED} == {
        name: len(tables[name]) for name in AUDITED
    }
    assert tables["orders"]
    assert tables["fills"]
    assert tables["open_positions"]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("orders", "fill_size", Decimal(1)),
        ("open_positions", "kalshi_cost", Decimal(1)),
        ("reservations", "released", Decimal(1)),
        ("risk_states", "daily_pnl", Decimal(99)),
        ("accounts", "free", Decimal(10**6)),
        ("fills", "price", Decimal("0.01")),
        ("executions", "phase", "failed"),
        ("contract_matches", "operator_approved", False),
        ("ledger_entries", "amount", Decimal(7)),
    ],
)
def test_a_row_that_was_changed_by_hand_is_found(
    finished: Finished, table: str, column: str, value: object
) -> None:
    tables: Tables = deepcopy(finished.tables)
    tables[table][0][column] = value

    found = list(differences(tables["audit_log"], tables))

    assert found == [line for line in found if line.startswith(table) and column in line]
    assert len(found) == 1


def test_a_row_that_was_removed_or_added_by_hand_is_found(finished: Finished) -> None:
    tables: Tables = deepcopy(finished.tables)
    lost = tables["fills"].pop()
    forged = {**lost, "trade_id": "forged"}
    tables["fills"].append(forged)

    found = list(differences(tables["audit_log"], tables))

    assert len(found) == 2
    assert any(lost["trade_id"] in line and "does not have it" in line for line in found)
    assert any("forged" in line and "never made it" in line for line in found)


def _before(changes: str | None, table: str, columns: tuple[str, ...]) -> str | None:
    """Return an entry's changes as if some columns of a table did not exist yet."""
    if changes is None:
        return None
    made = json.loads(changes)
    for change in made:
        if change[0] == table:
            named, values = change[1], change[-1]
            for place in reversed(range(len(named))):
                if named[place] in columns:
                    del named[place], values[place]
    return json.dumps(made)


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_log_whose_rows_are_older_than_a_column_rebuilds_them_with_zero_in_it(
    finished: Finished, *, by_hand: bool
) -> None:
    columns, tables = declared("open_positions").added, deepcopy(finished.tables)
    log = [
        row | {"changes": _before(row["changes"], "open_positions", columns)}
        for row in tables["audit_log"]
    ]
    if by_hand:
        tables["open_positions"][0][columns[0]] = Decimal(1)

    found = list(differences(log, tables))

    assert columns == ("kalshi_borrowed", "polymarket_borrowed")
    assert log != tables["audit_log"]
    assert len(found) == by_hand
    assert all(columns[0] in line for line in found)


def test_a_log_with_an_impossible_change_is_reported(finished: Finished) -> None:
    log = [row for row in finished.tables["audit_log"] if row["changes"]]

    found = list(differences([*log, log[0]], finished.tables))

    assert found == [line for line in found if line.startswith("audit log: entry")]
    assert found


def test_the_upgrade_links_an_older_log_anew(empty_url: str, tmp_path: Path) -> None:
    database = Database.at(empty_url)
    assert tmp_path.exists()

    def older(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number in (1, 2, 3):
            connection.execute(
                text(
                    "INSERT INTO audit_log VALUES (:event, 'system.stopped', 'x', NULL, '{}',"
                    " 'before', 'then', :number, 5)"
                ),
                {"number": number, "event": f"event-{number}"},
            )

    database._work(older)
    database.upgrade()

    async def read() -> list[dict[str, Any]]:
        journal = database.journal(turnstile())
        await journal.open()
        try:
            return await journal.rows("audit_log", order_by=("sequence",))
        finally:
            await journal.close()

    previous = GENESIS
    rows = asyncio.run(read())
    for row in rows:
        assert row["hash"] == link_stored(encoded("audit_log", row), previous)
        previous = row["hash"]
    assert len(rows) == 3

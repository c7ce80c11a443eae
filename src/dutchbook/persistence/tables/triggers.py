"""Triggers for what a CHECK cannot test because it needs the old row; made from the rules.

A status changes only along its state machine, a reservation is resolved once, frozen rows never
change, and almost nothing is ever deleted. Triggers are recreated with every upgrade, so that
they always match the rules of this program.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, inspect, text

from dutchbook.persistence.journals.statements import UNEXPECTED
from dutchbook.ports.tables.catalogue import every_table
from dutchbook.ports.tables.table import Table

REMOVABLE = frozenset(
    {
        "outbox",  # once delivered
        "order_book_snapshots",  # by the retention setting
        "platform_health_logs",
        "dead_letters",
        "idempotency_keys",
    }
)
"""The tables from which rows may be deleted."""

DIFFERS = {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"}


@dataclass(frozen=True, slots=True)
class Trigger:
    """One rejection.

    Attributes:
        table: The table.
        name: What it protects, unique in its table.
        event: UPDATE, DELETE, INSERT or TRUNCATE.
        message: The error message; it begins with the table's name.
        condition: When it rejects, over OLD and NEW; empty means always.
    """

    table: str
    name: str
    event: str
    message: str
    condition: str = ""

    @property
    def full_name(self) -> str:
        """Its name in the database."""
        return f"{self.table}_{self.name}"


def wanted(dialect: str) -> list[Trigger]:
    """Return every trigger of a database on `dialect` (sqlite or postgresql)."""
    return [
        trigger
        for table, rules in every_table().items()
        for trigger in _of(table, rules, dialect)
    ]


def renew(connection: Connection) -> None:
    """Drop the triggers of earlier programs and create those of this one."""
    dialect = connection.dialect.name
    suspend(connection)
    tables = set(inspect(connection).get_table_names())
    for statement in statements(dialect, tables):
        connection.exec_driver_sql(statement)


def suspend(connection: Connection) -> None:
    """Drop every trigger, for a migration; `renew` follows in the same transaction."""
    for table, name in sorted(_present(connection)):
        on = f" ON {table}" if connection.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP TRIGGER {name}{on}")


def missing(connection: Connection) -> list[str]:
    """Return the names of the triggers that should exist and do not."""
    present = {name for _, name in _present(connection)}
    return [t.full_name for t in wanted(connection.dialect.name) if t.full_name not in present]


def statements(dialect: str, tables: Container[str]) -> list[str]:
    """Return the statements that create every trigger of `tables` on `dialect`."""
    make = _sqlite if dialect == "sqlite" else _postgresql
    found = (make(trigger) for trigger in wanted(dialect) if trigger.table in tables)
    return [*_FUNCTIONS[dialect], *found]


def _present(connection: Connection) -> set[tuple[str, str]]:
    return {
        (row[0], row[1]) for row in connection.execute(text(_LISTS[connection.dialect.name]))
    }


# What is rejected ------------------------------------------------------------------------


def _of(table: str, rules: Table[Any], dialect: str) -> Iterator[Trigger]:
    if rules.machine is not None:
        allowed = " OR ".join(
            f"(OLD.status = '{before}' AND NEW.status = '{after}')"
            for before, after in sorted(rules.machine.changes)
        )
        condition = f"OLD.status <> NEW.status AND NOT ({allowed})"
        yield Trigger(table, "status", "UPDATE", f"{table}: illegal status change", condition)
    if rules.resolved_once:
        message = f"{table}: was resolved before"
        yield Trigger(table, "once", "UPDATE", message, "OLD.status <> 'reserved'")
        message = f"{table}: what was set aside never changes"
        yield Trigger(table, "amount", "UPDATE", message, "OLD.amount <> NEW.amount")
    if rules.frozen:
        changed = _changed(rules, DIFFERS[dialect])
        yield Trigger(table, "frozen", "UPDATE", f"{table}: a record never changes", changed)
    if table not in REMOVABLE:
        message = f"{table}: a record is never deleted"
        yield Trigger(table, "kept", "DELETE", message)
        if dialect == "postgresql":
            yield Trigger(table, "whole", "TRUNCATE", message)
        else:
            yield from _never_replaced(table, rules)


def _changed(rules: Table[Any], differs: str) -> str:
    if not rules.mutable:
        return ""
    fixed = [name for name in rules.names if name not in rules.mutable]
    return " OR ".join(f"OLD.{name} {differs} NEW.{name}" for name in fixed)


def _never_replaced(table: str, rules: Table[Any]) -> Iterator[Trigger]:
    """Block SQLite's INSERT OR REPLACE, which deletes rows without firing DELETE triggers."""
    for number, unique in enumerate((rules.key, *rules.unique)):
        same = " AND ".join(f"{column} = NEW.{column}" for column in unique)
        message = f"{table}: {', '.join(unique)} must be unique"
        condition = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"
        yield Trigger(table, f"new{number}", "INSERT", message, condition)


# SQL -------------------------------------------------------------------------------------


def _sqlite(trigger: Trigger) -> str:
    when = f" WHEN {trigger.condition}" if trigger.condition else ""
    head = f"CREATE TRIGGER {trigger.full_name} BEFORE {trigger.event} ON {trigger.table}"
    return f"{head}{when} BEGIN SELECT RAISE(ABORT, '{trigger.message}'); END"


def _postgresql(trigger: Trigger) -> str:
    each = "STATEMENT" if trigger.event == "TRUNCATE" else "ROW"
    when = f" WHEN ({trigger.condition})" if trigger.condition else ""
    head = f"CREATE TRIGGER {trigger.full_name} BEFORE {trigger.event} ON {trigger.table}"
    return (
        f"{head} FOR EACH {each}{when} EXECUTE FUNCTION dutchbook_refuse('{trigger.message}')"
    )


_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "sqlite": (),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION dutchbook_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING
               ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME;
           END $$""",
        f"""CREATE OR REPLACE FUNCTION dutchbook_expect(got bigint, wanted bigint, what text)
           RETURNS void LANGUAGE plpgsql AS $$
           BEGIN IF got <> wanted THEN
               RAISE EXCEPTION '%', what USING
                   ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{UNEXPECTED}';
           END IF; END $$""",
    ),
}
_LISTS = {
    "sqlite": "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """SELECT c.relname, t.tgname FROM pg_trigger t
                     JOIN pg_class c ON c.oid = t.tgrelid
                     JOIN pg_proc p ON p.oid = t.tgfoid
                     WHERE p.proname = 'dutchbook_refuse'
                       AND c.relnamespace = current_schema()::regnamespace""",
}

"""What a CHECK cannot see, because it needs the old row: made from the rules of the tables.

A status changes only along its machine's table, a reservation is resolved once, and what is
written for good is never changed or deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from dutchbook.persistence import models
from dutchbook.persistence.rules import TABLES, Rules

PRUNED = "order_book_snapshots"
"""The one frozen table from which rows may be deleted: old books, by the retention setting."""


def statements(dialect: str) -> list[str]:
    """Return the statements that create every trigger on `dialect` (sqlite or postgresql)."""
    make = _sqlite if dialect == "sqlite" else _postgresql
    found = list(_PRELUDE[dialect])
    for table, rules in TABLES.items():
        for name, event, condition, message in _wanted(table, rules):
            found.append(make(table, name, event, condition, message))
    return found


def _wanted(table: str, rules: Rules) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, event.

    Condition (over OLD and NEW) and message of each trigger of a table.
    """
    if rules.machine is not None:
        allowed = " OR ".join(
            f"(OLD.status = '{before}' AND NEW.status = '{after}')"
            for before, after in sorted(rules.machine.changes)
        )
        condition = f"OLD.status <> NEW.status AND NOT ({allowed})"
        yield "status", "UPDATE", condition, f"{table}: illegal status change"
    if rules.resolved_once:
        yield "once", "UPDATE", "OLD.status <> 'reserved'", f"{table}: was resolved before"
    if rules.frozen:
        changed = _changed(table, rules)
        yield "frozen", "UPDATE", changed, f"{table}: a record never changes"
        if table != PRUNED:
            yield "kept", "DELETE", "1 = 1", f"{table}: a record is never deleted"


def _changed(table: str, rules: Rules) -> str:
    if not rules.mutable:
        return "1 = 1"
    fixed = [
        c.name for c in models.METADATA.tables[table].columns if c.name not in rules.mutable
    ]
    return " OR ".join(f"OLD.{name} <> NEW.{name}" for name in fixed)


def _sqlite(table: str, name: str, event: str, condition: str, message: str) -> str:
    head = f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} WHEN {condition}"
    return f"{head} BEGIN SELECT RAISE(ABORT, '{message}'); END"


def _postgresql(table: str, name: str, event: str, condition: str, message: str) -> str:
    head = f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} FOR EACH ROW"
    return f"{head} WHEN ({condition}) EXECUTE FUNCTION dutchbook_refuse('{message}')"


_PRELUDE: dict[str, tuple[str, ...]] = {
    "sqlite": (),
    "postgresql": (
        """CREATE FUNCTION dutchbook_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE =
           'integrity_constraint_violation'; END $$""",
        """CREATE FUNCTION dutchbook_expect(got bigint, wanted bigint, what text)
           RETURNS void LANGUAGE plpgsql AS $$
           BEGIN IF got <> wanted THEN
               RAISE EXCEPTION '%: the row is not as expected', what
                   USING ERRCODE = 'integrity_constraint_violation';
           END IF; END $$""",
    ),
}

"""A write as SQL: one plan for each shape of write, with its values separate.

Thousands of writes share a handful of shapes, and the cost of a commit is mostly Python on cold
caches. So a plan is built once, and a write is one lookup and a list of values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import msgspec

from dutchbook.errors import LONGEST, Unfit
from dutchbook.persistence.log.chain import Entry
from dutchbook.persistence.tables.coding import Encoder, encoders
from dutchbook.ports.journal import Among, Between, Insert, Prefix, Update, Write
from dutchbook.ports.tables.catalogue import declared

Mark = Callable[[], str]
Names = tuple[str, ...]
UNEXPECTED = "dutchbook_expected"
"""Constraint that `dutchbook_expect` names if an update did not touch exactly one row."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, eq=False)
class Plan:
    """The part of a write that determines its SQL: only names. Each shape has one object.

    Attributes:
        table: The table.
        put: Columns of an INSERT, or those that an UPDATE sets.
        add: Columns that an UPDATE adds to.
        key: The key of an UPDATE's row.
        guard: Columns that must hold an expected value.
        at_most: Sums of columns with an upper bound.
        update: Whether it is an UPDATE.
    """

    table: str
    put: Names
    add: Names = ()
    key: Names = ()
    guard: Names = ()
    at_most: tuple[Names, ...] = ()
    update: bool = False

    @cached_property
    def names(self) -> Names:
        """The column of each value, in the order of `prepared`."""
        names = [*self.put, *self.add, *self.key, *self.guard]
        for columns in self.at_most:
            names += [*(column for column in columns if column in self.add), columns[0]]
        return tuple(names)

    @cached_property
    def encoders(self) -> tuple[Encoder, ...]:
        """Encoders of the values for the driver, in the order of `prepared`."""
        coded = encoders(self.table)
        return tuple(coded[name] for name in self.names)

    @cached_property
    def sqlite(self) -> str:
        """The SQL for SQLite."""
        return text(self, lambda: "?", "IS")

    @cached_property
    def audited(self) -> bool:
        """Whether the log records its changes."""
        return declared(self.table).audited

    @cached_property
    def logged_names(self) -> tuple[str, int]:
        """Its JSON in the log up to the values, and how many of the values are logged."""
        names = [list(self.put)]
        names += [list(self.add), list(self.key)] if self.update else []
        head = json.dumps([self.table, *names], separators=(",", ":"))
        return f"{head[:-1]},", len(self.put) + len(self.add) + len(self.key)


class Prepared(NamedTuple):
    """A write with its plan and its values as the driver stores them."""

    write: Write
    plan: Plan
    values: list[Any]


_insertion = cache(Plan)
_LOG = _insertion("audit_log", Entry._fields)
_OUTBOX = _insertion("outbox", ("sequence", "name"))
_KEPT = Insert("audit_log", {"sequence": "the next"})


@cache
def _change(
    table: str, put: Names, add: Names, key: Names, guard: Names, at_most: tuple[Names, ...]
) -> Plan:
    return Plan(table, put, add, key, guard, at_most, update=True)


def prepared(write: Write) -> Prepared:
    """Return a write as its plan and its coded values.

    Raises:
        Unfit: A value that its column cannot store.
    """
    if isinstance(write, Insert):
        plan = _insertion(write.table, tuple(write.row))
        return Prepared(write, plan, _coded(plan, write.row.values()))
    plan = _change(
        write.table,
        tuple(write.put),
        tuple(write.add),
        tuple(write.key),
        tuple(write.guard),
        tuple(write.at_most),
    )
    return Prepared(write, plan, _coded(plan, _values(write)))


def _coded(plan: Plan, values: Iterable[Any]) -> list[Any]:
    coded: list[Any] = []
    try:
        for encode, value in zip(plan.encoders, values, strict=True):
            coded.append(None if value is None else encode(value))
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Unfit(plan.table, plan.names[len(coded)], str(error)[:LONGEST]) from error
    return coded


def _values(write: Update) -> list[Any]:
    found = [
        *write.put.values(),
        *write.add.values(),
        *write.key.values(),
        *write.guard.values(),
    ]
    for columns, most in write.at_most.items():
        found += [write.add[column] for column in columns if column in write.add]
        found.append(most)
    return found


def changes_text(writes: Iterable[Prepared]) -> str | None:
    """Return what the log records of a batch: every change to an audited table.

    A JSON list of ``[table, columns, values]`` for a new row and ``[table, set, added, key,
    values]`` for a change. Values are as stored, in the order of the names. None if no audited
    table is touched.
    """
    parts = []
    for write in writes:
        if write.plan.audited:
            head, count = write.plan.logged_names
            parts.append(f"{head}{_encode(write.values[:count]).decode()}]")
    return f"[{','.join(parts)}]" if parts else None


def logged(entries: Iterable[Entry]) -> list[Prepared]:
    """Return the inserts of new entries: into the log, and into the outbox until delivered."""
    found = []
    for entry in entries:
        found.append(Prepared(_KEPT, _LOG, list(entry)))
        found.append(Prepared(_KEPT, _OUTBOX, [entry.sequence, entry.name]))
    return found


def key_of(write: Write) -> tuple[Any, ...]:
    """Return the primary key of the row that a write touches."""
    row = write.row if isinstance(write, Insert) else write.key
    return tuple(row[column] for column in declared(write.table).key)


def text(of: Plan, mark: Mark, same: str) -> str:
    """Return the SQL of a plan.

    Args:
        of: The plan.
        mark: Makes the next placeholder.
        same: The null-safe operator that compares a guard.
    """
    if not of.update:
        marks = ", ".join(mark() for _ in of.put)
        return f"INSERT INTO {of.table} ({', '.join(of.put)}) VALUES ({marks})"
    changes = [f"{column} = {mark()}" for column in of.put]
    changes += [f"{column} = {column} + {mark()}" for column in of.add]
    conditions = [f"{column} = {mark()}" for column in of.key]
    conditions += [f"{column} {same} {mark()}" for column in of.guard]
    for columns in of.at_most:
        terms = " + ".join(_terms(columns, of.add, mark))
        conditions.append(f"{terms} <= {mark()}")
    where = " AND ".join(conditions)
    return f"UPDATE {of.table} SET {', '.join(changes)} WHERE {where}"


def _terms(columns: Names, added: Names, mark: Mark) -> Iterator[str]:
    for column in columns:
        yield column
        if column in added:
            yield mark()


def select(
    table: str,
    where: Mapping[str, Any] | None,
    order_by: Iterable[str],
    mark: Mark,
    *,
    descending: bool = False,
    limit: int | None = None,
) -> tuple[str, list[Any]]:
    """Return a SELECT of whole rows and its values; see `Journal.rows`."""
    chosen, wanted = _chosen(table, where, mark)
    text = f"SELECT * FROM {table}{chosen}"
    down = " DESC" if descending else ""
    named = ", ".join(f"{column}{down}" for column in order_by)
    text += f" ORDER BY {named}" if named else ""
    text += f" LIMIT {limit:d}" if limit is not None else ""
    return text, wanted


def counting(table: str, where: Mapping[str, Any] | None, mark: Mark) -> tuple[str, list[Any]]:
    """Return a SELECT of the number of matching rows and its values."""
    chosen, wanted = _chosen(table, where, mark)
    return f"SELECT count(*) AS counted FROM {table}{chosen}", wanted


def _chosen(table: str, where: Mapping[str, Any] | None, mark: Mark) -> tuple[str, list[Any]]:
    """Return the WHERE clause of some conditions, empty without any, and its values."""
    wanted: list[Any] = []
    coded = encoders(table)

    def compare(column: str, sign: str, value: Any) -> str:
        wanted.append(coded[column](value))
        return f"{column} {sign} {mark()}"

    def condition(column: str, value: Any) -> str:
        if value is None:
            return f"{column} IS NULL"
        if isinstance(value, Prefix):
            wanted.append(value.text)
            return f"substr({column}, 1, {len(value.text)}) = {mark()}"
        if isinstance(value, Between):
            ends = ((">=", value.first), ("<=", value.last))
            bounds = [compare(column, sign, end) for sign, end in ends if end is not None]
            return " AND ".join(bounds) or "TRUE"
        if isinstance(value, Among):
            inner, values = _chosen(value.table, value.where, mark)
            wanted.extend(values)
            found = f"{column} IN (SELECT {value.column} FROM {value.table}{inner})"
            others = (condition(column, each) for each in value.also)
            return f"({' OR '.join((found, *others))})"
        return compare(column, "=", value)

    conditions = [condition(column, value) for column, value in (where or {}).items()]
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), wanted

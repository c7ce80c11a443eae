"""A write as SQL: one text for each shape of write, with its values apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from dutchbook.persistence.coding import encoders
from dutchbook.persistence.rules import TABLES
from dutchbook.ports import Insert, Write

Mark = Callable[[], str]
Names = tuple[str, ...]


class InsertShape(NamedTuple):
    """What of an INSERT decides its text."""

    table: str
    columns: Names


class UpdateShape(NamedTuple):
    """What of a guarded UPDATE decides its text; `at_most` are sums of columns with a bound."""

    table: str
    put: Names
    add: Names
    key: Names
    guard: Names
    at_most: tuple[Names, ...]


Shape = InsertShape | UpdateShape


def key_of(write: Write) -> tuple[Any, ...]:
    """Return the primary key of the row that a write touches."""
    row = write.row if isinstance(write, Insert) else write.key
    return tuple(row[column] for column in TABLES[write.table].key)


def shape(write: Write) -> Shape:
    """Return what of a write decides its text."""
    if isinstance(write, Insert):
        return InsertShape(write.table, tuple(write.row))
    return UpdateShape(
        write.table,
        tuple(write.put),
        tuple(write.add),
        tuple(write.key),
        tuple(write.guard),
        tuple(write.at_most),
    )


def values(write: Write) -> list[Any]:
    """Return what stands at the placeholders of a write's text, as a driver stores it."""
    if isinstance(write, Insert):
        return _coded(write.table, write.row)
    found: list[Any] = []
    for part in (write.put, write.add, write.key, write.guard):
        found += _coded(write.table, part)
    for columns, most in write.at_most.items():
        found += _coded(write.table, {c: write.add[c] for c in columns if c in write.add})
        found += _coded(write.table, {columns[0]: most})
    return found


def _coded(table: str, row: Mapping[str, Any]) -> list[Any]:
    coded = encoders(table)
    return [None if value is None else coded[name](value) for name, value in row.items()]


def text(of: Shape, mark: Mark, same: str) -> str:
    """Return the SQL of a shape.

    Args:
        of: The shape.
        mark: Makes the next placeholder.
        same: The operator that compares a guard, nulls included.
    """
    if isinstance(of, InsertShape):
        marks = ", ".join(mark() for _ in of.columns)
        return f"INSERT INTO {of.table} ({', '.join(of.columns)}) VALUES ({marks})"
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


@cache
def sqlite_text(of: Shape) -> str:
    """Return the SQL of a shape for SQLite."""
    return text(of, lambda: "?", "IS")


def select(
    table: str, where: dict[str, Any], order_by: tuple[str, ...], mark: Mark
) -> tuple[str, list[Any]]:
    """Return a SELECT of whole rows that match."""
    conditions = " AND ".join(f"{column} = {mark()}" for column in where)
    found = f"SELECT * FROM {table}" + (f" WHERE {conditions}" if where else "")
    found += f" ORDER BY {', '.join(order_by)}" if order_by else ""
    return found, _coded(table, where)

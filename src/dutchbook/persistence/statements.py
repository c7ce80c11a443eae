"""A write as SQL: one shape for each table and set of columns, with its values apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dutchbook.persistence.coding import encode
from dutchbook.persistence.rules import TABLES
from dutchbook.ports import Insert, Update, Write

Mark = Callable[[], str]


def key_of(write: Write) -> tuple[Any, ...]:
    """Return the primary key of the row that a write touches."""
    row = write.row if isinstance(write, Insert) else write.key
    return tuple(row[column] for column in TABLES[write.table].key)


def insert(write: Insert, mark: Mark) -> tuple[str, list[Any]]:
    """Return an INSERT and its values; `mark` makes the next placeholder."""
    names = ", ".join(write.row)
    marks = ", ".join(mark() for _ in write.row)
    values = [encode(write.table, column, value) for column, value in write.row.items()]
    return f"INSERT INTO {write.table} ({names}) VALUES ({marks})", values


def update(write: Update, mark: Mark, same: str) -> tuple[str, list[Any]]:
    """Return a guarded UPDATE and its values.

    Args:
        write: The change.
        mark: Makes the next placeholder.
        same: The operator that compares a guard, nulls included.
    """
    values: list[Any] = []
    changes = list(_changes(write, mark, values))
    conditions = []
    for column, value in write.key.items():
        conditions.append(f"{column} = {mark()}")
        values.append(encode(write.table, column, value))
    for column, value in write.guard.items():
        conditions.append(f"{column} {same} {mark()}")
        values.append(encode(write.table, column, value))
    for columns, most in write.at_most.items():
        terms = []
        for column in columns:
            terms.append(column)
            if column in write.add:
                terms.append(mark())
                values.append(encode(write.table, column, write.add[column]))
        conditions.append(f"{' + '.join(terms)} <= {mark()}")
        values.append(encode(write.table, columns[0], most))
    where = " AND ".join(conditions)
    return f"UPDATE {write.table} SET {', '.join(changes)} WHERE {where}", values


def _changes(write: Update, mark: Mark, values: list[Any]) -> Iterator[str]:
    for column, value in write.put.items():
        values.append(encode(write.table, column, value))
        yield f"{column} = {mark()}"
    for column, value in write.add.items():
        values.append(encode(write.table, column, value))
        yield f"{column} = {column} + {mark()}"


def sql(write: Write, mark: Mark, same: str) -> tuple[str, list[Any]]:
    """Return either kind as SQL."""
    if isinstance(write, Insert):
        return insert(write, mark)
    return update(write, mark, same)


def select(
    table: str, where: dict[str, Any], order_by: tuple[str, ...], mark: Mark
) -> tuple[str, list[Any]]:
    """Return a SELECT of whole rows that match."""
    conditions = " AND ".join(f"{column} = {mark()}" for column in where)
    text = f"SELECT * FROM {table}" + (f" WHERE {conditions}" if where else "")
    text += f" ORDER BY {', '.join(order_by)}" if order_by else ""
    return text, [encode(table, column, value) for column, value in where.items()]

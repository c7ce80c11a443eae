"""The tables as the log tells them: rebuilt entry by entry, and held against what they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dutchbook.persistence.coding import encoders
from dutchbook.persistence.rules import TABLES

Row = dict[str, Any]
Tables = dict[str, dict[tuple[Any, ...], Row]]
AUDITED = tuple(name for name, rules in TABLES.items() if rules.audited)
NEW = 3
"""A new row is told as table, columns, values; a change names what it adds and its key too."""


def replayed(entries: Iterable[Mapping[str, Any]]) -> Tables:
    """Return every table that the log can rebuild, values as they are stored.

    Args:
        entries: Rows of the log, oldest first.

    Raises:
        ValueError: An entry tells of what cannot have been: a row made twice, or changed
            before it was made.
    """
    tables: Tables = {name: {} for name in AUDITED}
    for entry in entries:
        for change in json.loads(entry["changes"] or "[]"):
            try:
                _applied(tables, change)
            except (KeyError, TypeError, IndexError) as error:
                raise ValueError(f"entry {entry['sequence']}: {change[0]}: {error}") from None
    return tables


def _applied(tables: Tables, change: list[Any]) -> None:
    table, values = tables[change[0]], change[-1]
    key_columns = TABLES[change[0]].key
    if len(change) == NEW:
        row = dict(zip(change[1], values, strict=True))
        key = tuple(row[column] for column in key_columns)
        if key in table:
            raise KeyError(f"{key} is made twice")
        table[key] = row
        return
    put, add, named = change[1:4]
    end = len(put) + len(add)
    found = dict(zip(named, values[end:], strict=True))
    row = table[tuple(found[column] for column in key_columns)]
    row.update(zip(put, values, strict=False))
    for column, amount in zip(add, values[len(put) : end], strict=True):
        row[column] += amount


def differences(
    entries: Iterable[Mapping[str, Any]], stored: Mapping[str, Iterable[Row]]
) -> Iterator[str]:
    """Tell where tables are not what the log makes of them, a line each.

    Args:
        entries: Rows of the log, oldest first.
        stored: The rows of every audited table, as domain values.
    """
    try:
        told = replayed(entries)
    except ValueError as error:
        yield f"audit log: {error}"
        return
    for name in AUDITED:
        rows = {_key(name, row): row for row in _coded(name, stored[name])}
        for key in sorted({*rows, *told[name]}):
            if key not in rows:
                yield f"{name} {'/'.join(key)}: the log made it, the table does not have it"
            elif key not in told[name]:
                yield f"{name} {'/'.join(key)}: the table has it, the log never made it"
            elif rows[key] != told[name][key]:
                columns = sorted(c for c, v in rows[key].items() if told[name][key].get(c) != v)
                yield f"{name} {'/'.join(key)}: the log says otherwise of {', '.join(columns)}"


def _key(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in TABLES[table].key)


def _coded(table: str, rows: Iterable[Row]) -> Iterator[Row]:
    coded = encoders(table)
    for row in rows:
        yield {
            name: None if value is None else coded[name](value) for name, value in row.items()
        }

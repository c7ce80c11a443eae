"""Rebuilds the tables from the log and compares them, row by row (I-26).

An entry tells what its batch changed in `changes`, a JSON list: ``[table, columns, values]``
for a new row, ``[table, set, added, key, values]`` for a changed one, whose values stand in the
order of the three lists. Values are as a database stores them. A log that an older program
began is not judged here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from independent.stored import plain

KEYS = {
    "accounts": ("account_id",),
    "contract_matches": ("match_id",),
    "discrepancies": ("discrepancy_id",),
    "executions": ("execution_id",),
    "fills": ("platform", "trade_id"),
    "ledger_entries": ("entry_id",),
    "open_positions": ("position_id",),
    "orders": ("order_id",),
    "reservations": ("reservation_id", "account_id"),
    "risk_override_logs": ("override_id",),
    "risk_states": ("singleton_key",),
    "settlements": ("settlement_id",),
}
"""Every table that the log must rebuild, with its primary key."""
LATER = ("stated", "stated_cost", "stated_fees", "reported", "kalshi_borrowed",
         "polymarket_borrowed")  # fmt: skip
"""Columns that a later schema added: zero in rows from before."""
NEW = 3
Row = Mapping[str, Any]
Rebuilt = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


def rebuilt(log: Iterable[Row]) -> Rebuilt:
    """Return the tables that a log tells of, in stored form.

    Raises:
        ValueError: An entry tells of a change that cannot have been.
    """
    tables: Rebuilt = {name: {} for name in KEYS}
    for entry in log:
        if entry["changes"] is not None:
            for change in json.loads(entry["changes"]):
                _take(tables, change)
    return tables


def _take(tables: Rebuilt, change: list[Any]) -> None:
    name, values = change[0], change[-1]
    rows, key = tables.setdefault(name, {}), KEYS.get(name, ())
    if not key:
        raise ValueError(f"the log tells of {name}, which it does not cover")
    if len(change) == NEW:
        row = dict(zip(change[1], values, strict=True))
        place = tuple(row[column] for column in key)
        if place in rows:
            raise ValueError(f"{name} {place} is made twice")
        rows[place] = row
        return
    put, added, named = change[1:4]
    told = list(zip([*put, *added, *named], values, strict=True))
    sums, where = told[len(put) : len(put) + len(added)], dict(told[len(put) + len(added) :])
    place = tuple(where[column] for column in key)
    if place not in rows:
        raise ValueError(f"{name} {place} is changed before it was made")
    rows[place].update(told[: len(put)])
    for column, amount in sums:
        rows[place][column] = rows[place].get(column, 0) + amount


def differences(log: Iterable[Row], tables: Mapping[str, Iterable[Row]]) -> Iterator[str]:
    """Yield a line for each row that the log does not rebuild exactly.

    Args:
        log: Rows of `audit_log`, in order.
        tables: The rows of every table in `KEYS`, as stored or as held in memory.
    """
    try:
        made = rebuilt(log)
    except (LookupError, TypeError, ValueError) as error:
        yield f"I-26 the log tells of what cannot have been: {error}"
        return
    for name, key in KEYS.items():
        left = made[name]
        for row in tables[name]:
            place = tuple(plain(row[column]) for column in key)
            expected = left.pop(place, None)
            if expected is None:
                yield f"I-26 {name} {place}: the log never made it"
                continue
            wrong = [c for c, value in row.items() if not _told(c, value, expected)]
            wrong += [column for column in expected if column not in row]
            if wrong:
                yield f"I-26 {name} {place}: the log says otherwise of {', '.join(wrong)}"
        for place in left:
            yield f"I-26 {name} {place}: it is not there, and the log made it"


def _told(column: str, value: Any, row: dict[str, Any]) -> bool:
    """Return whether a row's value is the one that the log tells."""
    if column not in row:
        return value is None or (column in LATER and value == 0)
    told = row[column]
    if isinstance(value, dict | list | tuple):
        return isinstance(told, str) and _document(value, json.loads(told))
    stored = plain(value)
    return bool(stored == told) and (stored is None) == (told is None)


def _document(value: Any, told: Any) -> bool:
    """Return whether a document in memory is the one that the log tells.

    In JSON, decimals and moments are texts.
    """
    if isinstance(value, dict):
        same = isinstance(told, dict) and {str(key) for key in value} == set(told)
        return same and all(_document(each, told[str(key)]) for key, each in value.items())
    if isinstance(value, list | tuple):
        same = isinstance(told, list) and len(value) == len(told)
        return same and all(map(_document, value, told))
    if isinstance(value, Decimal):
        return isinstance(told, str) and Decimal(told) == value
    if isinstance(value, datetime):
        return isinstance(told, str) and datetime.fromisoformat(told) == value.astimezone(UTC)
    return bool(value == told)

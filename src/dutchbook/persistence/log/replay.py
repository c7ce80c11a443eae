"""The tables as the log tells them: rebuilt entry by entry, and held against what they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

from dutchbook.persistence.tables.coding import columns, encoders
from dutchbook.persistence.tables.rules import TABLES

Row = Mapping[str, Any]
Tables = dict[str, dict[tuple[Any, ...], list[Any]]]
"""By table and key, the values of a row in the order of its columns, as they are stored."""
AUDITED = tuple(name for name, rules in TABLES.items() if rules.audited)
NEW = 3
"""A new row is told as table, columns, values; a change names what it adds and its key too."""
IMPOSSIBLE = (LookupError, TypeError, ValueError, RecursionError)


class _Untold(Enum):
    """What the log cannot tell of a row that is older than its telling."""

    VALUE = "untold"


UNTOLD = _Untold.VALUE


class Replay:
    """Rebuilds every audited table from entries, oldest first.

    A log that an older program began tells changes only from some entry on. Of rows from before
    it, what was set since is known and compared; what was not is untold.

    Attributes:
        tables: What they are by now.
        since: The first entry that tells changes, 0 while none did.
        broken: What cannot have been, as a line; nothing is rebuilt after it.
    """

    def __init__(self) -> None:
        self.tables: Tables = {name: {} for name in AUDITED}
        self.since = 0
        self.broken: tuple[str, ...] = ()
        self._taken = 0

    def take(self, entry: Row) -> None:
        """Apply what one entry tells.

        One that makes a row twice, or changes it before it was made, breaks the replay.
        """
        self._taken += 1
        if self.broken or entry["changes"] is None:
            return
        self.since = self.since or self._taken
        try:
            for change in json.loads(entry["changes"]):
                self._applied(change)
        except IMPOSSIBLE as error:
            told = f"audit log: entry {entry['sequence']} tells of what cannot have been"
            self.broken = (f"{told}: {error}",)

    @property
    def partial(self) -> bool:
        """Whether the log began before it told changes."""
        return self._taken > 0 and self.since != 1

    def _applied(self, change: list[Any]) -> None:
        name, values = change[0], change[-1]
        table, at = self.tables[name], _places(name)
        if len(change) == NEW:
            told = dict(zip(change[1], values, strict=True))
            key = tuple(told[column] for column in TABLES[name].key)
            if key in table:
                raise ValueError(f"{name} {_named(key)} is made twice")
            older = _untold(name)
            table[key] = [told.pop(column, older.get(column)) for column in at]
            if told:
                raise ValueError(f"{name} has no column {min(told)}")
            return
        put, add, named = change[1:4]
        if len(values) != len(put) + len(add) + len(named):
            raise ValueError(f"{name}: as many values as columns are told")
        end = len(put) + len(add)
        found = dict(zip(named, values[end:], strict=True))
        row = self._row(name, tuple(found[column] for column in TABLES[name].key))
        for column, value in zip(put, values, strict=False):
            row[at[column]] = value
        for column, amount in zip(add, values[len(put) : end], strict=True):
            if row[at[column]] is not UNTOLD:
                row[at[column]] += amount

    def _row(self, name: str, key: tuple[Any, ...]) -> list[Any]:
        """Return the row that a change touches; one from before the telling is untold."""
        table = self.tables[name]
        if key not in table:
            if not self.partial:
                raise ValueError(f"{name} {_named(key)} is changed before it was made")
            known = dict(zip(TABLES[name].key, key, strict=True))
            table[key] = [known.get(column, UNTOLD) for column in _places(name)]
        return table[key]

    def compared(self, name: str, stored: Iterable[Row]) -> Iterator[str]:
        """Tell where a table is not what was rebuilt, a line for each row; forgets it.

        Args:
            name: The table.
            stored: Its rows as they are stored.
        """
        told, names = self.tables[name], tuple(_places(name))
        for row in stored:
            key = tuple(row[column] for column in TABLES[name].key)
            made = told.pop(key, None)
            if made is None:
                if not self.partial:
                    yield f"{name} {_named(key)}: the table has it, the log never made it"
                continue
            wrong = sorted(
                column
                for column, value in zip(names, made, strict=True)
                if value is not UNTOLD and not _same(row[column], value)
            )
            if wrong:
                yield f"{name} {_named(key)}: the log says otherwise of {', '.join(wrong)}"
        for key in told:
            yield f"{name} {_named(key)}: the log made it, the table does not have it"


def replayed(entries: Iterable[Row]) -> Tables:
    """Return every table that the log can rebuild.

    Args:
        entries: Rows of the log, oldest first.

    Raises:
        ValueError: An entry tells of what cannot have been.
    """
    replay = Replay()
    for entry in entries:
        replay.take(entry)
    if replay.broken:
        raise ValueError(*replay.broken)
    return replay.tables


def differences(entries: Iterable[Row], stored: Mapping[str, Iterable[Row]]) -> Iterator[str]:
    """Tell where tables are not what the log makes of them, a line each.

    Args:
        entries: Rows of the log, oldest first.
        stored: The rows of every audited table, as domain values.
    """
    replay = Replay()
    for entry in entries:
        replay.take(entry)
    yield from replay.broken
    for name in () if replay.broken else AUDITED:
        yield from replay.compared(name, (encoded(name, row) for row in stored[name]))


@cache
def _untold(name: str) -> Mapping[str, int]:
    """Return what the columns were that a later schema added, in rows told before it."""
    return dict.fromkeys(TABLES[name].added, 0)


@cache
def _places(table: str) -> dict[str, int]:
    return {column: place for place, column in enumerate(columns(table))}


def _same(stored: Any, told: Any) -> bool:
    """A flag is 0 or 1 in one database, and neither NULL nor a text is a number."""
    return stored is told if stored is None or told is None else bool(stored == told)


def _named(key: tuple[Any, ...]) -> str:
    return "/".join(map(str, key))


def encoded(table: str, row: Row) -> dict[str, Any]:
    """Return a row of domain values as it is stored."""
    coded = encoders(table)
    return {name: None if value is None else coded[name](value) for name, value in row.items()}

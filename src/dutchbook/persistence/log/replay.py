"""Rebuilds the tables from the log, entry by entry, and compares them with the stored rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

from dutchbook.ports.tables.catalogue import declared, every_table

Row = Mapping[str, Any]
Tables = dict[str, dict[tuple[Any, ...], list[Any]]]
"""Row values by table and key, in column order, as stored."""
AUDITED = tuple(name for name, rules in every_table().items() if rules.audited)
NEW = 3
"""Elements of an insert: table, columns, values. A change also names its sums and its key."""
IMPOSSIBLE = (LookupError, TypeError, ValueError, RecursionError)


class _Unknown(Enum):
    """Value of a row that predates the first entry that records changes."""

    VALUE = "untold"


UNTOLD = _Unknown.VALUE


class Replay:
    """Rebuilds every audited table from entries, oldest first.

    A log begun by an older program records changes only from a certain entry on. Of older rows,
    values that were set since are known and compared; the others are unknown.

    Attributes:
        tables: The tables as rebuilt so far.
        since: The first entry that records changes, 0 while none did.
        broken: Description of an impossible change; nothing is rebuilt after it.
    """

    def __init__(self) -> None:
        self.tables: Tables = {name: {} for name in AUDITED}
        self.since = 0
        self.broken: tuple[str, ...] = ()
        self._entries = 0

    def take(self, entry: Row) -> None:
        """Apply the changes of one entry.

        Inserting a row twice, or changing it before it was inserted, breaks the replay.
        """
        self._entries += 1
        if self.broken or entry["changes"] is None:
            return
        self.since = self.since or self._entries
        try:
            for change in json.loads(entry["changes"]):
                self._apply(change)
        except IMPOSSIBLE as error:
            problem = f"audit log: entry {entry['sequence']} tells of what cannot have been"
            self.broken = (f"{problem}: {error}",)

    @property
    def partial(self) -> bool:
        """Whether the log began before it recorded changes."""
        return self._entries > 0 and self.since != 1

    def _apply(self, change: list[Any]) -> None:
        name, values = change[0], change[-1]
        table, at = self.tables[name], _places(name)
        if len(change) == NEW:
            inserted = dict(zip(change[1], values, strict=True))
            key = tuple(inserted[column] for column in declared(name).key)
            if key in table:
                raise ValueError(f"{name} {_named(key)} is made twice")
            defaults = _defaults(name)
            table[key] = [inserted.pop(column, defaults.get(column)) for column in at]
            if inserted:
                raise ValueError(f"{name} has no column {min(inserted)}")
            return
        put, add, named = change[1:4]
        if len(values) != len(put) + len(add) + len(named):
            raise ValueError(f"{name}: as many values as columns are named")
        end = len(put) + len(add)
        found = dict(zip(named, values[end:], strict=True))
        row = self._row(name, tuple(found[column] for column in declared(name).key))
        for column, value in zip(put, values, strict=False):
            row[at[column]] = value
        for column, amount in zip(add, values[len(put) : end], strict=True):
            if row[at[column]] is not UNTOLD:
                row[at[column]] += amount

    def _row(self, name: str, key: tuple[Any, ...]) -> list[Any]:
        """Return the row that a change touches; an older row starts out unknown."""
        table = self.tables[name]
        if key not in table:
            if not self.partial:
                raise ValueError(f"{name} {_named(key)} is changed before it was made")
            known = dict(zip(declared(name).key, key, strict=True))
            table[key] = [known.get(column, UNTOLD) for column in _places(name)]
        return table[key]

    def compared(self, name: str, stored: Iterable[Row]) -> Iterator[str]:
        """Yield a line for each row that differs from the rebuilt table, which is discarded.

        Args:
            name: The table.
            stored: Its rows as stored.
        """
        rebuilt, names = self.tables[name], tuple(_places(name))
        for row in stored:
            key = tuple(row[column] for column in declared(name).key)
            expected = rebuilt.pop(key, None)
            if expected is None:
                if not self.partial:
                    yield f"{name} {_named(key)}: the table has it, the log never made it"
                continue
            wrong = sorted(
                column
                for column, value in zip(names, expected, strict=True)
                if value is not UNTOLD and not _same(row[column], value)
            )
            if wrong:
                yield f"{name} {_named(key)}: the log says otherwise of {', '.join(wrong)}"
        for key in rebuilt:
            yield f"{name} {_named(key)}: the log made it, the table does not have it"


@cache
def _defaults(name: str) -> Mapping[str, int]:
    """Return the values of columns that a later schema added, in rows logged before it."""
    return dict.fromkeys(declared(name).added, 0)


@cache
def _places(table: str) -> dict[str, int]:
    return {column: place for place, column in enumerate(declared(table).names)}


def _same(stored: Any, logged: Any) -> bool:
    """Compare, so that a flag equals 0 or 1, and neither NULL nor text equals a number."""
    return stored is logged if stored is None or logged is None else bool(stored == logged)


def _named(key: tuple[Any, ...]) -> str:
    return "/".join(map(str, key))

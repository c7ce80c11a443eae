"""A table as data: its columns, its rules, and rows as domain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from operator import attrgetter
from typing import Any, Generic, TypeVar

from dutchbook.domain.values.machine import Machine
from dutchbook.errors import UNREADABLE, Damaged
from dutchbook.ports.journal import Update
from dutchbook.ports.tables.column import Column, hints

V = TypeVar("V")
Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Table(Generic[V]):
    """One table. Journals, constraints, triggers, models and rows are made from it.

    Attributes:
        name: Its name.
        columns: In the order of a new row in the log.
        key: The columns of its primary key.
        of: The domain value that a row stores; None if none does.
        guard: Columns that an update compares with the row before.
        unique: Further sets of columns that no two rows share.
        floor: Columns that never go below zero.
        refers: Columns that refer to a column of another table.
        indexes: Sets of columns with an index.
        together: Sets of columns that are all empty or none of them.
        checks: Further conditions in SQL, by name.
        machine: State machine of the `status` column.
        frozen: Rows never change, except in columns that change.
        resolved_once: `status` leaves "reserved" once, and the parts then add up to the amount.
        audited: The log records every change, so that replaying the log rebuilds the table.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    of: type[V] | None = None
    guard: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    floor: tuple[str, ...] = ()
    refers: Mapping[str, str] | None = None
    indexes: tuple[tuple[str, ...], ...] = ()
    together: tuple[tuple[str, ...], ...] = ()
    checks: Mapping[str, str] | None = None
    machine: Machine[Any] | None = None
    frozen: bool = False
    resolved_once: bool = False
    audited: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(each.name for each in self.columns)

    @cached_property
    def added(self) -> tuple[str, ...]:
        """Columns that a later schema added: zero in every older row."""
        return tuple(each.name for each in self.columns if each.added)

    @cached_property
    def mutable(self) -> tuple[str, ...]:
        """Columns that an update writes again."""
        return tuple(each.name for each in self.columns if each.changes)

    # Rows of domain values
    # -----------------------------------------------------------------------------

    def row_of(self, value: V, **stated: Any) -> dict[str, Any]:
        """Return the row of a domain value.

        Args:
            value: The value.
            stated: Columns that are not the value's, or that differ from it. Such a column is
                empty if it is not stated and may be.
        """
        missing = [name for name in self._required if name not in stated]
        assert not missing, f"{self.name}: {', '.join(missing)} must be stated"
        row = dict.fromkeys(self.names) | self._every(value) | stated
        assert len(row) == len(self.names), f"{self.name} has no {sorted(stated)}"
        return row

    def changing(self, value: V) -> dict[str, Any]:
        """Return the columns of a value's row that change."""
        return self._changing(value)

    def update(self, before: V, after: V, **stated: Any) -> Update:
        """Return the guarded change of a row from one value to the next.

        Args:
            before: The value as its row is now.
            after: What it has become.
            stated: Further columns to set.
        """
        key, guard = self._key(before), self._guard(before)
        return Update(self.name, key, guard, self._changing(after) | stated)

    def value(self, row: Row, given: Mapping[str, Any] | None = None) -> V:
        """Return the domain value of a row.

        Args:
            row: The row.
            given: Attributes that the row does not have, dotted like the paths of columns.
                What neither has keeps its default.

        Raises:
            Damaged: The row has a value that no row could have been written with.
        """
        try:
            found: V = self._whole(row, given or {})
        except UNREADABLE as error:
            raise Damaged(self.name, error) from error
        return found

    @cached_property
    def _required(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.columns if not each.path and not each.optional)

    @cached_property
    def _every(self) -> _Reader:
        return _reader(each for each in self.columns if each.path)

    @cached_property
    def _changing(self) -> _Reader:
        return _reader(each for each in self.columns if each.changes)

    @cached_property
    def _key(self) -> _Reader:
        return _reader(each for each in self.columns if each.name in self.key)

    @cached_property
    def _guard(self) -> _Reader:
        return _reader(each for each in self.columns if each.name in self.guard)

    @cached_property
    def _whole(self) -> Callable[[Row, Mapping[str, Any]], Any]:
        assert self.of is not None, f"{self.name} stores no domain value"
        return _builder(self.of, [each for each in self.columns if each.path], "")


_Reader = Callable[[Any], dict[str, Any]]


def _reader(of: Iterable[Column]) -> _Reader:
    """Return the function that reads columns from a domain value."""
    columns = tuple(of)
    if not columns:
        return lambda _: {}
    # One more name, so that `attrgetter` returns a tuple for a single column as well.
    attributes = attrgetter(*(each.path for each in columns), columns[0].path)
    writes = tuple((each.name, each.write) for each in columns)

    def read(value: Any) -> dict[str, Any]:
        pairs = zip(writes, attributes(value), strict=False)
        return {name: None if each is None else write(each) for (name, write), each in pairs}

    return read


def _builder(
    of: Any, columns: Iterable[Column], under: str
) -> Callable[[Row, Mapping[str, Any]], Any]:
    """Return the function that makes a value of a row, and its parts of their columns.

    Args:
        of: The class of the value.
        columns: The columns that store the whole value.
        under: The path of this value in the whole one, with a dot at its end unless empty.
    """
    at = {each.path: each for each in columns}
    plain: list[tuple[str, str, Column]] = []
    parts: list[tuple[str, str, Callable[[Row, Mapping[str, Any]], Any]]] = []
    paths = [(each.name, under + each.name) for each in fields(of)]
    for name, path in paths:
        if path in at:
            plain.append((name, path, at[path]))
        elif any(each.startswith(f"{path}.") for each in at):
            parts.append((name, path, _builder(hints(of)[name], at.values(), f"{path}.")))

    def build(row: Row, given: Mapping[str, Any]) -> Any:
        found = {name: given[path] for name, path in paths if path in given}
        for name, path, column in plain:
            if path not in given:
                stored = row[column.name]
                found[name] = None if stored is None else column.read(stored)
        for name, path, part in parts:
            if path not in given:
                found[name] = part(row, given)
        return of(**found)

    return build

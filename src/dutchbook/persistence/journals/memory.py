"""A journal in memory, for studies and simulation: it is gone with its process.

It applies the same rules, batches and chain as the databases, so that a database can be judged
by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from dutchbook.domain.values.units import MICRO
from dutchbook.errors import Conflict
from dutchbook.persistence.journals.statements import changes_text, prepared
from dutchbook.persistence.log.chain import GENESIS, chained
from dutchbook.persistence.tables.coding import decode
from dutchbook.ports.crash_points import AFTER, BEFORE, crashpoint
from dutchbook.ports.journal import Batch, Between, Insert, Prefix, Receipt, Update
from dutchbook.ports.tables.catalogue import declared, every_table
from dutchbook.ports.tables.table import Table

Key = tuple[Any, ...]
Row = dict[str, Any]


class MemoryJournal:
    """`Journal` over dictionaries. A batch is applied entirely or not at all."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[Key, Row]] = {name: {} for name in every_table()}
        self._unique: dict[tuple[str, tuple[str, ...]], set[Key]] = {
            (name, columns): set()
            for name, rules in every_table().items()
            for columns in rules.unique
        }
        self._head = (0, GENESIS)

    async def commit(self, batch: Batch) -> Receipt:
        """Apply a batch; see `Journal`."""
        crashpoint(BEFORE, batch)
        changes = changes_text(map(prepared, batch.writes)) if batch.events else None
        entries, head = chained(batch.events, self._head, changes)
        log = [Insert("audit_log", decode("audit_log", e._asdict())) for e in entries]
        log += [Insert("outbox", {"sequence": e.sequence, "name": e.name}) for e in entries]
        after: dict[tuple[str, Key], Row] = {}
        for write in (*batch.writes, *log):
            rules = declared(write.table)
            row = self._inserted(write) if isinstance(write, Insert) else self._updated(write)
            key = _key(rules, row)
            _check_exact(write.table, row)
            if (write.table, key) in after:
                raise Conflict(write.table, key, "touched twice in one batch")
            after[write.table, key] = row
        self._check_unique(after)
        for (table, key), row in after.items():
            self._tables[table][key] = row
        self._remember(after)
        self._head = head
        crashpoint(AFTER, batch)
        return Receipt(*head)

    async def rows(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] = (),
        *,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """Return copies of the matching rows in the requested order, else as inserted."""
        there = list(self._tables[table].values())
        for column, value in (where or {}).items():
            there = [row for row in there if _matches(row[column], value)]
        found = [dict(row) for row in there]
        if order_by:
            key = tuple(order_by)
            found.sort(key=lambda row: tuple(row[name] for name in key), reverse=descending)
        return found[:limit]

    async def delivered(self, sequence: int) -> None:
        """Delete the outbox up to `sequence`."""
        outbox = self._tables["outbox"]
        for key in [key for key in outbox if key[0] <= sequence]:
            del outbox[key]

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _inserted(self, write: Insert) -> Row:
        rules, row = declared(write.table), dict(write.row)
        key = _key(rules, row)
        if key in self._tables[write.table]:
            raise Conflict(write.table, key, "exists already")
        _check_floor(write.table, rules, row)
        return row

    def _updated(self, write: Update) -> Row:
        rules = declared(write.table)
        key = tuple(write.key[column] for column in rules.key)
        before = self._tables[write.table].get(key)
        if before is None:
            raise Conflict(write.table, key, "does not exist")
        for column, expected in write.guard.items():
            if before[column] != expected:
                raise Conflict(
                    write.table, key, f"{column} is {before[column]}, not {expected}"
                )
        after = before | dict(write.put)
        for column, amount in write.add.items():
            after[column] = before[column] + amount
        for columns, most in write.at_most.items():
            if sum(after[column] for column in columns) > most:
                raise Conflict(write.table, key, f"{' + '.join(columns)} would exceed {most}")
        for column in (*write.put, *write.add):
            if rules.frozen and column not in rules.mutable:
                raise Conflict(write.table, key, f"{column} never changes")
        _check_floor(write.table, rules, after)
        _check_status(write.table, rules, key, before, after)
        return after

    def _check_unique(self, changes: Mapping[tuple[str, Key], Row]) -> None:
        for (table, key), row in changes.items():
            if key in self._tables[table]:
                continue
            for columns in declared(table).unique:
                value = tuple(row[column] for column in columns)
                if value in self._unique[table, columns]:
                    raise Conflict(table, value, f"{', '.join(columns)} must be unique")

    def _remember(self, changes: Mapping[tuple[str, Key], Row]) -> None:
        for (table, _), row in changes.items():
            for columns in declared(table).unique:
                self._unique[table, columns].add(tuple(row[column] for column in columns))


def _key(rules: Table[Any], row: Row) -> Key:
    return tuple(row[column] for column in rules.key)


def _matches(value: Any, wanted: Any) -> bool:
    """Return whether a row's value meets a condition; see `Journal.rows`."""
    if isinstance(wanted, Prefix):
        return str(value).startswith(wanted.text)
    if isinstance(wanted, Between):
        if value is None:
            return wanted == Between()
        above = wanted.first is None or value >= wanted.first
        return above and (wanted.last is None or value <= wanted.last)
    return bool(value == wanted)


def _check_exact(table: str, row: Row) -> None:
    """Reject what a database could not store: it stores integers of 10⁻⁶."""
    for column, value in row.items():
        assert not (isinstance(value, Decimal) and value % MICRO), f"{table}.{column}: {value}"


def _check_floor(table: str, rules: Table[Any], row: Row) -> None:
    for column in rules.floor:
        if row[column] < 0:
            raise Conflict(table, _key(rules, row), f"{column} would be {row[column]}")


def _check_status(table: str, rules: Table[Any], key: Key, before: Row, after: Row) -> None:
    if rules.resolved_once:
        if before["status"] != "reserved":
            raise Conflict(table, key, "was resolved before")
        parts = after["committed"] + after["fees"] + after["released"]
        if after["status"] != "reserved" and parts != Decimal(after["amount"]):
            raise Conflict(table, key, f"{parts} resolved of {after['amount']}")
    elif rules.machine is not None:
        old, new = str(before["status"]), str(after["status"])
        if old != new and (old, new) not in rules.machine.changes:
            raise Conflict(table, key, f"{old} cannot become {new}")

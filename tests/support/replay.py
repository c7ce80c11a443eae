"""The replay of a whole log, and rows as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dutchbook.persistence.log.replay import AUDITED, Replay, Row, Tables
from dutchbook.persistence.tables.coding import encoders


def replayed(entries: Iterable[Row]) -> Tables:
    """Return every table that the log can rebuild.

    Args:
        entries: Rows of the log, oldest first.

    Raises:
        ValueError: An entry records an impossible change.
    """
    replay = Replay()
    for entry in entries:
        replay.take(entry)
    if replay.broken:
        raise ValueError(*replay.broken)
    return replay.tables


def differences(entries: Iterable[Row], stored: Mapping[str, Iterable[Row]]) -> Iterator[str]:
    """Yield a line for each row that differs between the tables and their replay.

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


def encoded(table: str, row: Row) -> dict[str, Any]:
    """Return a row of domain values as it is stored."""
    coded = encoders(table)
    return {name: None if value is None else coded[name](value) for name, value in row.items()}

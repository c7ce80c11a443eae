"""Rows between domain values and what drivers store: big integers, text, booleans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from dutchbook.errors import UNREADABLE, Damaged
from dutchbook.persistence.tables.codes import CODES
from dutchbook.ports.tables.catalogue import declared

Encoder = Callable[[Any], Any]


@cache
def encoders(table: str) -> dict[str, Encoder]:
    """Return, for each column, the encoder of a domain value that is not None."""
    return {column.name: CODES[column.kind].encode for column in declared(table).columns}


@cache
def _decoders(table: str) -> dict[str, Callable[[Any], Any]]:
    return {column.name: CODES[column.kind].decode for column in declared(table).columns}


@cache
def _required(table: str) -> tuple[str, ...]:
    return tuple(column.name for column in declared(table).columns if not column.optional)


def decode(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a stored row into domain values; enumeration members stay text.

    Raises:
        Damaged: A value is none that could have been written, or a required one is missing.
    """
    try:
        found = {
            column: None if row[column] is None else decoded(row[column])
            for column, decoded in _decoders(table).items()
        }
    except UNREADABLE as error:
        raise Damaged(table, error) from error
    for name in _required(table):
        if found[name] is None:
            raise Damaged(table, ValueError(name))
    return found

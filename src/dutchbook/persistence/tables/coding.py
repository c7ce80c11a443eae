"""Conversion between domain values and what drivers store: big integers, text, booleans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from dutchbook.persistence.tables.codes import CODES, Code
from dutchbook.persistence.tables.layout import LAYOUT

Encoder = Callable[[Any], Any]


@cache
def columns(table: str) -> dict[str, Code | None]:
    """Return the columns of a table in order, each with its coding, if any."""
    parts = (word.partition(":") for word in LAYOUT[table].split())
    return {name: CODES[code] if code else None for name, _, code in parts}


@cache
def encoders(table: str) -> dict[str, Encoder]:
    """Return, for each column, the encoder of a domain value that is not None."""
    return {
        name: coding.encode if coding else _plain for name, coding in columns(table).items()
    }


def _plain(value: Any) -> Any:
    # An enumeration member becomes plain text; drivers treat subclasses of str differently.
    return str.__str__(value) if isinstance(value, str) else value


def decode(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a stored row into domain values; enumeration members stay text."""
    found = {}
    for column, coding in columns(table).items():
        value = row[column]
        if value is not None and coding is not None:
            value = coding.decode(value)
        found[column] = value
    return found

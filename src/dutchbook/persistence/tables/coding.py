"""Between domain values and what both drivers store: big integers, text and booleans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from dutchbook.persistence.tables.codes import CODES, Code
from dutchbook.persistence.tables.layout import LAYOUT

Encoder = Callable[[Any], Any]


@cache
def columns(table: str) -> dict[str, Code | None]:
    """Return the columns of a table in order, each with its coding if it has one."""
    parts = (word.partition(":") for word in LAYOUT[table].split())
    return {name: CODES[code] if code else None for name, _, code in parts}


@cache
def encoders(table: str) -> dict[str, Encoder]:
    """Return what turns a domain value of each column, not null, into what a driver stores."""
    return {
        name: coding.encode if coding else _plain for name, coding in columns(table).items()
    }


def _plain(value: Any) -> Any:
    # A word of an enumeration becomes bare text; drivers differ in how they take subclasses.
    return str.__str__(value) if isinstance(value, str) else value


def decode(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a stored row into domain values; words stay text."""
    found = {}
    for column, coding in columns(table).items():
        value = row[column]
        if value is not None and coding is not None:
            value = coding.decode(value)
        found[column] = value
    return found

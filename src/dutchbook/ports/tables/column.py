"""Columns: what each stores, and how an attribute of a domain value becomes one and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum, auto
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from dutchbook.domain.events import as_json
from dutchbook.domain.events.decoding import from_json


class Kind(Enum):
    """What a column stores; the same on every database."""

    TEXT = auto()
    MICROS = auto()
    """An exact decimal, in whole millionths."""
    INSTANT = auto()
    """A moment in UTC, in microseconds."""
    JSON = auto()
    WHOLE = auto()
    """An integer of 64 bits."""
    YES_NO = auto()
    RAW = auto()
    """Bytes."""


def same(value: Any) -> Any:
    """Return `value`: a column stores it as it is."""
    return value


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its name.
        kind: What it stores.
        optional: Whether a row may have nothing there.
        words: The closed set of words that it may hold; empty if any.
        path: The attribute of the table's value that it stores, dotted through parts of the
            value; empty if the writer of a row states it.
        write: Turns that attribute into what a row holds. None stays None.
        read: The opposite.
        changes: Whether an update writes it again.
        added: A later schema added it: it is zero in every older row.
    """

    name: str
    kind: Kind
    optional: bool = False
    words: tuple[str, ...] = ()
    path: str = ""
    write: Callable[[Any], Any] = same
    read: Callable[[Any], Any] = same
    changes: bool = False
    added: bool = False


def plain(
    kind: Kind, *names: str, optional: bool = False, words: tuple[str, ...] = ()
) -> tuple[Column, ...]:
    """Return columns of one kind that no domain value has: the writer of a row states them."""
    return tuple(Column(name, kind, optional, words) for name in names)


def stored(
    of: type[Any],
    *names: str,
    under: str = "",
    renamed: Mapping[str, str] | None = None,
    changes_from: str = "",
    added: tuple[str, ...] = (),
) -> tuple[Column, ...]:
    """Return a column for each of some attributes of a domain value, in their order.

    What a column stores follows from the attribute's type: an enumeration is text with a closed
    set of words, an amount is in millionths, and what is none of the simple types is JSON.

    Args:
        of: The class of the value.
        names: Its attributes, dotted through parts of it; all its fields if empty.
        under: Where the value is the part of another one: its attribute there, which its
            columns have as a prefix.
        renamed: Names of columns that differ from their attribute, by attribute.
        changes_from: The first attribute that an update writes again, like all after it; none
            does if empty.
        added: The attributes whose column a later schema added.
    """
    found = []
    changes = False
    for name in names or tuple(each.name for each in fields(of)):
        kind, optional, words, write, read = _storage(_hint(of, name))
        changes = changes or name == changes_from
        column = (renamed or {}).get(name, name.rpartition(".")[2])
        found.append(
            Column(
                name=f"{under}_{column}" if under else column,
                kind=kind,
                optional=optional,
                words=words,
                path=f"{under}.{name}" if under else name,
                write=write,
                read=read,
                changes=changes,
                added=name in added,
            )
        )
    return tuple(found)


def words(of: type[StrEnum]) -> tuple[str, ...]:
    """Return the words of an enumeration."""
    return tuple(member.value for member in of)


hints = cache(get_type_hints)
"""The types of a class's attributes, or of a function's arguments and of its result."""


def _hint(of: Any, name: str) -> Any:
    """Return the type of an attribute: of a field, or of a property."""
    first, _, rest = name.partition(".")
    computed = getattr(of, first, None)
    if isinstance(computed, property):
        assert computed.fget is not None, f"{name} can be read"
        hint = hints(computed.fget)["return"]
    else:
        hint = hints(of)[first]
    return _hint(hint, rest) if rest else hint


_Change = Callable[[Any], Any]
_SIMPLE = {
    str: Kind.TEXT,
    bool: Kind.YES_NO,
    int: Kind.WHOLE,
    Decimal: Kind.MICROS,
    datetime: Kind.INSTANT,
}


def _storage(hint: Any) -> tuple[Kind, bool, tuple[str, ...], _Change, _Change]:
    """Return how values of a type are stored: kind, optional, words, and how both ways."""
    optional = get_origin(hint) in (Union, UnionType)
    if optional:
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    hint = getattr(hint, "__supertype__", hint)  # Money and the like are NewTypes of Decimal.
    if hint in _SIMPLE:
        return _SIMPLE[hint], optional, (), same, same
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Kind.TEXT, optional, words(hint), same, hint
    assert is_dataclass(hint) or get_origin(hint) in (tuple, dict), f"{hint} has no column"
    return Kind.JSON, optional, (), as_json, partial(from_json, hint)

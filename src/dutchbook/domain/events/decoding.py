"""Decode payloads into events: the inverse of `as_json` for the whole catalogue."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from dutchbook.domain.events.base import Event, Stamp
from dutchbook.domain.events.kinds import catalogue
from dutchbook.errors import InvalidInput


def decode(name: str, payload: Mapping[str, Any], stamp: Stamp) -> Event:
    """Return the event with this wire name and payload; a field added later may be missing.

    Raises:
        InvalidInput: No event of this program has this name or this payload.
    """
    kind: Any = catalogue().get(name)
    if kind is None:
        raise InvalidInput("event", name, "a name of this program's catalogue")
    try:
        found = _read(kind, payload)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        wanted = f"the payload of {name} ({type(error).__name__}: {error})"
        raise InvalidInput("event", name, wanted) from error
    event: Event = kind(stamp, **found)
    return event


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """Return the types of a dataclass's own fields by name, in order."""
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.name != "stamp"}


def from_json(hint: Any, value: Any) -> Any:
    """Convert one JSON value to the type of its field."""
    hint = getattr(hint, "__supertype__", hint)  # Money and the like are NewTypes of Decimal.
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, UnionType):
        (only,) = (each for each in inner if each is not NoneType)
        return None if value is None else from_json(only, value)
    if origin is tuple:
        return tuple(from_json(inner[0], each) for each in value)
    if origin is dict:
        return {str(key): from_json(inner[1], each) for key, each in value.items()}
    if dataclasses.is_dataclass(hint):
        return _part(hint, value)
    return _plain(hint, value)


def _part(kind: Any, value: Mapping[str, Any]) -> Any:
    """Decode a nested dataclass."""
    return kind(**_read(kind, value))


def _read(kind: Any, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass; one added later may be missing if it has a default."""
    return {
        name: from_json(hint, payload[name])
        for name, hint in _fields(kind).items()
        if name in payload or name not in _optional(kind)
    }


@cache
def _optional(kind: Any) -> frozenset[str]:
    """Return the names of a dataclass's fields that have a default."""
    fields = dataclasses.fields(kind)
    return frozenset(f.name for f in fields if f.default is not dataclasses.MISSING)


def _plain(kind: type[Any], value: Any) -> Any:
    if kind is Decimal or issubclass(kind, StrEnum):
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not a text")
        return kind(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value

"""What every event has: a stamp, a wire name and a JSON payload.

The `Stamp` holds the event's id, its time, the correlation id shared by everything about one
execution, and the causation id of the event that led to it. Amounts are decimals, written as
text. `ORDERBOOK_UPDATED` is in-process only: there are too many to store.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar

from dutchbook.domain.values.units import plain


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identity and time of an event, what it belongs to, and what caused it."""

    event_id: str
    occurred_at: datetime
    correlation_id: str
    causation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `wire` is its name outside the process."""

    wire: ClassVar[str]
    durable: ClassVar[bool] = True
    stamp: Stamp

    def payload(self) -> dict[str, Any]:
        """Return the event's own fields as JSON values: decimals and instants as text."""
        return {name: as_json(getattr(self, name)) for name in self._own_fields()}

    @classmethod
    @cache
    def _own_fields(cls) -> tuple[str, ...]:
        return tuple(each.name for each in fields(cls) if each.name != "stamp")


def as_json(value: Any) -> Any:
    """Convert a domain value to a JSON value without losing a digit."""
    kind: Any = type(value)
    return _form(kind)(value)


@cache
def _form(kind: type[Any]) -> Callable[[Any], Any]:
    """Return the function that converts values of `kind` to JSON."""
    if kind in (type(None), bool, int, str):
        return _itself
    for base, form in _FORMS.items():
        if issubclass(kind, base):
            return form
    assert dataclasses.is_dataclass(kind), f"{kind.__name__} has no JSON form"
    names = tuple(each.name for each in fields(kind))
    return lambda value: {name: as_json(getattr(value, name)) for name in names}


def _itself(value: Any) -> Any:
    return value


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


_FORMS: dict[type[Any], Callable[[Any], Any]] = {
    StrEnum: lambda value: value.value,
    str: str,
    int: int,
    Decimal: plain,
    datetime: _instant,
    dict: lambda value: {str(key): as_json(each) for key, each in value.items()},
    list: lambda value: [as_json(each) for each in value],
    tuple: lambda value: [as_json(each) for each in value],
}

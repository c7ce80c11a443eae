"""What every event has: a stamp, a wire name, a payload that JSON can hold.

Every event carries a `Stamp`: its id, its time, the correlation id that joins everything about
one execution, and the causation id of the event that led to it. Amounts are decimals and leave
as text. `ORDERBOOK_UPDATED` stays in the process: there are too many to keep.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from dutchbook.domain.units import plain


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which event this is, when it was, and what it belongs to and follows from."""

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
        return {
            f.name: as_json(getattr(self, f.name)) for f in fields(self) if f.name != "stamp"
        }


def as_json(value: Any) -> Any:
    """Turn a domain value into what JSON can hold, without losing a digit."""
    match value:
        case None | bool() | int():
            return value
        case StrEnum():
            return value.value
        case str():
            return value
        case Decimal():
            return plain(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case dict():
            return {str(key): as_json(each) for key, each in value.items()}
        case list() | tuple():
            return [as_json(each) for each in value]
    assert dataclasses.is_dataclass(value), f"{type(value).__name__} has no JSON form"
    return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}

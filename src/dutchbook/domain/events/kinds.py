"""Every event type by its wire name."""

from __future__ import annotations

from functools import cache

from dutchbook.domain.events import capital, closing, system, trading
from dutchbook.domain.events.base import Event

ALL = (capital, closing, system, trading)
"""The modules that define events; only events in these modules are in the catalogue."""


@cache
def catalogue() -> dict[str, type[Event]]:
    """Return every event type by its wire name, sorted."""
    found: list[type[Event]] = [
        each
        for module in ALL
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Event) and hasattr(each, "wire")
    ]
    return {each.wire: each for each in sorted(found, key=lambda each: each.wire)}

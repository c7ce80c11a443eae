"""Every event type by its wire name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache

from dutchbook.domain.events import capital, closing, system, trading
from dutchbook.domain.events.base import Event

ALL = (capital, closing, system, trading)
"""The modules that define events; only events in these modules are in the catalogue."""


@cache
def catalogue() -> dict[str, type[Event]]:
    """Return every event type by its wire name, sorted."""
    return {each.wire: each for each in sorted(_leaves(Event), key=lambda each: each.wire)}


def _leaves(root: type[Event]) -> Iterator[type[Event]]:
    for each in root.__subclasses__():
        # `slots=True` creates the class twice; only the one bound in its module counts.
        named = vars(sys.modules[each.__module__]).get(each.__name__) is each
        if each.__subclasses__():
            yield from _leaves(each)
        elif named and hasattr(each, "wire"):
            yield each

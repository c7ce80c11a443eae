"""A row of the table of settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Probe = Callable[..., Any]
"""Takes settings as on a command line, and returns what an engine with them did."""


@dataclass(frozen=True, slots=True)
class Row:
    """A setting, and what is seen at some of its values.

    Attributes:
        setting: Its section and key.
        probe: Shows it at the place where it is judged.
        seen: What the probe returns, by value. No two values may look alike, and one that was
            wired to another setting's place would not be seen.
        beside: Settings that the probe needs as well.
        at: Where it is judged, if at several places.
    """

    setting: str
    probe: Probe
    seen: Mapping[object, object]
    beside: tuple[str, ...] = ()
    at: str = ""

    @property
    def name(self) -> str:
        """Its name in the list of tests."""
        return f"{self.setting} {self.at}".strip()

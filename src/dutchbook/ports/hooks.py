"""Programs of the user that are started when something happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Programs(Protocol):
    """Starts programs next to the engine. Nothing here waits for one, or fails with one."""

    def start(self, command: Sequence[str], document: str) -> None:
        """Start a program soon, without a shell, with `document` on its standard input."""
        ...

    def failures(self) -> list[str]:
        """Return, and forget, why programs were not started, or did not end with 0."""
        ...

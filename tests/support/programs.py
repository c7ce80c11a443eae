"""Programs of the hooks that are not started but listed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


class ListedPrograms:
    """`Programs` that remembers what it was to start, and fails if it is told to."""

    def __init__(self, *failures: str) -> None:
        self.started: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        self._failures = list(failures)

    def start(self, command: Sequence[str], document: str) -> None:
        self.started.append((tuple(command), json.loads(document)))

    def failures(self) -> list[str]:
        found, self._failures = self._failures, []
        return found

    @property
    def told(self) -> list[str]:
        """What the programs were told of, in order."""
        return [document["what"] for _, document in self.started]

"""Seeded randomness for generated tapes."""

from __future__ import annotations

import random


class Seeded:
    """A stream of draws that a seed reproduces: integers, which no machine rounds."""

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return self._source.randint(low, high)

    def one_in(self, chances: int) -> bool:
        """Return True on average once in `chances` draws."""
        return self._source.randrange(chances) == 0

    def bell(self, spread: int) -> int:
        """Return an integer around zero, rarely beyond twice `spread`.

        A sum of four draws.
        """
        return sum(self._source.randint(-spread, spread) for _ in range(4)) // 2

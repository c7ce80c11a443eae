"""When something is queried next: each key has a time, and a wait that doubles."""

from __future__ import annotations

import asyncio

from dutchbook.ports.time import Clock

LONGEST_WAIT = 60
SHORTEST = 0.000_001
"""Seconds that no clock can wait: what is due so soon is due now."""


class Schedule:
    """Keys and when each is due, in monotonic seconds.

    A clock that is set back must not stop the queries.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[str, tuple[float, int]] = {}
        self._wake = asyncio.Event()

    def add(self, key: str, wait: int) -> None:
        """Make a key due in `wait` seconds, unless it has a time already."""
        self._due.setdefault(key, (self._clock.monotonic() + wait, max(wait, 1)))
        self._wake.set()

    def drop(self, key: str) -> None:
        """Remove a key."""
        self._due.pop(key, None)

    def put_off(self, key: str) -> None:
        """Make a key due again later, after twice the wait of the last time."""
        wait = min(self._due[key][1] * 2, LONGEST_WAIT)
        self._due[key] = (self._clock.monotonic() + wait, wait)

    async def due(self) -> list[str]:
        """Wait until a key is due, and return those that are.

        A key that is added meanwhile and due earlier is seen with the next call at the latest.
        """
        if not self._due:
            self._wake.clear()
            await self._wake.wait()
        first = min(due for due, _ in self._due.values())
        await self._clock.sleep(max(first - self._clock.monotonic(), 0))
        now = self._clock.monotonic() + SHORTEST
        return [key for key, (due, _) in self._due.items() if due <= now]

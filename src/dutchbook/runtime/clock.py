"""Clocks: the system's, and a tape's, which runs in tape time on any loop."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The system's time."""

    def now(self) -> datetime:
        """Return the current instant, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never decrease."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, instant: datetime) -> None:
        """Wait until `instant`; return at once if it has passed."""
        await asyncio.sleep(max((instant - self.now()).total_seconds(), 0))


class TapeClock:
    """Time of a tape: from its start, the loop's time, `speed` times as fast.

    On a `VirtualTimeLoop` with a speed of one it jumps with the loop.
    """

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        assert speed > 0, "time runs forward"
        self._start = start
        self.speed = speed
        self._origin = asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """Return the tape's current instant, to the microsecond."""
        return self._start + timedelta(microseconds=round(self.monotonic() * 1_000_000))

    def monotonic(self) -> float:
        """Return tape seconds since the start."""
        return (asyncio.get_running_loop().time() - self._origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of tape time."""
        await asyncio.sleep(seconds / self.speed)

    async def sleep_until(self, instant: datetime) -> None:
        """Wait until `instant` of the tape; return at once if it has passed."""
        loop = asyncio.get_running_loop()
        when = self._origin + (instant - self._start).total_seconds() / self.speed
        if when <= loop.time():
            return
        reached: asyncio.Future[None] = loop.create_future()
        timer = loop.call_at(when, _reach, reached)
        try:
            await reached
        finally:
            timer.cancel()


def _reach(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

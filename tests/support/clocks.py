"""A clock that a test sets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 7, 5, 18, tzinfo=UTC)


class Hand:
    """A clock that a test sets; every sleep moves it too.

    Attributes:
        elapsed: Seconds since `START`, by which both times move.
        ahead: How far the time of day is ahead of that; the monotonic time does not follow.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.ahead = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed) + self.ahead

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds
        await asyncio.sleep(0)

    async def sleep_until(self, instant: datetime) -> None:
        await self.sleep(max((instant - self.now()).total_seconds(), 0))

"""Time, ids, chance, and how drivers are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Time, real or virtual. Instants are UTC."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Wait for an instant; none if it is past."""
        ...


class TimeSource(Protocol):
    """A server that knows the time."""

    async def offset_ms(self) -> Decimal:
        """Return our clock less the server's, in milliseconds.

        Raises:
            TimeUnknown: It did not answer, or not in a way that makes sense.
        """
        ...


class Ids(Protocol):
    """Where ids come from; seeded in replay and tests."""

    def new(self, kind: str, owner: str) -> str:
        """Return an id that was not returned before.

        Args:
            kind: What it is for.
            owner: The id of what it belongs to. Ids of one owner and kind differ by their count
                alone, so that one more or less of them renames nothing else.
        """
        ...


class Chance(Protocol):
    """Seeded draws of whole numbers."""

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        ...

    def one_in(self, chances: int) -> bool:
        """Return True once in `chances` draws on average."""
        ...

    def choice(self, options: Sequence[int]) -> int:
        """Return one of `options`."""
        ...

    def bell(self, spread: int) -> int:
        """Return a whole number around zero, rarely beyond twice `spread`."""
        ...


class Turnstile(Protocol):
    """How persistence code awaits a driver, on any loop."""

    async def drive(self, job: Callable[[], Awaitable[T]]) -> T:
        """Run `job`, which awaits nothing but its driver, and return its result.

        A caller that is cancelled leaves the job to finish: a cancelled commit may still
        happen.
        """
        ...

    def begin(self, job: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Run `job` likewise, for nobody who waits; keep what is returned until it is done."""
        ...

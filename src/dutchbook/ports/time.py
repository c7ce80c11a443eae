"""Time, ids, randomness, and awaiting database drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Real or virtual time. Instants are UTC."""

    def now(self) -> datetime:
        """Return the current instant, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Wait until `instant`; return at once if it has passed."""
        ...


class TimeSource(Protocol):
    """A server that knows the time."""

    async def offset_ms(self) -> Decimal:
        """Return our clock minus the server's, in milliseconds.

        Raises:
            TimeUnknown: The server did not answer, or its answer makes no sense.
        """
        ...


class Ids(Protocol):
    """Source of ids; seeded in replay and tests."""

    def new(self, kind: str, owner: str) -> str:
        """Return an id that was not returned before.

        Args:
            kind: What the id is for.
            owner: Id of the owning object. Ids of one owner and kind differ only by a counter,
                so that one id more or less does not change any other.
        """
        ...


class Chance(Protocol):
    """Seeded random integers."""

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        ...

    def one_in(self, chances: int) -> bool:
        """Return True on average once in `chances` draws."""
        ...

    def bell(self, spread: int) -> int:
        """Return an integer around zero, rarely beyond twice `spread`."""
        ...


class Turnstile(Protocol):
    """How persistence code awaits a database driver, on any event loop.

    Attributes:
        in_order: Whether jobs run and return one at a time, so that a run can be repeated to
            the last byte: what is committed together must then still return one by one.
    """

    in_order: bool

    async def drive(self, job: Callable[[], Awaitable[T]]) -> T:
        """Run `job`, which awaits nothing but its driver, and return its result.

        If the caller is cancelled, the job still runs to its end: a cancelled commit may
        still happen.
        """
        ...

    def begin(self, job: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Run `job` in the background; keep the returned future until it is done."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait within a job, in real time, whatever clock the loop has."""
        ...

    def elapsed(self) -> float:
        """Return real seconds that never decrease."""
        ...

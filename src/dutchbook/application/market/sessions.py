"""When there is something to watch: a tape's sessions, with what lies between them left out."""

from __future__ import annotations

import asyncio
from datetime import datetime


class Sessions:
    """Whether a session runs, and since when.

    A live engine is in one session from its start to its end. A tape may hold several, hours
    apart: what was not recorded is neither an outage of a platform nor time in which anybody
    waits for us, so whoever watches pauses.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self.began_at: datetime | None = None

    @property
    def running(self) -> bool:
        """Whether there is something to watch now."""
        return self._open.is_set()

    def began(self, at: datetime) -> None:
        """A session begins."""
        self.began_at = at
        self._open.set()

    def ended(self) -> None:
        """A session is over."""
        self._open.clear()

    async def under_way(self) -> None:
        """Wait until a session runs."""
        await self._open.wait()

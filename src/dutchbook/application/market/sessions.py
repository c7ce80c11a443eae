"""Sessions of a run; the gaps between the sessions of a tape are skipped."""

from __future__ import annotations

import asyncio
from datetime import datetime


class Sessions:
    """Whether a session is running, and since when.

    A live engine has one session from its start to its end. A tape may hold several, hours
    apart: the unrecorded time is neither an outage of a platform nor time in which anyone
    waits for us, so every monitoring service pauses.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self.began_at: datetime | None = None

    @property
    def running(self) -> bool:
        """Whether a session is running now."""
        return self._open.is_set()

    def began(self, at: datetime) -> None:
        """Start a session."""
        self.began_at = at
        self._open.set()

    def ended(self) -> None:
        """End the session."""
        self._open.clear()

    async def under_way(self) -> None:
        """Wait until a session runs."""
        await self._open.wait()

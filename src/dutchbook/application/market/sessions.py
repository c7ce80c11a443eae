"""Sessions of a run and its streams; the gaps between the sessions of a tape are skipped."""

from __future__ import annotations

import asyncio
from datetime import datetime

from dutchbook.domain.market.contract import Platform


class Sessions:
    """Whether a session is running, and since when.

    A live engine has one session from its start to its end. A tape may hold several, hours
    apart: the unrecorded time is neither an outage of a platform nor time in which anyone
    waits for us, so every monitoring service pauses.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self.began_at: datetime | None = None
        self._streams: dict[Platform, datetime] = {}

    @property
    def running(self) -> bool:
        """Whether a session is running now."""
        return self._open.is_set()

    def began(self, at: datetime) -> None:
        """Start a session."""
        self.began_at = at
        self._streams.clear()
        self._open.set()

    def stream_changed(self, platform: Platform, at: datetime) -> None:
        """Record that a platform's stream connected, or has a gap."""
        self._streams[platform] = at

    def stream_since(self, platform: Platform) -> datetime | None:
        """Return when a platform's stream last connected or had a gap in this session.

        If it did neither, this is when the session began; None if none has begun.
        """
        return self._streams.get(platform, self.began_at)

    def ended(self) -> None:
        """End the session."""
        self._open.clear()

    async def under_way(self) -> None:
        """Wait until a session runs."""
        await self._open.wait()

"""DegradationProtocol: what is done while a platform is silent or unreachable."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.application.detection.service import DetectionService
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.polling import BookPolling
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import (
    DegradationProtocolActivated,
    DegradationProtocolDeactivated,
    Event,
)
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.health import HealthLimits, out_of_use
from dutchbook.ports.journal import Batch
from dutchbook.ports.time import Clock

USUAL = Decimal(1)
ASKING = timedelta(seconds=2)
"""How often a platform that is out of use is checked, and its books are polled."""


class DegradationProtocol:
    """Takes a platform out of use, and back into use once its data is fresh.

    No new executions start there, its books are polled, and the minimum edge elsewhere is
    raised. Executions under way continue: a second leg must be tried, and an exposure may be
    closed. Detection and the queue are notified of the change, so that neither asks on every
    message.
    """

    def __init__(
        self,
        committer: Committer,
        streams: Streams,
        sessions: Sessions,
        detection: DetectionService,
        queue: ExecutionQueueService,
        polling: BookPolling,
        clock: Clock,
        limits: HealthLimits,
    ) -> None:
        self._committer = committer
        self._streams = streams
        self._sessions = sessions
        self._detection = detection
        self._queue = queue
        self._polling = polling
        self._clock = clock
        self._limits = limits
        self._lost: tuple[Platform, ...] = ()
        self.silent_since: dict[Platform, datetime] = {}

    async def start(self) -> None:
        """Load nothing: a platform is out of use once it is seen to be."""

    async def run(self) -> None:
        """Check whenever a stream could have been silent for too long, until cancelled.

        While a stream is silent, its books are polled.
        """
        while True:
            await self._sessions.under_way()
            await self.look()
            for platform in tuple(self.silent_since):
                if platform not in self._lost:
                    await self._polling.poll(platform)
            await self._clock.sleep_until(self._next_look())

    async def drained(self) -> None:
        """Wait for nothing: the check that finds a change commits it, shielded."""

    async def disconnected(self, platforms: tuple[Platform, ...]) -> None:
        """Record which platforms do not answer, as found by the health checks."""
        self._lost = platforms
        await self.look()

    async def look(self) -> None:
        """Take platforms out of use and back into use, and report each change."""
        now = self._clock.now()
        events = [event for p in Platform if (event := self._judged(p, now)) is not None]
        if not events:
            return
        out = self.silent_since
        self._queue.degrade(tuple(p for p in Platform if p in out))
        self._detection.raise_minimum(self._limits.edge_multiplier if out else USUAL)
        await self._committer.commit(Batch(events=tuple(events)))

    def _judged(self, platform: Platform, now: datetime) -> Event | None:
        stream = self._streams.of(platform, now, self._limits.silence)
        reason = out_of_use(
            stream,
            self._limits,
            connected=platform not in self._lost,
            already=platform in self.silent_since,
        )
        if (reason is not None) is (platform in self.silent_since):
            return None
        stamp = self._committer.stamp(f"health.{platform}")
        if reason is None:
            silent = now - self.silent_since.pop(platform)
            seconds = silent // timedelta(seconds=1)
            return DegradationProtocolDeactivated(stamp, platform, silent_seconds=seconds)
        self.silent_since[platform] = now - (stream.silent_for if stream else timedelta(0))
        multiplier = self._limits.edge_multiplier
        return DegradationProtocolActivated(
            stamp, platform, reason=reason, edge_multiplier=multiplier
        )

    def _next_look(self) -> datetime:
        now, limits = self._clock.now(), self._limits
        if self.silent_since:
            return now + ASKING
        streams = (self._streams.of(p, now, limits.silence) for p in Platform)
        left = [limits.protocol_silence - each.silent_for for each in streams if each]
        return now + max(min(left, default=limits.protocol_silence), timedelta(0))

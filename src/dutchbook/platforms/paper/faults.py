"""A seeded plan of what goes wrong on a paper platform.

Every draw is a hash of the seed, the kind of fault and the order it concerns, so that the plan
does not depend on the order in which tasks happen to ask.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dutchbook.domain.contract import Platform

PARTS = 1_000_000


class Fault(StrEnum):
    """What can be made to go wrong."""

    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    PARTIAL = "partial"
    LOST_ANSWER = "lost_answer"
    FAILED_FILL = "failed_fill"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which a platform's stream is silent and, in an outage, nothing reaches it."""

    platform: Platform
    begins: datetime
    ends: datetime
    outage: bool

    def holds(self, platform: Platform, now: datetime) -> bool:
        """Tell whether it is now."""
        return platform is self.platform and self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each fault strikes, in parts per million, and how slow the platform is.

    `latency_ms` is added to every request; `jitter_ms` at most on top. With every rate at zero
    the platform is well and answers at once.
    """

    seed: int = 0
    rates: tuple[tuple[Fault, int], ...] = ()
    latency_ms: int = 0
    jitter_ms: int = 0
    settle_ms: int = 4_000
    windows: tuple[Window, ...] = ()

    def silent(self, platform: Platform, now: datetime) -> bool:
        """Tell whether the platform's stream says nothing now."""
        return any(window.holds(platform, now) for window in self.windows)

    def unreachable(self, platform: Platform, now: datetime) -> bool:
        """Tell whether nothing reaches the platform now."""
        return any(window.outage and window.holds(platform, now) for window in self.windows)

    def strikes(self, fault: Fault, key: str) -> bool:
        """Tell whether `fault` strikes the order or fill named `key`."""
        rate = dict(self.rates).get(fault, 0)
        return rate > 0 and self._draw(fault.value, key) % PARTS < rate

    def share(self, key: str) -> int:
        """Return the parts per million of an order that a partial fill leaves.

        Never all of it.
        """
        return self._draw("share", key) % PARTS

    def delay_ms(self, key: str) -> int:
        """Return how long the platform takes over the request named `key`."""
        jitter = self._draw("jitter", key) % (self.jitter_ms + 1)
        return self.latency_ms + jitter

    def _draw(self, kind: str, key: str) -> int:
        text = f"{self.seed}\x1f{kind}\x1f{key}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")

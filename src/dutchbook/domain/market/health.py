"""Health of platforms and of our clock: samples in, a status out, without flapping.

A worse status applies as soon as it is proven, a better one only once it lasts. One unanswered
ping is not an outage, one slow answer is not a trend, and a platform is healthy again only
after several good checks in a row with fresh data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

FEW_SLOW = 2
"""Number of slow answers in the window that make a trend."""
NAMED = 3
"""Number of silent books listed by name; the others are only counted."""


class HealthStatus(StrEnum):
    """Status of a platform, recorded at every check: each half minute by default."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DISCONNECTED = "disconnected"


_ORDER = tuple(HealthStatus)


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """Limits for a platform's health.

    Attributes:
        silence: After this long without an update of any book, or of a book that should have
            had one, the platform is degraded.
        slow_ms: An answer that takes longer is slow.
        failures: Unanswered pings in a row that count as a lost connection.
        recoveries: Good checks in a row needed for a better status.
        window: Number of recent answers in the 95th percentile.
        protocol_silence: After this long without data nothing new is executed there.
        fresh: Recovery needs data younger than this.
        edge_multiplier: Factor on the minimum edge while a platform is out of use.
    """

    silence: timedelta = timedelta(seconds=60)
    slow_ms: int = 2_000
    failures: int = 2
    recoveries: int = 2
    window: int = 20
    protocol_silence: timedelta = timedelta(seconds=81)
    fresh: timedelta = timedelta(seconds=30)
    edge_multiplier: Decimal = Decimal("1.5")


@dataclass(frozen=True, slots=True)
class Stream:
    """Updates of our books on a platform's stream in this session.

    Attributes:
        silent_for: Time since the newest update, or since the session began without one.
        heard: Whether any update was received.
        silent_books: Books without an update within the limit that should have had one, sorted.
    """

    silent_for: timedelta
    received: bool
    silent_books: tuple[str, ...] = ()

    def fresh(self, limits: HealthLimits) -> bool:
        """Return whether the data is recent enough for a recovery."""
        return self.received and self.silent_for < limits.fresh


@dataclass(frozen=True, slots=True)
class Sample:
    """One check: the response time of a ping (None without an answer), and the stream.

    `stream` is None if we follow no book there.
    """

    response_ms: int | None
    stream: Stream | None


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """A platform's status, and the history needed to judge the next sample."""

    status: HealthStatus = HealthStatus.HEALTHY
    detail: str = ""
    responses: tuple[int, ...] = ()
    failures: int = 0
    good: int = 0

    @property
    def response_time_ms(self) -> int | None:
        """95th percentile (nearest rank) of the answers in the window, None without answers."""
        ranked = sorted(self.responses)
        return ranked[-(-95 * len(ranked) // 100) - 1] if ranked else None

    @property
    def connection_state(self) -> str:
        """`connected`, `unanswered` after missed pings that prove no outage, `disconnected`."""
        if self.status is HealthStatus.DISCONNECTED:
            return "disconnected"
        return "unanswered" if self.failures else "connected"

    def after(self, sample: Sample, limits: HealthLimits) -> PlatformHealth:
        """Return the health after one more check."""
        answer = () if sample.response_ms is None else (sample.response_ms,)
        responses = (*self.responses, *answer)[-limits.window :]
        failures = 0 if answer else self.failures + 1
        measured = PlatformHealth(self.status, self.detail, responses, failures)
        found, detail = measured._finding(sample.stream, limits)
        was, now = _ORDER.index(self.status), _ORDER.index(found)
        if now >= was:
            return PlatformHealth(found, detail, responses, failures)
        fresh = sample.stream is None or sample.stream.fresh(limits)
        counts = bool(answer) and (fresh or found is not HealthStatus.HEALTHY)
        good = self.good + 1 if counts else 0
        if good >= limits.recoveries:
            return PlatformHealth(found, detail, responses)
        return PlatformHealth(self.status, self.detail, responses, failures, good)

    def _finding(self, stream: Stream | None, limits: HealthLimits) -> tuple[HealthStatus, str]:
        """Return the status and detail that the current sample alone implies."""
        if self.failures >= limits.failures:
            return HealthStatus.DISCONNECTED, f"{self.failures} pings in a row unanswered"
        if stream is not None and stream.silent_for >= limits.silence:
            seconds = stream.silent_for // timedelta(seconds=1)
            return HealthStatus.DEGRADED, f"no book update for {seconds} s"
        if stream is not None and stream.silent_books:
            return HealthStatus.DEGRADED, f"silent: {_named(stream.silent_books)}"
        p95 = self.response_time_ms or 0
        slow = sum(each > limits.slow_ms for each in self.responses)
        if p95 > limits.slow_ms and slow >= FEW_SLOW:
            return HealthStatus.DEGRADED, f"answers take {p95} ms"
        return HealthStatus.HEALTHY, ""


def _named(books: tuple[str, ...]) -> str:
    more = f" and {len(books) - NAMED} more" if len(books) > NAMED else ""
    return ", ".join(books[:NAMED]) + more


def out_of_use(
    stream: Stream | None, limits: HealthLimits, *, connected: bool, already: bool
) -> str | None:
    """Return why nothing new may be executed on a platform, or None if it may.

    Args:
        stream: The platform's stream; None if we follow no book there.
        limits: The health limits.
        connected: Whether pings are answered.
        already: Whether it was out of use before: then only fresh data makes it usable again.
    """
    if not connected:
        return "no connection"
    if stream is None:
        return None
    if stream.silent_for >= limits.protocol_silence:
        return f"stream silent for {stream.silent_for // timedelta(seconds=1)} s"
    if already and not stream.fresh(limits):
        return "no fresh data yet"
    return None


# Our clock ------------------------------------------------------------------------------------


class DriftLevel(StrEnum):
    """How far our clock is off."""

    NONE = "none"
    WARNING = "warning"
    CRITICAL = "critical"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """Milliseconds of drift, in either direction, from which each level applies."""

    warning_ms: int = 100
    critical_ms: int = 500
    halt_ms: int = 1_000

    def judge(self, drift_ms: Decimal) -> tuple[DriftLevel, int]:
        """Return the level of a drift and the bound that it reached (0 for none)."""
        for level, bound in (
            (DriftLevel.HALT, self.halt_ms),
            (DriftLevel.CRITICAL, self.critical_ms),
            (DriftLevel.WARNING, self.warning_ms),
        ):
            if abs(drift_ms) >= bound:
                return level, bound
        return DriftLevel.NONE, 0

"""How well a platform and our clock are: samples in, a status out, and nothing flaps.

Worse is believed as soon as it is proven, better only when it lasts. One ping without an
answer is no outage, one slow answer no trend, and a platform is well again only after several
good checks in a row over fresh data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

FEW_SLOW = 2
"""So many slow answers in the window are a trend."""
NAMED = 3
"""So many silent books are named; of the rest the number is told."""


class HealthStatus(StrEnum):
    """What is recorded of a platform every half minute."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DISCONNECTED = "disconnected"


_ORDER = tuple(HealthStatus)


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """What a platform is judged by.

    Attributes:
        silence: Without an update of any book, or of one that should speak, it is degraded.
        slow_ms: An answer that takes longer is slow.
        failures: So many pings in a row without an answer are a lost connection.
        recoveries: So many good checks in a row make a better status true.
        window: Answers that the 95th percentile looks back on.
        protocol_silence: After so long without data nothing new is executed there.
        fresh: Recovery needs data younger than this.
        edge_multiplier: What the minimum edge is multiplied with while a platform is out.
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
    """What a platform's stream has said of our books in this session.

    Attributes:
        silent_for: Since its newest update; since the session began when there was none.
        heard: Whether there was any.
        silent_books: Books that should have spoken within the limit and did not, sorted.
    """

    silent_for: timedelta
    heard: bool
    silent_books: tuple[str, ...] = ()

    def fresh(self, limits: HealthLimits) -> bool:
        """Tell whether its data is young enough to recover on."""
        return self.heard and self.silent_for < limits.fresh


@dataclass(frozen=True, slots=True)
class Sample:
    """One check: how long a ping took, None without an answer, and the stream.

    `stream` is None where we follow no book.
    """

    response_ms: int | None
    stream: Stream | None


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """A platform's status, and what the next sample is judged with."""

    status: HealthStatus = HealthStatus.HEALTHY
    detail: str = ""
    responses: tuple[int, ...] = ()
    failures: int = 0
    good: int = 0

    @property
    def response_time_ms(self) -> int | None:
        """The 95th percentile (nearest rank) of the answers in the window, None without any."""
        ranked = sorted(self.responses)
        return ranked[-(-95 * len(ranked) // 100) - 1] if ranked else None

    @property
    def connection_state(self) -> str:
        """`connected`, `unanswered` after a ping that may be a chance, or `disconnected`."""
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
            return PlatformHealth(found, detail, responses, failures)
        return PlatformHealth(self.status, self.detail, responses, failures, good)

    def _finding(self, stream: Stream | None, limits: HealthLimits) -> tuple[HealthStatus, str]:
        """Return what this moment alone would say."""
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
    """Return why nothing new may be executed on a platform, None when it may.

    Args:
        stream: What it has said; None where we follow no book.
        limits: What it is judged by.
        connected: Whether pings are answered.
        already: Whether it was out of use before: then only fresh data puts it in use again.
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
    """Milliseconds from which each level holds, in either direction."""

    warning_ms: int = 100
    critical_ms: int = 500
    halt_ms: int = 1_000

    def judge(self, drift_ms: Decimal) -> tuple[DriftLevel, int]:
        """Return the level of a drift, and the bound that it reached (0 for none)."""
        for level, bound in (
            (DriftLevel.HALT, self.halt_ms),
            (DriftLevel.CRITICAL, self.critical_ms),
            (DriftLevel.WARNING, self.warning_ms),
        ):
            if abs(drift_ms) >= bound:
                return level, bound
        return DriftLevel.NONE, 0

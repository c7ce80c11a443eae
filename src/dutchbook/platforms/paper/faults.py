"""Seeded plan of the faults on a paper platform.

Every draw is a hash of the seed, the kind of fault and the order concerned, so the plan does
not depend on the sequence in which tasks draw.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

import msgspec

from dutchbook.domain.market.contract import Platform
from dutchbook.platforms.order_answers import SILENCE, Answer

PARTS = 1_000_000


class Fault(StrEnum):
    """Faults that can affect an order, its answer or its fills."""

    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    PARTIAL = "partial"
    LOST_ANSWER = "lost_answer"
    FAILED_FILL = "failed_fill"
    PAUSED = "paused"
    LATE_ANSWER = "late_answer"
    ANSWERED_TWICE = "answered_twice"
    TIMEOUT_408 = "timeout_408"
    DUPLICATE_409 = "duplicate_409"
    RATE_LIMIT_429 = "rate_limit_429"
    SERVER_ERROR_500 = "server_error_500"
    BAD_GATEWAY_502 = "bad_gateway_502"
    TRUNCATED = "truncated"
    WRONG_TYPE = "wrong_type"
    CLOCK_SKEW = "clock_skew"


ON_THE_WAY_BACK = (
    Fault.LOST_ANSWER,
    Fault.TIMEOUT_408,
    Fault.SERVER_ERROR_500,
    Fault.BAD_GATEWAY_502,
    Fault.TRUNCATED,
    Fault.WRONG_TYPE,
)
"""Faults of an answer after the platform acted on the request; the first to strike counts."""


@dataclass(frozen=True, slots=True)
class Window:
    """A period in which a platform's stream is silent or, in an outage, it is unreachable."""

    platform: Platform
    begins: datetime
    ends: datetime
    outage: bool

    def holds(self, platform: Platform, now: datetime) -> bool:
        """Return whether the window covers `now` on `platform`."""
        return platform is self.platform and self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each fault strikes, in parts per million, and how slow the platform is.

    Every request takes `latency_ms` plus up to `jitter_ms`. Where reads lag, they show an order
    or a trade between the two times of `lag_ms` after it was accepted. A late answer comes
    `late_ms` after the platform acted on the request. An order meets the book `match_ms` after
    it was sent if that is set, else after steps of the tape; `polled` says that nothing is
    known between two of these. By default nothing fails and answers come at once.
    """

    seed: int = 0
    rates: tuple[tuple[Fault, int], ...] = ()
    latency_ms: int = 0
    jitter_ms: int = 0
    lag_ms: tuple[int, int] = (0, 0)
    settle_ms: int = 4_000
    match_ms: int = 0
    polled: bool = False
    late_ms: int = 20_000
    windows: tuple[Window, ...] = ()

    def silent(self, platform: Platform, now: datetime) -> bool:
        """Return whether the platform's stream is silent now."""
        return any(window.holds(platform, now) for window in self.windows)

    def unreachable(self, platform: Platform, now: datetime) -> bool:
        """Return whether the platform is unreachable now."""
        return any(window.outage and window.holds(platform, now) for window in self.windows)

    def strikes(self, fault: Fault, key: str) -> bool:
        """Return whether `fault` strikes the order or fill named `key`."""
        rate = dict(self.rates).get(fault, 0)
        return rate > 0 and self._draw(fault.value, key) % PARTS < rate

    def share(self, key: str) -> int:
        """Return which part of an order a partial-fill fault lets fill.

        In parts per million, always less than the whole.
        """
        return self._draw("share", key) % PARTS

    def survives(self, key: str, chance: Fraction) -> bool:
        """Return whether a quote is still there, of which no later poll has told.

        Args:
            key: The order that is to meet it.
            chance: Its probability of being gone.
        """
        return self._draw("survives", key) % PARTS >= chance * PARTS

    def coin(self, fault: Fault, key: str) -> bool:
        """Return which of two variants a fault that has struck takes."""
        return self._draw(f"coin.{fault.value}", key) % 2 == 0

    def spoiled(self, answer: Answer, key: str, relied_on: tuple[str, ...]) -> Spoiled:
        """Return an answer as it arrives, and the fault that changed it, if any."""
        for fault in ON_THE_WAY_BACK:
            if self.strikes(fault, key):
                where = self._draw(f"where.{fault.value}", key)
                return _spoiled(fault, answer, where, relied_on), fault
        return answer, None

    def delay_ms(self, key: str) -> int:
        """Return the platform's delay for the request named `key`, in milliseconds."""
        jitter = self._draw("jitter", key) % (self.jitter_ms + 1)
        return self.latency_ms + jitter

    def lag(self, key: str) -> timedelta:
        """Return how long after its acceptance reads show the order or trade named `key`."""
        least, most = self.lag_ms
        return timedelta(milliseconds=least + self._draw("lag", key) % (most - least + 1))

    def _draw(self, kind: str, key: str) -> int:
        text = f"{self.seed}\x1f{kind}\x1f{key}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


Spoiled = tuple[Answer, Fault | None]


def _spoiled(fault: Fault, answer: Answer, where: int, relied_on: tuple[str, ...]) -> Answer:
    """Return what one fault leaves of an answer; `where` picks the byte or the field."""
    match fault:
        case Fault.TIMEOUT_408:
            return Answer(408)
        case Fault.SERVER_ERROR_500:
            return Answer(500, b'{"error":"Internal server error"}')
        case Fault.BAD_GATEWAY_502:
            return Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>")
        case Fault.TRUNCATED:
            return Answer(answer.status, answer.body[: where % max(len(answer.body), 1)])
        case Fault.WRONG_TYPE:
            return Answer(answer.status, _mistyped(answer.body, where, relied_on))
        case _:
            return SILENCE


def _mistyped(body: bytes, where: int, relied_on: tuple[str, ...]) -> bytes:
    """Give one field that decoding depends on a value of another type."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    names = [name for name in relied_on if name in fields]
    assert names, "an answer has at least one field that is relied on"
    name = names[where % len(names)]
    wrong: object = [] if isinstance(fields[name], str) else str(fields[name])
    return msgspec.json.encode(fields | {name: wrong})

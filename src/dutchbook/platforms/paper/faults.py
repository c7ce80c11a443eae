"""A seeded plan of what goes wrong on a paper platform.

Every draw is a hash of the seed, the kind of fault and the order it concerns, so that the plan
does not depend on the order in which tasks happen to ask.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from dutchbook.domain.market.contract import Platform
from dutchbook.platforms.order_answers import SILENCE, Answer

PARTS = 1_000_000


class Fault(StrEnum):
    """What can be made to go wrong with an order, its answer or its fills."""

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
"""What happens to an answer after the platform did as it was asked; the first that strikes."""


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

    `latency_ms` is added to every request; `jitter_ms` at most on top. A late answer comes
    `late_ms` after the platform has done as it was asked. With every rate at zero the platform
    is well and answers at once.
    """

    seed: int = 0
    rates: tuple[tuple[Fault, int], ...] = ()
    latency_ms: int = 0
    jitter_ms: int = 0
    settle_ms: int = 4_000
    late_ms: int = 20_000
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

    def coin(self, fault: Fault, key: str) -> bool:
        """Tell which of two ways a fault that has struck goes."""
        return self._draw(f"coin.{fault.value}", key) % 2 == 0

    def spoiled(self, answer: Answer, key: str, relied_on: tuple[str, ...]) -> Spoiled:
        """Return what is left of an answer, and the fault that it met on the way back."""
        for fault in ON_THE_WAY_BACK:
            if self.strikes(fault, key):
                where = self._draw(f"where.{fault.value}", key)
                return _spoiled(fault, answer, where, relied_on), fault
        return answer, None

    def delay_ms(self, key: str) -> int:
        """Return how long the platform takes over the request named `key`."""
        jitter = self._draw("jitter", key) % (self.jitter_ms + 1)
        return self.latency_ms + jitter

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
    """Give one field that matters a value of another type."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    names = [name for name in relied_on if name in fields]
    assert names, "an answer has at least one field that is relied on"
    name = names[where % len(names)]
    wrong: object = [] if isinstance(fields[name], str) else str(fields[name])
    return msgspec.json.encode(fields | {name: wrong})

"""The faults and the habits of platforms, how each is made, and how often each struck.

The forty faults are X01 to X40. A habit (H41 to H51) is no fault: every platform of its kind
has it, whatever the seed.
"""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field

from dutchbook.platforms.paper.faults import Fault

PHASES = ("first leg", "second leg", "adjustment", "question", "settlement", "books", "commit")
PHASE: ContextVar[str] = ContextVar("phase", default="commit")
"""What the engine was doing when a fault struck."""

_NAMES = (
    "never sent", "sent, answer lost", "answer after timeout", "answered twice", "408",
    "409 duplicate", "429", "500", "502 after acceptance", "truncated JSON",
    "wrong-type field", "signature expired", "partial fill then cancel", "fill after cancel",
    "FOK filled in part", "fill before acknowledgement", "accepted then rejected",
    "price better than limit", "platform forgets done orders", "not found for n seconds",
    "gap", "duplicate", "reorder", "silence with heartbeats", "reconnect storm",
    "old snapshot", "swizzle-clog", "MINED then RETRYING", "FAILED minutes later",
    "FAILED after CLOSED", "resolutions that differ", "market voided", "task cancelled",
    "exception", "crash", "clock step", "database busy", "commit unknown",
    "alert channel down", "second engine started",
)  # fmt: skip

HABITS = (
    "acknowledged, trades later", "held back, then filled", "held back, then unmatched",
    "held back, then refused", "stream that broke off", "list that is not complete",
    "interest paid", "fee rebate paid", "cash deposited", "cash withdrawn",
    "payout listed as cash",
)  # fmt: skip
LATE, HELD_FILLED, HELD_UNMATCHED, HELD_REFUSED, BROKEN_OFF, INCOMPLETE = range(41, 47)
INTEREST, REBATE, DEPOSITED, WITHDRAWN, REDEEMED = range(47, 52)
NAMES = (*_NAMES, *HABITS)
FAULTS = {n: f"{'X' if n < LATE else 'H'}{n:02d}" for n in range(1, REDEEMED + 1)}

REQUESTS = {
    1: Fault.NOT_SENT,
    2: Fault.LOST_ANSWER,
    3: Fault.LATE_ANSWER,
    4: Fault.ANSWERED_TWICE,
    5: Fault.TIMEOUT_408,
    6: Fault.DUPLICATE_409,
    7: Fault.RATE_LIMIT_429,
    8: Fault.SERVER_ERROR_500,
    9: Fault.BAD_GATEWAY_502,
    10: Fault.TRUNCATED,
    11: Fault.WRONG_TYPE,
    12: Fault.CLOCK_SKEW,
    13: Fault.PARTIAL,
}
"""Faults that the paper platform injects itself, in addition to its rejections and pauses."""

NUMBERS = {fault: number for number, fault in REQUESTS.items()}


@dataclass(slots=True)
class Tally:
    """How often each fault changed what the engine saw, by what the engine was doing."""

    hits: Counter[tuple[int, str]] = field(default_factory=Counter)

    def hit(self, number: int, phase: str = "") -> None:
        """Count one hit."""
        self.hits[number, phase or PHASE.get()] += 1

    def of(self, number: int) -> int:
        """Return all hits of one fault."""
        return sum(count for (fault, _), count in self.hits.items() if fault == number)

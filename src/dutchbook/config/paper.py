"""Settings of the paper platforms."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from dutchbook.config.fields import DAY_MS, DOLLARS, MANY, Section, exact, whole, word
from dutchbook.domain.market.contract import Platform

WINDOW = re.compile(r"(?P<platform>kalshi|polymarket):(?P<begins>\d{1,8})-(?P<ends>\d{1,8})")


def _rate(what: str) -> Any:
    """Return a fault rate setting; its default is 0."""
    return whole(0, 0, MANY, f"{what}, in parts per million")


class Paper(Section):
    """How realistic paper trading is; headline results use lag 1 and replenishment `added`."""

    kalshi_cash: Decimal = exact("5000", 0, DOLLARS, "dollars at the first run")
    polymarket_cash: Decimal = exact("5000", 0, DOLLARS, "dollars at the first run")
    lag_steps: int = whole(
        1, 0, MANY, "tape steps until an order meets the book; 0 flatters: nobody is as fast"
    )
    lag_ms: int = whole(
        0,
        0,
        DAY_MS,
        "milliseconds until an order meets the book, in place of lag_steps unless 0; between"
        " two polls of a tape a quote is still there with the probability recorded for its age",
    )
    replenishment: str = word(
        "added",
        "added",
        "never",
        "new",
        "every",
        description="when what we took comes back: with what is added, never while the level"
        " stays as it is, new when it outgrows what it was, every row",
    )
    latency_ms: int = whole(0, 0, DAY_MS, "of every request")
    jitter_ms: int = whole(0, 0, DAY_MS, "at most on top")
    kalshi_lag_least_ms: int = whole(
        300, 0, DAY_MS, "until Kalshi's reads and stream show an order or a trade"
    )
    kalshi_lag_most_ms: int = whole(
        1_000,
        0,
        DAY_MS,
        "the same, at most",
    )
    settle_ms: int = whole(4_000, 0, DAY_MS, "until a Polymarket fill is final")
    clock_offset_ms: Decimal = exact("0", -DAY_MS, DAY_MS, "how far our clock is off")
    silences: str = Field(
        "", description="seconds of the tape without a stream: kalshi:600-900,polymarket:50-60"
    )
    outages: str = Field("", description="the same, and it cannot be reached at all")
    fault_not_sent: int = _rate("orders that never leave")
    fault_rejected: int = _rate("orders refused")
    fault_partial: int = _rate("orders that fill in part")
    fault_lost_answer: int = _rate("answers lost after acceptance")
    fault_failed_fill: int = _rate("fills that fail to settle")
    fault_paused: int = _rate("orders that meet a pause")
    fault_late_answer: int = _rate("answers that come after the engine gave up waiting")
    fault_answered_twice: int = _rate("answers that come again in place of the next one")
    fault_timeout_408: int = _rate("orders and questions answered by 408, taken or not")
    fault_duplicate_409: int = _rate("orders taken and called duplicates")
    fault_rate_limit_429: int = _rate("orders refused by a rate limit")
    fault_server_error_500: int = _rate("answers that became a 500 after the deed")
    fault_bad_gateway_502: int = _rate("answers that became a 502 after the deed")
    fault_truncated: int = _rate("answers cut short")
    fault_wrong_type: int = _rate("answers with a field of a wrong type")
    fault_clock_skew: int = _rate("orders whose signature is from another time")

    @field_validator("kalshi_lag_most_ms")
    @classmethod
    def _ascending(cls, most: int, info: ValidationInfo) -> int:
        least = info.data.get("kalshi_lag_least_ms", 0)
        if most < least:
            raise ValueError(f"at least kalshi_lag_least_ms, {least}")
        return most

    @field_validator("silences", "outages")
    @classmethod
    def _windows(cls, text: str) -> str:
        for part in filter(None, text.split(",")):
            found = WINDOW.fullmatch(part)
            if found is None or int(found["begins"]) >= int(found["ends"]):
                raise ValueError(
                    "platform:from-to in seconds of at most 8 digits, separated by commas"
                )
        return text

    def windows(self, name: str) -> list[tuple[Platform, timedelta, timedelta]]:
        """Return the windows of `silences` or `outages`, relative to the start of the tape."""
        return [
            (
                Platform(found["platform"]),
                timedelta(seconds=int(found["begins"])),
                timedelta(seconds=int(found["ends"])),
            )
            for found in WINDOW.finditer(getattr(self, name))
        ]

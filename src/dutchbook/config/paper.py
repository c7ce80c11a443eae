"""Settings of the paper platforms."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field, field_validator

from dutchbook.config.sections import Section
from dutchbook.domain.market.contract import Platform

WINDOW = re.compile(r"(?P<platform>kalshi|polymarket):(?P<begins>\d+)-(?P<ends>\d+)")


def _rate(what: str) -> Any:
    """Return a fault rate setting; its default is 0."""
    return Field(0, ge=0, le=1_000_000, description=f"{what}, in parts per million")


class Paper(Section):
    """How realistic paper trading is; headline results use lag 1 and replenishment `never`."""

    kalshi_cash: Decimal = Field(Decimal(5_000), ge=0, description="dollars at the first run")
    polymarket_cash: Decimal = Field(
        Decimal(5_000), ge=0, description="dollars at the first run"
    )
    lag_steps: int = Field(
        1, ge=0, description="tape steps until the second leg meets the book"
    )
    replenishment: str = Field(
        "never",
        pattern="^(never|new|every)$",
        description="when what we took comes back: never, new, every",
    )
    latency_ms: int = Field(0, ge=0, description="of every request")
    jitter_ms: int = Field(0, ge=0, description="at most on top")
    kalshi_lag_least_ms: int = Field(
        300, ge=0, description="until Kalshi's reads and stream show an order or a trade"
    )
    kalshi_lag_most_ms: int = Field(1_000, ge=0, description="the same, at most")
    settle_ms: int = Field(4_000, ge=0, description="until a Polymarket fill is final")
    clock_offset_ms: Decimal = Field(Decimal(0), description="how far our clock is off")
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

    @field_validator("silences", "outages")
    @classmethod
    def _windows(cls, text: str) -> str:
        for part in filter(None, text.split(",")):
            found = WINDOW.fullmatch(part)
            if found is None or int(found["begins"]) >= int(found["ends"]):
                raise ValueError("platform:from-to in seconds, separated by commas")
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

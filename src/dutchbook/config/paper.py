"""How the paper platforms behave."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from pydantic import Field, field_validator

from dutchbook.config.sections import Section
from dutchbook.domain.contract import Platform

WINDOW = re.compile(r"(?P<platform>kalshi|polymarket):(?P<begins>\d+)-(?P<ends>\d+)")


class Paper(Section):
    """How real paper is; the headline is lag 1 and `never`."""

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
    settle_ms: int = Field(4_000, ge=0, description="until a Polymarket fill is final")
    clock_offset_ms: Decimal = Field(Decimal(0), description="how far our clock is off")
    silences: str = Field(
        "", description="seconds of the tape without a stream: kalshi:600-900,polymarket:50-60"
    )
    outages: str = Field("", description="the same, and the platform cannot be reached")
    fault_not_sent: int = Field(
        0, ge=0, le=1_000_000, description="orders that never leave, in parts per million"
    )
    fault_rejected: int = Field(
        0, ge=0, le=1_000_000, description="orders refused, in parts per million"
    )
    fault_partial: int = Field(
        0, ge=0, le=1_000_000, description="orders that fill in part, in parts per million"
    )
    fault_lost_answer: int = Field(
        0, ge=0, le=1_000_000, description="answers lost after acceptance, in parts per million"
    )
    fault_failed_fill: int = Field(
        0, ge=0, le=1_000_000, description="fills that fail to settle, in parts per million"
    )
    fault_paused: int = Field(
        0, ge=0, le=1_000_000, description="orders that meet a pause, in parts per million"
    )
    fault_late_answer: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that come after the engine gave up waiting, in parts per million",
    )
    fault_answered_twice: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that come again in place of the next one, in parts per million",
    )
    fault_timeout_408: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders and questions answered by 408, taken or not, in parts per million",
    )
    fault_duplicate_409: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders taken and called duplicates, in parts per million",
    )
    fault_rate_limit_429: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders refused by a rate limit, in parts per million",
    )
    fault_server_error_500: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that became a 500 after the deed, in parts per million",
    )
    fault_bad_gateway_502: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that became a 502 after the deed, in parts per million",
    )
    fault_truncated: int = Field(
        0, ge=0, le=1_000_000, description="answers cut short, in parts per million"
    )
    fault_wrong_type: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers with a field of a wrong type, in parts per million",
    )
    fault_clock_skew: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders whose signature is from another time, in parts per million",
    )

    @field_validator("silences", "outages")
    @classmethod
    def _windows(cls, text: str) -> str:
        for part in filter(None, text.split(",")):
            found = WINDOW.fullmatch(part)
            if found is None or int(found["begins"]) >= int(found["ends"]):
                raise ValueError("platform:from-to in seconds, separated by commas")
        return text

    def windows(self, name: str) -> list[tuple[Platform, timedelta, timedelta]]:
        """Return the windows of `silences` or `outages`, from the beginning of the tape."""
        return [
            (
                Platform(found["platform"]),
                timedelta(seconds=int(found["begins"])),
                timedelta(seconds=int(found["ends"])),
            )
            for found in WINDOW.finditer(getattr(self, name))
        ]

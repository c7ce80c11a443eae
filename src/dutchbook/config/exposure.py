"""Settings of unhedged legs."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, ValidationInfo, field_validator

from dutchbook.config.fields import DOLLARS, YEAR, Section, exact, whole


class Exposure(Section):
    """How single-leg exposures are handled."""

    # A leg that is tried once may stay for good; worked on, none stays while something can be
    # done: see docs/performance.md, Decisions.
    patience_seconds: int = whole(
        60,
        0,
        YEAR,
        "so long a remedy may lose execution.rescue_limit; then the best one is taken",
    )
    blocks_entries: bool = Field(
        True,
        description="no entry on a pair with an unhedged leg of dust_dollars or more",
    )
    halt_on_weekly: bool = Field(
        True, description="halt after three weeks in a row with more than one single leg each"
    )
    # Once a minute is what the requirement asks for, and 1 % of the bankroll is a third of what
    # one position may cost. On the World Cup recording, 4 cents about which nothing could be
    # done were reported 207 times once a minute. A dollar is Polymarket's smallest order.
    urgent_share: Decimal = exact(
        "0.01",
        0,
        1,
        "of the bankroll: an unhedged leg that has cost so much is reported again every"
        " reminder_seconds",
    )
    reminder_seconds: int = whole(
        60, 1, YEAR, "an exposure of at least urgent_share is reported again"
    )
    small_reminder_seconds: int = whole(600, 1, YEAR, "the same below urgent_share")
    dust_dollars: Decimal = exact(
        "1",
        0,
        DOLLARS,
        "an unhedged leg that has cost less, and about which nothing can be done",
    )
    dust_reminder_seconds: int = whole(
        3_600,
        1,
        YEAR,
        "is reported again; so is one whose every way out is smaller than an order may be",
    )
    reminder_gap_seconds: int = whole(
        55,
        1,
        YEAR,
        "reminders that are due within the same time are sent together, but none so soon after"
        " the last; at most reminder_seconds",
    )

    @field_validator("reminder_gap_seconds")
    @classmethod
    def _within(cls, gap: int, info: ValidationInfo) -> int:
        period = info.data.get("reminder_seconds", YEAR)
        if gap > period:
            raise ValueError(f"at most reminder_seconds, {period}")
        return gap

"""What an engine may do about an unhedged leg on its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.positions.exposure import CLOSE, COMPLEMENT, RETRY


class AutoPolicy(StrEnum):
    """Which remedies of an exposure the engine takes on its own."""

    OFF = "off"
    UNWIND = "unwind"
    COMPLETE_THEN_UNWIND = "complete_then_unwind"


ALLOWED = {
    AutoPolicy.OFF: (),
    AutoPolicy.UNWIND: (CLOSE, COMPLEMENT),
    AutoPolicy.COMPLETE_THEN_UNWIND: (RETRY, CLOSE, COMPLEMENT),
}
"""The remedies that each policy may take; the best one is."""


@dataclass(frozen=True, slots=True)
class WorkRules:
    """How an engine works on an unhedged leg.

    Attributes:
        allowed: The names of the remedies that it may take.
        rescue_limit: Dollars per contract that a remedy may lose at first.
        patience: After so long, whatever is best within the collar is taken.
    """

    allowed: tuple[str, ...] = ALLOWED[AutoPolicy.COMPLETE_THEN_UNWIND]
    rescue_limit: Decimal = Decimal("0.02")
    patience: timedelta = timedelta(seconds=60)

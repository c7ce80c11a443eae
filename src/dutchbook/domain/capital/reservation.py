"""Capital requested, capital reserved, and capital actually spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """The capital that an execution requests: its worst case in dollars, by platform.

    `size` is the planned cost of both legs together.
    """

    execution_id: str
    pair_id: str
    amounts: Mapping[Platform, Money]
    size: Money = ZERO


@dataclass(frozen=True, slots=True)
class Reservation:
    """Capital reserved for one execution; resolved exactly once."""

    reservation_id: str
    execution_id: str
    pair_id: str
    amounts: Mapping[Platform, Money]
    epoch: int

    @property
    def total(self) -> Money:
        """All of it, in dollars."""
        return Money(sum(self.amounts.values(), start=Decimal(0)))


@dataclass(frozen=True, slots=True)
class Spent:
    """What an execution actually spent on one platform."""

    cost: Money = ZERO
    fees: Money = ZERO

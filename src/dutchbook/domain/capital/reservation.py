"""What is asked of capital, what is set aside, and what was really spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """What an execution asks for: its worst case in dollars, by platform.

    `size` is what both legs together are to cost.
    """

    execution_id: str
    pair_id: str
    amounts: Mapping[Platform, Money]
    size: Money = ZERO


@dataclass(frozen=True, slots=True)
class Reservation:
    """Capital set aside for one execution; resolved exactly once."""

    reservation_id: str
    execution_id: str
    pair_id: str
    amounts: Mapping[Platform, Money]
    epoch: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What an execution really bought on one platform."""

    cost: Money = ZERO
    fees: Money = ZERO

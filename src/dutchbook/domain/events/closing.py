"""Closing positions: exit marks, paused exits, merges and payouts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from dutchbook.domain.events.base import Event
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money, Quantity


@dataclass(frozen=True, slots=True)
class ExitMarked(Event):
    """The result of exiting a quantity at the moment it was acquired; exits compare with it.

    `mark` is net proceeds per contract if `hedged`, otherwise profit per contract.
    """

    wire: ClassVar[str] = "execution.exit.marked"
    position_id: str
    pair_id: str
    hedged: bool
    mark: Decimal


@dataclass(frozen=True, slots=True)
class ExitPaused(Event):
    """Too many attempts to exit a position failed: a person must look at it.

    The engine tries again once anything about the position changes.
    """

    wire: ClassVar[str] = "execution.exit.paused"
    position_id: str
    pair_id: str
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class PairsMerged(Event):
    """YES and NO of a contract were merged into cash, one dollar per pair."""

    wire: ClassVar[str] = "execution.pairs.merged"
    position_id: str
    pair_id: str
    platform: Platform
    contract_id: str
    size: Quantity


@dataclass(frozen=True, slots=True)
class LegSettled(Event):
    """A resolved contract paid a position: `cash` dollars for `size` contracts of its outcome.

    `size` is negative where more of the opposite outcome was held.
    """

    wire: ClassVar[str] = "execution.leg.settled"
    position_id: str
    pair_id: str
    platform: Platform
    contract_id: str
    yes_pays: Decimal
    size: Decimal
    cash: Money


@dataclass(frozen=True, slots=True)
class PositionSettled(Event):
    """Both contracts of a position have paid.

    `divergence_pnl` is the difference between what both paid and one dollar per pair. Of the
    divergence reserve, `reserve_used` covers a loss and `reserve_released` becomes free.
    """

    wire: ClassVar[str] = "execution.position.settled"
    position_id: str
    pair_id: str
    kalshi_payout: Decimal | None
    polymarket_payout: Decimal | None
    realised_pnl: Money
    divergence_pnl: Money
    reserve_used: Money
    reserve_released: Money


@dataclass(frozen=True, slots=True)
class SettlementNeedsPerson(Event):
    """A merge or redemption got no answer or a changed result: a person must look at it."""

    wire: ClassVar[str] = "execution.settlement.needs_person"
    settlement_id: str
    position_id: str
    platform: Platform
    contract_id: str
    kind: str
    requested_at: datetime
    detail: str

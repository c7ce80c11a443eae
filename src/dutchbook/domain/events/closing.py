"""How positions end: marks, exits that wait for a person, merges, payouts."""

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
    """What leaving a quantity at once would have brought when it came into being.

    `hedged`: net proceeds a contract; else profit a contract. Exits are measured from it.
    """

    wire: ClassVar[str] = "execution.exit.marked"
    position_id: str
    pair_id: str
    hedged: bool
    mark: Decimal


@dataclass(frozen=True, slots=True)
class ExitPaused(Event):
    """A position was tried to be left too often in vain: a person must look.

    It is tried again once anything of the position changes.
    """

    wire: ClassVar[str] = "execution.exit.paused"
    position_id: str
    pair_id: str
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class PairsMerged(Event):
    """Both outcomes of a contract became cash, a dollar for each pair."""

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

    `divergence_pnl` is what the two paid beyond a dollar a pair, or fell short of it;
    `reserve_used` of what was set aside for that goes against it, `reserve_released` is free.
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
    """A merge or a redemption got no answer, or another result than before: look at it."""

    wire: ClassVar[str] = "execution.settlement.needs_person"
    settlement_id: str
    position_id: str
    platform: Platform
    contract_id: str
    kind: str
    requested_at: datetime
    detail: str

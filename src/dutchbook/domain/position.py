"""Positions: what we hold on both platforms, and the machine of its public states."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dutchbook.domain.contract import Outcome, Platform
from dutchbook.domain.machine import Machine, Transition
from dutchbook.domain.units import NOTHING, ZERO, Money, Quantity


class PositionStatus(StrEnum):
    """The five public states of a position."""

    OPEN = "OPEN"
    SINGLE_LEG_EXPOSED = "SINGLE_LEG_EXPOSED"
    EXIT_PARTIAL = "EXIT_PARTIAL"
    CLOSED = "CLOSED"
    RECONCILIATION_REQUIRED = "RECONCILIATION_REQUIRED"


class PositionTrigger(StrEnum):
    """What happened to a position."""

    LEG_FAILED = "leg_failed"
    EXIT_PARTLY_FILLED = "exit_partly_filled"
    EXITED = "exited"
    SETTLED = "settled"
    LEG_RETRIED = "leg_retried"
    EVENED = "evened"
    LEG_CLOSED = "leg_closed"
    EMPTIED = "emptied"
    EXIT_TIMED_OUT = "exit_timed_out"
    DISCREPANCY_FOUND = "discrepancy_found"
    RESOLVED_OPEN = "resolved_open"
    RESOLVED_EXPOSED = "resolved_exposed"
    RESOLVED_PARTIAL = "resolved_partial"
    RESOLVED_CLOSED = "resolved_closed"


_S, _T = PositionStatus, PositionTrigger

POSITION = Machine(
    "position",
    [
        Transition(_S.OPEN, _T.LEG_FAILED, _S.SINGLE_LEG_EXPOSED),
        Transition(_S.OPEN, _T.EXIT_PARTLY_FILLED, _S.EXIT_PARTIAL),
        Transition(_S.OPEN, _T.EXITED, _S.CLOSED),
        Transition(_S.OPEN, _T.SETTLED, _S.CLOSED),
        Transition(_S.SINGLE_LEG_EXPOSED, _T.LEG_RETRIED, _S.OPEN),
        Transition(_S.SINGLE_LEG_EXPOSED, _T.EVENED, _S.OPEN),
        Transition(_S.SINGLE_LEG_EXPOSED, _T.LEG_CLOSED, _S.CLOSED),
        Transition(_S.SINGLE_LEG_EXPOSED, _T.EMPTIED, _S.CLOSED),
        Transition(_S.SINGLE_LEG_EXPOSED, _T.EXIT_TIMED_OUT, _S.EXIT_PARTIAL),
        Transition(_S.SINGLE_LEG_EXPOSED, _T.SETTLED, _S.CLOSED),
        Transition(_S.EXIT_PARTIAL, _T.LEG_RETRIED, _S.OPEN),
        Transition(_S.EXIT_PARTIAL, _T.EVENED, _S.OPEN),
        Transition(_S.EXIT_PARTIAL, _T.LEG_CLOSED, _S.CLOSED),
        Transition(_S.EXIT_PARTIAL, _T.EXITED, _S.CLOSED),
        Transition(_S.EXIT_PARTIAL, _T.EMPTIED, _S.CLOSED),
        Transition(_S.EXIT_PARTIAL, _T.SETTLED, _S.CLOSED),
        Transition(_S.EXIT_PARTIAL, _T.LEG_FAILED, _S.SINGLE_LEG_EXPOSED),
        Transition(_S.RECONCILIATION_REQUIRED, _T.RESOLVED_OPEN, _S.OPEN),
        Transition(_S.RECONCILIATION_REQUIRED, _T.RESOLVED_EXPOSED, _S.SINGLE_LEG_EXPOSED),
        Transition(_S.RECONCILIATION_REQUIRED, _T.RESOLVED_PARTIAL, _S.EXIT_PARTIAL),
        Transition(_S.RECONCILIATION_REQUIRED, _T.RESOLVED_CLOSED, _S.CLOSED),
        # A fill can fail to settle after the position closed, so CLOSED is included.
        *(
            Transition(state, _T.DISCREPANCY_FOUND, _S.RECONCILIATION_REQUIRED)
            for state in _S
            if state is not _S.RECONCILIATION_REQUIRED
        ),
    ],
)


@dataclass(frozen=True, slots=True)
class Holding:
    """One leg of a position: what is held, what it cost and the fees paid for it."""

    outcome: Outcome
    order_id: str | None = None
    size: Quantity = NOTHING
    cost: Money = ZERO
    fees: Money = ZERO

    @property
    def average(self) -> Decimal | None:
        """Dollars per contract, None when nothing is held."""
        return self.cost / self.size if self.size else None


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """Contracts on both platforms, exactly one of which pays if both resolve alike."""

    position_id: str
    pair_id: str
    execution_id: str
    kalshi: Holding
    polymarket: Holding
    expected_edge: Money
    divergence_reserve: Money
    status: PositionStatus
    opened_at: datetime
    completed_at_loss: bool = False
    reconciliation_context: dict[str, Any] | None = field(default=None, hash=False)
    version: int = 1

    def holding(self, platform: Platform) -> Holding:
        """Return the leg on `platform`."""
        return self.kalshi if platform is Platform.KALSHI else self.polymarket

    @property
    def hedged(self) -> Quantity:
        """Contracts held on both sides: each pays a dollar whatever happens."""
        return min(self.kalshi.size, self.polymarket.size)

    @property
    def imbalance(self) -> Decimal:
        """Kalshi's contracts less Polymarket's."""
        return self.kalshi.size - self.polymarket.size

    @property
    def paid(self) -> Money:
        """Cost and fees of both legs."""
        legs = (self.kalshi, self.polymarket)
        return Money(sum((leg.cost + leg.fees for leg in legs), start=Decimal(0)))

    @property
    def locked_profit(self) -> Money:
        """What the hedged contracts pay, less what all contracts cost with their fees."""
        return Money(self.hedged - self.paid)

    def uneven(self, dust: Decimal) -> bool:
        """Tell whether the legs differ by at least the smallest tradable unit, `dust`."""
        return abs(self.imbalance) >= dust

    def moved(self, trigger: PositionTrigger, **facts: Any) -> OpenPosition:
        """Return the position after `trigger`, or raise `IllegalTransition`."""
        status = POSITION.next(self.status, trigger)
        return replace(self, status=status, version=self.version + 1, **facts)

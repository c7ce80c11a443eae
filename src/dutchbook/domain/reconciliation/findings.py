"""Findings, repairs and questions of a comparison. No repair sends an order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dutchbook.domain.execution.order import Fill, Totals
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.domain.values.units import Quantity


class DiscrepancyType(StrEnum):
    """How our record and a platform's can differ.

    - `order_status_mismatch`: both know the order and disagree about it; also a fill that came
      after the order ended, and a fill of ours that the platform's answer omits.
    - `order_not_found`: the platform does not show one of our orders, which proves nothing.
    - `pending_filled`: an order that we record as PENDING was filled.
    - `platform_unavailable`: a question was not answered.
    - `fill_missing`: a fill of one of our orders is not in our record.
    - `fill_unknown`: a fill that none of our orders explains, or that differs from ours.
    - `fill_failed`: a fill did not settle.
    - `position_mismatch`, `balance_mismatch`: contracts or cash that nothing explains.
    - `order_unknown`: an order on the platform that is not in our record.
    """

    ORDER_STATUS_MISMATCH = "order_status_mismatch"
    ORDER_NOT_FOUND = "order_not_found"
    PENDING_FILLED = "pending_filled"
    PLATFORM_UNAVAILABLE = "platform_unavailable"
    FILL_MISSING = "fill_missing"
    FILL_UNKNOWN = "fill_unknown"
    FILL_FAILED = "fill_failed"
    POSITION_MISMATCH = "position_mismatch"
    BALANCE_MISMATCH = "balance_mismatch"
    ORDER_UNKNOWN = "order_unknown"


class Involvement(StrEnum):
    """How a person is involved: not at all, notified, or has to decide."""

    NONE = "none"
    NOTIFIED = "told"
    DECIDES = "decides"


class Choice(StrEnum):
    """The decisions that a person can choose from."""

    ACKNOWLEDGE = "acknowledge"
    FORCE_CLOSE = "force_close"
    ADOPT_PLATFORM = "adopt_platform"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference. `ours` and `theirs` are JSON documents.

    Attributes:
        kind: Type of difference.
        platform: The platform concerned.
        subject: The order, trade, contract, account or platform that it is about.
        order_id: The order, if there is one.
        position_id: The position, if there is one.
        pair_id: The pair of the order or position.
        ours: Our record before the comparison.
        theirs: The platform's report.
        recommended_action: One short sentence.
        involvement: How a person is involved.
        repaired: A repair of the same pass removes the difference, so that the next comparison
            does not show it. If a person has to decide, it stays open until they have.
    """

    kind: DiscrepancyType
    platform: Platform
    subject: str
    order_id: str | None = None
    position_id: str | None = None
    pair_id: str | None = None
    ours: dict[str, Any] = field(default_factory=dict, hash=False)
    theirs: dict[str, Any] = field(default_factory=dict, hash=False)
    recommended_action: str = ""
    involvement: Involvement = Involvement.NONE
    repaired: bool = False

    @property
    def key(self) -> str:
        """Fingerprint of a discrepancy, stable across passes."""
        return f"{self.kind}:{self.platform}:{self.subject}:{self.position_id or ''}"


# Repairs: facts that the platform has proven, applied without approval
# ------------------------------------------------


@dataclass(frozen=True, slots=True)
class BookCash:
    """Book a cash movement whose reason the platform reports."""

    movement: NamedCash


@dataclass(frozen=True, slots=True)
class BookFill:
    """Book a fill. A fill that has already failed is recorded and changes no amount."""

    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class SettleFill:
    """Mark a fill as settled: the platform can no longer take it back."""

    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class StateTotals:
    """Record the totals that the platform states of an order; see `Order.with_totals`."""

    order_id: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class DropStated:
    """Drop what was stated of an order and has no trades, as a person has decided."""

    order_id: str


@dataclass(frozen=True, slots=True)
class FailFill:
    """Mark a fill as failed: its money is returned and its contracts are gone."""

    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class AcknowledgeOrder:
    """Mark an order as acknowledged; `working` contracts of it can still fill."""

    order_id: str
    platform_order_id: str
    working: Quantity


@dataclass(frozen=True, slots=True)
class EndOrder:
    """End an order: the platform reports that no part of it is working."""

    order_id: str
    platform_order_id: str | None


@dataclass(frozen=True, slots=True)
class RefuseOrder:
    """Mark an order as rejected by the platform."""

    order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUpOrder:
    """End an order that is proven absent: it never arrived and no longer can."""

    order_id: str


Repair = (
    BookCash
    | BookFill
    | StateTotals
    | SettleFill
    | DropStated
    | FailFill
    | AcknowledgeOrder
    | EndOrder
    | RefuseOrder
    | GiveUpOrder
)
REPAIRS = (
    BookCash,
    BookFill,
    StateTotals,
    SettleFill,
    DropStated,
    FailFill,
    AcknowledgeOrder,
    EndOrder,
    RefuseOrder,
    GiveUpOrder,
)
"""The order in which repairs are applied: additions before removals."""


# Questions: what only a later answer can settle
# ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask the platform about `subject` again."""

    platform: Platform
    subject: str

"""What a comparison finds, and what it proposes. No proposal sends an order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from dutchbook.domain.execution.order import Fill
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.domain.values.units import Quantity


class DiscrepancyType(StrEnum):
    """How our record and a platform's can differ.

    - `order_status_mismatch`: both know the order and say different things of it; also a fill
      that came after the end, and one of ours that the platform's answer leaves out.
    - `order_not_found`: the platform does not show an order of ours, and that is no proof.
    - `pending_filled`: an order that we hold as PENDING was filled.
    - `platform_unavailable`: a question was not answered.
    - `fill_missing`: a fill of an order of ours is not in our record.
    - `fill_unknown`: a fill that no order of ours explains, or that differs from ours.
    - `fill_failed`: a fill did not settle.
    - `position_mismatch`, `balance_mismatch`: contracts or cash that nothing explains.
    - `order_unknown`: an order at the platform that we have no record of.
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
    """What a person has to do with it: nothing, hear of it, or decide."""

    NONE = "none"
    TOLD = "told"
    DECIDES = "decides"


class Choice(StrEnum):
    """What a person can answer."""

    ACKNOWLEDGE = "acknowledge"
    FORCE_CLOSE = "force_close"
    ADOPT_PLATFORM = "adopt_platform"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference. `ours` and `theirs` are JSON documents.

    Attributes:
        kind: Which difference.
        platform: Where.
        subject: What it is about: an order, trade, contract, account or the platform.
        order_id: The order, where there is one.
        position_id: The position, where there is one.
        pair_id: Its pair.
        ours: What we held.
        theirs: What the platform says.
        recommended_action: One short sentence.
        involvement: What a person has to do with it.
        repaired: A repair of the same pass removes the difference, so that the next comparison
            does not show it. If a person decides, it stays open until they have.
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
        """What tells whether two comparisons found the same difference."""
        return f"{self.kind}:{self.platform}:{self.subject}:{self.position_id or ''}"


# Repairs: facts that the platform has proven, applied without asking
# ------------------------------------------------


@dataclass(frozen=True, slots=True)
class BookCash:
    """Enter a movement of cash that the platform names."""

    movement: NamedCash


@dataclass(frozen=True, slots=True)
class BookFill:
    """Enter a fill. One that has already failed is kept as a fact and moves no number."""

    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class SettleFill:
    """The platform cannot take this fill back any more."""

    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class SupersedeFill:
    """The fill that stood for a stated total gives way to `by`: the trades now known.

    Both in one step, since only the difference changes what works and what is held. `fill` is
    kept as failed; by itself that is no failed settlement.
    """

    order_id: str
    fill: Fill
    by: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class FailFill:
    """This fill never happened: its money is back, its contracts are gone."""

    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class AcknowledgeOrder:
    """The platform holds the order, and `working` contracts of it can still fill."""

    order_id: str
    platform_order_id: str
    working: Quantity


@dataclass(frozen=True, slots=True)
class EndOrder:
    """The platform says that nothing of the order works any more."""

    order_id: str
    platform_order_id: str | None


@dataclass(frozen=True, slots=True)
class RefuseOrder:
    """The platform refused the order."""

    order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUpOrder:
    """The order is proven absent: it never arrived and no longer can."""

    order_id: str


@dataclass(frozen=True, slots=True)
class RequireReconciliation:
    """Move a position to RECONCILIATION_REQUIRED, with its context: a person resolves it."""

    position_id: str
    context: dict[str, Any] = field(hash=False)


Repair = (
    BookCash
    | BookFill
    | SettleFill
    | SupersedeFill
    | FailFill
    | AcknowledgeOrder
    | EndOrder
    | RefuseOrder
    | GiveUpOrder
    | RequireReconciliation
)
REPAIRS = (
    BookCash,
    BookFill,
    SettleFill,
    SupersedeFill,
    FailFill,
    AcknowledgeOrder,
    EndOrder,
    RefuseOrder,
    GiveUpOrder,
    RequireReconciliation,
)
"""In the order in which they are applied: what came in before what went away."""


# Questions: what only time or a person can tell
# ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Put the question about `subject` to the platform once more, not before `after`."""

    platform: Platform
    subject: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Only a person can decide this."""

    discrepancy: Discrepancy
    choices: tuple[Choice, ...]


Proposal = Repair | AskAgain | AskPerson

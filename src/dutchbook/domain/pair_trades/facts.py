"""The facts of a pair trade: reports about it, and decisions on it.

Reports are always applied; an intent (`Placed`) can be rejected. Each fact has its own time:
nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import Event, FailedLeg
from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.execution.order import Fill, Order, Totals
from dutchbook.domain.positions.fold import Cause, Merge, Payout
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import Quantity

REJECTED = 2002
"""The code of an order that filled nothing."""


# Intents
# -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """The entry's worst case is reserved, and its first order is about to be sent.

    Attributes:
        at: When.
        order: The order of the first leg.
        reservation: The worst case of both legs.
        notes: Events that belong in the same commit, before the order's.
    """

    at: datetime
    order: Order
    reservation: Reservation
    notes: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """One more order is about to be sent; rejected while another one of its trade is out.

    Attributes:
        at: When.
        order: As it will be sent.
        reservation: The order's own reservation; None for a sale, and for an order of the
            execution itself, whose reservation covers it.
        notes: Events that belong in the same commit, before the order's.
    """

    at: datetime
    order: Order
    reservation: Reservation | None = None
    notes: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedByGate:
    """A halt prevented an order from being sent: its row records the rejection."""

    at: datetime
    order: Order
    reason: str
    code: int


# Reports
# -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reported:
    """A platform reported the state of an order.

    Attributes:
        at: When we learnt it.
        order_id: Our id.
        platform_order_id: The platform's id.
        fills: All fills of the report; known ones are left out when it is applied.
        working: Contracts that can still fill.
        refusal: The platform's reason, if it rejected the order.
        stated: The totals that it states; its trades may be listed only later.
    """

    at: datetime
    order_id: str
    platform_order_id: str
    fills: tuple[Fill, ...]
    working: Quantity
    refusal: str | None = None
    stated: Totals | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A platform listed trades of an order, and nothing about the rest of it.

    Attributes:
        at: When we learnt it.
        order_id: Our id.
        fills: The trades; they replace what the platform had stated.
        notes: Events that belong in the same commit.
        whole: Whether these are all: what is stated beyond them is dropped.
    """

    at: datetime
    order_id: str
    fills: tuple[Fill, ...]
    notes: tuple[Event, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class CameToNothing:
    """An order was rejected by its platform, or never sent.

    Attributes:
        at: When.
        order_id: Our id.
        reason: Why.
        code: One of the 2000s, or of the gate's.
        sent: Whether the platform received it, and rejected it.
    """

    at: datetime
    order_id: str
    reason: str
    code: int = REJECTED
    sent: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The outcome of an order that was sent is unknown."""

    at: datetime
    order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class NeverArrived:
    """It is proven, or a person has decided, that an order never arrived and no longer can."""

    at: datetime
    order_id: str
    reason: str = "it never arrived"


@dataclass(frozen=True, slots=True)
class Final:
    """A fill has settled, or has failed.

    Attributes:
        at: When we learnt it.
        fill: The fill with its finality.
        notes: Events that belong in the same commit.
    """

    at: datetime
    fill: Fill
    notes: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Corrected:
    """Corrections of one order by a comparison with its platform.

    They are dropped if the order has changed since: they would undo what was learnt meanwhile,
    and the next comparison sees what is still different.

    Attributes:
        at: When.
        compared: The order as it was compared.
        order: The corrected order.
        fills: New fills.
        finalities: Known fills that are final now.
    """

    at: datetime
    compared: Order
    order: Order
    fills: tuple[Fill, ...]
    finalities: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Paid:
    """Cash of merges and payouts has arrived.

    Attributes:
        at: When.
        payments: What was paid.
        cause: The cause, for the position's machine.
        kind: The ledger's kind.
        contract_id: The contract that was merged or has paid; None if a person has stated it.
    """

    at: datetime
    payments: tuple[Merge | Payout, ...]
    cause: Cause
    kind: EntryKind
    contract_id: str | None = None


# Decisions
# -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Advanced:
    """`decide` has advanced its execution."""

    at: datetime
    execution: Execution


@dataclass(frozen=True, slots=True)
class Waits:
    """Its execution waits for an answer; what it holds so far becomes a position.

    Attributes:
        at: When.
        execution: Its current state.
        failed: The leg whose outcome is unknown; None while nothing is held.
    """

    at: datetime
    execution: Execution
    failed: FailedLeg | None


@dataclass(frozen=True, slots=True)
class Ended:
    """Its execution has ended.

    Attributes:
        at: When.
        execution: The execution in its last phase.
        failed: The leg that fell short, if one did and the reason is known.
        reason: Why nothing was bought, if nothing was.
    """

    at: datetime
    execution: Execution
    failed: FailedLeg | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Concluded:
    """No task runs its execution any more: it ends if all its orders are answered.

    Attributes:
        at: When.
        unanswered: Whether it ends although an order has no answer yet. That order may still
            fill, at the cost of free capital.
    """

    at: datetime
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class Stalled:
    """Its exit has stalled after one leg: this is an exposure from now on."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """Its position enters or leaves reconciliation; its facts stay the same.

    Attributes:
        at: When.
        status: RECONCILIATION_REQUIRED, or the status that agrees with its fills.
        context: What is in doubt; None once it is resolved.
        notes: Events that belong in the same commit.
        failed: The fill whose failure, proven by its platform, resolves it.
        person: Whether a person has resolved it.
        last: Events that belong at the end of the same commit.
    """

    at: datetime
    status: PositionStatus
    context: dict[str, Any] | None = None
    notes: tuple[Event, ...] = ()
    failed: Fill | None = None
    person: bool = False
    last: tuple[Event, ...] = ()


TradeFact = (
    Begun
    | Placed
    | RejectedByGate
    | Reported
    | Listed
    | CameToNothing
    | OutcomeUnknown
    | NeverArrived
    | Final
    | Corrected
    | Paid
    | Advanced
    | Waits
    | Ended
    | Concluded
    | Stalled
    | Moved
)

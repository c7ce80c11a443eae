"""What can become known of a pair trade, and what can be decided about it.

Reports are always absorbed; an intent (`Placed`) can be rejected. Each fact brings its own
time: nothing here looks at a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import Event, FailedLeg
from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.execution.order import Fill, Order
from dutchbook.domain.positions.fold import Cause, Merge, Payout
from dutchbook.domain.positions.position import PositionTrigger
from dutchbook.domain.values.units import Quantity

REJECTED = 2002
"""The code of an order that came to nothing."""


# Intents
# -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """The entry's worst case is set aside, and its first order is about to be sent.

    Attributes:
        at: When.
        order: The first leg's.
        reservation: The worst case of both legs.
        notes: Events that belong in the same commit, before the order's.
    """

    at: datetime
    order: Order
    reservation: Reservation
    notes: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """One more order is about to be sent; refused while another one of its trade is out.

    Attributes:
        at: When.
        order: As it will be sent.
        reservation: What is set aside for it alone; None for a sale, and for an order of the
            execution itself, whose reservation covers it.
        notes: Events that belong in the same commit, before the order's.
    """

    at: datetime
    order: Order
    reservation: Reservation | None = None
    notes: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Barred:
    """An order was made and a halt kept it from being sent: its row records the refusal."""

    at: datetime
    order: Order
    reason: str
    code: int


# Reports
# -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reported:
    """A platform told what became of an order.

    Attributes:
        at: When we learnt it.
        order_id: Ours.
        platform_order_id: The platform's.
        fills: All that it tells of; known ones are left out when it is applied.
        working: Contracts that can still fill.
        refusal: Its reason, where it refused the order.
    """

    at: datetime
    order_id: str
    platform_order_id: str
    fills: tuple[Fill, ...]
    working: Quantity
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class CameToNothing:
    """An order was refused by its platform, or never left.

    Attributes:
        at: When.
        order_id: Ours.
        reason: Why.
        code: One of the 2000s, or of the gate's.
        sent: The platform had it and refused it.
    """

    at: datetime
    order_id: str
    reason: str
    code: int = REJECTED
    sent: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Nobody knows what became of an order that was sent."""

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
    """A platform can no longer take a fill back, or it never happened.

    Attributes:
        at: When we learnt it.
        fill: As it is now.
        notes: Events that belong in the same commit.
    """

    at: datetime
    fill: Fill
    notes: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a comparison with its platform has made of one order.

    Attributes:
        at: When.
        order: As it is now.
        fills: Those that are new.
        finalities: Those that were known and are final now.
    """

    at: datetime
    order: Order
    fills: tuple[Fill, ...]
    finalities: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Paid:
    """Cash of merges and payouts has come.

    Attributes:
        at: When.
        payments: What was paid.
        cause: For the position's machine.
        kind: What the ledger calls it.
        contract_id: Which contract was merged or has paid; None where a person says so.
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
    """`decide` has taken its execution further."""

    at: datetime
    execution: Execution


@dataclass(frozen=True, slots=True)
class Waits:
    """Its execution waits for an answer: what it holds so far is shown.

    Attributes:
        at: When.
        execution: As it stands.
        failed: The leg whose outcome is unknown; None while nothing is held.
    """

    at: datetime
    execution: Execution
    failed: FailedLeg | None


@dataclass(frozen=True, slots=True)
class Ended:
    """Its execution is over.

    Attributes:
        at: When.
        execution: In its last phase.
        failed: The leg that is short, where one is and somebody saw why.
        reason: Why nothing was bought, where nothing was.
    """

    at: datetime
    execution: Execution
    failed: FailedLeg | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Concluded:
    """Nobody carries its execution: it ends if every order of it has been answered for."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Stalled:
    """Its exit stands still with one leg out and the other in: an exposure from now on."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """Its position goes into reconciliation, or comes out of it; its facts stay as they are.

    Attributes:
        at: When.
        trigger: `discrepancy_found`, or the resolution that agrees with its fills.
        context: What is in doubt; None once it is resolved.
        notes: Events that belong in the same commit.
        failed: The fill whose failure, proven by its platform, has resolved it.
        person: A person has resolved it.
        last: Events that belong at the end of the same commit.
    """

    at: datetime
    trigger: PositionTrigger
    context: dict[str, Any] | None = None
    notes: tuple[Event, ...] = ()
    failed: Fill | None = None
    person: bool = False
    last: tuple[Event, ...] = ()


TradeFact = (
    Begun
    | Placed
    | Barred
    | Reported
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

"""`decide()`: one two-leg execution, event by event, as a pure function.

It is written for legs that may fill in pieces: each filled piece of the primary leg is hedged
as soon as it is large enough to send, whether the primary order is done or still works. The
shell performs the intents in order and feeds back what happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from dutchbook.domain.detection.quote import Opportunity
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.values.units import MICRO, NOTHING, ZERO, Money, Price, Quantity, floor_to


class Phase(StrEnum):
    """Where an execution stands; the last three are its ends."""

    DECIDED = "decided"
    PRIMARY_SENT = "primary_sent"
    SECONDARY_SENT = "secondary_sent"
    EVENING = "evening"
    WAITING = "waiting"
    HEDGED = "hedged"
    EXPOSED = "exposed"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more will be sent for it."""
        return self in (Phase.HEDGED, Phase.EXPOSED, Phase.FAILED)


# What happened
# ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The intent and its reservation are durable."""


@dataclass(frozen=True, slots=True)
class DepthVerified:
    """The book, fresh and trusted, holds the size.

    `limit` is its last price, `cost` the whole.
    """

    leg: Leg
    quantity: Quantity
    limit: Price
    cost: Decimal


@dataclass(frozen=True, slots=True)
class DepthMissing:
    """Nothing was sent: the book is too thin within the bound, or not to be trusted."""

    leg: Leg
    reason: str


@dataclass(frozen=True, slots=True)
class LegFilled:
    """One fill: `size` contracts for `cost` dollars and a fee."""

    leg: Leg
    size: Quantity
    cost: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The leg's order has nothing working any more."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class LegRejected:
    """The platform refused the order, or it never left."""

    leg: Leg
    reason: str


@dataclass(frozen=True, slots=True)
class LegOutcomeUnknown:
    """Sent, and no trustworthy answer."""

    leg: Leg


Event = (
    Started
    | DepthVerified
    | DepthMissing
    | LegFilled
    | LegEnded
    | LegRejected
    | LegOutcomeUnknown
)


# What must be done
# -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifyDepth:
    """Look at the leg's book now: does it hold `quantity` at no worse than `bound`?"""

    leg: Leg
    quantity: Quantity
    bound: Price


@dataclass(frozen=True, slots=True)
class SubmitLeg:
    """Make the order durable, then send it."""

    leg: Leg
    quantity: Quantity
    limit: Price
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class QueryLeg:
    """Ask the platform what became of the leg's order; never send it again."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class ReleaseReservation:
    """Nothing was bought: all capital goes back."""

    reason: str


@dataclass(frozen=True, slots=True)
class CommitReservation:
    """Something was bought: it is committed, the rest goes back, the position stands."""


@dataclass(frozen=True, slots=True)
class RaiseExposure:
    """`leg` holds `quantity` contracts more than the other; people must know."""

    leg: Leg
    quantity: Quantity
    reason: str
    code: int


Intent = (
    VerifyDepth | SubmitLeg | QueryLeg | ReleaseReservation | CommitReservation | RaiseExposure
)
Step = tuple["Execution", tuple[Intent, ...]]


# The execution
# ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LegState:
    """One leg: what was planned, what was sent, what was filled.

    Attributes:
        bound: The worst price that this leg may be sent at, in dollars of its outcome.
        even_bound: The worst price of a small order that evens the legs afterwards.
        step: The step between its order sizes.
        smallest: The smallest order that its platform takes at the bound.
        decided_cost: What the planned quantity cost in the book that the decision saw.
        sent_cost: What the sent quantity cost in the book at the moment of sending.
    """

    platform: Platform
    planned: Quantity
    bound: Price
    even_bound: Price
    step: Decimal
    smallest: Decimal
    decided_cost: Decimal
    sent: Quantity = NOTHING
    sent_cost: Decimal = Decimal(0)
    filled: Quantity = NOTHING
    cost: Money = ZERO
    fees: Money = ZERO
    busy: bool = False
    unknown: bool = False
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One attempt at an opportunity.

    `delayed`: the platform of its first leg holds takers back.
    """

    execution_id: str
    pair_id: str
    primary: LegState
    secondary: LegState
    phase: Phase = Phase.DECIDED
    true_up: Quantity = NOTHING
    evened: bool = False
    delayed: bool = False
    version: int = 1

    @classmethod
    def of(
        cls, execution_id: str, opportunity: Opportunity, true_up_share: Decimal
    ) -> Execution:
        """Plan an execution of `opportunity`: equal contracts on both legs."""
        quantity = opportunity.quantity
        states = []
        for platform in (opportunity.primary, opportunity.primary.other):
            quote = opportunity.leg(platform)
            contract = opportunity.match.contract(platform)
            states.append(
                LegState(
                    platform=platform,
                    planned=quantity,
                    bound=quote.bound,
                    even_bound=quote.even_bound,
                    step=contract.lot,
                    smallest=contract.smallest(quote.bound),
                    decided_cost=quote.walk.cost,
                )
            )
        return cls(
            execution_id=execution_id,
            pair_id=opportunity.match.match_id,
            primary=states[0],
            secondary=states[1],
            true_up=Quantity(floor_to(quantity * true_up_share, MICRO)),
            delayed=bool(opportunity.match.contract(opportunity.primary).taker_delay),
        )

    def leg(self, leg: Leg) -> LegState:
        """Return one leg's state."""
        return self.primary if leg is Leg.PRIMARY else self.secondary

    def leg_on(self, platform: Platform) -> LegState:
        """Return the leg that trades on `platform`."""
        return self.primary if self.primary.platform is platform else self.secondary

    @property
    def hedged(self) -> Quantity:
        """Contracts held on both legs."""
        return min(self.primary.filled, self.secondary.filled)

    @property
    def imbalance(self) -> Decimal:
        """Contracts of the primary leg less those of the secondary."""
        return self.primary.filled - self.secondary.filled

    @property
    def dust(self) -> Decimal:
        """The smallest tradable unit of the coarser side.

        Less than that apart counts as even.
        """
        return Decimal("0.01")

    @property
    def first_leg_whole(self) -> bool:
        """Whether the first leg must fill whole.

        A partial fill of it, a step of its platform at the least, might be too small to hedge.
        Where its platform holds takers back, what fills when the hold ends fills whole.
        """
        return self.delayed or self.secondary.smallest > self.primary.step

    def with_leg(self, leg: Leg, **facts: object) -> Execution:
        """Return the execution with some facts of one leg replaced."""
        state = replace(self.leg(leg), **facts)  # type: ignore[arg-type]
        return replace(self, **{leg.value: state})  # type: ignore[arg-type]


def decide(execution: Execution, event: Event) -> Step:
    """Return the execution after `event`, and what must be done about it."""
    after, intents = _happened(execution, event)
    return replace(after, version=execution.version + 1), intents


def _happened(execution: Execution, event: Event) -> Step:
    match event:
        case Started():
            first = execution.primary
            verify = VerifyDepth(Leg.PRIMARY, first.planned, first.bound)
            return execution.with_leg(Leg.PRIMARY, busy=True), (verify,)
        case DepthVerified(leg, quantity, limit, cost):
            return _submitted(execution, leg, quantity, limit, cost)
        case DepthMissing(leg, reason) | LegRejected(leg, reason):
            return _advance(execution.with_leg(leg, busy=False, unknown=False, failure=reason))
        case LegFilled(leg, size, cost, fee):
            state = execution.leg(leg)
            filled = execution.with_leg(
                leg,
                filled=Quantity(state.filled + size),
                cost=Money(state.cost + cost),
                fees=Money(state.fees + fee),
            )
            return _advance(filled) if leg is Leg.PRIMARY else (filled, ())
        case LegEnded(leg):
            return _advance(execution.with_leg(leg, busy=False, unknown=False))
        case LegOutcomeUnknown(leg):
            # The platform may hold the order: submitting again could fill it twice.
            waiting = replace(execution.with_leg(leg, unknown=True), phase=Phase.WAITING)
            return waiting, (QueryLeg(leg),)
        case _:
            assert_never(event)


def _submitted(
    execution: Execution, leg: Leg, quantity: Quantity, limit: Price, cost: Decimal
) -> Step:
    state = execution.leg(leg)
    evening = leg is Leg.PRIMARY and bool(state.sent)
    purpose = Purpose.ENTRY if leg is Leg.PRIMARY and not evening else Purpose.HEDGE
    phase = {Leg.PRIMARY: Phase.PRIMARY_SENT, Leg.SECONDARY: Phase.SECONDARY_SENT}[leg]
    sent = execution.with_leg(
        leg,
        busy=True,
        sent=Quantity(state.sent + quantity),
        sent_cost=state.sent_cost + cost,
    )
    moved = replace(sent, phase=Phase.EVENING if evening else phase)
    return moved, (SubmitLeg(leg, quantity, limit, purpose),)


def _advance(execution: Execution) -> Step:
    """Do what the fills now ask for: hedge, wait, even out, or end."""
    first, second = execution.primary, execution.secondary
    if first.unknown or second.unknown:
        return execution, ()
    # Where dollars are spent, a leg can fill more than was sent. What evens the second leg asks
    # for nothing more of it; of the first, no more is hedged than what was set aside covers.
    covered = min(first.filled, second.planned + execution.true_up)
    unhedged = floor_to(covered - max(second.sent, second.filled), second.step)
    if not second.busy and not second.failure and unhedged >= second.smallest:
        verify = VerifyDepth(Leg.SECONDARY, Quantity(unhedged), second.bound)
        return execution.with_leg(Leg.SECONDARY, busy=True), (verify,)
    if first.busy or second.busy:
        return execution, ()
    excess = floor_to(min(-execution.imbalance, execution.true_up), first.step)
    if not execution.evened and excess >= max(first.smallest, execution.dust):
        verify = VerifyDepth(Leg.PRIMARY, Quantity(excess), first.even_bound)
        evening = replace(execution.with_leg(Leg.PRIMARY, busy=True), evened=True)
        return evening, (verify,)
    return _ended(execution)


def _ended(execution: Execution) -> Step:
    if not execution.primary.filled and not execution.secondary.filled:
        reason = execution.primary.failure or "nothing was filled"
        return replace(execution, phase=Phase.FAILED), (ReleaseReservation(reason),)
    if abs(execution.imbalance) < execution.dust and execution.hedged:
        return replace(execution, phase=Phase.HEDGED), (CommitReservation(),)
    long = Leg.PRIMARY if execution.imbalance > 0 else Leg.SECONDARY
    failure = execution.leg(long.other).failure
    code = 2001 if failure in (None, "depth") else 2004
    exposure = RaiseExposure(
        long, Quantity(abs(execution.imbalance)), failure or _short(execution, long), code
    )
    return replace(execution, phase=Phase.EXPOSED), (CommitReservation(), exposure)


def _short(execution: Execution, long: Leg) -> str:
    """Return why the other leg is shorter although nothing of it was refused."""
    other = execution.leg(long.other)
    if abs(execution.imbalance) < other.smallest:
        return "too small to hedge"
    return "only a part of it was filled" if other.filled else "nothing of it was filled"

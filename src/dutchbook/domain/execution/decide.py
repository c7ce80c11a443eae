"""`decide()`: one two-leg execution, event by event, as a pure function.

Legs may fill in pieces: each filled piece of the primary leg is hedged as soon as it is large
enough to send, whether the primary order has ended or still works. The shell performs the
intents in order and feeds back the resulting events.
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
    """Phase of an execution; the last three are final."""

    DECIDED = "decided"
    PRIMARY_SENT = "primary_sent"
    SECONDARY_SENT = "secondary_sent"
    REBALANCING = "evening"
    WAITING = "waiting"
    HEDGED = "hedged"
    EXPOSED = "exposed"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the execution is over: it sends no further orders."""
        return self in (Phase.HEDGED, Phase.EXPOSED, Phase.FAILED)


# What happened
# ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The execution and its reservation are stored durably."""


@dataclass(frozen=True, slots=True)
class DepthVerified:
    """A fresh and trusted book holds the quantity.

    `limit` is the price of the last contract, `cost` that of the whole quantity.
    """

    leg: Leg
    quantity: Quantity
    limit: Price
    cost: Decimal


@dataclass(frozen=True, slots=True)
class LegFilled:
    """One fill: `size` contracts for `cost` dollars and a fee."""

    leg: Leg
    size: Quantity
    cost: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The leg's order is no longer working."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class LegRejected:
    """The platform rejected the order, or the order was never sent.

    It is not sent if the book is too thin within the bound, or not trusted.
    """

    leg: Leg
    reason: str


@dataclass(frozen=True, slots=True)
class LegOutcomeUnknown:
    """The order was sent, and no trustworthy answer arrived."""

    leg: Leg


Event = Started | DepthVerified | LegFilled | LegEnded | LegRejected | LegOutcomeUnknown


# What must be done
# -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifyDepth:
    """Check whether the leg's book now holds `quantity` at `bound` or better."""

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
    """Query the platform about the leg's order; never resend it."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class ReleaseReservation:
    """Nothing was bought: release all reserved capital."""

    reason: str


@dataclass(frozen=True, slots=True)
class CommitReservation:
    """Something was bought: commit its cost, release the rest, keep the position."""


@dataclass(frozen=True, slots=True)
class RaiseExposure:
    """Report an exposure: `leg` holds `quantity` contracts more than the other."""

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
    """One leg: quantities planned, sent and filled.

    Attributes:
        bound: The worst price at which this leg may be sent, in dollars of its outcome.
        even_bound: The worst price of a small order that rebalances the legs afterwards.
        step: The step between order sizes.
        smallest: The smallest order that the platform accepts at the bound.
        decided_cost: Cost of the planned quantity in the book at the decision.
        sent_cost: Cost of the sent quantity in the book at the moment of sending.
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
    """One attempt to execute an opportunity.

    `delayed`: the platform of the first leg holds back takers' orders.
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
        """Return the state of one leg."""
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
        """Smallest tradable unit of the coarser platform: smaller differences are balanced."""
        return Decimal("0.01")

    @property
    def first_leg_whole(self) -> bool:
        """Whether the first leg must fill whole or not at all.

        Otherwise a partial fill, as small as one step of its platform, may be too small to
        hedge. It must also fill whole if its platform holds back takers' orders.
        """
        return self.delayed or self.secondary.smallest > self.primary.step

    def with_leg(self, leg: Leg, **facts: object) -> Execution:
        """Return the execution with `facts` of one leg replaced."""
        state = replace(self.leg(leg), **facts)  # type: ignore[arg-type]
        return replace(self, **{leg.value: state})  # type: ignore[arg-type]


def decide(execution: Execution, event: Event) -> Step:
    """Return the execution after `event`, and the intents to perform."""
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
        case LegRejected(leg, reason):
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
    rebalance = leg is Leg.PRIMARY and bool(state.sent)
    purpose = Purpose.ENTRY if leg is Leg.PRIMARY and not rebalance else Purpose.HEDGE
    phase = {Leg.PRIMARY: Phase.PRIMARY_SENT, Leg.SECONDARY: Phase.SECONDARY_SENT}[leg]
    sent = execution.with_leg(
        leg,
        busy=True,
        sent=Quantity(state.sent + quantity),
        sent_cost=state.sent_cost + cost,
    )
    moved = replace(sent, phase=Phase.REBALANCING if rebalance else phase)
    return moved, (SubmitLeg(leg, quantity, limit, purpose),)


def _advance(execution: Execution) -> Step:
    """Take the next step that the fills require: hedge, wait, rebalance, or end."""
    first, second = execution.primary, execution.secondary
    if first.unknown or second.unknown:
        return execution, ()
    # An order that spends dollars can fill more than was sent. The rebalancing order of the
    # first leg needs no further hedge, and no more of the first leg is hedged than the
    # reservation covers.
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
        rebalancing = replace(execution.with_leg(Leg.PRIMARY, busy=True), evened=True)
        return rebalancing, (verify,)
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
    """Return why the other leg is shorter although its orders were not rejected."""
    other = execution.leg(long.other)
    if abs(execution.imbalance) < other.smallest:
        return "too small to hedge"
    return "only a part of it was filled" if other.filled else "nothing of it was filled"

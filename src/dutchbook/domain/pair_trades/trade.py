"""A pair trade as one value: an execution and everything that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import Opportunity, direction_name
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, Unlisted
from dutchbook.domain.execution.shortfall import Shortfall
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.positions.fold import Fact, Merge, Payout, opened
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import NOTHING, ZERO, Quantity

TradeKey = tuple[Platform, str]
"""A fill: its platform, and the platform's id of the trade."""
LegKey = tuple[Platform, str, Outcome]


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision before anything was sent; it never changes.

    Attributes:
        opportunity_id: The opportunity that it takes.
        direction: Which outcome is bought on which platform.
        started_at: When it was decided.
        divergence_probability: Probability that its contracts resolve differently.
    """

    opportunity_id: str
    direction: str
    started_at: datetime
    divergence_probability: Decimal


@dataclass(frozen=True, slots=True)
class PairTrade:
    """One pair trade: its execution, orders, fills, reservations, position and payments.

    Attributes:
        plan: The decision.
        execution: The attempt, after the last `decide`.
        position: Folded from its facts; it has a row once it is `opened`.
        orders: By their ids.
        fills: By platform and trade id.
        payments: Merges and payouts whose cash has arrived.
        reservation: The open reservation of the entry.
        reservations: Open reservations of single orders after it, by order.
        opened: Whether the position has a row.
        ended_at: When the execution ended.
        shortfall: The shortfall of the expected edge, once it has ended.
        stall_reported: Whether its stalled exit was reported.
    """

    plan: Plan
    execution: Execution
    position: OpenPosition
    orders: Mapping[str, Order] = field(default_factory=dict)
    fills: Mapping[TradeKey, Fill] = field(default_factory=dict)
    payments: tuple[Merge | Payout, ...] = ()
    reservation: Reservation | None = None
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    opened: bool = False
    ended_at: datetime | None = None
    shortfall: Shortfall | None = None
    stall_reported: bool = False

    @classmethod
    def of(
        cls, opportunity: Opportunity, execution: Execution, position_id: str, at: datetime
    ) -> PairTrade:
        """Return the pair trade that an opportunity begins: nothing is bought yet."""
        legs = {p: Holding(opportunity.leg(p).outcome) for p in Platform}
        plan = Plan(
            opportunity.opportunity_id,
            opportunity.direction,
            at,
            opportunity.match.divergence_probability,
        )
        bare = OpenPosition(
            position_id=position_id,
            pair_id=execution.pair_id,
            execution_id=execution.execution_id,
            kalshi=legs[Platform.KALSHI],
            polymarket=legs[Platform.POLYMARKET],
            expected_edge=opportunity.expected_profit,
            divergence_reserve=ZERO,
            status=PositionStatus.SINGLE_LEG_EXPOSED,
            opened_at=at,
        )
        return cls(plan, execution, bare)

    # Ids
    # -------------------------------------------------------------------------------

    @property
    def execution_id(self) -> str:
        """The id of its execution, which is its own id."""
        return self.execution.execution_id

    @property
    def position_id(self) -> str:
        """The id of its position."""
        return self.position.position_id

    @property
    def pair_id(self) -> str:
        """The pair that it trades."""
        return self.position.pair_id

    # State
    # -------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether its execution has ended, and what it bought is booked with its status."""
        return self.ended_at is not None

    @property
    def traded(self) -> bool:
        """Whether its execution has ended and has bought something."""
        return self.ended and self.execution.phase is not Phase.FAILED

    @property
    def waiting(self) -> bool:
        """Whether its position has a row while the execution waits for an answer.

        What it bought is still covered by the execution's reservation.
        """
        return self.opened and not self.ended

    @property
    def held(self) -> bool:
        """Whether its position is booked: the execution has ended with something bought."""
        return self.opened and self.ended

    @property
    def over(self) -> bool:
        """Whether it is finished: nothing can change it any more."""
        return (
            self.position.status is PositionStatus.CLOSED
            and not any(leg.unpaid for leg in self.position.legs)
            and not self.working
            and not self.unlisted
            and not any(self.provisional(platform) for platform in Platform)
        )

    # Facts
    # -------------------------------------------------------------------------------

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything that its position is folded from."""
        return (*self.fills.values(), *self.unlisted, *self.payments)

    @property
    def unlisted(self) -> tuple[Unlisted, ...]:
        """What is stated of its orders, and whose trades are not listed yet."""
        return tuple(part for o in self.orders.values() if (part := o.unlisted) is not None)

    def provisional(self, platform: Platform) -> bool:
        """Return whether a platform can still take back something of it."""
        unlisted = any(part.platform is platform and not part.final for part in self.unlisted)
        return unlisted or any(
            fill.platform is platform and fill.finality is Finality.PROVISIONAL
            for fill in self.fills.values()
        )

    def fills_of(self, order_id: str) -> tuple[Fill, ...]:
        """Return the listed trades of one order, failed ones included."""
        return tuple(fill for fill in self.fills.values() if fill.order_id == order_id)

    @property
    def contracts(self) -> Mapping[Platform, str]:
        """The contracts of its orders, by platform; its pair may not be followed."""
        return {order.platform: order.contract_id for order in self.orders.values()}

    @property
    def legs(self) -> tuple[LegKey, ...]:
        """The legs it holds: platform, contract, and the outcome that each was opened with."""
        return tuple(
            (platform, contract_id, leg.outcome)
            for platform, contract_id in self.contracts.items()
            if (leg := self.position.holding(platform)).size
        )

    @property
    def unknown(self) -> bool:
        """Whether the outcome of one of its orders is unknown."""
        return any(order.outcome_unknown_since is not None for order in self.orders.values())

    @property
    def working(self) -> bool:
        """Whether one of its orders can still fill."""
        return any(order.working_size > 0 for order in self.orders.values())

    @property
    def open_orders(self) -> list[Order]:
        """Its orders that can still fill."""
        return [order for order in self.orders.values() if order.working_size > 0]

    def order_out(self) -> str | None:
        """Return why no further order may be placed for it now."""
        if self.unknown:
            return "the outcome of an order of this position is unknown"
        return "an order of this position still works" if self.working else None

    def working_on(self, platform: Platform) -> bool:
        """Return whether one of its orders on a platform can still fill."""
        return any(order.platform is platform for order in self.open_orders)

    def latest(self, leg: Leg) -> Order | None:
        """Return the last order of a leg of its execution, None if none was placed."""
        placed = [order for order in self.orders.values() if order.leg is leg]
        return placed[-1] if placed else None

    @property
    def settled_sizes(self) -> Mapping[tuple[Platform, Outcome], Quantity]:
        """Contracts, by platform and outcome, that no platform can take back."""
        held: dict[tuple[Platform, Outcome], Quantity] = {}
        parts: list[Fill | Unlisted] = [each for each in self.unlisted if each.final]
        parts += [f for f in self.fills.values() if f.finality is Finality.SETTLED]
        for part in parts:
            key = (part.platform, part.outcome)
            change = part.size if part.side is Side.BUY else -part.size
            held[key] = Quantity(held.get(key, NOTHING) + change)
        return held

    @property
    def planned_edge(self) -> Decimal:
        """Return the dollars per contract that the entry expected to lock."""
        planned = max(
            (
                order.size
                for order in self.orders.values()
                if order.purpose is Purpose.ENTRY and order.leg is Leg.PRIMARY
            ),
            default=NOTHING,
        )
        return self.position.expected_edge / planned if planned else Decimal(0)

    def sellable(self, platform: Platform) -> Quantity:
        """Return how many contracts of a leg can be sold: settled, and not merged away."""
        leg = self.position.holding(platform)
        bought = sum(
            order.filled if order.side is Side.BUY else -order.filled
            for order in self.orders.values()
            if order.platform is platform and order.outcome is leg.outcome
        )
        settled = self.settled_sizes.get((platform, leg.outcome), NOTHING)
        return Quantity(max(min(settled - (bought - leg.size), leg.net), NOTHING))

    # Changes
    # -------------------------------------------------------------------------------

    def with_orders(self, orders: Iterable[Order]) -> PairTrade:
        """Return it with some orders added or replaced."""
        return replace(self, orders={**self.orders, **{o.order_id: o for o in orders}})

    def with_fills(self, fills: Iterable[Fill]) -> PairTrade:
        """Return it with some fills added or replaced."""
        more = {(fill.platform, fill.trade_id): fill for fill in fills}
        return replace(self, fills={**self.fills, **more})

    def bought(self, status: PositionStatus, at: datetime) -> OpenPosition:
        """Return the position of its fills, when its execution ends or waits.

        Its legs name the first order of each platform.
        """
        bare = replace(
            self.position,
            kalshi=self._bare(Platform.KALSHI),
            polymarket=self._bare(Platform.POLYMARKET),
            status=status,
            opened_at=self.position.opened_at if self.opened else at,
        )
        return opened(bare, self.facts, self.plan.divergence_probability)

    def _bare(self, platform: Platform) -> Holding:
        placed = sorted(self.orders.values(), key=lambda order: order.created_at)
        first = next((o.order_id for o in placed if o.platform is platform), None)
        return Holding(self.position.holding(platform).outcome, first)


def kalshi_outcome(direction: str) -> Outcome:
    """Return the outcome that a direction buys on Kalshi."""
    return Outcome.YES if direction == direction_name(Outcome.YES) else Outcome.NO

"""Positions: holdings on both platforms, and the state machine of their public states."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any

from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.machine import Machine
from dutchbook.domain.values.units import MICRO, NOTHING, ZERO, Money, Quantity


class PositionStatus(StrEnum):
    """The five public states of a position."""

    OPEN = "OPEN"
    SINGLE_LEG_EXPOSED = "SINGLE_LEG_EXPOSED"
    EXIT_PARTIAL = "EXIT_PARTIAL"
    CLOSED = "CLOSED"
    RECONCILIATION_REQUIRED = "RECONCILIATION_REQUIRED"


_S = PositionStatus

POSITION = Machine(
    "position",
    {
        _S.OPEN: (
            _S.SINGLE_LEG_EXPOSED,
            _S.EXIT_PARTIAL,
            _S.CLOSED,
            _S.RECONCILIATION_REQUIRED,
        ),
        _S.SINGLE_LEG_EXPOSED: (
            _S.OPEN,
            _S.EXIT_PARTIAL,
            _S.CLOSED,
            _S.RECONCILIATION_REQUIRED,
        ),
        _S.EXIT_PARTIAL: (
            _S.OPEN,
            _S.SINGLE_LEG_EXPOSED,
            _S.CLOSED,
            _S.RECONCILIATION_REQUIRED,
        ),
        # A fill can fail to settle after the position closed.
        _S.CLOSED: (_S.RECONCILIATION_REQUIRED,),
        _S.RECONCILIATION_REQUIRED: (
            _S.OPEN,
            _S.SINGLE_LEG_EXPOSED,
            _S.EXIT_PARTIAL,
            _S.CLOSED,
        ),
    },
)


UNHEDGED = (PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)
"""The statuses in which a leg is unhedged."""
DUST = Decimal("0.01")
"""Smallest tradable unit of the coarser platform: legs differing by less count as balanced."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One leg of a position: what is held, its cost, and the cash it has brought so far.

    Attributes:
        outcome: The outcome that was bought to open the leg.
        order_id: The order that opened the leg.
        size: Contracts of `outcome`; those of a settled leg count until the position closes.
        cost: Their cost before fees: the average cost of the remaining contracts.
        fees: All fees paid on this leg, for entries and exits.
        complement: Contracts of the opposite outcome, bought to close and not yet merged: a
            pair of both outcomes is worth a dollar whatever happens.
        complement_cost: Their cost before fees.
        borrowed: Contracts of `outcome` that were sold or merged without being held: they
            belong to the account, and other positions still count them. `complement` contains
            as many more in return, and `cash` is a dollar less for each.
        cash: Cash received less cash paid, fees included.
        payout: Dollars that each contract of `outcome` paid, once the contract has resolved and
            the cash has arrived.
        settled: Contracts beyond merged pairs for which the payout was made.
    """

    outcome: Outcome
    order_id: str | None = None
    size: Quantity = NOTHING
    cost: Money = ZERO
    fees: Money = ZERO
    complement: Quantity = NOTHING
    complement_cost: Money = ZERO
    borrowed: Quantity = NOTHING
    cash: Money = ZERO
    payout: Decimal | None = None
    settled: Quantity = NOTHING

    @property
    def average(self) -> Decimal | None:
        """Average cost in dollars per contract, None if nothing is held."""
        return self.cost / self.size if self.size else None

    @property
    def net(self) -> Quantity:
        """Contracts of `outcome` less those of its opposite."""
        return Quantity(self.size - self.complement)

    @property
    def pairs(self) -> Quantity:
        """Pairs of both outcomes that can be merged into a dollar each."""
        return Quantity(max(min(self.size, self.complement), NOTHING))

    @property
    def inverted(self) -> Holding:
        """The same leg described by the opposite outcome."""
        return replace(
            self,
            outcome=self.outcome.opposite,
            size=self.complement,
            cost=self.complement_cost,
            complement=self.size,
            complement_cost=self.cost,
            payout=None if self.payout is None else 1 - self.payout,
            settled=Quantity(-self.settled),
        )

    @property
    def unpaid(self) -> bool:
        """Whether contracts, including dust and pairs, are still to become cash."""
        return self.payout is None and bool(self.size or self.complement)

    @property
    def basis(self) -> Money:
        """The cost of everything held on this leg."""
        return Money(self.cost + self.complement_cost)


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """Contracts on both platforms, exactly one of which pays if both resolve alike.

    `marked_pnl` is the profit already included in the daily figures; `divergence_pnl` is the
    part of the result due to the contracts resolving differently.
    """

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
    marked_pnl: Money = ZERO
    divergence_pnl: Money = ZERO
    closed_at: datetime | None = None
    version: int = 1

    def holding(self, platform: Platform) -> Holding:
        """Return the leg on `platform`."""
        return self.kalshi if platform is Platform.KALSHI else self.polymarket

    @property
    def legs(self) -> tuple[Holding, Holding]:
        """Both legs, Kalshi's first."""
        return self.kalshi, self.polymarket

    @property
    def hedged(self) -> Quantity:
        """Contracts held on both platforms: each pays a dollar whatever happens."""
        return Quantity(abs(self.pairs))

    @property
    def pairs(self) -> Decimal:
        """Hedged contracts, negative if both legs are reversed: opposites also pay a dollar."""
        return paired(self.kalshi.net, self.polymarket.net)

    @property
    def upright(self) -> OpenPosition:
        """The position with reversed legs described by the outcomes they actually hold."""
        if self.pairs >= 0:
            return self
        return replace(self, kalshi=self.kalshi.inverted, polymarket=self.polymarket.inverted)

    @property
    def imbalance(self) -> Decimal:
        """Net contracts on Kalshi less those on Polymarket."""
        return self.kalshi.net - self.polymarket.net

    @property
    def longer(self) -> Platform:
        """The platform whose leg holds more."""
        return Platform.KALSHI if self.imbalance > 0 else Platform.POLYMARKET

    @property
    def paid(self) -> Money:
        """Cost and fees of both legs."""
        return Money(sum((leg.cost + leg.fees for leg in self.legs), start=Decimal(0)))

    @property
    def locked_profit(self) -> Money:
        """Cash received less cash paid so far, plus the cash that is certain to come.

        Unmerged pairs bring a dollar each; hedged contracts bring what remains of their dollar
        after one platform has paid its part.
        """
        pairs = sum(leg.pairs for leg in self.legs if leg.unpaid)
        return Money((self.cash + self._owed + pairs).quantize(MICRO, ROUND_FLOOR))

    @property
    def _owed(self) -> Decimal:
        """What the hedged contracts still pay: a dollar each less what has been paid."""
        paid = sum(leg.payout or Decimal(0) for leg in self.upright.legs)
        return self.hedged * (1 - paid)

    @property
    def flat(self) -> bool:
        """Whether only dust is left on both platforms."""
        return all(abs(leg.net) < DUST for leg in self.legs)

    @property
    def cash(self) -> Money:
        """Cash received less cash paid on both legs; once closed, this is the profit."""
        return Money(self.kalshi.cash + self.polymarket.cash)

    @property
    def realised_pnl(self) -> Money:
        """Profit so far, valuing remaining contracts at cost and pairs at a dollar."""
        at_cost = sum(_at_cost(leg) for leg in self.legs)
        return Money((self.cash + at_cost).quantize(MICRO, ROUND_FLOOR))

    @property
    def mark(self) -> Money:
        """Profit with hedged contracts at their payout less the divergence reserve.

        A locked pair is not a directional bet, so a widening spread never shows as a loss.
        Unhedged contracts are valued at cost.
        """
        if self.status is PositionStatus.CLOSED:
            return self.realised_pnl
        locked, value = self.hedged, Decimal(0)
        for leg in self.upright.legs:
            share = locked / leg.net if leg.net > 0 else Decimal(0)
            value += _at_cost(leg) - _net_cost(leg) * share
        if locked:
            value += self._owed - self.divergence_reserve
        return Money((self.cash + value).quantize(MICRO, ROUND_FLOOR))

    def imbalanced(self, dust: Decimal = DUST) -> bool:
        """Return whether the legs differ by at least the smallest tradable unit, `dust`."""
        return abs(self.imbalance) >= dust

    def moved(self, status: PositionStatus, **facts: Any) -> OpenPosition:
        """Return the position with another status, or raise `IllegalTransition`."""
        POSITION.check(self.status, status)
        return replace(self, status=status, version=self.version + 1, **facts)


def paired(kalshi: Quantity, polymarket: Quantity) -> Decimal:
    """Return what net contracts of both legs pair up, negative if both are reversed."""
    nets = kalshi, polymarket
    return max(min(nets), NOTHING) + min(max(nets), NOTHING)


def _net_cost(leg: Holding) -> Decimal:
    """Return the cost of the contracts beyond merged pairs."""
    if leg.payout is not None or not leg.size:
        return Decimal(0)
    return leg.cost * max(leg.net, NOTHING) / leg.size


def _at_cost(leg: Holding) -> Decimal:
    """Return the value of a leg: pairs at a dollar each, the rest at cost."""
    if leg.payout is not None:
        return Decimal(0)
    surplus = max(leg.complement - leg.size, NOTHING)
    over = leg.complement_cost * surplus / leg.complement if leg.complement else Decimal(0)
    return leg.pairs + _net_cost(leg) + over

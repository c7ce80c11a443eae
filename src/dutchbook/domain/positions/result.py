"""What positions have come to, and what they can still come to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from dutchbook.domain.positions.position import DUST, Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import MICRO, NOTHING, ZERO, Money, Quantity, owed


@dataclass(frozen=True, slots=True)
class Result:
    """The result of some positions in dollars, all fees included.

    Attributes:
        closed: Profit of the closed positions.
        locked: Profit of the hedged ones once both their contracts have paid alike.
        unsure: The part of `locked` on pairs whose contracts may well resolve differently.
        open_positions: How many are not closed.
        fees: Fees in these amounts.
        unhedged: Contracts without a counterpart.
        at_risk: What those have cost, with their fees.
        worst: What all come to if every open pair resolves alike in the worse way, and the
            reserve for contracts that resolve differently is used up.
        best: What all come to in the better way.
    """

    closed: Money = ZERO
    locked: Money = ZERO
    unsure: Money = ZERO
    open_positions: int = 0
    fees: Money = ZERO
    unhedged: Quantity = NOTHING
    at_risk: Money = ZERO
    worst: Money = ZERO
    best: Money = ZERO

    @property
    def total(self) -> Money:
        """What is closed and what is locked."""
        return Money(self.closed + self.locked)

    def __add__(self, other: Result) -> Result:
        return Result(*(getattr(self, n) + getattr(other, n) for n in Result.__slots__))


def result_of(
    positions: Iterable[OpenPosition], unsure: Collection[str] = frozenset()
) -> Result:
    """Return the result of positions together.

    `unsure`: the pairs whose profit is locked only if both contracts resolve alike.
    """
    return sum((_result(each, unsure) for each in positions), start=Result())


def _result(position: OpenPosition, unsure: Collection[str]) -> Result:
    fees = Money(sum((leg.fees for leg in position.legs), start=Decimal(0)))
    if position.status is PositionStatus.CLOSED:
        closed = position.realised_pnl
        return Result(closed=closed, fees=fees, worst=closed, best=closed)
    ends = outcomes(position)
    locked = position.locked_profit if position.status is PositionStatus.OPEN else ZERO
    quantity = abs(position.imbalance)
    return Result(
        locked=locked,
        unsure=locked if position.pair_id in unsure else ZERO,
        open_positions=1,
        fees=fees,
        unhedged=Quantity(quantity if quantity >= DUST else NOTHING),
        at_risk=unhedged_cost(position) if quantity >= DUST else ZERO,
        worst=Money(min(ends) - position.divergence_reserve),
        best=Money(max(ends)),
    )


def unhedged_cost(position: OpenPosition) -> Money:
    """Return what the contracts without a counterpart have cost, with their fees."""
    leg, quantity = position.holding(position.longer), abs(position.imbalance)
    return owed((leg.cost + leg.fees) * quantity / leg.size) if leg.size else ZERO


def outcomes(position: OpenPosition) -> tuple[Money, ...]:
    """Return what a position comes to, in each way in which both contracts resolve alike.

    That is one way once a contract has paid. Rounded down to 10⁻⁶ dollars.
    """
    kalshi, polymarket = position.legs
    if kalshi.payout is not None:
        ways: tuple[Decimal, ...] = (kalshi.payout,)
    elif polymarket.payout is not None:
        ways = (1 - polymarket.payout,)
    else:
        ways = (Decimal(0), Decimal(1))
    return tuple(
        Money(
            (position.cash + _pays(kalshi, way) + _pays(polymarket, 1 - way)).quantize(
                MICRO, ROUND_FLOOR
            )
        )
        for way in ways
    )


def _pays(leg: Holding, pays: Decimal) -> Decimal:
    """Return what a leg still pays if each contract of its outcome pays `pays` dollars."""
    return leg.size * pays + leg.complement * (1 - pays) if leg.unpaid else Decimal(0)

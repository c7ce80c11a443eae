"""Where the edge of an execution went: an identity that is kept for each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.values.units import MICRO, Money


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Where the edge that was decided on went, in dollars over the planned quantity.

    ``edge = delay + slippage + fees + missed + divergence + realised``, to 10⁻⁶.
    """

    edge: Money
    delay: Money
    slippage: Money
    fees: Money
    missed: Money
    divergence: Money
    realised: Money


def shortfall(execution: Execution, divergence: Money) -> Shortfall:
    """Account for an ended execution's edge.

    Delay is what the books moved between deciding and sending, slippage what the fills cost
    beyond the book at sending, missed the edge of contracts that were planned and not hedged;
    each over the hedged contracts. What an unhedged remainder costs belongs to its exposure,
    not here.
    """
    planned, hedged = execution.primary.planned, execution.hedged
    legs = (execution.primary, execution.secondary)
    decided = planned - sum(leg.decided_cost for leg in legs)
    delay = slippage = Decimal(0)
    for leg in legs:
        at_decision = leg.decided_cost / planned * hedged
        at_sending = leg.sent_cost / leg.sent * hedged if leg.sent else at_decision
        paid = leg.cost / leg.filled * hedged if leg.filled else at_sending
        delay += at_sending - at_decision
        slippage += paid - at_sending
    missed = decided * (planned - hedged) / planned
    fees = sum((leg.fees for leg in legs), start=Decimal(0))
    parts = [Money(part.quantize(MICRO)) for part in (decided, delay, slippage, fees, missed)]
    edge, *lost = parts
    realised = Money(edge - sum(lost, start=Decimal(0)) - divergence)
    return Shortfall(edge, lost[0], lost[1], lost[2], lost[3], divergence, realised)

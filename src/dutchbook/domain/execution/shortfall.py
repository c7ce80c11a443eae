"""Attribution of an execution's edge, recorded for each as an identity."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.values.units import MICRO, Money


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Attribution of the edge at the decision, in dollars over the planned quantity.

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
    """Attribute the edge of an ended execution.

    Delay is how far the books moved between decision and sending, slippage is what the fills
    cost beyond the book at sending, both over the hedged contracts; missed is the edge of
    contracts planned but not hedged. The cost of an unhedged remainder belongs to its exposure,
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
    realised = Money(edge - sum(lost) - divergence)
    return Shortfall(edge, lost[0], lost[1], lost[2], lost[3], divergence, realised)

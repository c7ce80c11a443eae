"""The status to which a position in doubt is resolved: exactly what its fills imply."""

from __future__ import annotations

from dutchbook.domain.execution.order import Fill
from dutchbook.domain.positions.position import OpenPosition, PositionTrigger
from dutchbook.domain.reconciliation.findings import Discrepancy, DiscrepancyType, Involvement
from dutchbook.domain.values.units import plain


def agreed(
    position: OpenPosition, *, exited: bool = False, working: bool = False
) -> PositionTrigger:
    """Return the one resolution that agrees with the facts of a position (I-9).

    Args:
        position: The position with its holdings folded from fills, merges and payouts.
        exited: An exit order has filled: an imbalance is then a partial exit, not a single leg.
        working: An order can still fill, so the position cannot close yet.
    """
    if position.flat and not working:
        return PositionTrigger.RESOLVED_CLOSED
    if not position.imbalanced() and position.hedged:
        return PositionTrigger.RESOLVED_OPEN
    return PositionTrigger.RESOLVED_PARTIAL if exited else PositionTrigger.RESOLVED_EXPOSED


def fill_failed(position: OpenPosition, fill: Fill) -> Discrepancy:
    """Return the discrepancy for a failed settlement, in any state of the position (I-25)."""
    return Discrepancy(
        kind=DiscrepancyType.FILL_FAILED,
        platform=fill.platform,
        subject=fill.trade_id,
        order_id=fill.order_id,
        position_id=position.position_id,
        pair_id=position.pair_id,
        ours={"status": position.status.value, "finality": "provisional"},
        theirs={"trade_id": fill.trade_id, "size": plain(fill.size), "finality": "failed"},
        recommended_action="even the position, or close it",
        involvement=Involvement.TOLD,
        repaired=True,
    )

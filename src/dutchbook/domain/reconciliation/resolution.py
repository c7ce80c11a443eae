"""The status to which a position in doubt is resolved: exactly what its fills imply."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from dutchbook.domain.execution.order import Fill, Order
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.reconciliation.accounts import CENT
from dutchbook.domain.reconciliation.examination import fill_document
from dutchbook.domain.reconciliation.findings import Discrepancy, DiscrepancyType, Involvement
from dutchbook.domain.values.units import NOTHING, plain

ROUNDING = Decimal("0.0001")
"""Dollars per contract by which totals from averages may differ from the trades."""


def agreed(
    position: OpenPosition, *, exited: bool = False, working: bool = False
) -> PositionStatus:
    """Return the one status that agrees with the facts of a position (I-9).

    Args:
        position: The position with its holdings folded from fills, merges and payouts.
        exited: An exit order has filled: an imbalance is then a partial exit, not a single leg.
        working: An order can still fill, so the position cannot close yet.
    """
    if position.flat and not working:
        return PositionStatus.CLOSED
    if not position.imbalanced() and position.hedged:
        return PositionStatus.OPEN
    return PositionStatus.EXIT_PARTIAL if exited else PositionStatus.SINGLE_LEG_EXPOSED


def misstated(
    position_id: str, order: Order, fills: Iterable[Fill], *, whole: bool
) -> list[Discrepancy]:
    """Return the discrepancy of an order whose trades differ from what its platform stated.

    Differences that rounding explains are none: Kalshi states averages of four decimals, so its
    totals are exact to 0.0001 dollars per contract; Polymarket states no fees, and its sizes
    are exact to a hundredth.

    Args:
        position_id: The order's position.
        order: The order before.
        fills: The trades that are listed now.
        whole: Whether these are all that was missing.
    """
    after = order
    for fill in fills:
        after = after.with_fill(fill)
    gone = after.stated if whole else NOTHING
    moved = Decimal(0)
    if not after.stated:
        charged = after.fees - order.fees if order.platform.fills_are_final else NOTHING
        moved = abs(after.cost - order.cost) + abs(charged)
    more = after.filled - order.filled
    if more or (gone <= CENT and moved <= CENT + order.filled * ROUNDING):
        return []
    return [
        Discrepancy(
            kind=DiscrepancyType.FILL_UNKNOWN,
            platform=order.platform,
            subject=order.order_id,
            order_id=order.order_id,
            position_id=position_id,
            pair_id=order.pair_id,
            ours={
                "stated": plain(order.stated),
                "cost": plain(order.stated_cost),
                "fees": plain(order.stated_fees),
            },
            theirs={"trades": [fill_document(fill) for fill in fills], "missing": plain(gone)},
            recommended_action="compare the order with the platform's own page",
            involvement=Involvement.DECIDES,
        )
    ]


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
        involvement=Involvement.NOTIFIED,
        repaired=True,
    )

"""The risk budget, recomputed from reservations and positions."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.records.rows import SINGLETON
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import Money
from dutchbook.ports.journal import Batch, Journal, Update


async def recounted(
    journal: Journal, risk: RiskManager, held: Iterable[PairTrade], over: Decimal
) -> dict[str, Decimal | int]:
    """Return by how much the risk state differs from its reservations and positions.

    Args:
        journal: The journal with the reservations.
        risk: The risk state.
        held: Every pair trade that has a position and can still change.
        over: Remaining cost of positions that cannot change any more, in dollars.
    """
    standing = await journal.rows("reservations", {"status": "reserved"})
    booked = [each.position for each in held if not each.waiting]
    deployed = sum((leg.basis for p in booked for leg in p.legs), start=over)
    counted: dict[str, Decimal | int] = {
        "reserved_capital": sum((row["amount"] for row in standing), start=Decimal(0)),
        "reserved_position_slots": len(
            {row["execution_id"] for row in standing if row["order_id"] is None}
        ),
        "open_position_count": sum(p.status is not PositionStatus.CLOSED for p in booked),
        "total_capital_deployed": deployed,
    }
    state = risk.capital.state
    differing = {name: each - getattr(state, name) for name, each in counted.items()}
    return {name: each for name, each in differing.items() if each}


def correcting(changes: dict[str, Decimal | int]) -> Batch:
    """Return the batch that corrects the risk state by `changes`."""
    add = {
        name: Money(each) if isinstance(each, Decimal) else each
        for name, each in changes.items()
    }
    return Batch((Update("risk_states", SINGLETON, add=add),))

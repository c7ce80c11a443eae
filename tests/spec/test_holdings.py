"""Conflicts between what we hold and what may be bought."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.pairs import NOW, pair

from dutchbook.application.pair_trades.store import Held, Holdings
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Platform, Side
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Price, Quantity

TEN = Quantity(Decimal(10))


@pytest.mark.parametrize("followed", [True, False], ids=["followed", "on no tape"])
def test_a_holding_conflicts_with_its_opposite_whether_or_not_its_pair_is_followed(
    *, followed: bool
) -> None:
    match = pair()
    holdings = Holdings({match.match_id: match} if followed else {})

    holdings.put(_held(match, Outcome.YES))

    assert holdings.opposes(match, Outcome.NO)
    assert not holdings.opposes(match, Outcome.YES)


def _held(match: ContractMatch, kalshi: Outcome) -> Held:
    """Return a position with ten contracts on each leg, bought by two orders."""
    polymarket = match.hedge(kalshi)
    orders = [
        _order(Platform.KALSHI, match.kalshi.contract_id, kalshi),
        _order(Platform.POLYMARKET, match.polymarket.contract_id, polymarket),
    ]
    position = OpenPosition(
        position_id="held",
        pair_id="of an earlier run",
        execution_id="e",
        kalshi=Holding(kalshi, "kalshi", TEN, Money(Decimal(4))),
        polymarket=Holding(polymarket, "polymarket", TEN, Money(Decimal(5))),
        expected_edge=Money(Decimal(1)),
        divergence_reserve=Money(Decimal(0)),
        status=PositionStatus.OPEN,
        opened_at=NOW,
    )
    return Held(position).with_orders(orders)


def _order(platform: Platform, contract_id: str, outcome: Outcome) -> Order:
    return Order(
        order_id=platform.value,
        client_order_id=platform.value,
        platform=platform,
        contract_id=contract_id,
        pair_id="of an earlier run",
        execution_id="e",
        leg=Leg.PRIMARY,
        purpose=Purpose.ENTRY,
        outcome=outcome,
        side=Side.BUY,
        price=Price(Decimal("0.4")),
        size=TEN,
        time_in_force=TimeInForce.FOK,
        created_at=NOW,
    )

"""Conflicts between what we hold and what may be bought."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW, pair

from dutchbook.application.pair_trades.claims import Claims
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.domain.execution.decide import Execution, LegState
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Platform, Side
from dutchbook.domain.pair_trades.trade import PairTrade, Plan
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Price, Quantity

TEN = Quantity(Decimal(10))
HALF = Price(Decimal("0.5"))


@pytest.mark.parametrize("followed", [True, False], ids=["followed", "on no tape"])
def test_a_holding_conflicts_with_its_opposite_whether_or_not_its_pair_is_followed(
    *, followed: bool
) -> None:
    match = pair()
    trades = _cache({match.match_id: match} if followed else {})

    trades.put(_held(match, Outcome.YES))

    assert trades.claims.opposes(match, Outcome.NO)
    assert not trades.claims.opposes(match, Outcome.YES)


def _cache(matches: Mapping[str, ContractMatch]) -> PairTrades:
    """Return a cache that only looks things up: it has nothing to commit with."""
    nothing: Any = None
    return PairTrades(nothing, nothing, nothing, nothing, Claims(matches), nothing, nothing)


def _held(match: ContractMatch, kalshi: Outcome) -> PairTrade:
    """Return a pair trade with ten contracts on each leg, bought by two orders."""
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
    first, second = (_leg(platform) for platform in Platform)
    execution = Execution("e", "of an earlier run", first, second)
    plan = Plan("o", "kalshi_yes", NOW, Decimal(0))
    bare = PairTrade(plan, execution, position, opened=True, ended_at=NOW)
    return bare.with_orders(orders)


def _leg(platform: Platform) -> LegState:
    cost = TEN * HALF
    return LegState(platform, TEN, HALF, HALF, Decimal(1), Decimal(1), cost, filled=TEN)


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

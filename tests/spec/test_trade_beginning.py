"""What an opportunity begins."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW, pair
from support.trades import (
    BARE,
    EXECUTION,
    KALSHI,
    LATER,
    NO,
    POLYMARKET,
    YES,
    q,
    usd,
)

from dutchbook.domain.detection.quote import LegQuote, Opportunity
from dutchbook.domain.execution.order import Fill, Order
from dutchbook.domain.market.book import Walk
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.pair_trades.trade import PairTrade, Plan, kalshi_outcome
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Price

EXPOSED = PositionStatus.SINGLE_LEG_EXPOSED


def trade(*orders: Order, fills: tuple[Fill, ...] = (), **terms: Any) -> PairTrade:
    """Return a trade with some orders and fills."""
    return replace(BARE.with_orders(orders).with_fills(fills), **terms)


# What an opportunity begins
# ------------------------------------------------------------------------------------


def quoted(platform: Platform, outcome: Outcome) -> LegQuote:
    """Return a quote of ten contracts at half a dollar."""
    half = Price(Decimal("0.5"))
    walk = Walk(q(10), Decimal(5), half)
    return LegQuote(platform, f"{platform}-cup", outcome, walk, half, half, half, ZERO, usd(6))


def test_an_opportunity_begins_a_trade_of_nothing_yet() -> None:
    taken = Opportunity(
        opportunity_id="chance",
        match=pair(divergence_probability=Decimal("0.0007")),
        kalshi=quoted(KALSHI, NO),
        polymarket=quoted(POLYMARKET, YES),
        primary=POLYMARKET,
        quantity=q(10),
        gross_edge=Decimal("0.1"),
        net_edge=Decimal("0.09"),
        expected_profit=usd("0.9"),
        divergence_reserve=usd("0.005"),
        yearly_return=Decimal(1),
        rate_per_day=Decimal(1),
        detected_at=NOW,
    )
    execution = replace(EXECUTION, execution_id="mine", pair_id="cup of ours")

    begun = PairTrade.of(taken, execution, "new", LATER)

    position = OpenPosition(
        position_id="new",
        pair_id="cup of ours",
        execution_id="mine",
        kalshi=Holding(NO),
        polymarket=Holding(YES),
        expected_edge=usd("0.9"),
        divergence_reserve=ZERO,
        status=EXPOSED,
        opened_at=LATER,
    )
    plan = Plan("chance", "kalshi_no", LATER, Decimal("0.0007"))
    assert begun == PairTrade(plan, execution, position)
    assert (begun.execution_id, begun.position_id, begun.pair_id) == (
        "mine",
        "new",
        "cup of ours",
    )


@pytest.mark.parametrize(("direction", "outcome"), [("kalshi_yes", YES), ("kalshi_no", NO)])
def test_a_direction_names_the_outcome_that_is_bought_on_kalshi(
    direction: str, outcome: Outcome
) -> None:
    assert kalshi_outcome(direction) is outcome

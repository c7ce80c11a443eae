"""An order, one whose fills are stated and not listed, and a trade of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from dutchbook.domain.execution.order import (
    Fill,
    Finality,
    Order,
    OrderStatus,
    Purpose,
    TimeInForce,
)
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity
from support.pairs import NOW

KALSHI, POLYMARKET = Platform
PLAIN = Order(
    order_id="o",
    client_order_id="c",
    platform=KALSHI,
    contract_id="k",
    pair_id="p",
    execution_id="e",
    leg=Leg.PRIMARY,
    purpose=Purpose.ENTRY,
    outcome=Outcome.YES,
    side=Side.BUY,
    price=Price(Decimal("0.5")),
    size=Quantity(Decimal(20)),
    time_in_force=TimeInForce.IOC,
    created_at=NOW,
    working_size=Quantity(Decimal(20)),
)
TEXTS = ("refusal", "platform_order_id")


def _read(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Decimal(value) if type(value) is str and name not in TEXTS else value
        for name, value in facts.items()
    }


def order(base: Order = PLAIN, **facts: Any) -> Order:
    """Change facts of an order; numbers are given as text."""
    return replace(base, **_read(facts))


def fill(
    size: str,
    price: str = "0.5",
    fee: str = "0.07",
    finality: Finality = Finality.PROVISIONAL,
    side: Side = Side.BUY,
) -> Fill:
    return Fill(
        trade_id="t",
        platform=KALSHI,
        order_id="o",
        outcome=Outcome.YES,
        side=side,
        price=Price(Decimal(price)),
        size=Quantity(Decimal(size)),
        fee=Money(Decimal(fee)),
        finality=finality,
        matched_at=NOW,
    )


STATED = order(
    filled="10",
    cost="4.4",
    fees="0.5",
    working_size="10",
    stated="6",
    stated_cost="2.7",
    stated_fees="0.3",
    status=OrderStatus.PARTIAL,
    version=3,
)
"""Ten of twenty contracts filled, of which the trades of six are not listed."""

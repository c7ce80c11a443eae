"""What a position in doubt is resolved to, and the doubts that its fills raise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.reconciliation import FOUR, local, order, report

from dutchbook.domain.execution.order import Fill, Finality, Order, OrderStatus
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.findings import (
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import fill_of
from dutchbook.domain.reconciliation.resolution import agreed, fill_failed, misstated
from dutchbook.domain.values.units import Money, Price, Quantity

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
STATUS = PositionStatus


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "exited", "working", "status"),
    [
        ("0", "0", False, False, STATUS.CLOSED),
        ("0.009", "-0.009", False, False, STATUS.CLOSED),
        ("0", "0", False, True, STATUS.SINGLE_LEG_EXPOSED),
        ("0", "0", True, True, STATUS.EXIT_PARTIAL),
        ("10", "10", False, False, STATUS.OPEN),
        ("10", "10", True, True, STATUS.OPEN),
        ("10", "9.991", False, False, STATUS.OPEN),
        ("10", "9.99", False, False, STATUS.SINGLE_LEG_EXPOSED),
        ("10", "4", True, False, STATUS.EXIT_PARTIAL),
        ("10", "0", False, False, STATUS.SINGLE_LEG_EXPOSED),
    ],
)
def test_the_status_follows_from_what_is_held_and_what_works(
    kalshi: str, polymarket: str, status: PositionStatus, *, exited: bool, working: bool
) -> None:
    position = local("filled").positions[0]
    position = replace(
        position,
        kalshi=replace(position.kalshi, size=Quantity(Decimal(kalshi))),
        polymarket=replace(position.polymarket, size=Quantity(Decimal(polymarket))),
    )

    assert agreed(position, exited=exited, working=working) is status


def test_nothing_has_left_and_nothing_works_unless_it_is_said() -> None:
    flat = local("none").positions[0]
    empty = replace(flat, kalshi=replace(flat.kalshi, size=Quantity(Decimal(0))))

    assert agreed(empty) is STATUS.CLOSED
    assert agreed(flat) is STATUS.SINGLE_LEG_EXPOSED


# Totals that their trades contradict
# --------------------------------------------------------------------


def stating(platform: Platform, size: str, cost: str, fees: str = "0.02") -> Order:
    """Return an order of which only totals are known."""
    known = Quantity(Decimal(size))
    return order(
        platform,
        status=OrderStatus.PARTIAL,
        platform_order_id="7",
        filled=known,
        stated=known,
        cost=Money(Decimal(cost)),
        stated_cost=Money(Decimal(cost)),
        fees=Money(Decimal(fees)),
        stated_fees=Money(Decimal(fees)),
    )


def trade(placed: Order, size: str, price: str = "0.5", **facts: Any) -> Fill:
    made = report(
        f"of {size}",
        Decimal(size),
        Finality.SETTLED,
        placed.platform,
        price=Price(Decimal(price)),
        **facts,
    )
    return fill_of(placed, made)


@pytest.mark.parametrize(
    ("platform", "stated", "sizes", "whole", "differs"),
    [
        (KALSHI, "4", ("4",), True, False),
        (KALSHI, "4", ("3.99",), True, False),
        (KALSHI, "4", ("3.98",), True, True),
        (KALSHI, "4", ("3.98",), False, False),
        (KALSHI, "4", ("1", "2.99"), True, False),
        (KALSHI, "4", ("1", "2.9"), True, True),
        (KALSHI, "4", (), True, True),
        (KALSHI, "4", (), False, False),
        (POLY, "4", ("3.98",), True, True),
        (POLY, "4", ("5",), True, False),
    ],
)
def test_stated_contracts_without_a_trade_are_a_doubt_once_all_trades_are_listed(
    platform: Platform,
    stated: str,
    sizes: tuple[str, ...],
    *,
    whole: bool,
    differs: bool,
) -> None:
    placed = stating(platform, stated, "2")
    fees = (Money(Decimal("0.02")), Money(Decimal(0)))
    fills = [trade(placed, each, fee=fee) for each, fee in zip(sizes, fees, strict=False)]

    assert bool(misstated("position-1", placed, fills, whole=whole)) is differs


@pytest.mark.parametrize(
    ("platform", "cost", "fees", "differs"),
    [
        (KALSHI, "2.0104", "0.02", False),
        (KALSHI, "2.010401", "0.02", True),
        (KALSHI, "1.9896", "0.02", False),
        (KALSHI, "1.989599", "0.02", True),
        (KALSHI, "2", "0.0304", False),
        (KALSHI, "2", "0.030401", True),
        (KALSHI, "2", "0.0096", False),
        (KALSHI, "2", "0.009599", True),
        (KALSHI, "2.005", "0.0254", False),
        (KALSHI, "2.005", "0.025401", True),
        (POLY, "2.0104", "1", False),
        (POLY, "2.010401", "0.02", True),
    ],
)
def test_trades_may_cost_other_than_stated_by_what_rounding_explains(
    platform: Platform, cost: str, fees: str, *, differs: bool
) -> None:
    """A cent, and 0.0001 dollars for each of four contracts; Polymarket states no fees."""
    placed = stating(platform, "4", cost, fees)
    whole = trade(placed, "4", fee=Money(Decimal("0.02")))

    assert bool(misstated("position-1", placed, [whole], whole=True)) is differs


def test_the_cost_is_compared_only_when_every_stated_contract_has_its_trade() -> None:
    placed = stating(KALSHI, "4", "2", "1")

    assert misstated("position-1", placed, [trade(placed, "3.995", "0.9")], whole=True) == []


def test_more_contracts_than_stated_are_new_fills_and_no_misstatement() -> None:
    placed = stating(KALSHI, "4", "1")

    assert misstated("position-1", placed, [trade(placed, "4.01")], whole=True) == []


def test_a_misstatement_is_described_with_both_records() -> None:
    placed = stating(KALSHI, "4", "2.5", "0.75")
    fills = [trade(placed, "1", fee=Money(Decimal("0.25"))), trade(placed, "2")]

    assert misstated("position-1", placed, fills, whole=True) == [
        Discrepancy(
            kind=DiscrepancyType.FILL_UNKNOWN,
            platform=KALSHI,
            subject="kalshi-order",
            order_id="kalshi-order",
            position_id="position-1",
            pair_id="cup",
            ours={"stated": "4", "cost": "2.5", "fees": "0.75"},
            theirs={"trades": [document("1", "0.25"), document("2", "0.01")], "missing": "1"},
            recommended_action="compare the order with the platform's own page",
            involvement=Involvement.DECIDES,
        )
    ]


def document(size: str, fee: str) -> dict[str, str]:
    return {
        "trade_id": f"of {size}",
        "price": "0.5",
        "size": size,
        "fee": fee,
        "finality": "settled",
    }


def test_a_fill_that_failed_is_told_with_what_becomes_of_it() -> None:
    position = local("filled").positions[0]
    fill = OurOrder(order(), local("filled").orders[1].account).fill_of(report("t1", FOUR))

    assert fill_failed(position, fill) == Discrepancy(
        kind=DiscrepancyType.FILL_FAILED,
        platform=POLY,
        subject="t1",
        order_id="polymarket-order",
        position_id="position-1",
        pair_id="cup",
        ours={"status": "OPEN", "finality": "provisional"},
        theirs={"trade_id": "t1", "size": "4", "finality": "failed"},
        recommended_action="even the position, or close it",
        involvement=Involvement.NOTIFIED,
        repaired=True,
    )

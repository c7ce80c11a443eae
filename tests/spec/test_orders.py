"""What each fact does to an order: the whole order after it, to the millionth of a dollar."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.orders import KALSHI, PLAIN, POLYMARKET, STATED, fill, order
from support.pairs import NOW

from dutchbook.domain.execution.order import (
    Fill,
    Finality,
    Order,
    OrderStatus,
    Unlisted,
    order_status,
)
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.errors import IllegalTransition


@pytest.mark.parametrize(
    ("filled", "working", "refused", "status"),
    [
        ("20", "0", True, OrderStatus.FILLED),
        ("19.999999", "0", False, OrderStatus.PARTIAL),
        ("0.000001", "0", True, OrderStatus.PARTIAL),
        ("0", "0.000001", True, OrderStatus.REJECTED),
        ("0", "0.000001", False, OrderStatus.PENDING),
        ("0", "0", False, OrderStatus.CANCELLED),
    ],
)
def test_the_smallest_quantity_counts_for_the_status(
    filled: str, working: str, refused: bool, status: OrderStatus
) -> None:
    found = order_status(
        ordered=Decimal(20), filled=Decimal(filled), working=Decimal(working), refused=refused
    )

    assert found is status


@pytest.mark.parametrize(
    ("side", "size", "cost"),
    [
        (Side.BUY, "0.000001", "0.000001"),
        (Side.SELL, "0.000001", "0"),
        (Side.BUY, "7", "2.1"),
        (Side.SELL, "7", "2.1"),
    ],
)
def test_the_cost_of_a_fill_is_rounded_against_us(side: Side, size: str, cost: str) -> None:
    assert fill(size, "0.3", side=side).cost == Decimal(cost)


def test_what_is_stated_and_not_listed_counts_like_a_fill() -> None:
    assert PLAIN.unlisted is None
    assert STATED.unlisted == Unlisted(
        "o",
        KALSHI,
        Outcome.YES,
        Side.BUY,
        Quantity(Decimal(6)),
        Money(Decimal("2.7")),
        Money(Decimal("0.3")),
        NOW,
    )
    assert STATED.unlisted.price == Decimal("0.45")


@pytest.mark.parametrize("platform", list(Platform))
def test_what_is_stated_is_as_final_as_its_platforms_fills(platform: Platform) -> None:
    unlisted = order(STATED, platform=platform).unlisted

    assert unlisted is not None
    assert unlisted.final is (platform is KALSHI)


def test_the_average_price_is_that_of_what_is_filled() -> None:
    assert STATED.fill_price == Decimal("0.44")
    assert PLAIN.fill_price is None


@pytest.mark.parametrize(
    ("facts", "short"),
    [
        ({"filled": "19.999999", "cost": "10"}, True),
        ({"filled": "20", "cost": "9.999998"}, True),
        ({"filled": "20", "cost": "9.999999"}, False),
        ({"filled": "20", "cost": "9.999998", "platform": KALSHI}, False),
        ({"filled": "20", "cost": "9.999998", "side": Side.SELL}, False),
    ],
)
def test_more_than_a_millionth_of_unspent_dollars_may_still_buy_contracts(
    facts: dict[str, Any], *, short: bool
) -> None:
    assert order(**{"platform": POLYMARKET, **facts}).short is short


LISTED: dict[str, tuple[Order, Fill, dict[str, Any]]] = {
    "a first trade": (
        order(refusal="late"),
        fill("4"),
        {
            "filled": "4",
            "cost": "2",
            "fees": "0.07",
            "working_size": "16",
            "refusal": None,
            "status": OrderStatus.PARTIAL,
        },
    ),
    "the last trade": (
        order(filled="16", cost="7", fees="0.2", working_size="4", status=OrderStatus.PARTIAL),
        fill("4"),
        {
            "filled": "20",
            "cost": "9",
            "fees": "0.27",
            "working_size": "0",
            "status": OrderStatus.FILLED,
        },
    ),
    "a trade of more than is left": (
        order(working_size="3"),
        fill("4"),
        {
            "filled": "4",
            "cost": "2",
            "fees": "0.07",
            "working_size": "0",
            "status": OrderStatus.PARTIAL,
        },
    ),
    "a trade of less than was stated": (
        STATED,
        fill("4", "0.4"),
        {
            "cost": "4.4",
            "fees": "0.5",
            "stated": "2",
            "stated_cost": "1.1",
            "stated_fees": "0.23",
        },
    ),
    "a trade that cost more than was stated": (
        STATED,
        fill("4", "0.9", "0.35"),
        {"cost": "5.3", "fees": "0.55", "stated": "2", "stated_cost": "0", "stated_fees": "0"},
    ),
    "exactly what was stated": (
        STATED,
        fill("6"),
        {"cost": "4.7", "fees": "0.27", "stated": "0", "stated_cost": "0", "stated_fees": "0"},
    ),
    "more than was stated": (
        STATED,
        fill("8"),
        {
            "filled": "12",
            "cost": "5.7",
            "fees": "0.27",
            "working_size": "8",
            "stated": "0",
            "stated_cost": "0",
            "stated_fees": "0",
        },
    ),
    "a failed trade of a part of what was stated": (
        order(STATED, refusal="late"),
        fill("4", finality=Finality.FAILED),
        {
            "filled": "6",
            "cost": "2.4",
            "fees": "0.43",
            "stated": "2",
            "stated_cost": "0.7",
            "stated_fees": "0.23",
        },
    ),
    "a failed trade of more than was stated": (
        STATED,
        fill("8", finality=Finality.FAILED),
        {
            "filled": "4",
            "cost": "1.7",
            "fees": "0.2",
            "stated": "0",
            "stated_cost": "0",
            "stated_fees": "0",
        },
    ),
}


@pytest.mark.parametrize(("before", "trade", "changes"), LISTED.values(), ids=LISTED)
def test_a_listed_trade_replaces_what_was_stated_and_adds_the_rest(
    before: Order, trade: Fill, changes: dict[str, Any]
) -> None:
    after = before.with_fill(trade)

    assert after == order(before, version=before.version + 1, **changes)


def test_a_fill_that_failed_is_taken_out_with_its_cost_and_fee() -> None:
    after = STATED.without_fill(fill("3", "0.4", "0.05"))

    assert after == order(STATED, filled="7", cost="3.2", fees="0.45", version=4)


SINCE = order(outcome_unknown_since=NOW, version=2)


def test_an_acknowledged_order_is_known_to_work_on_its_platform() -> None:
    assert SINCE.acknowledged("theirs", Quantity(Decimal(12))) == order(
        SINCE,
        platform_order_id="theirs",
        working_size="12",
        outcome_unknown_since=None,
        reported=True,
        version=3,
    )


def test_a_refused_order_has_its_reason_and_nothing_working() -> None:
    assert SINCE.refused("closed") == order(
        SINCE,
        refusal="closed",
        working_size="0",
        outcome_unknown_since=None,
        status=OrderStatus.REJECTED,
        version=3,
    )


def test_an_ended_order_has_nothing_working() -> None:
    assert SINCE.ended() == order(
        SINCE,
        working_size="0",
        outcome_unknown_since=None,
        status=OrderStatus.CANCELLED,
        version=3,
    )


def test_an_outcome_is_unknown_since_the_first_silence() -> None:
    later = NOW + timedelta(minutes=1)

    assert PLAIN.unknown(NOW) == order(outcome_unknown_since=NOW, version=2)
    assert SINCE.unknown(later) == order(SINCE, version=3)


def test_an_order_makes_no_change_of_status_outside_the_table() -> None:
    filled = order(filled="20", cost="10", status=OrderStatus.FILLED)

    with pytest.raises(IllegalTransition) as caught:
        filled.without_fill(fill("20"))

    refused = caught.value
    assert (refused.before, refused.after) == (OrderStatus.FILLED, OrderStatus.PENDING)

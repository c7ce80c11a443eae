"""Read model of orders whose outcome is unknown: while there is one, its position waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dutchbook.domain.execution.order import Order, Purpose
from dutchbook.domain.positions.exposure_words import SHORT
from dutchbook.domain.values.units import plain
from dutchbook.ports.journal import Between, Journal
from dutchbook.ports.tables.trading import ORDERS

Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DONE = {"buy": "bought", "sell": "sold"}


async def unanswered(journal: Journal) -> dict[str, list[Row]]:
    """Return the orders whose outcome is unknown, by execution, oldest first."""
    known = {"outcome_unknown_since": Between(first=EPOCH)}
    found: dict[str, list[Row]] = {}
    for row in await journal.rows("orders", known, ("created_at", "order_id")):
        found.setdefault(row["execution_id"], []).append(open_order(ORDERS.value(row)))
    return found


def open_order(order: Order) -> Row:
    """Return what may still fill of an order."""
    return {
        "order_id": order.order_id,
        "platform": order.platform.value,
        "side": order.side.value,
        "outcome": order.outcome.value,
        "quantity": order.working_size,
        "hedge": order.purpose is Purpose.HEDGE,
    }


def in_words(order: Mapping[str, Any]) -> str:
    """Return that nobody knows what became of an order, and what a person can do about it."""
    quantity, outcome = plain(Decimal(order["quantity"])), str(order["outcome"]).upper()
    short = str(order["order_id"])[:SHORT]
    return (
        f"nobody knows yet whether {quantity} {outcome} were {DONE[order['side']]} on"
        f" {order['platform']}, order {short}: nothing is sent for the position until then."
        f" Look for it there; if it is not there: dutchbook resolve {short} --choice"
        " adopt-platform"
    )

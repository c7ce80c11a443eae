"""Read model of orders whose outcome is unknown: while there is one, its position waits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dutchbook.domain.execution.order import Order, Purpose
from dutchbook.domain.positions.exposure_words import SHORT
from dutchbook.domain.values.units import plain
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import ORDERS

Row = dict[str, Any]
DONE = {"buy": "bought", "sell": "sold"}


async def unanswered(journal: Journal, execution_id: str) -> list[Row]:
    """Return the orders of an execution whose outcome is unknown, oldest first."""
    mine = {"execution_id": execution_id}
    rows = await journal.rows("orders", mine, ("created_at", "order_id"))
    return [open_order(ORDERS.value(r)) for r in rows if r["outcome_unknown_since"] is not None]


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

"""Read model of executions that began and did not end: what each holds, and what is unanswered.

While an engine runs, there may be one for a moment. Without an engine, only a start resolves
it: the first leg may be bought, and nothing but the orders shows that.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dutchbook.application.views.timeline import questions
from dutchbook.application.views.unanswered import open_order
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.values.units import owed, plain
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import ORDERS

Row = dict[str, Any]
EXECUTING = "EXECUTING"
"""The status shown for what has no position yet."""


async def unfinished(journal: Journal) -> list[Row]:
    """Return every execution that has not ended and has no position, oldest first.

    One whose position has a row already is shown as a position.

    `bought` is what its orders have filled, with its dollars and fees; `unanswered` are orders
    that may still fill. `unhedged` is the leg that has no counterpart, None if they are even;
    its `at_risk` is its cost.
    """
    rows = await journal.rows("executions", {"ended_at": None}, ("started_at", "execution_id"))
    asked = await questions(journal) if rows else {}
    found = []
    for row in rows:
        mine = {"execution_id": row["execution_id"]}
        if await journal.rows("open_positions", mine):
            continue
        placed = [ORDERS.value(r) for r in await journal.rows("orders", mine, ("created_at",))]
        question = asked.get(row["pair_id"], row["pair_id"])
        found.append(_unfinished(row, placed) | {"question": question})
    return found


def _unfinished(row: Row, orders: list[Order]) -> Row:
    bought = [
        {
            "platform": platform.value,
            "outcome": next(each.outcome.value for each in mine),
            "quantity": sum((_signed(each) for each in mine), start=Decimal(0)),
            "cost": owed(sum((each.cost + each.fees for each in mine), start=Decimal(0))),
        }
        for platform in Platform
        if (mine := [o for o in orders if o.platform is platform and o.filled])
    ]
    held = {each["platform"]: Decimal(str(each["quantity"])) for each in bought}
    kalshi, polymarket = (held.get(platform.value, Decimal(0)) for platform in Platform)
    longer = Platform.KALSHI if kalshi > polymarket else Platform.POLYMARKET
    leg = next((each for each in bought if each["platform"] == longer.value), None)
    return {
        "execution_id": row["execution_id"],
        "pair_id": row["pair_id"],
        "status": EXECUTING,
        "started_at": row["started_at"],
        "orders": [each.order_id for each in orders],
        "bought": bought,
        "unanswered": [open_order(each) for each in orders if each.working_size > 0],
        "unhedged": _excess(leg, abs(kalshi - polymarket)) if kalshi != polymarket else None,
    }


def _signed(order: Order) -> Decimal:
    return Decimal(order.filled if order.side is Side.BUY else -order.filled)


def _excess(leg: Row | None, quantity: Decimal) -> Row | None:
    """Return the contracts of a leg that have no counterpart, and their cost."""
    if leg is None:
        return None
    share = Decimal(leg["cost"]) * quantity / leg["quantity"]
    known = {name: leg[name] for name in ("platform", "outcome")}
    return {**known, "quantity": quantity, "at_risk": owed(share)}


def in_words(row: Mapping[str, Any]) -> str:
    """Return what an execution that has not ended holds, and what decides the rest."""
    bought = " and ".join(
        f"{plain(Decimal(each['quantity']))} {each['outcome'].upper()} on {each['platform']}"
        f" for {plain(Decimal(each['cost']))} dollars"
        for each in row["bought"]
    )
    unanswered = " and ".join(
        f"the {each['outcome'].upper()} on {each['platform']}" for each in row["unanswered"]
    )
    known = f"bought {bought}" if bought else "nothing is known to be bought"
    return f"{known}; {f'{unanswered} is unanswered' if unanswered else 'no order is open'}"

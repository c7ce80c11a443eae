"""The states that facts imply, from the rules of the design alone (I-4, I-9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

NIL = Decimal(0)
MICRO = Decimal("0.000001")
DUST = Decimal("0.01")
"""Contracts: legs that differ by less are equal, as neither platform trades so little."""
Row = Mapping[str, Any]


def order_status(*, ordered: Decimal, filled: Decimal, working: Decimal, refused: bool) -> str:
    """Return the only status that an order may have.

    A fill is a fact and outweighs everything else. Without one, a documented refusal is final;
    otherwise the order waits as long as something of it can still fill.
    """
    if filled > 0:
        return "PARTIAL" if filled < ordered else "FILLED"
    if refused:
        return "REJECTED"
    return "CANCELLED" if working == 0 else "PENDING"


def hedge_status(kalshi: Decimal, polymarket: Decimal) -> str:
    """Return the status of a position none of whose contracts were sold or paid out."""
    if abs(kalshi - polymarket) >= DUST:
        return "SINGLE_LEG_EXPOSED"
    return "OPEN" if max(kalshi, polymarket) >= DUST else "CLOSED"


def orders(tables: Mapping[str, Iterable[Row]]) -> Iterator[str]:
    """Check the totals and the status of every order against its fills.

    Each line begins with its invariant. What a platform stated and has not listed counts too.

    Args:
        tables: `orders` and `fills`, amounts as decimals.
    """
    fills: dict[str, list[Row]] = defaultdict(list)
    for fill in tables["fills"]:
        if fill["finality"] != "failed":
            fills[fill["order_id"]].append(fill)
    for order in tables["orders"]:
        name, mine = order["order_id"], fills[order["order_id"]]
        facts = {
            "fill_size": sum((f["size"] for f in mine), start=order["stated"]),
            "fill_cost": sum((cost(f) for f in mine), start=order["stated_cost"]),
            "fees": sum((f["fee"] for f in mine), start=order["stated_fees"]),
        }
        for column, expected in facts.items():
            if order[column] != expected:
                yield f"I-4 order {name}: {column} is {order[column]}, by its fills {expected}"
        if min(order["fill_size"], order["working_size"]) < 0:
            yield f"I-4 order {name} has filled or works less than nothing"
        status = order_status(
            ordered=order["size"],
            filled=facts["fill_size"],
            working=order["working_size"],
            refused=order["refusal"] is not None,
        )
        if order["status"] != status:
            yield f"I-9 order {name} is {order['status']}, by its facts {status}"


def cost(fill: Row) -> Decimal:
    """Return the dollars of a fill: paid ones rounded up to 10⁻⁶, received ones down."""
    exact: Decimal = fill["price"] * fill["size"]
    return exact.quantize(MICRO, ROUND_CEILING if fill["side"] == "buy" else ROUND_FLOOR)

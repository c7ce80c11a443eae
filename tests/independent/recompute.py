"""Recompute locked profit and fees from nothing but the fills in a database.

``python tests/independent/recompute.py FILE.db``. Fills are grouped by execution; a sale gives
back size and cost. Legs whose sizes differ by less than a hundredth of a contract are hedged
and pay a dollar per contract, unless the position is closed.
"""

from __future__ import annotations

import sqlite3
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

MICRO = Decimal("0.000001")
Fill = tuple[str, Decimal, Decimal, Decimal]


def fills(path: Path) -> dict[str, list[Fill]]:
    """Return platform, price, size and fee of each fill that has not failed, by execution.

    The size of a sale is below zero.
    """
    found = defaultdict[str, list[Fill]](list)
    query = (
        "SELECT execution_id, fills.platform, orders.side, fills.price, fills.size, fee"
        " FROM fills JOIN orders USING (order_id, execution_id)"
        " WHERE fills.finality <> 'failed'"
    )
    with sqlite3.connect(path) as connection:
        for execution, platform, side, *numbers in connection.execute(query):
            price, size, fee = (Decimal(number).scaleb(-6) for number in numbers)
            signed = -size if side == "sell" else size
            found[execution].append((platform, price, signed, fee))
    connection.close()
    return found


def ended(path: Path) -> set[str]:
    """Return the executions whose position is closed."""
    query = "SELECT execution_id FROM open_positions WHERE status = 'CLOSED'"
    with sqlite3.connect(path) as connection:
        rows = {row[0] for row in connection.execute(query)}
    connection.close()
    return rows


def recompute(path: Path) -> tuple[Decimal, Decimal]:
    """Return the profit that all hedged positions lock, and the total fees."""
    profit = total_fees = Decimal(0)
    closed = ended(path)
    for execution, group in fills(path).items():
        fees = sum((fee for *_, fee in group), start=Decimal(0))
        total_fees += fees
        sizes = [
            sum((size for platform, _, size, _ in group if platform == each), start=Decimal(0))
            for each in ("kalshi", "polymarket")
        ]
        hedged = min(sizes) > 0 and abs(sizes[0] - sizes[1]) < Decimal("0.01")
        if hedged and execution not in closed:
            cost = sum(
                (price * size).quantize(MICRO, "ROUND_CEILING") for _, price, size, _ in group
            )
            profit += min(sizes) - cost - fees
    return profit, total_fees


if __name__ == "__main__":
    sys.stdout.write("profit {}, fees {}\n".format(*recompute(Path(sys.argv[1]))))

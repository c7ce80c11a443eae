"""Recompute expected profit and fees from nothing but the fills in a database.

``python tests/independent/recompute.py FILE.db``. Fills are grouped by
execution. Legs whose sizes differ by less than a hundredth of a contract are hedged and pay a
dollar per contract.
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
    """Return platform, price, size and fee of each fill that has not failed, by execution."""
    found = defaultdict[str, list[Fill]](list)
    query = (
        "SELECT execution_id, platform, price, size, fee FROM fills WHERE finality <> 'failed'"
    )
    with sqlite3.connect(path) as connection:
        for execution, platform, *numbers in connection.execute(query):
            price, size, fee = (Decimal(number).scaleb(-6) for number in numbers)
            found[execution].append((platform, price, size, fee))
    connection.close()
    return found


def recompute(path: Path) -> tuple[Decimal, Decimal]:
    """Return the expected profit of all hedged executions, and the total fees."""
    profit = total_fees = Decimal(0)
    for group in fills(path).values():
        fees = sum((fee for *_, fee in group), start=Decimal(0))
        total_fees += fees
        sizes = [
            sum((size for platform, _, size, _ in group if platform == each), start=Decimal(0))
            for each in ("kalshi", "polymarket")
        ]
        if min(sizes) > 0 and abs(sizes[0] - sizes[1]) < Decimal("0.01"):
            cost = sum(
                (price * size).quantize(MICRO, "ROUND_CEILING") for _, price, size, _ in group
            )
            profit += min(sizes) - cost - fees
    return profit, total_fees


if __name__ == "__main__":
    sys.stdout.write("profit {}, fees {}\n".format(*recompute(Path(sys.argv[1]))))

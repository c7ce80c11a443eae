"""Prints what a wind-down would do to each position, before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console

from dutchbook.cli.console.answers import instant
from dutchbook.domain.positions.exposure_words import SHORT, dollars
from dutchbook.domain.values.units import plain

Row = Mapping[str, Any]


def priced(console: Console, rows: Sequence[Row], urgent_cost: Decimal) -> None:
    """Print each position with what leaving it would bring, then the total and its bound.

    Args:
        console: The console.
        rows: As `exit_prices` returns them.
        urgent_cost: Dollars per contract that a forced exit may cost at most.
    """
    for row in rows:
        console.print(_line(row), soft_wrap=True)
    if not rows:
        console.print("nothing is held: the engine will enter nothing more, and stop")
        return
    exits = [row for row in rows if row["why"] is None]
    brings, result, costs = (_sum(exits, name) for name in ("brings", "result", "costs"))
    console.print(
        f"Leaving {len(exits)} of {len(rows)} positions would bring {dollars(brings)} dollars:"
        f" result {dollars(result)}, {dollars(costs)} less than waiting for their payouts.",
        soft_wrap=True,
    )
    hedged = Decimal(sum((row["hedged"] for row in rows), start=Decimal(0)))
    console.print(
        f"Books move. A pair is left for at most {dollars(urgent_cost)} dollars a contract less"
        f" than holding it is worth (exits.urgent_cost): {dollars(hedged * urgent_cost)} for"
        f" {plain(hedged)}. An unhedged leg is closed at the best that its book gives.",
        soft_wrap=True,
    )


def _sum(rows: Sequence[Row], name: str) -> Decimal:
    return sum((row[name] for row in rows if row[name] is not None), start=Decimal(0))


def _line(row: Row) -> str:
    holds = f"{plain(row['hedged'])} pairs" if row["hedged"] else ""
    if row["unhedged"]:
        holds = " and ".join(filter(None, (holds, f"{plain(row['unhedged'])} unhedged")))
    name = f"{row['position_id'][:SHORT]}  {row['question']}, {holds or 'nothing'}"
    if row["why"] is not None:
        return f"{name}: not priced or not left now: {row['why']}"
    costs = f", {dollars(row['costs'])} less than waiting" if row["costs"] is not None else ""
    return (
        f"{name}: {row['detail']}, result {dollars(row['result'])}{costs}"
        f" (books of {instant(row['priced_at'])})"
    )

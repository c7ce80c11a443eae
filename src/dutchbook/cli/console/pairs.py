"""Prints the two questions of a pair side by side, for the person who approves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from dutchbook.cli.console.literal import Lines
from dutchbook.domain.market.contract import DivergenceClass

NAMES = {
    "contract_id": "contract",
    "title": "question",
    "rules": "rules",
    "close_time": "closes",
    "resolution_time": "resolves",
}
SAME = {
    "same": "YES on one is YES on the other",
    "inverse": "YES on one is NO on the other",
}


def compared(console: Console, found: Mapping[str, Any]) -> None:
    """Print both contracts of a pair, and what differs between them."""
    kalshi, polymarket = (found["contracts"][name] for name in ("kalshi", "polymarket"))
    table = Table(title=f"Pair {found['match_id']}", title_justify="left", show_lines=True)
    for name in ("", "Kalshi", "Polymarket"):
        table.add_column(name, overflow="fold", ratio=None if not name else 1)
    for key, name in NAMES.items():
        differs = key in found["differs"]
        table.add_row(
            Lines(name, "differs") if differs else name,
            _text(kalshi[key]),
            _text(polymarket[key]),
            style="bold" if differs else "",
        )
    console.print(table)
    console.print(f"It is paired so: {SAME[found['alignment']]}.")
    console.print(_class(found))
    named = ", ".join(NAMES[each] for each in found["differs"])
    console.print(f"What differs: {named or 'nothing that is recorded'}.")


def _class(found: Mapping[str, Any]) -> str:
    chance = f"{found['divergence_probability'] * 100:f}".rstrip("0").rstrip(".")
    if found["divergence_class"] == DivergenceClass.UNCLASSIFIED:
        return (
            "Nobody has classified how alike their rules are: its profit is locked only if both"
            f" resolve alike; {chance} % is set aside for that they do not."
        )
    name = str(found["divergence_class"]).replace("_", " ")
    return f"Class: {name}; {chance} % is set aside for that they resolve differently."


def _text(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if hasattr(value, "strftime") else str(value) or "-"

"""Prints what a study found, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from dutchbook.cli.console.literal import Lines


def show(
    console: Console,
    varied: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    conclusions: Iterable[str],
) -> None:
    """Print a row for each setting, and what follows.

    Args:
        console: Where.
        varied: The names of the values that tell the settings apart.
        rows: The settings: a number, these values, and amounts, each with its interval.
        conclusions: What follows, in sentences.
    """
    number, *names = (name for name in rows[0] if name not in varied)
    amounts = list(zip(names[::2], names[1::2], strict=True))
    table = Table(show_lines=True)
    table.add_column(number, justify="right")
    table.add_column("values", overflow="fold")
    for name, interval in amounts:
        table.add_column(Lines(name, interval), justify="right")
    for row in rows:
        values = Lines(*(f"{key}={row[key]}" for key in varied))
        cells = (Lines(row[name], row[interval]) for name, interval in amounts)
        table.add_row(row[number], values, *cells)
    console.print(table)
    for line in conclusions:
        console.print(line)

"""Lists of records as tables that fit a terminal of 80 columns, one line a row.

Ids are cut to what commands accept, prices have four decimals and dollars two; `--json` and
`--csv` show everything as it is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dutchbook.cli.console.literal import Clipped
from dutchbook.domain.values.units import plain
from dutchbook.errors import Damaged

Row = Mapping[str, Any]
SHORT = 8
"""Characters of an id that are shown; commands accept them."""
CENTS, PRICE = Decimal("0.01"), Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its title.
        text: Returns its text for a row.
        number: Whether it is a number.
        clipped: Whether it is cut where the terminal is too narrow.
    """

    title: str
    text: Callable[[Row], str]
    number: bool = False
    clipped: bool = False


def show(
    console: Console, rows: Sequence[Row], columns: Sequence[Column], earlier: int = 0
) -> None:
    """Print rows as a table, and how many there are before them."""
    if not rows:
        console.print("nothing yet")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for each in columns:
        table.add_column(
            each.title, justify="right" if each.number else "left", no_wrap=not each.clipped
        )
    for row in rows:
        cells = (each.text(row) for each in columns)
        table.add_row(
            *(
                Clipped(cell) if each.clipped else cell
                for each, cell in zip(columns, cells, strict=True)
            )
        )
    console.print(table)
    left_out(console, earlier)


def left_out(console: Console, earlier: int) -> None:
    """Print how many rows there are before those that were shown."""
    if earlier:
        console.print(
            f"{earlier} earlier not shown: --last N shows more, --json or --csv all",
            soft_wrap=True,
        )


def _at(name: str) -> Column:
    def text(row: Row) -> str:
        at: datetime = row[name]
        return f"{at:%m-%d %H:%M:%S}"

    return Column("UTC", text)


def _id(title: str, name: str) -> Column:
    return Column(title, lambda row: str(row[name])[:SHORT])


def _word(title: str, name: str) -> Column:
    def text(row: Row) -> str:
        value = row[name]
        return "-" if value is None else str(value).replace("_", " ").lower()

    return Column(title, text)


def _text(title: str, name: str, *, clipped: bool = False) -> Column:
    return Column(title, lambda row: str(row[name] or "-"), clipped=clipped)


def _number(title: str, name: str, unit: Decimal | None = None) -> Column:
    """Return a column of numbers, rounded half even to `unit` for reading."""

    def text(row: Row) -> str:
        if row[name] is None:
            return "-"
        value = Decimal(row[name])
        return plain(value) if unit is None else f"{value.quantize(unit, ROUND_HALF_EVEN):f}"

    return Column(title, text, number=True)


def _order_state(row: Row) -> str:
    state = str(row["status"]).replace("_", " ").lower()
    if row["outcome_unknown_since"]:
        state = "nobody knows"
    return f"{state}: {row['refusal'].replace('_', ' ')}" if row["refusal"] else state


def _on_kalshi(row: Row) -> str:
    """Return what is bought on Kalshi; Polymarket's leg is its hedge."""
    return str(row["direction"]).removeprefix("kalshi_")


def _refused(row: Row) -> str:
    return str(row["reason"] or "no: acted on").replace("_", " ")


def _facts(row: Row) -> str:
    """Return the plain facts of a log entry; ids and what is nested are in `--json`."""
    try:
        facts = json.loads(row["payload"])
    except ValueError as error:
        raise Damaged(f"entry {row['sequence']} of the log", error) from error
    return ", ".join(
        f"{name.replace('_', ' ')} {_short(value)}"
        for name, value in facts.items()
        if isinstance(value, str | int) and not name.endswith("_id") and value != ""
    )


def _short(value: str | int) -> str:
    text = str(value)
    whole, point, fraction = text.partition(".")
    return f"{whole}.{fraction[:4]}" if point and fraction.isdigit() else text


ORDERS = (
    _at("created_at"),
    _id("order", "order_id"),
    _word("platform", "platform"),
    Column("what", lambda row: f"{row['side']} {row['outcome']}"),
    _number("size", "size"),
    _number("price", "price", PRICE),
    _number("filled", "fill_size"),
    Column("state", _order_state, clipped=True),
)
OPPORTUNITIES = (
    _at("detected_at"),
    _text("pair", "pair_id", clipped=True),
    Column("kalshi", _on_kalshi),
    _number("size", "quantity"),
    _number("edge", "net_edge", PRICE),
    _number("profit", "expected_profit", CENTS),
    Column("refused", _refused, clipped=True),
)
EXECUTIONS = (
    _at("started_at"),
    _id("execution", "execution_id"),
    _text("pair", "pair_id", clipped=True),
    Column("kalshi", _on_kalshi),
    _word("first", "primary_platform"),
    _number("planned", "planned_quantity"),
    _word("state", "phase"),
)
EVENTS = (
    _number("no.", "sequence"),
    _at("occurred_at"),
    _text("event", "name"),
    Column("facts", _facts, clipped=True),
)
LEDGER = (
    _at("booked_at"),
    Column("platform", lambda row: str(row["account_id"]).partition(":")[0]),
    _word("kind", "kind"),
    _word("bucket", "bucket"),
    _number("dollars", "amount", CENTS),
    _id("for", "reference"),
    _text("note", "note", clipped=True),
)
_RESULT = (
    *(_number(name, name, CENTS) for name in ("total", "closed", "locked")),
    _number("worst", "worst", CENTS),
    _number("fees", "fees", CENTS),
    _number("open", "positions"),
    _number("at risk", "at_risk", CENTS),
)
"""The best case, and what is unsure of what is locked, are in `--json` and `--csv`."""
REPORTS = {
    "day": (_text("day", "day"), *_RESULT),
    "pair": (_text("question", "question", clipped=True), *_RESULT),
    "platform": (
        _text("platform", "platform"),
        _number("legs", "legs"),
        _number("contracts", "contracts"),
        _number("cost", "cost", CENTS),
        _number("cash", "cash", CENTS),
        _number("fees", "fees", CENTS),
    ),
}
"""The columns of a report, by what it is grouped by."""
COLUMNS = {
    "orders": ORDERS,
    "executions": EXECUTIONS,
    "opportunities": OPPORTUNITIES,
    "events": EVENTS,
    "ledger": LEDGER,
}
"""The columns that people read, by the command that shows them."""

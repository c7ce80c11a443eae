"""Prints the summary of a run for people: what was seen, done, held and earned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from dutchbook.application.views.halts import in_words
from dutchbook.application.views.result import line
from dutchbook.cli.console.positions import begun

if TYPE_CHECKING:
    from dutchbook.tape.info import TapeInfo

GRADES = ("everything", "no entry", "nothing but cancels")
"""What may be sent, by the grade of the current halt."""


def show(console: Console, summary: dict[str, Any]) -> None:
    """Print a summary as tables."""
    console.print()
    console.print(line(summary["result"]))
    console.print(_table("Capital in dollars", "platform", summary["capital"]))
    console.print(_counts("What happened", summary))
    if summary["filtered"]:
        console.print(_pairs("Edges that were refused", "reason", summary["filtered"]))
    console.print(_pairs("Where the edge went, in dollars", "part", summary["shortfall"]))
    realised = summary["realised"]
    if summary["positions"].get("CLOSED"):
        shown = {name: value for name, value in realised.items() if name != "by_status"}
        console.print(_pairs("Realised, in dollars, all fees included", "", shown))
    console.print(f"Event log: {summary['event_log_sha256']}", soft_wrap=True)
    console.print(line(summary["result"]))


def _table(title: str, first: str, rows: dict[str, dict[str, str]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    columns = list(next(iter(rows.values()), {}))
    for column in columns:
        table.add_column(column, justify="right")
    for name, values in rows.items():
        table.add_row(name, *(str(values[column]) for column in columns))
    return table


def _pairs(title: str, first: str, values: dict[str, Any]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    table.add_column("", justify="right")
    for name, value in values.items():
        table.add_row(name.replace("_", " "), str(value))
    return table


def _counts(title: str, summary: dict[str, Any]) -> Table:
    flat = {name: summary[name] for name in ("edges_seen", "opportunities")}
    for group in ("executions", "orders", "positions", "fills"):
        parts = ", ".join(
            f"{count} {name}"
            for name, count in summary[group].items()
            if name != "total" and count
        )
        flat[group] = f"{summary[group]['total']}" + (f" ({parts})" if parts else "")
    flat["completed at a loss"] = summary["completed_at_loss"]
    flat["fees"] = summary["fees"]["total"]
    return _pairs(title, "", flat)


def standing(console: Console, found: dict[str, Any]) -> None:
    """Print the state of a database."""
    console.print(line(found["result"]))
    halted = "; ".join(map(in_words, found["halts"])) or "no"
    console.print(f"{found['mode']} trading, {found['runs']} runs, halted: {halted}")
    console.print(f"May be sent: {GRADES[found['halt_grade']]}")
    console.print(f"Engine: {found['engine'] or 'none'}")
    begun(console, found["unfinished"], found["engine"])
    if found["capital"]:
        console.print(_table("Capital in dollars", "platform", found["capital"]))
    if found["limits"]:
        console.print(_pairs("Limits of the last run", "dollars", found["limits"]))
    console.print(_pairs("Positions", "state", found["positions"] or {"none": 0}))
    console.print(
        f"Today's result {found['daily_pnl']} dollars; last event {found['last_event']}"
    )


def tape(console: Console, info: TapeInfo) -> None:
    """Print the facts of a tape."""
    meta = info.meta
    rows = {
        "name": meta.name,
        "source": meta.source,
        "first message": meta.first.isoformat(sep=" ", timespec="seconds"),
        "last message": meta.last.isoformat(sep=" ", timespec="seconds"),
        "messages": meta.messages,
        "bytes": f"{info.size} ({info.bytes_per_message} a message)",
        "sessions, steps": f"{info.sessions}, {info.steps}",
        "contracts": len(meta.contracts),
        "pairs": ", ".join(pair.match_id for pair in meta.pairs) or "none",
    }
    console.print(_pairs("Tape", "", rows))
    for each in meta.assumed:
        console.print(f"assumed: {each}")
    for each in meta.noticed:
        console.print(f"noticed: {each}")

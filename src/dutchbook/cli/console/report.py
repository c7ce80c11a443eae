"""Prints the summary of a run for people: what was seen, done, held and earned."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from dutchbook.application.views.halts import in_words
from dutchbook.application.views.result import line
from dutchbook.cli.console.positions import begun, doubted
from dutchbook.domain.market.contract import Platform

if TYPE_CHECKING:
    from dutchbook.tape.info import TapeInfo

GRADES = ("everything", "no entry", "nothing but cancels")
"""What may be sent, by the grade of the current halt."""
REASONS = 3
"""Reasons that the short summary names, the most frequent ones."""
ALONE = "A leg is alone: dutchbook exposures shows what is at risk, and the ways out."
MORE = "More: dutchbook status, positions, report; every figure: run --details."


def show(console: Console, summary: dict[str, Any], *, details: bool = False) -> None:
    """Print a summary in 24 rows, the result first; or with `details` every figure."""
    console.print()
    console.print(line(summary["result"]))
    if details:
        _details(console, summary)
        console.print(line(summary["result"]))
        return
    console.print(_capital(summary["capital"]))
    one = summary["this_run"]
    console.print(f"In this run, number {one['run']} on this database:")
    console.print(_columns(_of_this_run(summary)))
    if one["run"] > 1:
        console.print("In all its runs, as the result and the capital above:")
        console.print(_columns(_of_all_runs(summary)))
    console.print(f"Event log: {summary['event_log_sha256']}", soft_wrap=True)
    if Decimal(summary["result"]["unhedged"]["contracts"]):
        console.print(ALONE)
    console.print(MORE)


def _capital(capital: dict[str, dict[str, str]]) -> Table:
    """Return the cash on each platform and on both, in rows."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column("Capital, dollars")
    for name in (*capital, "both"):
        table.add_column(name, justify="right")
    for name in ("free", "reserved", "committed", "deposited"):
        amounts = [Decimal(each[name]) for each in capital.values()]
        total = sum(amounts, start=Decimal(0))
        table.add_row(name, *(f"{amount:,.2f}" for amount in (*amounts, total)))
    return table


def _of_this_run(summary: dict[str, Any]) -> dict[str, str]:
    """Return what this run has done, in words by subject."""
    one, refused = summary["this_run"], Counter(summary["filtered"])
    most = ", ".join(f"{n} {_words(name)}" for name, n in refused.most_common(REASONS))
    edges = f"{summary['edges_seen']} seen, {summary['opportunities']} opportunities"
    return {
        "edges": f"{edges}, {refused.total()} refused: {most}" if refused else edges,
        "executions": _parts(one["executions"]),
        "orders": f"{_parts(one['orders'])}; {one['fills']['total']} fills",
        "fees": f"{Decimal(one['fees']['total']):,.2f} dollars",
        "positions": f"{one['opened']} opened, {one['closed']} closed for"
        f" {Decimal(one['closed_pnl']):+,.2f} dollars",
    }


def _of_all_runs(summary: dict[str, Any]) -> dict[str, str]:
    loss = summary["completed_at_loss"]
    return {
        "executions": _parts(summary["executions"]),
        "orders": f"{_parts(summary['orders'])}; {summary['fills']['total']} fills",
        "fees": f"{Decimal(summary['fees']['total']):,.2f} dollars",
        "positions": _parts(summary["positions"])
        + (f"; {loss} completed at a loss" if loss else ""),
    }


def _columns(rows: dict[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, text in rows.items():
        table.add_row(f"  {name}", text)
    return table


def _parts(counts: dict[str, int]) -> str:
    """Return a total and what it consists of."""
    parts = ", ".join(
        f"{count} {_words(name)}" for name, count in counts.items() if name != "total" and count
    )
    return f"{counts['total']}: {parts}" if parts else f"{counts['total']}"


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text.lower() if text.isupper() else text


def _details(console: Console, summary: dict[str, Any]) -> None:
    """Print every figure of a summary as tables."""
    console.print(_table("Capital in dollars", "platform", summary["capital"]))
    console.print(_pairs("In this run", "", _of_this_run(summary)))
    console.print(_counts("In all runs; edges and opportunities in this one", summary))
    if summary["filtered"]:
        console.print(_pairs("Edges that were refused", "reason", summary["filtered"]))
    console.print(_pairs("Where the edge went, in dollars", "part", summary["shortfall"]))
    realised = summary["realised"]
    if summary["positions"].get("CLOSED"):
        shown = {name: value for name, value in realised.items() if name != "by_status"}
        console.print(_pairs("Realised, in dollars, all fees included", "", shown))
    console.print(f"Event log: {summary['event_log_sha256']}", soft_wrap=True)


def _table(title: str, first: str, rows: dict[str, dict[str, str]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    columns = list(next(iter(rows.values()), {}))
    for column in columns:
        table.add_column(column, justify="right")
    for name, values in rows.items():
        table.add_row(name, *(str(values[column]) for column in columns))
    return table


def _second_legs(rows: list[dict[str, Any]]) -> Table:
    """Return how often a second leg is missed; `seen` counts the quotes of the last hours."""
    table = Table(title="Second legs missed, of 100", title_justify="left")
    table.add_column("pair")
    for platform in Platform:
        table.add_column(f"{platform.value} first", justify="right")
        table.add_column("seen", justify="right")
    for pair_id, group in groupby(rows, key=itemgetter("pair_id")):
        cells = []
        for each in group:
            cells += [f"{100 * Decimal(each['chance']):.1f}", f"{Decimal(each['looks']):.0f}"]
        table.add_row(pair_id, *cells)
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
    for order in found["unanswered"]:
        doubted(console, order["question"], [order])
    if found["capital"]:
        console.print(_table("Capital in dollars", "platform", found["capital"]))
    if found["second_legs"]:
        console.print(_second_legs(found["second_legs"]))
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
    for known in meta.contracts:
        console.print(f"contract: {known.platform} {known.contract_id}: {known.title}")
    for each in meta.assumed:
        console.print(f"assumed: {each}")
    for each in meta.noticed:
        console.print(f"noticed: {each}")

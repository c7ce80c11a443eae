"""Rows as tables for people, and as JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from dutchbook.cli.output import inert, tell
from dutchbook.domain.events import as_json

Rows = list[dict[str, Any]]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00$")
SECONDS = 19
FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


def show(console: Console, rows: Rows, columns: Sequence[str], *, as_text: bool) -> None:
    """Print rows: chosen columns as a table, or every column as a JSON list."""
    if not as_text:
        tell(json.dumps(as_json(rows)))
        return
    if not rows:
        console.print("nothing yet")
        return
    table = Table()
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_short(as_json(row[column])) for column in columns))
    console.print(table)


def as_csv(rows: Rows, names: Sequence[str] = ()) -> None:
    """Print rows as CSV with a line of names (RFC 4180), exact.

    Instants are ISO 8601, numbers plain decimals, what is nested JSON, and what is missing
    empty. A text that a spreadsheet would take for a formula has an apostrophe before it, and
    a control character is its escape: a row is a line.
    """
    paper = io.StringIO()
    writer = csv.writer(paper, lineterminator="\n")
    writer.writerow(names or ([*rows[0]] if rows else []))
    writer.writerows(map(_cell, row.values()) for row in rows)
    for line in paper.getvalue().splitlines():
        tell(line, end="\r\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    plain = as_json(value)
    text = inert(plain) if isinstance(plain, str) else json.dumps(plain, sort_keys=True)
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value[:SECONDS].replace("T", " ") if INSTANT.match(value) else value
    return json.dumps(value)

"""Commands that list records: as tables for people, as JSON and CSV for programs; no logic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dutchbook.cli.grouped import panel
from dutchbook.cli.options import (
    AsCsv,
    AsJson,
    Db,
    Form,
    Last,
    Pair,
    Since,
    console,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dutchbook.cli.console.lists import Column
    from dutchbook.operations.listing import Listing, Wanted

By = Annotated[
    str, typer.Option(metavar="day|pair|platform", help="What each row of it is about.")
]


LISTS = {
    "orders": "Our orders, oldest first.",
    "executions": "Attempts at opportunities: both legs, or what became of them.",
    "opportunities": "Edges that were acted on, or refused although they were there.",
    "events": "The event log.",
    "ledger": "Postings of dollars: each movement sums to zero.",
}
"""Each command that shows rows as they are stored, and what it lists."""


def _listing(name: str) -> Callable[..., None]:
    """Return the command that shows the listing of this name."""

    def command(
        db: Db = "",
        *,
        last: Last = None,
        since: Since = "",
        pair: Pair = "",
        csv: AsCsv = False,
        as_json: AsJson = False,
    ) -> None:
        from dutchbook.cli.console import lists
        from dutchbook.operations import listing

        wanted, form = listing.Wanted(last, since, pair), Form(as_json, csv)
        _show(db, listing.LISTINGS[name], lists.COLUMNS[name], wanted, form)

    return command


def positions(
    db: Db = "",
    *,
    last: Last = None,
    since: Since = "",
    pair: Pair = "",
    csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Positions, oldest first: what we hold, and what it brings at the least."""
    from dutchbook.cli.console import lists, tables
    from dutchbook.cli.console import positions as shown
    from dutchbook.operations import admin, listing, requests

    form, wanted = Form(as_json, csv), listing.Wanted(last, since, pair)
    if csv:
        _show(db, listing.POSITIONS, (), wanted, form)
        return
    unfinished, engine = requests.begun(url_of(db))
    unfinished = [row for row in unfinished if pair in ("", row["pair_id"])]
    if as_json:
        rows = listing.listed(url_of(db), listing.POSITIONS, wanted).rows
        tables.show(console(), [*rows, *unfinished], [], as_text=False)
        return
    found, earlier = admin.positions(url_of(db), wanted)
    shown.listed(console(), found, unfinished, engine)
    lists.left_out(console(), earlier)


def report(
    db: Db = "",
    by: By = "day",
    *,
    csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """What was made, by day, by pair or by platform, in dollars."""
    from dutchbook.application.views import result
    from dutchbook.cli.console import lists, tables
    from dutchbook.operations import requests

    form = Form(as_json, csv)
    rows = requests.reading(url_of(db), lambda journal: result.report(journal, by))
    if csv:
        tables.as_csv(rows)
    elif form.json:
        tables.show(console(), rows, [], as_text=False)
    else:
        lists.show(console(), rows, lists.REPORTS[by])


def _show(
    db: str, listing: Listing, columns: Sequence[Column], wanted: Wanted, form: Form
) -> None:
    from dutchbook.cli.console import lists, tables
    from dutchbook.operations.listing import for_people, listed
    from dutchbook.ports.tables.catalogue import declared

    found = listed(url_of(db), listing, for_people(wanted) if form.table else wanted)
    if form.csv:
        tables.as_csv(found.rows, declared(listing.table).names)
    elif form.json:
        tables.show(console(), found.rows, [], as_text=False)
    else:
        lists.show(console(), found.rows, columns, found.earlier)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for work in (positions, report):
        app.command(rich_help_panel=panel(work.__name__))(work)
    for name, what in LISTS.items():
        app.command(name, help=what, rich_help_panel=panel(name))(_listing(name))

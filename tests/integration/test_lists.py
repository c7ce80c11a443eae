"""Lists: what is wanted is chosen by the database, and shown so that people can read it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.program import call_here, traded

from dutchbook.application.views.result import GROUPS, report
from dutchbook.cli.console import lists
from dutchbook.cli.console.literal import LiteralConsole
from dutchbook.cli.console.tables import as_csv
from dutchbook.domain.events import as_json
from dutchbook.errors import InvalidInput, UnknownId
from dutchbook.operations import listing, requests
from dutchbook.operations.listing import Listing, Wanted, instant, listed
from dutchbook.persistence.database import Database
from dutchbook.ports.journal import StoredJournal
from dutchbook.runtime.virtual_time import turnstile

pytestmark = pytest.mark.usefixtures("own_home")

LISTS: dict[str, Listing] = {
    "orders": listing.ORDERS,
    "opportunities": listing.OPPORTUNITIES,
    "executions": listing.EXECUTIONS,
    "events": listing.EVENTS,
    "ledger": listing.LEDGER,
    "positions": listing.POSITIONS,
}
PAIR = "demo-pair-00"
ALL = Wanted()
NOON = datetime(2026, 7, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def demo(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that the demo was run on."""
    assert own_home.exists()
    url = f"sqlite:///{tmp_path_factory.mktemp('demo')}/paper.db"
    traded(url, Path(listing.__file__).parents[1] / "tape" / "demo.tape")
    return url


def rows(url: str, of: Listing, wanted: Wanted = ALL) -> list[dict[str, Any]]:
    return listed(url, of, wanted).rows


@pytest.mark.parametrize("of", LISTS.values(), ids=LISTS)
def test_the_last_rows_of_a_list_are_its_newest_and_it_says_how_many_are_earlier(
    demo: str, of: Listing
) -> None:
    whole = rows(demo, of)

    page = listed(demo, of, Wanted(last=3))

    assert page.rows == whole[-3:]
    assert page.earlier == len(whole) - 3
    assert listed(demo, of, Wanted(last=10_000)).earlier == 0


@pytest.mark.parametrize("of", LISTS.values(), ids=LISTS)
def test_a_list_from_a_time_on_holds_what_came_about_then_or_later(
    demo: str, of: Listing
) -> None:
    whole = rows(demo, of)
    first = whole[len(whole) // 2][of.at]

    later = rows(demo, of, Wanted(since=first.isoformat()))

    assert later == [row for row in whole if row[of.at] >= first]
    assert 0 < len(later) < len(whole)


def subjects(url: str, of: Listing) -> tuple[str, set[str]]:
    """Return the column that says what a row is about, and its values for one pair."""
    executions = rows(url, listing.EXECUTIONS, Wanted(pair=PAIR))
    mine = {row["execution_id"] for row in executions}
    if of is listing.LEDGER:
        reserved = requests.rows(url, "reservations", ())
        found = {row["reservation_id"] for row in reserved if row["execution_id"] in mine}
        held = rows(url, listing.POSITIONS, Wanted(pair=PAIR))
        return "reference", found | {row["position_id"] for row in held}
    if of is listing.EVENTS:
        return "correlation_id", mine | {PAIR}
    return "pair_id", {PAIR}


@pytest.mark.parametrize("of", LISTS.values(), ids=LISTS)
def test_a_list_of_one_pair_leaves_the_others_out(demo: str, of: Listing) -> None:
    column, mine = subjects(demo, of)

    found = rows(demo, of, Wanted(pair=PAIR))

    assert found == [row for row in rows(demo, of) if row[column] in mine]
    assert 0 < len(found) < len(rows(demo, of))


def test_a_period_counts_back_from_the_newest_row_of_the_list(demo: str) -> None:
    newest = rows(demo, listing.ORDERS)[-1]["created_at"]

    found = rows(demo, listing.ORDERS, Wanted(since="3m"))

    assert {row["created_at"] for row in found} == {
        row["created_at"]
        for row in rows(demo, listing.ORDERS)
        if row["created_at"] >= newest - timedelta(minutes=3)
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-07-05", datetime(2026, 7, 5, tzinfo=UTC)),
        ("2026-07-05T18:00", datetime(2026, 7, 5, 18, tzinfo=UTC)),
        ("2026-07-05T18:00+02:00", datetime(2026, 7, 5, 16, tzinfo=UTC)),
        ("90s", NOON - timedelta(seconds=90)),
        ("2h", NOON - timedelta(hours=2)),
        ("3d", NOON - timedelta(days=3)),
    ],
)
def test_a_time_is_a_date_or_a_period(text: str, found: datetime) -> None:
    assert instant(text, NOON) == found


@pytest.mark.parametrize("text", ["yesterday", "3w", "999999999d", "-2h", "2026-13-01"])
def test_any_other_time_is_rejected(text: str) -> None:
    with pytest.raises(InvalidInput, match="30m, 2h or 3d"):
        instant(text, NOON)


def test_an_unknown_pair_is_rejected(demo: str) -> None:
    with pytest.raises(UnknownId, match="no pair has the id 'nobody'"):
        rows(demo, listing.ORDERS, Wanted(pair="nobody"))


@pytest.mark.parametrize("name", [name for name in LISTS if name != "positions"])
def test_a_table_fits_eighty_columns_with_a_line_for_each_row(demo: str, name: str) -> None:
    out = io.StringIO()
    shown = listing.for_people(Wanted())
    found = rows(demo, LISTS[name], shown)
    columns = getattr(lists, name.upper())

    lists.show(LiteralConsole(out, width=80), found, columns)

    lines = [line for line in out.getvalue().splitlines() if line.strip()]
    assert max(map(len, lines)) <= 80
    assert len(lines) == 2 + len(found)


@pytest.mark.parametrize("by", GROUPS)
def test_a_report_fits_eighty_columns_with_a_line_for_each_row(demo: str, by: str) -> None:
    out = io.StringIO()
    found = requests.reading(demo, lambda journal: report(journal, by))

    lists.show(LiteralConsole(out, width=80), found, lists.REPORTS[by])

    lines = [line for line in out.getvalue().splitlines() if line.strip()]
    assert max(map(len, lines)) <= 80
    assert len(lines) == 2 + len(found)


def test_a_table_shows_twenty_rows_and_how_many_more_there_are(demo: str) -> None:
    total = len(rows(demo, listing.EVENTS))

    printed = call_here("events", "--db", demo)

    assert f"{total - 20} earlier not shown: --last N shows more" in printed
    assert printed.count("\n07-05") + printed.count(" 07-05") == 20


@pytest.mark.parametrize("name", LISTS)
def test_a_csv_holds_every_value_as_json_does(demo: str, name: str) -> None:
    exact = json.loads(call_here(name, "--json", "--db", demo))

    printed = call_here(name, "--csv", "--db", demo)

    table = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert printed.count("\r\n") == len(exact) + 1
    assert [{key: value for key, value in row.items() if value != ""} for row in table] == [
        {
            key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for key, value in row.items()
            if value not in (None, "")
        }
        for row in exact
    ]


def test_a_csv_without_rows_is_its_header(paper_url: str) -> None:
    assert call_here("orders", "--csv", "--db", paper_url).startswith("order_id,")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-2.5", "-2.5"),
        ("a,b", '"a,b"'),
        ('say "so"', '"say ""so"""'),
        ("two\nlines", r"two\nlines"),
        (None, ""),
    ],
)
def test_a_cell_is_exact_and_no_formula(
    value: str | None, cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    as_csv([{"note": as_json(value), "size": 1}])

    assert capsys.readouterr().out == f"note,size\r\n{cell},1\r\n"


def _asked(url: str, work: Callable[[StoredJournal], Awaitable[int]]) -> int:
    async def main() -> int:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(main())


def test_either_database_counts_what_matches(database_url: str) -> None:
    """Both take conditions on other tables, as the lists of a pair make them."""
    traded(database_url, Path(listing.__file__).parents[1] / "tape" / "demo.tape")
    of = listing.EVENTS
    found = listed(database_url, of, Wanted(pair=PAIR))

    counted = _asked(database_url, lambda journal: journal.count(of.table, of.of_pair(PAIR)))

    assert counted == len(found.rows) > 0

"""Snapshots of books at decisions are kept for years, and deleted only when older."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.databases import AnyJournal, on
from support.rows import NOW, everything
from typer.testing import CliRunner

from dutchbook.cli.main import app
from dutchbook.operations import admin, requests
from dutchbook.persistence.database import Database
from dutchbook.ports.journal import Batch, Insert


async def _nothing(_: AnyJournal) -> None:
    return None


def test_a_snapshot_is_deleted_when_it_is_older_than_the_date_and_no_sooner(
    database_url: str,
) -> None:
    on(database_url, _nothing)
    database = Database.at(database_url)

    kept = database.prune(NOW)
    gone = database.prune(NOW + timedelta(microseconds=1))

    assert (kept, gone) == (0, 1)
    assert snapshots(database_url) == []


class At(NamedTuple):
    """A clock that stands."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant


def _taken_at(*instants: datetime) -> Callable[[AnyJournal], Any]:
    """Return work that adds a snapshot of each instant, named by its number."""
    (row,) = (each.row for each in everything() if each.table == "order_book_snapshots")
    rows = (
        {**row, "snapshot_id": str(number), "captured_at": instant}
        for number, instant in enumerate(instants)
    )
    writes = tuple(Insert("order_book_snapshots", each) for each in rows)
    return lambda journal: journal.commit(Batch(writes))


@pytest.mark.parametrize(
    ("now", "years", "oldest_kept"),
    [
        ((2033, 7, 5), 7, (2026, 7, 5)),
        ((2027, 7, 5), 1, (2026, 7, 5)),
        ((2035, 2, 28), 7, (2028, 2, 28)),
        ((2035, 3, 1), 7, (2028, 3, 1)),
        ((2032, 2, 29), 4, (2028, 2, 29)),
        ((2032, 2, 29), 7, (2025, 2, 28)),
        ((2126, 7, 5), 100, (2026, 7, 5)),
    ],
)
def test_pruning_deletes_what_is_older_than_so_many_calendar_years_and_keeps_the_rest(
    now: tuple[int, int, int],
    years: int,
    oldest_kept: tuple[int, int, int],
    paper_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge, moment = datetime(*oldest_kept, 18, tzinfo=UTC), timedelta(microseconds=1)
    younger = (edge, edge + moment, edge + timedelta(days=1))
    older = (edge - moment, edge - timedelta(days=400))
    on(paper_url, _taken_at(*younger, *older))
    monkeypatch.setattr(admin, "SystemClock", lambda: At(datetime(*now, 18, tzinfo=UTC)))
    before = {row["snapshot_id"] for row in snapshots(paper_url)}

    deleted = admin.prune(paper_url, years)

    kept = {row["snapshot_id"] for row in snapshots(paper_url)}
    assert kept >= {"0", "1", "2"}
    assert kept.isdisjoint({"3", "4"})
    assert deleted == len(before - kept)


def snapshots(url: str) -> list[dict[str, Any]]:
    return requests.rows(url, "order_book_snapshots", ("snapshot_id",))


@pytest.mark.parametrize(
    ("words", "environment", "years"),
    [
        ([], {}, 7),
        ([], {"DUTCHBOOK_RECORDS__SNAPSHOT_YEARS": "9"}, 9),
        (["--years", "3"], {"DUTCHBOOK_RECORDS__SNAPSHOT_YEARS": "9"}, 3),
    ],
)
def test_the_settings_give_the_retention_and_an_option_overrides_it_once(
    words: list[str],
    environment: dict[str, str],
    years: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    asked: list[Any] = []
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def prune(_: str, kept: int) -> int:
        asked.append(kept)
        return 0

    monkeypatch.setattr(admin, "prune", prune)

    found = CliRunner().invoke(app, ["db", "prune", *words, "--db", "sqlite:///x.db"])

    assert (found.exit_code, asked) == (0, [years])

"""Snapshots of books at decisions are kept for years, and deleted only when older."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.databases import AnyJournal, on
from support.rows import NOW
from typer.testing import CliRunner

from dutchbook.cli.main import app
from dutchbook.operations import admin, requests
from dutchbook.persistence.database import Database


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
    assert requests.rows(database_url, "order_book_snapshots", ("snapshot_id",)) == []


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

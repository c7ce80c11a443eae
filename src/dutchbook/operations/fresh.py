"""Moves a database aside, so that a new one begins in its place; nothing is deleted."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import Counter
from pathlib import Path

from dutchbook.application.views.unfinished import in_words, unfinished
from dutchbook.bootstrap import paths
from dutchbook.errors import DutchbookError, InvalidInput, LeaseHeld, StorageError
from dutchbook.operations.requests import reading
from dutchbook.persistence.database import SQLITE, Database
from dutchbook.persistence.sqlite_file import check_fit, lock_beside, written_to
from dutchbook.ports.journal import Journal
from dutchbook.runtime.clock import SystemClock

BESIDE = ("-wal", "-shm", "-journal", ".HALT")
"""What is next to a database file and belongs to it; its lock stays, since it is held."""


def set_aside(url: str) -> list[str]:
    """Rename a database file with all that belongs to it; return what was done, line by line.

    What it held is said, and stays in it. Without a database there is nothing to do.

    Raises:
        InvalidInput: It is a server's.
        LeaseHeld: An engine runs on it.
        StorageError: It cannot be renamed.
    """
    database = Database.at(url)
    if database.dialect != SQLITE:
        wanted = "a file; on a server, create another database and give its URL"
        raise InvalidInput("--fresh", database.shown, wanted)
    path = Path(database.path)
    if database.absent:
        return []
    check_fit(str(path))
    with lock_beside(str(path)):
        if written_to(str(path)):
            raise LeaseHeld(f"{database.shown}: an engine runs on it; stop it first")
        held = _held(url)
        aside = _new_name(path)
        try:
            _moved(database, path, aside)
        except OSError as error:
            raise StorageError(f"{error.filename}: {error.strerror}") from error
    return [f"{path} is now {aside}", *held, f"to look at it: --db sqlite:///{aside}"]


def _held(url: str) -> list[str]:
    """Return what a database leaves open, for a person who gives it up."""

    async def work(journal: Journal) -> list[str]:
        rows = await journal.rows("open_positions")
        count = Counter(row["status"] for row in rows if row["status"] != "CLOSED")
        parts = ", ".join(f"{number} {status}" for status, number in sorted(count.items()))
        begun = [f"it left an execution: {in_words(row)}" for row in await unfinished(journal)]
        return [f"it left positions on paper: {parts}"] * bool(count) + begun

    try:
        return reading(url, work)
    except LeaseHeld:
        raise
    except DutchbookError as error:
        return [f"what it left cannot be read: {error}"]


def _new_name(path: Path) -> Path:
    """Return a name next to a database that says when it was moved, with nothing there."""
    stamp = f"{SystemClock().now():%Y-%m-%dT%H%M%S}"
    number = 0
    while True:
        more = f"-{number}" if number else ""
        aside = path.with_name(f"{path.stem}.{stamp}{more}{path.suffix}")
        if not any(os.path.lexists(f"{aside}{end}") for end in ("", *BESIDE)):
            return aside
        number += 1


def _moved(database: Database, path: Path, aside: Path) -> None:
    """Rename the files, the newest commits brought into the database first."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as c,
    ):
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    heads = paths.anchor_path(database)
    for end in ("", *BESIDE):
        if os.path.lexists(f"{path}{end}"):
            os.rename(f"{path}{end}", f"{aside}{end}")  # noqa: PTH104 - a link itself
    if heads.exists():
        heads.rename(paths.anchor_path(Database.of_file(aside)))

"""Connections to a SQLite file that is ours, and what their errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from dutchbook.errors import ForeignFile, StorageError, Unanswered
from dutchbook.persistence.sqlite_file import mark_open

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
"""Primary codes of a file that another connection has locked: nothing was stored."""
PRIMARY = 0xFF
FULL = 2
"""What SQLite calls ``synchronous=FULL``."""
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
OURS = frozenset({"audit_log", "leases", "system_metadata"})
"""Tables of this program's databases, of whatever schema; one that is damaged has one left."""
NAMED = 3
"""Tables of another program that an error names."""


class _Connection(sqlite3.Connection):
    """A connection whose rows are read by the names of their columns."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.row_factory = sqlite3.Row


def connect(path: str, timeout: float, *, marked: bool) -> sqlite3.Connection:
    """Return a connection whose commits survive a power cut.

    Args:
        path: The file.
        timeout: Seconds that a write waits for another process's.
        marked: Whether the file is marked as open; see `mark_open`.

    Raises:
        sqlite3.Error: The file cannot be opened.
        StorageError: It is another program's, or SQLite rejects ``synchronous=FULL``.
    """
    made = sqlite3.connect(
        path, isolation_level=None, timeout=timeout, cached_statements=512, factory=_Connection
    )
    try:
        _configure(made, path, marked=marked)
    except (sqlite3.Error, StorageError):
        made.close()
        raise
    return made


def _configure(made: sqlite3.Connection, path: str, *, marked: bool) -> None:
    if why := foreign(row[0] for row in made.execute(TABLES)):
        raise ForeignFile(f"{path}: {why}")
    made.execute("PRAGMA journal_mode=WAL")
    made.execute("PRAGMA synchronous=FULL")
    made.execute("PRAGMA fullfsync=ON")  # macOS: past the drive's own cache
    made.execute("PRAGMA foreign_keys=ON")
    if made.execute("PRAGMA synchronous").fetchone()[0] != FULL:
        raise StorageError(f"{path}: SQLite does not take synchronous=FULL")
    if marked:
        mark_open(path, made)


def foreign(tables: Iterable[str]) -> str:
    """Return why a file with these tables is not ours; empty if it is, or has none yet."""
    found = sorted(tables)
    if not found or not OURS.isdisjoint(found):
        return ""
    named = ", ".join(found[:NAMED]) + (", …" if len(found) > NAMED else "")
    return f"it is another program's file, with the tables {named}; name another file"


def reason(error: object) -> str:
    """Return a driver's error in one line, with a remedy where we know one."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return f"{lines[0]}; make room and start again"
    return lines[0]


def failure(path: str, error: sqlite3.Error) -> StorageError:
    """Return the error that a driver's error on a file becomes."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    kind = Unanswered if code & PRIMARY in BUSY else StorageError
    return kind(f"{path}: {reason(error)}")

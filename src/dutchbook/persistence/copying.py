"""Copies a SQLite database, also while an engine writes, and puts the copy in place whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dutchbook.errors import StorageError
from dutchbook.persistence.sqlite_file import mark_closed

RETRY_SECONDS = 0.25
TRIES = 120
"""How often a locked database is asked again: half a minute. Engines never lock out readers."""
BESIDE = ("-wal", "-shm", "-journal")
"""Ends of the names of the files that SQLite reads together with a database."""


def copy(source: str, dest: str) -> None:
    """Copy one moment of a database, by SQLite's own backup; the copy is a single file.

    Args:
        source: The database; a ``-wal`` next to it is part of it.
        dest: A new file.

    Raises:
        StorageError: The source cannot be read, or the copy not be written.
    """
    where = f"{Path(source).as_uri()}?mode=rw"
    try:
        with (
            contextlib.closing(sqlite3.connect(where, uri=True)) as old,
            contextlib.closing(sqlite3.connect(dest)) as new,
        ):
            old.backup(new, progress=_Patience().waited, sleep=RETRY_SECONDS)
            mark_closed(new)
            new.execute("PRAGMA journal_mode=DELETE")
        shutil.copymode(source, dest)
    except (sqlite3.Error, OSError) as error:
        detail = getattr(error, "strerror", None) or error
        raise StorageError(f"{source}: cannot be copied to {dest}: {detail}") from error


class _Patience:
    """Ends a copy that waits for a lock for too long."""

    def __init__(self) -> None:
        self._left = TRIES

    def waited(self, status: int, remaining: int, total: int) -> None:
        """Count a step that found the database locked.

        Raises:
            StorageError: It has been locked for too long.
        """
        del remaining, total
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            self._left -= 1
            if not self._left:
                raise StorageError("the database is locked, by another program or a dead one")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it becomes `path`.

    Raises:
        StorageError: It cannot be written, or something is at `path` by then.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        _put(partial, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise StorageError(f"{path}: it is there by now; nothing is overwritten") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        for end in ("", *BESIDE):
            Path(f"{partial}{end}").unlink(missing_ok=True)


def _put(partial: Path, path: Path) -> None:
    """Give a file its name without replacing another one."""
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError from None
        partial.replace(path)


def in_the_way(path: str) -> str | None:
    """Return a file that a new database at `path` would replace or wrongly include."""
    names = (f"{path}{end}" for end in ("", *BESIDE))
    return next((name for name in names if os.path.lexists(name)), None)

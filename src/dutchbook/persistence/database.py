"""A database by its URL: opened, upgraded, and bound to one mode.

The plain driver is enough to see that a database is up to date. SQLAlchemy and Alembic create,
upgrade and read whole databases (`schema`) and are loaded only then: a command that writes a
row does not wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from dutchbook.application.records.runs import IDENTITY
from dutchbook.errors import UNREADABLE, Damaged, InvalidInput, StorageError
from dutchbook.persistence.journals.sqlite import SqliteJournal
from dutchbook.persistence.journals.sqlite_writer import BUSY_SECONDS
from dutchbook.persistence.log.chain import GENESIS, Head
from dutchbook.persistence.sqlite_connection import failure, reason
from dutchbook.persistence.sqlite_file import adopt, canonical, check_fit, has_wal, torn
from dutchbook.persistence.tables.codes import encode_instant
from dutchbook.ports.journal import Access
from dutchbook.ports.time import Turnstile

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from dutchbook.persistence.journals.postgres import PostgresJournal
    from dutchbook.persistence.log.audit import Read

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
PLAIN = re.compile(r"sqlite:///([^?%~:][^?%]*)")
"""URL of a file without options or escapes, as for every file that we name."""
WANTED = "sqlite:///path or postgresql://user:password@host/name"
OPTIONS = ("host", "port")
"""Options of a server's URL: the folder of its socket, and its port."""
MEMORY = ":memory:"
REVISION = re.compile(r"v(\d+)_\w+\.py")
STANDS = (
    "SELECT version_num FROM alembic_version",
    "SELECT value FROM system_metadata WHERE key = 'mode'",
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Database:
    """Location of a database. `shown` never contains a password."""

    url: str
    dialect: str

    @classmethod
    def at(cls, url: str) -> Database:
        """Parse ``sqlite:///path`` or ``postgresql://user:password@host/name``.

        A leading ``~`` of a path is the home folder; ``%3F`` is a question mark in it. A server
        takes the options of `OPTIONS`, a file takes none.

        Raises:
            InvalidInput: Another scheme, no name, or an option that there is none of.
        """
        if PLAIN.fullmatch(url):
            return cls(url, SQLITE)
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # no URL, or a port that is no number
            raise InvalidInput("--db", _masked(url), WANTED) from None
        dialect, name = parsed.get_backend_name(), parsed.database or ""
        if dialect not in (SQLITE, POSTGRESQL) or not name or "\0" in name:
            raise InvalidInput("--db", _masked(url), WANTED)
        _check_options(url, dialect, parsed.query)
        if dialect == SQLITE and (name[0] == "~" or name == MEMORY):
            return cls.of_file(_at_home(name))
        return cls(url, dialect)

    @classmethod
    def of_file(cls, path: Path) -> Database:
        """Return the database in a file, whatever characters its name has."""
        from sqlalchemy import URL

        return cls(URL.create("sqlite", database=str(path)).render_as_string(), SQLITE)

    @property
    def without_password(self) -> str:
        """The URL that PostgreSQL's own programs take; they ask for the password themselves."""
        from sqlalchemy import URL

        url = self._parsed
        bare = URL.create(
            POSTGRESQL, url.username, None, url.host, url.port, url.database, url.query
        )
        return bare.render_as_string()

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url if self._plain else self._parsed.render_as_string(hide_password=True)

    @property
    def path(self) -> str:
        """The file of a SQLite database, without symbolic links."""
        return canonical(self.database)

    @property
    def database(self) -> str:
        """The file as it was named, or a server's name of the database."""
        plain = self._plain
        return plain[1] if plain else self._parsed.database or ""

    @property
    def absent(self) -> bool:
        """Whether it is a file that does not exist; a server is checked only by connecting."""
        return self.dialect == SQLITE and not Path(self.path).exists()

    def require_file(self) -> None:
        """Require that a database file is there: opening one would make it.

        Raises:
            StorageError: It is not.
        """
        if self.absent:
            raise StorageError(f"{self.shown}: there is no such file")

    @property
    def name(self) -> str:
        """Name of the database: of its file, or of server and database."""
        if self.dialect == SQLITE:
            return Path(self.path).name
        url = self._parsed
        return re.sub(r"[^\w.-]+", "_", f"{url.host or 'local'}-{url.database}")

    @property
    def place(self) -> str:
        """Its location without user and password, unique to the database."""
        if self.dialect == SQLITE:
            return self.path
        url = self._parsed
        return f"{url.host}:{url.port or 5432}/{url.database}"

    @property
    def _plain(self) -> re.Match[str] | None:
        return PLAIN.fullmatch(self.url)

    @property
    def _parsed(self) -> URL:
        from sqlalchemy.engine import make_url

        return make_url(self.url)

    def journal(
        self,
        turnstile: Turnstile,
        *,
        alone: bool = False,
        taking_over: bool = False,
        timeout: float | None = None,
    ) -> SqliteJournal | PostgresJournal:
        """Return a journal on this database, not yet open.

        Args:
            turnstile: Awaits the driver.
            alone: Take exclusive access: a second journal that asks for it is rejected.
            taking_over: Do so despite the locks of a frozen engine whose lease we took over.
            timeout: Timeout in seconds for a database that is locked or does not answer.
        """
        access = Access.ALONE if alone else Access.SHARED
        access = Access.TAKING_OVER if taking_over else access
        if self.dialect == SQLITE:
            return SqliteJournal(self.path, turnstile, access, timeout or BUSY_SECONDS)
        from dutchbook.persistence.journals.postgres import PostgresJournal

        return PostgresJournal(self.url, self.shown, turnstile, access, timeout)

    # The schema
    # ----------------------------------------------------------------------------------

    def prepare(self, mode: str) -> None:
        """Create or check the schema, and bind a new database to `mode`.

        Must not be called from a running event loop: it runs its own.

        Raises:
            StorageError: The database is damaged, unreachable, or of another schema or mode.
        """
        if self.absent or not self._up_to_date(mode):
            from dutchbook.persistence import schema

            self._work(lambda c: schema.prepare(c, mode, self.shown, MIGRATIONS))

    def check(self, mode: str, timeout: float | None = None) -> None:
        """Reject a database that is absent, of another schema or of another mode.

        Args:
            mode: The mode that it must be bound to.
            timeout: Timeout in seconds for a server that does not answer.

        Raises:
            StorageError: The message says which.
        """
        if self.absent:
            raise StorageError(f"{self.shown}: there is no such file; dutchbook run makes one")
        if not self._up_to_date(mode, timeout):
            from dutchbook.persistence import schema

            self._work(lambda c: schema.check(c, mode, self.shown, MIGRATIONS))

    def _up_to_date(self, mode: str, timeout: float | None = None) -> bool:
        """Return whether schema and mode match; if not, `schema` reports why."""
        wanted = [(newest(MIGRATIONS),), (mode,)]
        if self.dialect == SQLITE:
            return self._query_sqlite() == wanted
        from dutchbook.persistence.journals.postgres import looked

        try:
            return asyncio.run(looked(self.url, STANDS, timeout)) == wanted
        except OSError as error:
            raise StorageError(f"{self.shown}: {reason(error)}") from error

    def _query_sqlite(self) -> list[tuple[str, ...]]:
        path = self.path
        check_fit(path)
        with_wal, where = has_wal(path), f"{Path(path).as_uri()}?mode=rw"
        try:
            with contextlib.closing(sqlite3.connect(where, uri=True)) as connection:
                found = [row for query in STANDS for row in connection.execute(query)]
                with contextlib.suppress(sqlite3.Error):
                    adopt(path, connection, with_wal=with_wal)
                return found
        except (sqlite3.Error, ValueError):  # or a text that is none
            return []

    def damage(self) -> list[str]:
        """Return the defects of the database's pages, references and triggers."""
        from dutchbook.persistence import schema

        return self._work(schema.damage)

    def torn(self) -> list[str]:
        """Return a problem if this is a copy that lacks what its ``-wal`` held.

        A server's database is never one: it is not copied as a file.
        """
        if self.dialect != SQLITE:
            return []
        path = self.path
        where = f"{Path(path).as_uri()}?mode=rw"
        try:
            with contextlib.closing(sqlite3.connect(where, uri=True)) as c:
                found = torn(path, c)
        except sqlite3.Error as error:
            raise failure(path, error) from error
        return [found] if found else []

    def read(self, job: Callable[[Read], T]) -> T:
        """Run `job` on one snapshot, which neither sees nor blocks concurrent commits.

        Must not be called from a running event loop: it runs its own.
        """
        from dutchbook.persistence import schema

        return self._work(lambda c: job(lambda table: schema.rows(c, table)), reading=True)

    def head(self) -> Head:
        """Return the sequence and the hash of the newest log entry."""
        newest = "SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1"

        def look(connection: Connection) -> Head:
            row = connection.exec_driver_sql(newest).first()
            return (row[0], row[1]) if row else (0, GENESIS)

        return self._work(look, reading=True)

    def identity(self) -> str:
        """Return the random id that the first run gave the database, empty if none did."""
        query = f"SELECT value FROM system_metadata WHERE key = '{IDENTITY}'"
        found = self._work(lambda c: c.exec_driver_sql(query).scalar(), reading=True)
        return str(found or "")

    def prune(self, before: datetime) -> int:
        """Delete order book snapshots from before an instant; return the number deleted."""
        old = encode_instant(before)
        statement = f"DELETE FROM order_book_snapshots WHERE captured_at < {old}"
        return self._work(lambda c: c.exec_driver_sql(statement).rowcount)

    def upgrade(self) -> None:
        """Upgrade the schema to this program's version."""
        from dutchbook.persistence import schema

        self._work(lambda connection: schema.upgrade(connection, self.shown, MIGRATIONS))

    def _work(self, job: Callable[[Connection], T], *, reading: bool = False) -> T:
        from sqlalchemy.exc import SQLAlchemyError

        from dutchbook.persistence import schema

        try:
            if self.dialect == SQLITE:
                check_fit(self.path)
                begin = "BEGIN" if reading else "BEGIN IMMEDIATE"
                return schema.on_sqlite(self.url, Path(self.path), job, begin)
            options = {"isolation_level": "REPEATABLE READ"} if reading else {}
            return asyncio.run(schema.on_postgresql(self.url, job, options))
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            detail = reason(getattr(error, "orig", None) or error)
            raise StorageError(f"{self.shown}: {detail}") from error
        except UNREADABLE as error:
            raise Damaged(self.shown, error) from error


def newest(migrations: Path) -> str:
    """Return the revision of the newest migration, taken from its file name."""
    found = (REVISION.fullmatch(path.name) for path in (migrations / "versions").iterdir())
    return max(match[1] for match in found if match)


def _masked(url: str) -> str:
    """Return only the scheme of a malformed URL: the rest may contain the password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://…" if parts.scheme else url


def _check_options(url: str, dialect: str, options: Mapping[str, object]) -> None:
    """Reject options that would be ignored, or be part of a file's name.

    Raises:
        InvalidInput: There is one.
    """
    allowed = OPTIONS if dialect == POSTGRESQL else ()
    unknown = [name for name in options if name not in allowed]
    if dialect == SQLITE and not unknown and "?" in url:
        unknown = [url.partition("?")[2]]
    if unknown:
        which = f"an option of a server; there are {' and '.join(OPTIONS)}"
        file = "an option: a file has none (a question mark in its name is %3F)"
        raise InvalidInput("--db", f"?{unknown[0]}", which if allowed else file)


def _at_home(path: str) -> Path:
    """Return a path whose ``~`` is the home folder.

    Raises:
        InvalidInput: There is no such user, or it is no file.
    """
    if path == MEMORY:
        raise InvalidInput("--db", path, "a file: nothing would be kept")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InvalidInput("--db", path, "a path: there is no such user") from None

"""Backs a database up while an engine runs on it, and restores it where none is."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from dutchbook.bootstrap import paths
from dutchbook.errors import InvalidInput, LeaseHeld, StorageError
from dutchbook.persistence.copying import copy, in_the_way, new_file
from dutchbook.persistence.database import SQLITE, Database
from dutchbook.persistence.log import anchors, verify
from dutchbook.persistence.log.audit import audited
from dutchbook.persistence.log.chain import GENESIS, Head
from dutchbook.persistence.sqlite_file import lock_beside, written_to
from dutchbook.runtime.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made.

    Attributes:
        path: Where it is.
        anchors: Where the heads of its log are, None if there are none.
        head: Sequence and hash of its newest entry.
        problems: What is not whole about it, one line each.
        notes: What a person should know, one line each.
    """

    path: Path
    anchors: Path | None
    head: Head
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def backup(url: str, dest: Path) -> Copied:
    """Copy a database and the heads of its log to a new file, and verify the copy.

    The copy is one moment of the database, also while an engine writes. A copy with problems
    is kept, as evidence.

    Raises:
        InvalidInput: It is PostgreSQL's, or something is at `dest`.
        StorageError: It cannot be read, or the copy not be written.
    """
    database = Database.at(url)
    _only_files(database, f"pg_dump --format=custom --file={shlex.quote(str(dest))} --dbname=")
    database.check("paper")
    beside = _anchors_of(dest)
    for name in (in_the_way(str(dest)), str(beside) if os.path.lexists(beside) else None):
        if name is not None:
            raise InvalidInput("DEST", name, "a new file: a backup replaces nothing")
    # Before the copy: a running engine may store newer heads than the copy has.
    heads = _complete(paths.anchor_path(database))
    with new_file(dest) as partial:
        copy(database.path, str(partial))
        copied, torn = Database.of_file(partial), database.torn()
        kept = anchors.kept(heads.splitlines(), str(beside), _owner(copied))
        problems = (*torn, *_problems(copied, kept))
        head = copied.head()
        if heads:
            with new_file(beside) as written:
                written.write_bytes(heads)
    return Copied(dest, beside if heads else None, head, problems)


def restore(url: str, source: Path) -> Copied:
    """Copy a backup to where there is no database, once it is verified.

    The heads that were kept for it stay in their file. Those that its log contradicts are ended
    by a line which says so.

    Returns:
        The copy; with problems, nothing was restored.

    Raises:
        InvalidInput: It is PostgreSQL's, or a database is there.
        LeaseHeld: An engine uses it, even if its file was deleted.
        StorageError: The backup cannot be read, or the database not be written.
    """
    database, backed_up = Database.at(url), Database.of_file(source)
    _only_files(database, f"pg_restore {shlex.quote(str(source))} --dbname=")
    path = Path(database.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not database.absent and written_to(database.path):
        raise LeaseHeld(f"{database.shown}: an engine runs on it; stop it first")
    with lock_beside(database.path):
        if name := in_the_way(database.path):
            raise InvalidInput("--db", name, "free: move it and what is next to it away first")
        if backed_up.absent:
            raise StorageError(f"{source}: there is no such file")
        backed_up.check("paper")
        beside = _anchors_of(source)
        heads = _complete(beside)
        kept = anchors.kept(heads.splitlines(), str(beside), _owner(backed_up))
        problems = _problems(backed_up, kept)
        head = backed_up.head()
        if problems:
            return Copied(path, None, head, problems)
        with new_file(path) as partial:
            copy(backed_up.path, str(partial))
            if damage := Database.of_file(partial).damage():
                raise StorageError(f"{path}: the copy is damaged: {damage[0]}")
    return Copied(path, paths.anchor_path(database), head, (), _anchored(database, heads, head))


def _only_files(database: Database, command: str) -> None:
    """Require SQLite.

    Raises:
        InvalidInput: It is a server's; names the command that does the same there.
    """
    if database.dialect != SQLITE:
        instead = f"{command}{shlex.quote(database.without_password)}"
        raise InvalidInput("--db", database.shown, f"a file; PostgreSQL has its own: {instead}")


def _problems(database: Database, kept: anchors.Kept) -> tuple[str, ...]:
    """Return what `dutchbook db verify` would find."""
    found = database.read(lambda read: verify.problems(read, kept.anchors))
    return (*database.torn(), *database.damage(), *kept.problems, *found)


def _anchors_of(path: Path) -> Path:
    """Return the file of heads that goes along with a backup."""
    return path.with_name(f"{path.name}.anchors")


def _complete(path: Path) -> bytes:
    """Return the complete lines of a file of heads, none if there is no file."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    return raw[: raw.rfind(b"\n") + 1]


def _anchored(database: Database, heads: bytes, head: Head) -> tuple[str, ...]:
    """Bring the file of heads in line with a restored database; return what it contradicted."""
    file, now, owner = paths.anchor_path(database), SystemClock().now(), _owner(database)
    kept, notes = anchors.read(file, owner), tuple[str, ...]()
    if kept == anchors.Kept():
        if heads:
            with new_file(file) as written:
                written.write_bytes(heads)
    elif newer := database.read(lambda read: audited(read, kept.anchors).problems):
        notes = newer
        anchors.cut(file, now, owner)
    if head != (0, GENESIS):
        anchors.write(file, *head, now, owner)
    return notes


def _owner(database: Database) -> str:
    return anchors.owner_of(database.identity())

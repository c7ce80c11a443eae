"""Shell operations on the audit log, also while the engine runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dutchbook.bootstrap import paths
from dutchbook.errors import InvalidInput, StorageError
from dutchbook.persistence.database import Database
from dutchbook.persistence.log import anchors
from dutchbook.persistence.log.audit import Audit, audited, unlogged
from dutchbook.persistence.log.chain import GENESIS, Head
from dutchbook.ports.anchors import Anchor
from dutchbook.runtime.clock import SystemClock


def verified(
    url: str, heads: tuple[str, ...] = (), file: Path | None = None
) -> tuple[Audit, str]:
    """Check the log of a database against itself, its anchors and its tables.

    Args:
        url: The database.
        heads: Anchors as text, ``SEQUENCE:HASH``.
        file: The anchor file; None for the one that the engine writes.

    Returns:
        The findings, and a note if the database was created anew after some anchors.

    Raises:
        InvalidInput: A text is not an anchor.
        StorageError: There is no such database or file.
    """
    given = [_anchor(head) for head in heads]
    database = Database.at(url)
    database.check("paper")
    # Before the log: a running engine may store newer heads than the snapshot has.
    stored = kept(database, file)
    found = database.read(lambda read: audited(read, [*given, *stored.anchors]))
    before = f"made anew after entry {stored.before.sequence}" if stored.before else ""
    problems = (*database.torn(), *database.read(unlogged), *stored.problems, *found.problems)
    return replace(found, problems=problems), before


def head(url: str) -> Head:
    """Return the sequence and the hash of the newest entry, ``(0, zeros)`` if there is none.

    Raises:
        StorageError: There is no such database.
    """
    database = Database.at(url)
    database.check("paper")
    return database.head()


def anchor(url: str, found: Head) -> None:
    """Append a head to the anchor file; that of an empty log proves nothing and is skipped.

    Raises:
        StorageError: The file cannot be written.
    """
    if found != (0, GENESIS):
        database = Database.at(url)
        owner, file = anchors.owner_of(database.identity()), paths.anchor_path(database)
        anchors.write(file, *found, SystemClock().now(), owner)


def kept(database: Database, file: Path | None = None) -> anchors.Kept:
    """Return the anchors of a database, from `file` or else from the engine's own file.

    Raises:
        StorageError: The file cannot be read, or was named and does not exist.
    """
    if file is not None and not file.exists():
        raise StorageError(f"{file}: there is no such file of anchors")
    owner = anchors.owner_of(database.identity())
    return anchors.read(file or paths.anchor_path(database), owner)


def _anchor(text: str) -> Anchor:
    sequence, colon, digest = text.strip().partition(":")
    whole = colon and sequence.isdecimal() and int(sequence) and anchors.is_hash(digest)
    if not whole:
        wanted = "SEQUENCE:HASH as dutchbook audit anchor prints it"
        raise InvalidInput("--anchor", text, wanted)
    return Anchor(int(sequence), digest, "given with --anchor")

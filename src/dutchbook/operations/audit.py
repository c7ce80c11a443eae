"""What a person asks of the audit log from a shell, also while the engine runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dutchbook.bootstrap import paths
from dutchbook.errors import InvalidInput, StorageError
from dutchbook.persistence.database import Database
from dutchbook.persistence.log import anchors
from dutchbook.persistence.log.audit import Audit, audited
from dutchbook.persistence.log.chain import GENESIS, Head
from dutchbook.ports.anchors import Anchor
from dutchbook.runtime.clock import SystemClock


def verified(
    url: str, heads: tuple[str, ...] = (), file: Path | None = None
) -> tuple[Audit, str]:
    """Check the log of a database against itself, its anchors and its tables.

    Args:
        url: The database.
        heads: Anchors as texts, ``SEQUENCE:HASH``.
        file: The file of anchors, else the one that the engine writes.

    Returns:
        What was found, and what there is to say of the anchors beside it.

    Raises:
        InvalidInput: A text that is no anchor.
        StorageError: There is no such database or file.
    """
    given = [_anchor(head) for head in heads]
    database = Database.at(url)
    database.check("paper")
    # Before the log: an engine that runs may keep newer heads than the snapshot has.
    beside = kept(database, file)
    found = database.read(lambda read: audited(read, [*given, *beside.anchors]))
    before = f"made anew after entry {beside.before.sequence}" if beside.before else ""
    return replace(found, problems=(*beside.problems, *found.problems)), before


def head(url: str) -> Head:
    """Return the sequence and the hash of the newest entry, ``(0, zeros)`` where there is none.

    Raises:
        StorageError: There is no such database.
    """
    database = Database.at(url)
    database.check("paper")
    return database.head()


def anchor(url: str, found: Head) -> None:
    """Keep a head in the file of anchors; that of an empty log says nothing and is not kept.

    Raises:
        StorageError: It cannot be written.
    """
    if found != (0, GENESIS):
        anchors.write(paths.anchor_path(Database.at(url)), *found, SystemClock().now())


def kept(database: Database, file: Path | None = None) -> anchors.Kept:
    """Return the anchors of a database: in `file`, else in the one that the engine writes.

    Raises:
        StorageError: The file cannot be read, or was named and is not there.
    """
    if file is not None and not file.exists():
        raise StorageError(f"{file}: there is no such file of anchors")
    return anchors.read(file or paths.anchor_path(database))


def _anchor(text: str) -> Anchor:
    sequence, colon, digest = text.strip().partition(":")
    whole = colon and sequence.isdecimal() and int(sequence) and anchors.is_hash(digest)
    if not whole:
        wanted = "SEQUENCE:HASH as dutchbook audit anchor prints it"
        raise InvalidInput("--anchor", text, wanted)
    return Anchor(int(sequence), digest, "given with --anchor")

"""Heads of the audit log in a separate file, outside the database.

A line is ``SEQUENCE HASH TIME DIGEST``. The digest is that of the previous line, so altering a
line requires rewriting all that follow. A line ``0 OWNER …`` says of which database the heads
after it are (`owner_of`): one that was deleted and created again has an identity of its own,
and an older copy has that of its original. Heads before any such line are of a database whose
first run did not name it. A second line with the same owner ends that database's heads so far.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from dutchbook.domain.events import as_json
from dutchbook.errors import StorageError
from dutchbook.persistence.log.chain import GENESIS
from dutchbook.ports.anchors import Anchor
from dutchbook.ports.crash_points import AFTER, ANCHOR, BEFORE, crashpoint
from dutchbook.ports.time import Clock, Turnstile

FIELDS = 4
HEX = set("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Kept:
    """What an anchor file has of one database.

    Attributes:
        anchors: Anchors of the database, oldest first.
        before: Last anchor of another database, or of before this one's heads were ended.
        problems: Descriptions of lines that were altered, or are of another database now.
    """

    anchors: tuple[Anchor, ...] = ()
    before: Anchor | None = None
    problems: tuple[str, ...] = ()


class AnchorFile:
    """`Anchors` in an append-only file.

    Args:
        path: The file; it and its folder are created on first use.
        clock: The system clock.
        turnstile: Awaits disk operations.
        owner: The database whose heads they are; see `owner_of`.
    """

    def __init__(
        self, path: Path, clock: Clock, turnstile: Turnstile, owner: str = GENESIS
    ) -> None:
        self._path = path
        self._clock = clock
        self._turnstile = turnstile
        self._owner = owner

    async def last(self) -> Anchor | None:
        """Return the newest anchor; see `Anchors`."""
        kept = await self._turnstile.drive(
            lambda: asyncio.to_thread(read, self._path, self._owner)
        )
        return kept.anchors[-1] if kept.anchors else None

    async def keep(self, sequence: int, head: str) -> None:
        """Append an anchor; see `Anchors`."""
        at = self._clock.now()
        crashpoint(BEFORE, ANCHOR)
        await self._turnstile.drive(
            lambda: asyncio.to_thread(write, self._path, sequence, head, at, self._owner)
        )
        crashpoint(AFTER, ANCHOR)


def owner_of(identity: str) -> str:
    """Return how lines name a database: by the digest of its identity, zeros if it has none."""
    return hashlib.sha256(identity.encode()).hexdigest() if identity else GENESIS


def write(path: Path, sequence: int, head: str, at: datetime, owner: str) -> None:
    """Append a head of a database durably; safe with concurrent writers.

    Raises:
        StorageError: The file cannot be written.
    """
    _append(path, at, lambda last: [(0, owner)] * (last != owner) + [(sequence, head)])


def cut(path: Path, at: datetime, owner: str) -> None:
    """End the heads that a database has had so far: it was restored from before them.

    Raises:
        StorageError: The file cannot be written.
    """
    _append(path, at, lambda last: [(0, owner)] * (1 + (last != owner)))


def _append(path: Path, at: datetime, made: Callable[[str], list[tuple[int, str]]]) -> None:
    """Append lines that are `made` from the owner of the last."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lines = _complete_lines(file)
            before = lines[-1] if lines else b""
            for sequence, head in made(_owner(lines)):
                line = f"{sequence} {head} {as_json(at)} {_digest(before)}".encode()
                file.write(line + b"\n")
                before = line
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def _owner(lines: Sequence[bytes]) -> str:
    """Return the owner of the last of some lines."""
    marks = (line for line in reversed(lines) if line.startswith(b"0 "))
    return next(marks, f"0 {GENESIS}".encode()).decode(errors="replace").split(" ")[1]


def read(path: Path, owner: str) -> Kept:
    """Return what an anchor file has of one database, nothing if there is no file.

    Raises:
        StorageError: The file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    # An unterminated last line is a write that a crash cut off.
    return kept(raw[: raw.rfind(b"\n") + 1].splitlines(), str(path), owner)


def kept(lines: Sequence[bytes], name: str, owner: str) -> Kept:
    """Parse the lines of the file `name`; see the module for their form."""
    anchors: list[Anchor] = []
    wrong: list[str] = []
    before, previous, now = None, b"", GENESIS
    for number, line in enumerate(lines, start=1):
        fields = line.decode(errors="replace").split(" ")
        if not _well_formed(fields) or fields[-1] != _digest(previous):
            wrong.append(f"{name}: line {number} is not what was written, or follows another")
        elif fields[0] == "0":
            if fields[1] == now == owner and anchors:
                before, anchors = anchors[-1], []
            now = fields[1]
        else:
            anchor = Anchor(int(fields[0]), fields[1], f"{fields[2]}, {name}")
            if now == owner:
                anchors.append(anchor)
            else:
                before = anchor
        previous = line
    if lines and now != owner:
        wrong.append(
            f"{name}: its newest heads are of another database: this one was put in its place,"
            " or has not been started since it was made"
        )
    return Kept(tuple(anchors), before, tuple(wrong))


def _well_formed(fields: Sequence[str]) -> bool:
    return len(fields) == FIELDS and fields[0].isdecimal() and is_hash(fields[1])


def is_hash(text: str) -> bool:
    """Return whether a text has the form of an entry hash."""
    return len(text) == len(GENESIS) and set(text) <= HEX


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else GENESIS


def _complete_lines(file: IO[bytes]) -> list[bytes]:
    """Return the complete lines, and truncate an incomplete one after them."""
    file.seek(0)
    text = file.read()
    end = text.rfind(b"\n") + 1
    if end != len(text):
        file.truncate(end)
    return text[:end].splitlines()

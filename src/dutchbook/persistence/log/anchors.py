"""Heads of the audit log in a separate file, outside the database.

A line is ``SEQUENCE HASH TIME DIGEST``. The digest is that of the previous line, so altering a
line requires rewriting all that follow. A line ``0 …`` marks a newly created database.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Sequence
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
    """Contents of an anchor file.

    Attributes:
        anchors: Anchors of the current database, oldest first.
        before: Last anchor of the previous database, if the database was created anew.
        problems: Descriptions of lines that were altered.
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
    """

    def __init__(self, path: Path, clock: Clock, turnstile: Turnstile) -> None:
        self._path = path
        self._clock = clock
        self._turnstile = turnstile

    async def begin(self) -> None:
        """Record that the database was created anew; see `Anchors`."""
        crashpoint(BEFORE, ANCHOR)
        await self._turnstile.drive(lambda: asyncio.to_thread(self._begun))
        crashpoint(AFTER, ANCHOR)

    async def last(self) -> Anchor | None:
        """Return the newest anchor; see `Anchors`."""
        kept = await self._turnstile.drive(lambda: asyncio.to_thread(read, self._path))
        return kept.anchors[-1] if kept.anchors else None

    async def keep(self, sequence: int, head: str) -> None:
        """Append an anchor; see `Anchors`."""
        at = self._clock.now()
        crashpoint(BEFORE, ANCHOR)
        await self._turnstile.drive(
            lambda: asyncio.to_thread(write, self._path, sequence, head, at)
        )
        crashpoint(AFTER, ANCHOR)

    def _begun(self) -> None:
        if read(self._path) != Kept():
            write(self._path, 0, GENESIS, self._clock.now())


def write(path: Path, sequence: int, head: str, at: datetime) -> None:
    """Append a line durably; safe with concurrent writers.

    Raises:
        StorageError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            before = _last_line(file)
            file.write(f"{sequence} {head} {as_json(at)} {_digest(before)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def read(path: Path) -> Kept:
    """Return the contents of an anchor file, empty if there is no file.

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
    return kept(raw[: raw.rfind(b"\n") + 1].splitlines(), str(path))


def kept(lines: Sequence[bytes], name: str) -> Kept:
    """Parse the lines of the file `name`."""
    anchors: list[Anchor] = []
    wrong: list[str] = []
    before, previous = None, b""
    for number, line in enumerate(lines, start=1):
        fields = line.decode(errors="replace").split(" ")
        if not _well_formed(fields) or fields[-1] != _digest(previous):
            wrong.append(f"{name}: line {number} is not what was written, or follows another")
        elif fields[0] == "0":
            before, anchors = (anchors[-1] if anchors else before), []
        else:
            source = f"{fields[2]}, {name}"
            anchors.append(Anchor(int(fields[0]), fields[1], source))
        previous = line
    return Kept(tuple(anchors), before, tuple(wrong))


def _well_formed(fields: Sequence[str]) -> bool:
    return len(fields) == FIELDS and fields[0].isdecimal() and is_hash(fields[1])


def is_hash(text: str) -> bool:
    """Return whether a text has the form of an entry hash."""
    return len(text) == len(GENESIS) and set(text) <= HEX


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else GENESIS


def _last_line(file: IO[bytes]) -> bytes:
    """Return the last complete line, and truncate an incomplete one after it."""
    file.seek(0)
    text = file.read()
    end = text.rfind(b"\n") + 1
    if end != len(text):
        file.truncate(end)
    return text[:end].splitlines()[-1] if end else b""

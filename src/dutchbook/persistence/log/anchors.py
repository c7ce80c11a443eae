"""Heads of the audit log in a file of their own, outside the database.

A line is ``SEQUENCE HASH TIME DIGEST``, the digest being that of the line before: who alters
one must rewrite all that follow. A line ``0 …`` says that the database was made anew.
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
    """What a file holds.

    Attributes:
        anchors: Those of the database that is there now, oldest first.
        before: The last of the one before it, if the database was made anew.
        problems: Lines that are not what was written.
    """

    anchors: tuple[Anchor, ...] = ()
    before: Anchor | None = None
    problems: tuple[str, ...] = ()


class AnchorFile:
    """`Anchors` as a file that only grows.

    Args:
        path: The file; it and its folder are made when first needed.
        clock: The machine's.
        turnstile: How the disk is awaited.
    """

    def __init__(self, path: Path, clock: Clock, turnstile: Turnstile) -> None:
        self._path = path
        self._clock = clock
        self._turnstile = turnstile

    async def begin(self) -> None:
        """Note that the database was made anew; see `Anchors`."""
        crashpoint(BEFORE, ANCHOR)
        await self._turnstile.drive(lambda: asyncio.to_thread(self._begun))
        crashpoint(AFTER, ANCHOR)

    async def last(self) -> Anchor | None:
        """Return the newest anchor; see `Anchors`."""
        kept = await self._turnstile.drive(lambda: asyncio.to_thread(read, self._path))
        return kept.anchors[-1] if kept.anchors else None

    async def keep(self, sequence: int, head: str) -> None:
        """Keep one more; see `Anchors`."""
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
    """Add a line, durably, whoever else adds one at the same time.

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
    """Return what a file of anchors holds, nothing where there is none.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    # A line without its end was being written when the machine went down.
    return kept(raw[: raw.rfind(b"\n") + 1].splitlines(), str(path))


def kept(lines: Sequence[bytes], name: str) -> Kept:
    """Read the lines of the file `name`."""
    anchors: list[Anchor] = []
    wrong: list[str] = []
    before, previous = None, b""
    for number, line in enumerate(lines, start=1):
        fields = line.decode(errors="replace").split(" ")
        if not _whole(fields) or fields[-1] != _digest(previous):
            wrong.append(f"{name}: line {number} is not what was written, or follows another")
        elif fields[0] == "0":
            before, anchors = (anchors[-1] if anchors else before), []
        else:
            told = f"{fields[2]}, {name}"
            anchors.append(Anchor(int(fields[0]), fields[1], told))
        previous = line
    return Kept(tuple(anchors), before, tuple(wrong))


def _whole(fields: Sequence[str]) -> bool:
    return len(fields) == FIELDS and fields[0].isdecimal() and is_hash(fields[1])


def is_hash(text: str) -> bool:
    """Tell whether a text can be the hash of an entry."""
    return len(text) == len(GENESIS) and set(text) <= HEX


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else GENESIS


def _last_line(file: IO[bytes]) -> bytes:
    """Return the last whole line; one that was cut off in the middle is taken away."""
    file.seek(0)
    text = file.read()
    end = text.rfind(b"\n") + 1
    if end != len(text):
        file.truncate(end)
    return text[:end].splitlines()[-1] if end else b""

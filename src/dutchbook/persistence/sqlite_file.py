"""The file of a SQLite database: its one name, whether it is fit, its lock and its mark.

SQLite keeps a database's newest commits in ``-wal`` next to it, under the name that it was
opened by. Two names of one file therefore have two of them, and whichever is written last
destroys what the other held: such a file is rejected, and locked on itself.

SQLite's own locks belong to the process, and are lost as soon as the process closes *any*
descriptor of the file. Nothing in this program opens a database file but SQLite and
`WriterLock`, which keeps its descriptor open for as long as the process has another.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sqlite3
import stat
import struct
import threading
from collections.abc import Container
from pathlib import Path
from typing import TextIO

from dutchbook.errors import LeaseHeld, StorageError, UnfitFile

LOCKED_BYTE = 1 << 62
"""Beyond the end of any file, and not among the bytes that SQLite locks (from 2³⁰)."""
MOUNTS, PLACE = Path("/proc/self/mountinfo"), 4
"""Where Linux lists what is mounted, and which of a line's fields says where."""
DESCRIPTORS = (Path("/proc/self/fd"), Path("/dev/fd"))
_OFD = getattr(fcntl, "F_OFD_SETLK", None)
"""Locks of an open file, which other descriptors of the process do not end; Linux only."""
_HELD = (errno.EACCES, errno.EAGAIN)


def canonical(path: str) -> str:
    """Return the path of a database file without symbolic links.

    Raises:
        StorageError: The links lead in a circle.
    """
    try:
        return str(Path(path).resolve())
    except (OSError, RuntimeError) as error:
        raise StorageError(f"{path}: its links lead nowhere: {error}") from error


# Whether it is fit
# --------------------------------------------------------------------------------------


def check_fit(path: str) -> None:
    """Reject a file that has a second name, under which its ``-wal`` would be another one.

    Raises:
        StorageError: It is no file at all.
        UnfitFile: It has, and nobody writes to it now.
        LeaseHeld: An engine writes to it, possibly under another name.
    """
    try:
        found = Path(path).stat()
    except OSError:
        return  # whoever opens it says what is wrong
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(f"{path}: it is not a file")
    why = unfit(path, found, mount_points())
    if why is None:
        return
    if written_to(path):
        raise LeaseHeld(f"{path}: another engine writes to it, and {why}")
    raise UnfitFile(f"{path}: {why}")


def unfit(path: str, found: os.stat_result, mounts: Container[str]) -> str | None:
    """Return why a file cannot be a database of one writer, or None.

    Args:
        path: Its canonical path.
        found: Its properties.
        mounts: Paths on which something is mounted.
    """
    if found.st_nlink > 1:
        number = found.st_nlink
        return f"it has {number} names (hard links), each with a -wal of its own; keep one"
    if path in mounts:
        return "it is mounted by itself, without its -wal; mount the folder that holds it"
    return None


def mount_points() -> frozenset[str]:
    """Return the paths on which something is mounted, none where the system does not say."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    fields = [line.split(" ") for line in lines]
    return frozenset(_unescaped(each[PLACE]) for each in fields if len(each) > PLACE)


def _unescaped(text: str) -> str:
    """Decode the octal escapes of a mount point: a space is a backslash and 040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


# Whether it is still there
# --------------------------------------------------------------------------------------

Identity = tuple[int, int]
"""Device and number of a file: whatever it is called, no other file has both."""


def identity(path: str) -> Identity | None:
    """Return which file is at a path now; None if the system does not say."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def misplaced(path: str, known: Identity | None) -> str | None:
    """Return what happened to a file if it is not at its path any more; else None.

    Args:
        path: Its canonical path.
        known: Which file was opened there.
    """
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return "it was deleted or moved"
    except OSError:
        return None  # a path that cannot be looked at proves nothing
    if known is None or known == (found.st_dev, found.st_ino):
        return None
    return "another file has replaced it"


# Its lock
# --------------------------------------------------------------------------------------


class WriterLock:
    """The right to be a database file's only writer; the system frees it with the process.

    It is taken on a file next to the database, as every version of this program does, and on
    the database file itself, which is the same one under whatever name.

    Raises:
        LeaseHeld: Another process has it.
        StorageError: A file cannot be opened or locked.
    """

    def __init__(self, path: str) -> None:
        self._beside = lock_beside(path)
        try:
            self._own = _lock_itself(path)
        except StorageError:
            self._beside.close()
            raise

    def release(self) -> None:
        """Give the right back, once the connection that it protected is closed."""
        _locked(self._own, fcntl.F_UNLCK)
        _let_go(self._own)
        self._beside.close()


def _held(path: str) -> LeaseHeld:
    return LeaseHeld(f"{path}: another engine writes to it; stop that one first")


def lock_beside(path: str) -> TextIO:
    """Take the lock on the file next to a database, which need not be there itself.

    Raises:
        LeaseHeld: An engine has it, even if somebody deleted its database.
        StorageError: The file cannot be created.
    """
    try:
        lock = Path(f"{path}.lock").open("a+", encoding="utf-8")  # noqa: SIM115 - held on
    except OSError as error:
        raise StorageError(f"{path}.lock: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise _held(path) from None
    return lock


def written_beside(path: str) -> bool:
    """Return whether an engine holds the lock next to a database, whose file may be gone."""
    try:
        with Path(f"{path}.lock").open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock_itself(path: str) -> int:
    """Return a descriptor of a database file that holds its lock."""
    try:
        descriptor = _open(path)
        if _locked(descriptor, fcntl.F_WRLCK):
            return descriptor
    except OSError as error:
        raise StorageError(f"{path}: cannot be locked: {error.strerror}") from error
    _let_go(descriptor)
    raise _held(path)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _locked(descriptor: int, kind: int) -> bool:
    """Take or free the lock of an open file; return whether nobody else has it."""
    if _OFD is None:
        return True
    try:
        fcntl.fcntl(
            descriptor, _OFD, struct.pack("hhqqi0q", kind, os.SEEK_SET, LOCKED_BYTE, 1, 0)
        )
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def written_to(path: str) -> bool:
    """Return whether an engine holds the lock of a file, whatever name it opened it by."""
    try:
        descriptor = _open(path)
    except OSError:
        return False
    try:
        return not _locked(descriptor, fcntl.F_WRLCK)
    except OSError:
        return False
    finally:
        _let_go(descriptor)


_parked: list[int] = []
_parking = threading.Lock()


def _let_go(descriptor: int) -> None:
    """Close a descriptor once the process has the file open by no other one.

    Another one may be SQLite's, whose locks the closing would end.
    """
    with _parking:
        _parked.append(descriptor)
        for each in tuple(_parked):
            if not _open_elsewhere(each):
                _parked.remove(each)
                os.close(each)


def _open_elsewhere(descriptor: int) -> bool:
    wanted = os.fstat(descriptor)
    folder = next((each for each in DESCRIPTORS if each.is_dir()), None)
    if folder is None:
        return True
    others = {int(each.name) for each in folder.iterdir()} - set(_parked)
    return any(_is(each, wanted) for each in sorted(others))


def _is(descriptor: int, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), wanted)
    except OSError:  # closed meanwhile
        return False


# Its mark
# --------------------------------------------------------------------------------------


def mark_open(path: str, connection: sqlite3.Connection) -> None:
    """Write into the file itself that it is open, and as which file.

    A copy of the file without its ``-wal`` holds this mark, and is another file: so it is
    recognised, although it looks like a database in which nothing happened. Whoever reads the
    file meanwhile is waited for, as a write is: the mark would stay in the ``-wal``.
    """
    _mark(connection, _number(path))
    connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()


def mark_closed(connection: sqlite3.Connection) -> None:
    """Remove the mark: closing the last connection brings the ``-wal`` into the file."""
    _mark(connection, 0)


def adopt(path: str, connection: sqlite3.Connection, *, with_wal: bool) -> None:
    """Renew the mark of a file that was copied together with its ``-wal``.

    Args:
        path: The file.
        connection: A connection to it.
        with_wal: Whether its ``-wal`` held anything before it was opened.
    """
    if with_wal and _marked(connection) not in (0, _number(path)):
        _mark(connection, _number(path))


def torn(path: str, connection: sqlite3.Connection) -> str | None:
    """Return a problem if a file was copied while it was open, without its ``-wal``."""
    if has_wal(path) or _marked(connection) in (0, _number(path)):
        return None
    return (
        "it was copied while an engine had it open, without its -wal: the newest entries are"
        " missing; dutchbook db backup makes a whole copy"
    )


def has_wal(path: str) -> bool:
    """Return whether the ``-wal`` of a file holds anything."""
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except OSError:
        return False


def _number(path: str) -> int:
    """Return the file's number in its file system, as far as the mark has room for it."""
    return Path(path).stat().st_ino & 0x7FFFFFFF or 1


def _marked(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _mark(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(f"PRAGMA user_version={number}")

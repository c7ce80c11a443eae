"""Temporary files, and with them all databases of tests, are kept in memory if it has room.

Half of what a test of the program waits for is a file system that creates, syncs and deletes.
What the tests say of files is true of every file system; none of them simulates a power cut.
A user's own `TMPDIR` is respected. After a failure the files stay until the next run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - each run creates a folder of its own there
ROOM_BYTES = 2 << 30
PREFIX = "dutchbook-tests-"
FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Move the temporary files of this run; its workers inherit the place."""
    if hasattr(config, "workerinput") or "TMPDIR" in os.environ or not serves(MEMORY):
        return
    for left in MEMORY.glob(f"{PREFIX}*"):
        if not Path(f"/proc/{left.name.removeprefix(PREFIX)}").exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = MEMORY / f"{PREFIX}{os.getpid()}"
    folder.mkdir(mode=0o755)  # a PostgreSQL server may run as another user
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    config.stash[FOLDER] = folder


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Delete the files of a run without failures."""
    folder = session.config.stash.get(FOLDER, None)
    if folder is not None and exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder, ignore_errors=True)


def serves(place: Path) -> bool:
    """Return whether a folder in memory exists, may hold programs, and has room."""
    if not os.access(place, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(place)
    runs = not found.f_flag & os.ST_NOEXEC
    return runs and found.f_bavail * found.f_frsize >= ROOM_BYTES

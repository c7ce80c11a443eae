"""Which databases the engines of a machine run on, and under which names each is halted.

An engine keeps a locked file in a folder that every user of the machine can write to. The lock
ends with the process, however that ends, so that a file which is not locked says nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".engine"
EVERYBODY = 0o1777
"""Each user may create files, and remove only their own."""
LARGEST = 1 << 16


class EngineRegister:
    """The running engines of a machine, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Create the folder, open to every user.

        Raises:
            OSError: It cannot be created.
        """
        if self._folder.is_dir():
            return
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir()
            self._folder.chmod(EVERYBODY)

    @contextmanager
    def entered(self, names: Iterable[str], who: str) -> Iterator[str]:
        """Say that an engine reads the HALT files of some names, until the block ends.

        Yields:
            Why that cannot be said, empty if it was.
        """
        listed = tuple(names)
        if not listed:
            yield ""
            return
        try:
            descriptor, path = self._written(json.dumps({"who": who, "names": listed}))
        except OSError as error:
            yield f"{self._folder}: cannot be written: {error.strerror}"
            return
        try:
            yield ""
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(descriptor)

    def _written(self, text: str) -> tuple[int, Path]:
        """Write a file that is locked before it has the name that others look for."""
        self.prepare()
        descriptor, partial = tempfile.mkstemp(dir=self._folder)
        path = Path(f"{partial}{SUFFIX}")
        try:
            os.fchmod(descriptor, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, text.encode())
            Path(partial).rename(path)
        except OSError:
            os.close(descriptor)
            Path(partial).unlink(missing_ok=True)
            raise
        return descriptor, path

    def reading(self, names: Iterable[str]) -> dict[str, str]:
        """Return those of some names whose HALT file an engine reads, each with that engine."""
        wanted, found = set(names), dict[str, str]()
        with contextlib.suppress(OSError):
            for path in sorted(self._folder.glob(f"*{SUFFIX}")):
                who, listed = _running(path)
                found |= dict.fromkeys(wanted.intersection(listed), who)
        return found


def _running(path: Path) -> tuple[str, list[str]]:
    """Return an engine and its names; none if it has ended, whose file is then removed."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return "", []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _said(descriptor)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
        return "", []
    finally:
        os.close(descriptor)


def _said(descriptor: int) -> tuple[str, list[str]]:
    try:
        fields = json.loads(os.read(descriptor, LARGEST))
        return str(fields["who"]), [str(each) for each in fields["names"]]
    except (OSError, ValueError, TypeError, KeyError):
        return "", []

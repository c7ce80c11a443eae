"""The HALT file, which halts trading while the database does not answer."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dutchbook.domain.capital.limits import Grade
from dutchbook.ports.halt_file import HaltNote

UNREADABLE = HaltNote(Grade.NO_ENTRIES, False, "a HALT file that cannot be read", "a file")
"""Meaning of an empty or damaged file: a person can halt with just `touch`."""
LARGEST = 1 << 16
"""Bytes of a file that are read: whoever may write there must not be able to stop a reader."""


class FileOfHalt:
    """One file that halts. It is checked before each send: one system call if absent.

    Args:
        path: The file.
        names: What the database is known as. The file says for which it was written; one that
            was written for another halts all the same, and is left to whom it belongs to.
    """

    def __init__(self, path: Path, names: Iterable[str] = ()) -> None:
        self.path = path
        self.names = tuple(names)

    def standing(self) -> HaltNote | None:
        """Return the halt in the file, if any; see `HaltFile`."""
        try:
            fields = self._fields()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return UNREADABLE
        try:
            return HaltNote(
                Grade(fields["grade"]),
                bool(fields["cancel_all"]),
                str(fields["rationale"]),
                str(fields["requested_by"]),
            )
        except (ValueError, TypeError, KeyError):
            return UNREADABLE

    def _fields(self) -> Any:
        # A link or a pipe in its place neither leads elsewhere nor blocks.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags)
        try:
            return json.loads(os.read(descriptor, LARGEST))
        finally:
            os.close(descriptor)

    def write(self, note: HaltNote) -> None:
        """Write a halt, unless the file is a stronger one, or one that cannot be replaced.

        Every user may read it, whatever the umask.

        Raises:
            OSError: The file cannot be written, and none halts as much.
        """
        there = self.standing()
        if there is not None and there.grade > note.grade:
            return
        fields = {
            "grade": int(note.grade),
            "cancel_all": note.cancel_all or bool(there and there.cancel_all),
            "rationale": note.rationale,
            "requested_by": note.requested_by,
            "database": list(self.names),
        }
        try:
            self._replace(json.dumps(fields).encode())
        except OSError:
            if there is None or there.grade < note.grade or note.cancel_all:
                raise

    def _replace(self, text: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        with contextlib.suppress(FileNotFoundError):
            whole.unlink()
        try:
            with whole.open("xb") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            whole.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                whole.unlink()
            raise

    def clear(self, note: HaltNote) -> str:
        """Remove a halt that the database has; see `HaltFile`."""
        if self.standing() != note:
            return ""
        others = self._others()
        if others:
            return f"{self.path} is in the way: it was written for {others[0]}"
        try:
            self.path.unlink()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{self.path} is in the way: it cannot be removed: {error.strerror}"
        return ""

    def _others(self) -> list[str]:
        """Return the databases that the file was written for, none if ours is among them."""
        try:
            named = [str(each) for each in self._fields()["database"]]
        except (OSError, ValueError, TypeError, KeyError):
            return []
        return [] if set(named) & set(self.names) else named


class HaltFiles:
    """`HaltFile` of a database that has several names, each with a file of its own."""

    def __init__(self, files: Iterable[FileOfHalt]) -> None:
        self.files = tuple(files)

    def standing(self) -> HaltNote | None:
        """Return the strongest halt in the files, if any; see `HaltFile`."""
        notes = [note for each in self.files if (note := each.standing()) is not None]
        return max(notes, key=lambda note: (note.grade, note.cancel_all), default=None)

    def clear(self, note: HaltNote) -> str:
        """Remove a halt that the database has from each file; see `HaltFile`."""
        return "; ".join(filter(None, (each.clear(note) for each in self.files)))

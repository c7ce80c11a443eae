"""The HALT file, which halts trading while the database does not answer."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from dutchbook.domain.capital.limits import Grade
from dutchbook.ports.halt_file import HaltNote

UNREADABLE = HaltNote(Grade.NO_ENTRIES, False, "a HALT file that cannot be read", "a file")
"""Meaning of an empty or damaged file: a person can halt with just `touch`."""


class FileOfHalt:
    """`HaltFile` at a path. It is checked before each send: one system call if absent."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def standing(self) -> HaltNote | None:
        """Return the halt in the file, if any; see `HaltFile`."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            return UNREADABLE
        try:
            fields = json.loads(text)
            return HaltNote(
                Grade(fields["grade"]),
                bool(fields["cancel_all"]),
                str(fields["rationale"]),
                str(fields["requested_by"]),
            )
        except (ValueError, TypeError, KeyError):
            return UNREADABLE

    def write(self, note: HaltNote) -> None:
        """Write a halt, unless the file holds a stronger one.

        Raises:
            OSError: The file cannot be written.
        """
        there = self.standing()
        if there is not None and there.grade > note.grade:
            return
        whole = self.path.with_name(f"{self.path.name}.part")
        fields = {
            "grade": int(note.grade),
            "cancel_all": note.cancel_all or bool(there and there.cancel_all),
            "rationale": note.rationale,
            "requested_by": note.requested_by,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(json.dumps(fields), encoding="utf-8")
        whole.replace(self.path)

    def clear(self, note: HaltNote) -> None:
        """Remove a halt that the database has; see `HaltFile`."""
        if self.standing() == note:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

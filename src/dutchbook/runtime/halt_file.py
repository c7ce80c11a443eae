"""The HALT file: how trading is halted while the database does not answer."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from dutchbook.domain.capital.limits import Grade
from dutchbook.ports.halt_file import HaltNote

UNREADABLE = HaltNote(Grade.NO_ENTRIES, False, "a HALT file that cannot be read", "a file")
"""What an empty or damaged file says: a person can halt with nothing but `touch`."""


class FileOfHalt:
    """`HaltFile` at a path. It is looked at before each send: one system call when absent."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def standing(self) -> HaltNote | None:
        """Return the halt that was left there; see `HaltFile`."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            return UNREADABLE
        try:
            told = json.loads(text)
            return HaltNote(
                Grade(told["grade"]),
                bool(told["cancel_all"]),
                str(told["rationale"]),
                str(told["requested_by"]),
            )
        except (ValueError, TypeError, KeyError):
            return UNREADABLE

    def write(self, note: HaltNote) -> None:
        """Leave a halt; a stronger one that is there already stays.

        Raises:
            OSError: It cannot be written.
        """
        there = self.standing()
        if there is not None and there.grade > note.grade:
            return
        whole = self.path.with_name(f"{self.path.name}.part")
        told = {
            "grade": int(note.grade),
            "cancel_all": note.cancel_all or bool(there and there.cancel_all),
            "rationale": note.rationale,
            "requested_by": note.requested_by,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(json.dumps(told), encoding="utf-8")
        whole.replace(self.path)

    def clear(self, note: HaltNote) -> None:
        """Remove a halt that was folded; see `HaltFile`."""
        if self.standing() == note:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

"""A file with which a person halts trading when the database does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dutchbook.domain.capital.limits import Grade


@dataclass(frozen=True, slots=True)
class HaltNote:
    """A halt that was written to the file because the database did not answer."""

    grade: Grade
    cancel_all: bool
    rationale: str
    requested_by: str


class HaltFile(Protocol):
    """The file with which a person halts trading when the database does not answer."""

    def standing(self) -> HaltNote | None:
        """Return the halt in the file, if any; an unreadable file counts as a halt."""
        ...

    def clear(self, note: HaltNote) -> str:
        """Remove a halt once the database has it, unless another halt has replaced it.

        Returns:
            Why the file stays and goes on halting, empty if it does not.
        """
        ...

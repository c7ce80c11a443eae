"""Where a person halts trading when the database does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dutchbook.domain.capital.limits import Grade


@dataclass(frozen=True, slots=True)
class HaltNote:
    """A halt that was written where the database did not answer."""

    grade: Grade
    cancel_all: bool
    rationale: str
    requested_by: str


class HaltFile(Protocol):
    """Where a person halts trading when the database does not answer."""

    def standing(self) -> HaltNote | None:
        """Return the halt that was left there, if any; what cannot be read is a halt."""
        ...

    def clear(self, note: HaltNote) -> None:
        """Remove a halt that the database holds by now, unless another took its place."""
        ...

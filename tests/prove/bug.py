"""A planted bug: its name, the file, the text that is there and the text that replaces it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIMULATION = "simulation"
Edit = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug.

    Attributes:
        name: What is wrong.
        file: Path under `src/dutchbook`, or that of a part of the tests; see `place`.
        old: Text in that file; it must occur exactly once.
        new: Text that replaces it.
        caught_by: The simulation, or pytest arguments that name the tests which find the bug.
        seed: First seed of the simulation that looks for it.
        check: The one check that judges the simulation; empty: all checks.
        also: Further edits, where more than one place prevents the bug.
    """

    name: str
    file: str
    old: str
    new: str
    caught_by: str = SIMULATION
    seed: int = 1
    check: str = ""
    also: tuple[Edit, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All edits: file, old text, new text."""
        return ((self.file, self.old, self.new), *self.also)


def place(root: Path, file: str) -> Path:
    """Return a bug's file below a copy of the repository; its tests are named in full."""
    return root / file if file.startswith("tests/") else root / "src" / "dutchbook" / file

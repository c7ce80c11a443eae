"""A bug that is planted: a name, a place, what stands there and what would be wrong."""

from __future__ import annotations

from dataclasses import dataclass

SIMULATION = "simulation"
Edit = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug.

    Attributes:
        name: What is wrong.
        file: Where, under `src/dutchbook`.
        old: What stands there, once.
        new: What would stand there.
        caught_by: The simulation, or the tests that find it, as words for pytest.
        seed: Where the simulation begins to look for it.
        check: The one check that judges the simulation; every one where it is empty.
        also: Further edits, where what is wrong is held off in more than one place.
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
        """Everything that is changed: file, what stands there, what would."""
        return ((self.file, self.old, self.new), *self.also)

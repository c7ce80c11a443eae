"""Mutants that no input tells from the program: listed one by one, each with the reason."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutation.mutants import Mutant
from mutation.results import Result

LISTED = Path(__file__).with_suffix(".toml")
MOST = 0.03
"""Largest share of a file's mutants that may be listed."""


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that does the same as the program.

    Attributes:
        file: The source file, below `src/dutchbook`.
        function: The function, with its class.
        old: The line that the mutant replaces.
        new: The line that replaces it.
        reason: Why no input tells them apart.
    """

    file: str
    function: str
    old: str
    new: str
    reason: str

    def is_(self, mutant: Mutant) -> bool:
        """Return whether it is this mutant."""
        here = (mutant.file, mutant.function) == (self.file, self.function)
        return here and (mutant.old, mutant.new) == (_lines(self.old), _lines(self.new))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


def listed(path: Path = LISTED) -> list[Equivalent]:
    """Return the list.

    Raises:
        ValueError: An entry has no reason.
    """
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
    found = [Equivalent(**row) for row in rows]
    for each in found:
        if len(each.reason.split()) < 4:
            raise ValueError(f"{each.file} {each.function}: {each.new}: a reason is needed")
    return found


def wrong(
    entries: Sequence[Equivalent],
    mutants: Iterable[Mutant],
    results: Mapping[str, Result],
    counted: Mapping[str, int],
) -> list[str]:
    """Return what is wrong with the list: entries without a mutant, or too many of a file.

    Args:
        entries: The list.
        mutants: Mutants of whole files.
        results: Their results, by key.
        counted: How many mutants of each file count.
    """
    known = list(mutants)
    files = {mutant.file for mutant in known}
    found = []
    for entry in entries:
        if entry.file not in files:
            continue
        same = [mutant for mutant in known if entry.is_(mutant)]
        if not same:
            found.append(f"{entry.file} {entry.function}: no mutant is {entry.new!r} any more")
        found += [
            f"{entry.file} {entry.function}: {results[mutant.key].by} tells {entry.new!r} apart"
            for mutant in same
            if mutant.key in results and results[mutant.key].noticed
        ]
    shares = Counter(entry.file for entry in entries if entry.file in files)
    found += [
        f"{file}: {count} mutants of {counted[file]} are listed, more than {MOST:.0%}"
        for file, count in shares.items()
        if count > max(1, MOST * counted[file])
    ]
    return found

"""The table of what the tests notice, by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mutation.mutants import Mutant
from mutation.results import Result

DOMAIN, MONEY = 95, 90
"""Least percentage in `domain`, and in the packages of `application` that move money."""


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the mutants of a file or of a package.

    Attributes:
        place: The file or package, below `src/dutchbook`.
        made: How many mutants there are.
        mistyped: How many of them the type checker rejects: they are no programs.
        equivalent: How many are listed as no different from the program.
        noticed: How many of the rest a test notices.
    """

    place: str
    made: int
    mistyped: int
    equivalent: int
    noticed: int

    @property
    def counted(self) -> int:
        """How many a test ought to notice."""
        return self.made - self.mistyped - self.equivalent

    @property
    def percent(self) -> float:
        """The share that a test notices; whole without any."""
        return 100 * self.noticed / self.counted if self.counted else 100.0

    @property
    def row(self) -> str:
        """A row of the table in Markdown."""
        numbers = (self.made, self.mistyped, self.equivalent, self.counted - self.noticed)
        cells = " | ".join(f"{number:,}" for number in numbers)
        return f"| {self.place} | {cells} | {self.percent:.1f} |"


def scores(
    mutants: Sequence[Mutant],
    mistyped: Mapping[str, str],
    equivalent: Iterable[str],
    results: Mapping[str, Result],
) -> list[Score]:
    """Return the score of each file, in the order of their names."""
    same = set(equivalent)
    made = Counter(mutant.file for mutant in mutants)
    rejected = Counter(mutant.file for mutant in mutants if mutant.key in mistyped)
    told = [m for m in mutants if m.key not in mistyped]
    listed = Counter(mutant.file for mutant in told if mutant.key in same)
    noticed = Counter(
        mutant.file
        for mutant in told
        if mutant.key not in same and mutant.key in results and results[mutant.key].noticed
    )
    return [
        Score(file, made[file], rejected[file], listed[file], noticed[file])
        for file in sorted(made)
    ]


def packages(by_file: Iterable[Score]) -> list[Score]:
    """Return the score of `domain`, and of each package of `application`."""
    sums: dict[str, list[int]] = {}
    for score in by_file:
        parts = score.place.split("/")
        place = parts[0] if parts[0] == "domain" else "/".join(parts[:2])
        numbers = (score.made, score.mistyped, score.equivalent, score.noticed)
        kept = sums.setdefault(place, [0, 0, 0, 0])
        for index, number in enumerate(numbers):
            kept[index] += number
    return [Score(place, *numbers) for place, numbers in sums.items()]


def least(score: Score) -> int:
    """Return the least percentage of a package."""
    return DOMAIN if score.place == "domain" else MONEY


def table(by_file: Sequence[Score], new: int) -> list[str]:
    """Return the packages' scores, then each file's, in Markdown.

    `new`: how many were tried in this run; the results of the others were kept.
    """
    head = ["| place | made | mistyped | equivalent | missed | noticed, % |"]
    head += ["|---|---:|---:|---:|---:|---:|"]
    lines = [*head, *(score.row for score in packages(by_file)), ""]
    files = [score.row for score in by_file if score.made]
    whole = sum(score.made - score.mistyped for score in by_file)
    kept = f"- {new:,} of {whole:,} tried in this run, the others kept from earlier ones"
    return [*lines, *head, *files, "", kept]

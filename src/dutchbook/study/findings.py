"""What the runs of a study say: computed once, for the report and for the screen."""

from __future__ import annotations

from dataclasses import dataclass

from dutchbook.ports.time import Chance
from dutchbook.study.episodes import Episode, episodes
from dutchbook.study.folds import Fold, folds
from dutchbook.study.resampling import Comparison, compare
from dutchbook.study.runs import Means, Study, means

DRAWN_BY = 1
"""The seed of the draws: the same runs have the same report."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a study found.

    Attributes:
        study: The study.
        means: What each setting came to, in the order of the grid.
        episodes: The edges that any setting has bought.
        comparison: What draws of them say; None if nothing was bought.
        parted: For each part of the sessions, what each setting kept on it over all seeds, in
            10⁻⁶ dollars; empty if they have no parts, or there is one setting.
        folds: For each part, what is best on all others and what it does there.
    """

    study: Study
    means: tuple[Means, ...]
    episodes: tuple[Episode, ...]
    comparison: Comparison | None
    parted: tuple[tuple[int, ...], ...]
    folds: tuple[Fold, ...]


def find(study: Study, chance: Chance) -> Findings:
    """Return what a study found; `chance` draws the episodes."""
    settings = len(study.grid.settings)
    found = tuple(episodes(study.bought(), settings))
    parted: tuple[tuple[int, ...], ...] = ()
    if not isinstance(study.parts, str) and settings > 1:
        parted = tuple(map(study.kept_on, study.parts))
    return Findings(
        study=study,
        means=tuple(means(study.of(n), study.seeds) for n in range(settings)),
        episodes=found,
        comparison=compare([each.kept for each in found], chance),
        parted=parted,
        folds=folds(parted),
    )

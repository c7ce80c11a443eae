"""What the runs of a study say: computed once, for the report and for the screen."""

from __future__ import annotations

from dataclasses import dataclass

from dutchbook.ports.time import Chance
from dutchbook.study.episodes import Episode, episodes
from dutchbook.study.folds import Fold, judged
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
        folds: Chosen on the earlier sessions and judged on the later, and the other way round;
            empty if that is not possible, or there is nothing to choose.
    """

    study: Study
    means: tuple[Means, ...]
    episodes: tuple[Episode, ...]
    comparison: Comparison | None
    folds: tuple[Fold, ...]


def find(study: Study, chance: Chance) -> Findings:
    """Return what a study found; `chance` draws the episodes."""
    settings = len(study.grid.settings)
    found = tuple(episodes(study.bought(), settings))
    folds: tuple[Fold, ...] = ()
    if not isinstance(study.parts, str) and settings > 1:
        earlier, later = (study.kept_on(part) for part in study.parts)
        folds = (judged(earlier, later), judged(later, earlier))
    return Findings(
        study=study,
        means=tuple(means(study.of(n), study.seeds) for n in range(settings)),
        episodes=found,
        comparison=compare([each.kept for each in found], chance),
        folds=folds,
    )

"""Episodes: an edge's appearance, with what each setting made of it.

Runs of one tape with another seed see the same edges, so they are not samples of their own. An
edge that appears is one event, however often it is bought and by whichever setting: episodes
are what is drawn from, and settings are compared episode by episode. Amounts are integers of
10⁻⁶ dollars, summed over the seeds of a setting, so that nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dutchbook.domain.values.units import Money, to_e6

GAP = timedelta(minutes=10)
"""An entry so long after the one before on its pair begins another episode.

The longest edge of the recording that made-up tapes follow stands for 7.5 minutes.
"""


@dataclass(frozen=True, slots=True)
class Bought:
    """An entry of a run: the setting's place in the grid, where, when (UTC), and what it kept.

    `place` names the tape and the pair: edges of different places are different edges. `kept`
    is in dollars, exact to 10⁻⁶.
    """

    setting: int
    place: tuple[int, str]
    at: datetime
    kept: Money


@dataclass(frozen=True, slots=True)
class Episode:
    """An edge's appearance on a pair of a tape.

    Attributes:
        place: The tape and the pair.
        first: Its first entry by any setting, UTC.
        last: Its last.
        kept: What each setting of the grid kept of it, over all of its seeds, in 10⁻⁶ dollars.
    """

    place: tuple[int, str]
    first: datetime
    last: datetime
    kept: tuple[int, ...]


def episodes(bought: Iterable[Bought], settings: int) -> list[Episode]:
    """Return the episodes that entries of all settings and seeds belong to.

    The entries of a pair are one episode while each begins within `GAP` of the one before,
    whoever made them: so an episode is the same for every setting. A setting without an entry
    in it has kept 0 of it.

    Args:
        bought: The entries, in any order.
        settings: How many settings the grid has.

    Raises:
        ValueError: An entry is of a setting that the grid does not have.
    """
    groups: list[list[Bought]] = []
    for each in sorted(bought, key=lambda one: (one.place, one.at)):
        if not 0 <= each.setting < settings:
            raise ValueError(f"setting {each.setting} of {settings}")
        before = groups[-1][-1] if groups else None
        if before is None or before.place != each.place or each.at - before.at > GAP:
            groups.append([])
        groups[-1].append(each)
    return [_episode(group, settings) for group in groups]


def _episode(group: list[Bought], settings: int) -> Episode:
    kept = [0] * settings
    for each in group:
        kept[each.setting] += to_e6(each.kept)
    return Episode(group[0].place, group[0].at, group[-1].at, tuple(kept))

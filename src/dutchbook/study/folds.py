"""Choosing a setting on some sessions of the tapes, and judging it on the others.

The best of many settings is best partly by luck, and luck does not come twice. Sessions are
divided by time into two parts, never within a session, whose halves share their books, their
money and their news. Amounts are integers of 10⁻⁶ dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

APART = timedelta(hours=1)
"""The least time between both parts: a session that follows sooner continues the one before."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """A session of one of the tapes: where it stands, when it lasted (UTC), how much it holds.

    Attributes:
        tape: The tape's place among those of the study.
        session: The session's number on it.
        first: Its first message.
        last: Its last.
        messages: How many it has.
    """

    tape: int
    session: int
    first: datetime
    last: datetime
    messages: int


Part = tuple[Sitting, ...]


def parts(sittings: Iterable[Sitting]) -> tuple[Part, Part] | str:
    """Return the earlier and the later sessions, as equal in messages as the sessions allow.

    Sessions that overlap, or that follow one another within `APART`, stay together: they saw
    the same news. Where no cut is possible, the reason is returned in words.
    """
    ordered = sorted(sittings, key=lambda each: (each.first, each.tape, each.session))
    if len(ordered) < 2:  # noqa: PLR2004 - a cut has two sides
        return "there is one session, and its halves are not independent of each other"
    ends = list(accumulate((each.last for each in ordered), max))
    sizes = list(accumulate(each.messages for each in ordered))
    cuts = [n for n in range(1, len(ordered)) if ordered[n].first - ends[n - 1] >= APART]
    if not cuts:
        return "no session begins an hour after the others ended, so that all saw the same news"
    best = min(cuts, key=lambda n: (abs(sizes[-1] - 2 * sizes[n - 1]), n))
    return tuple(ordered[:best]), tuple(ordered[best:])


@dataclass(frozen=True, slots=True)
class Fold:
    """A setting that was chosen on one part and judged on the other.

    Attributes:
        chosen: The best setting there, by its place in the grid; the first of several.
        alike: How many settings were exactly as good there, itself among them.
        made: What it kept there.
        then: What it kept on the other part.
        rank: Its place on the other part, from 1: settings that kept more there, and one.
        most: What the best setting of the other part kept on it.
    """

    chosen: int
    alike: int
    made: int
    then: int
    rank: int
    most: int


def judged(here: Sequence[int], there: Sequence[int]) -> Fold:
    """Return what the setting that is best `here` does `there`.

    Args:
        here: What each setting kept on the part on which one is chosen.
        there: What each kept on the part on which it is judged.

    Raises:
        ValueError: There is no setting, or not the same number on both parts.
    """
    if not here or len(here) != len(there):
        raise ValueError(f"{len(here)} settings on one part, {len(there)} on the other")
    made = max(here)
    chosen = here.index(made)
    then = there[chosen]
    rank = 1 + sum(each > then for each in there)
    return Fold(chosen, here.count(made), made, then, rank, max(there))

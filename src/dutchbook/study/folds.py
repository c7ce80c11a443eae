"""Choosing a setting on some sessions of the tapes, and judging it on another.

The best of many settings is best partly by luck, and luck does not come twice. So the sessions
are divided by time into parts that are apart; on each, the setting is judged that was best on
all others. A session is never cut: its halves share their books, their money and their news.
Amounts are integers of 10⁻⁶ dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

APART = timedelta(hours=1)
"""The least time between two parts: a session that follows sooner continues the one before."""
ALONE = "there is one session, and its halves are not independent of each other"
TOGETHER = "no session begins an hour after the others ended, so that all saw the same news"


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


def parts(sittings: Iterable[Sitting]) -> tuple[Part, ...] | str:
    """Return the sessions in parts, by time; each begins `APART` or more after all before.

    Sessions that overlap, or that follow one another sooner, stay together: they saw the same
    news. Where there is one part only, the reason is returned in words.
    """
    groups: list[list[Sitting]] = []
    for each in sorted(sittings, key=lambda one: (one.first, one.tape, one.session)):
        if not groups or each.first - max(one.last for one in groups[-1]) >= APART:
            groups.append([])
        groups[-1].append(each)
    if len(groups) > 1:
        return tuple(map(tuple, groups))
    return TOGETHER if groups and len(groups[0]) > 1 else ALONE


@dataclass(frozen=True, slots=True)
class Fold:
    """A setting that was chosen on all parts but one, and judged on that one.

    Attributes:
        chosen: The best setting of the other parts by its place in the grid; the first of
            several.
        alike: How many settings were exactly as good there, itself among them.
        made: What it kept there.
        then: What it kept on the part on which it is judged.
        rank: Its place on that part, from 1: settings that kept more there, and one.
        most: What the best setting of that part kept on it.
    """

    chosen: int
    alike: int
    made: int
    then: int
    rank: int
    most: int


def folds(kept: Sequence[Sequence[int]]) -> tuple[Fold, ...]:
    """Return a fold for each part.

    Args:
        kept: For each part, two at least, what each setting kept on it.
    """
    found = []
    for number, here in enumerate(kept):
        others = [each for place, each in enumerate(kept) if place != number]
        found.append(judged([sum(column) for column in zip(*others, strict=True)], here))
    return tuple(found)


def judged(others: Sequence[int], here: Sequence[int]) -> Fold:
    """Return what the setting that is best on the other parts does `here`.

    Args:
        others: What each setting kept on the parts on which one is chosen.
        here: What each kept on the part on which it is judged.

    Raises:
        ValueError: There is no setting, or not the same number on both.
    """
    if not others or len(others) != len(here):
        raise ValueError(f"{len(others)} settings on the other parts, {len(here)} here")
    made = max(others)
    chosen = others.index(made)
    then = here[chosen]
    rank = 1 + sum(each > then for each in here)
    return Fold(chosen, others.count(made), made, then, rank, max(here))

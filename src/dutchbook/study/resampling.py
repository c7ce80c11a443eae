"""What might as well have happened: totals over episodes that are drawn again and again.

A bootstrap. As many episodes as there are get drawn with replacement, and a setting's total
over them is one total that might as well have been; the middle nine tenths of many such totals
are its interval. All settings are judged on the same draws, so that differences are paired.
How far the best of several would lead by luck alone is White's reality check (A Reality Check
for Data Snooping, Econometrica 68, 2000). Amounts are integers of 10⁻⁶ dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dutchbook.ports.time import Chance

SAMPLES = 2_000
TAIL = 20
"""One part in so many is left out at each end: the interval holds 90 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 90 % of drawn totals: its least and its greatest, both among them."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the draws say of the settings of a grid, in its order.

    Attributes:
        totals: What each setting kept of all episodes.
        intervals: The interval of each total.
        differences: That of each total less the first setting's; exactly 0 for the first.
        best: The setting with the greatest total; the first of several.
        not_best: Draws in which another setting had a greater total than `best`.
        by_luck: Draws in which some setting leads the first by as much as `best` does, although
            what each of them leads by in truth has been taken away: as often would the best of
            so many lead if none were better. All draws, if the first is the best.
        samples: How many draws there were.
    """

    totals: tuple[int, ...]
    intervals: tuple[Interval, ...]
    differences: tuple[Interval, ...]
    best: int
    not_best: int
    by_luck: int
    samples: int


def interval(drawn: Sequence[int]) -> Interval:
    """Return the interval of drawn amounts: a twentieth of them is left out at each end.

    Raises:
        ValueError: Nothing was drawn.
    """
    if not drawn:
        raise ValueError("an interval of nothing")
    ordered, out = sorted(drawn), len(drawn) // TAIL
    return Interval(ordered[out], ordered[-1 - out])


def compare(
    kept: Sequence[Sequence[int]], chance: Chance, samples: int = SAMPLES
) -> Comparison | None:
    """Return what draws of episodes say of the settings; None without an episode.

    Args:
        kept: For each episode, what each setting kept of it, in 10⁻⁶ dollars.
        chance: Source of the draws.
        samples: How many draws.
    """
    if not kept:
        return None
    settings, last = len(kept[0]), len(kept) - 1
    totals = _sums(kept, settings)
    best = totals.index(max(totals))
    drawn = [
        _sums([kept[chance.between(0, last)] for _ in kept], settings) for _ in range(samples)
    ]
    return Comparison(
        totals=totals,
        intervals=tuple(interval([each[n] for each in drawn]) for n in range(settings)),
        differences=tuple(
            interval([each[n] - each[0] for each in drawn]) for n in range(settings)
        ),
        best=best,
        not_best=sum(max(each) > each[best] for each in drawn),
        by_luck=sum(_lead(each, totals) >= totals[best] - totals[0] for each in drawn),
        samples=samples,
    )


def _lead(drawn: Sequence[int], totals: Sequence[int]) -> int:
    """Return the greatest lead over the first of a draw, less the lead over all episodes."""
    own = zip(drawn, totals, strict=True)
    return max(each - drawn[0] - (total - totals[0]) for each, total in own)


def _sums(rows: Sequence[Sequence[int]], width: int) -> tuple[int, ...]:
    assert all(len(row) == width for row in rows), "every episode has every setting"
    return tuple(map(sum, zip(*rows, strict=True)))

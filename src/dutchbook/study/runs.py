"""What a study consists of: its tapes, its settings and its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from dutchbook.application.views.measured import Entry, Measured, per_thousand
from dutchbook.domain.pair_trades.attribution import Attribution
from dutchbook.domain.values.units import MICRO, Money, from_e6, to_e6
from dutchbook.study.episodes import Bought
from dutchbook.study.folds import Part, Sitting
from dutchbook.study.grid import Grid

AS_RECORDED = "as recorded"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Taped:
    """A tape of a study.

    Attributes:
        name: As it was given.
        digest: SHA-256 of its file, in hexadecimal.
        pairs: How many pairs it has.
        assumed: How many facts of its contracts are assumed rather than recorded.
        sittings: Its sessions.
    """

    name: str
    digest: str
    pairs: int
    assumed: int
    sittings: tuple[Sitting, ...]

    @property
    def messages(self) -> int:
        """How many messages it has."""
        return sum(each.messages for each in self.sittings)


@dataclass(frozen=True, slots=True)
class Variant:
    """What is played: a tape by its place, the control that was made of it, and its sessions.

    `sessions` is empty for all of them.
    """

    tape: int
    control: str = AS_RECORDED
    sessions: tuple[int, ...] = ()

    @property
    def part(self) -> str:
        """The sessions in words: ``all``, or numbers with commas between them."""
        return ",".join(map(str, self.sessions)) or ALL


@dataclass(frozen=True, slots=True)
class Run:
    """A run: what was played, by which setting (its place in the grid), and what it came to."""

    variant: Variant
    setting: int
    seed: int
    measured: Measured
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """A study whose runs are done.

    Attributes:
        tapes: Its tapes.
        grid: Its settings.
        seeds: How many seeds, from 1.
        parts: The sessions in parts that are apart, or why they are not.
        runs: Every run, by tape, variant, setting and seed; fewer if it was cut short.
        planned: How many runs it has once it is done.
        version: That of the program.
    """

    tapes: tuple[Taped, ...]
    grid: Grid
    seeds: int
    parts: tuple[Part, ...] | str
    runs: tuple[Run, ...]
    planned: int
    version: str

    def of(self, setting: int, control: str = AS_RECORDED) -> list[Run]:
        """Return the runs of whole tapes of a setting."""
        return [
            each
            for each in self.runs
            if (each.setting, each.variant.control) == (setting, control)
            and not each.variant.sessions
        ]

    def bought(self) -> list[Bought]:
        """Return the entries of every setting and seed on the whole tapes as recorded."""
        return [
            Bought(setting, (run.variant.tape, each.pair_id), each.at, each.kept)
            for setting in range(len(self.grid.settings))
            for run in self.of(setting)
            for each in run.entries
        ]

    def kept_on(self, part: Part) -> tuple[int, ...]:
        """Return what each setting kept on a part, over all seeds, in 10⁻⁶ dollars."""
        variants = variants_of(part, self.tapes)
        return tuple(
            sum(
                to_e6(each.measured.parts.kept)
                for each in self.runs
                if each.setting == setting and each.variant in variants
            )
            for setting in range(len(self.grid.settings))
        )


def variants_of(part: Part, tapes: tuple[Taped, ...]) -> list[Variant]:
    """Return what is played for a part; a tape that lies in it whole is played whole."""
    found = []
    for number, tape in enumerate(tapes):
        mine = tuple(sorted(each.session for each in part if each.tape == number))
        if mine:
            whole = len(mine) == len(tape.sittings)
            found.append(Variant(number, sessions=() if whole else mine))
    return found


@dataclass(frozen=True, slots=True)
class Means:
    """What a setting came to: sums over the tapes, means over the seeds.

    Dollars rounded half even to 10⁻⁶, counts to a tenth. `least` and `most` are what it kept
    with its worst and its best seed.
    """

    worst: Money
    best: Money
    closed: Money
    locked: Money
    dollar_days: Decimal
    entries: Decimal
    hedged: Decimal
    exposures: Decimal
    unhedged: Money
    in_use: Money
    parts: Attribution
    least: Money
    most: Money

    @property
    def per_thousand(self) -> Decimal:
        """Dollars at worst by a thousand dollar-days."""
        return per_thousand(self.worst, self.dollar_days)


def means(runs: list[Run], seeds: int) -> Means:
    """Return what runs of whole tapes came to, those of every tape and seed.

    Raises:
        ValueError: There is none.
    """
    if not runs:
        raise ValueError("means of no run")
    found = [each.measured for each in runs]
    kept = {seed: Decimal(0) for seed in range(1, seeds + 1)}
    for run in runs:
        kept[run.seed] += run.measured.parts.kept

    def money(of: Callable[[Measured], Decimal]) -> Money:
        return mean(to_e6(_sum(map(of, found))), seeds)

    def count(of: Callable[[Measured], int]) -> Decimal:
        return (Decimal(sum(map(of, found))) / seeds).quantize(Decimal("0.1"))

    return Means(
        worst=money(lambda each: each.worst),
        best=money(lambda each: each.best),
        closed=money(lambda each: each.closed),
        locked=money(lambda each: each.locked),
        dollar_days=money(lambda each: each.dollar_days),
        entries=count(lambda each: each.entries),
        hedged=count(lambda each: each.hedged),
        exposures=count(lambda each: each.exposures),
        unhedged=money(lambda each: each.unhedged),
        in_use=money(lambda each: each.in_use),
        parts=_parts(found, seeds),
        least=Money(min(kept.values())),
        most=Money(max(kept.values())),
    )


def mean(total: int, seeds: int) -> Money:
    """Return the mean over seeds of a total of 10⁻⁶ dollars, in dollars, rounded half even."""
    return Money((from_e6(total) / seeds).quantize(MICRO, ROUND_HALF_EVEN))


def _parts(found: list[Measured], seeds: int) -> Attribution:
    total = sum((each.parts for each in found), start=Attribution())
    names = Attribution.__slots__
    return Attribution(*(mean(to_e6(getattr(total, name)), seeds) for name in names))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, start=Decimal(0))

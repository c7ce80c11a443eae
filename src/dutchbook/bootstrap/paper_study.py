"""A study: many runs on paper, each in memory, in several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import product
from pathlib import Path

from dutchbook import __version__
from dutchbook.application.views.measured import entries, measured
from dutchbook.bootstrap.paper import build_paper
from dutchbook.config import Settings
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Key, Ruling, read_results
from dutchbook.errors import DutchbookError, InvalidInput
from dutchbook.persistence.journals.memory import MemoryJournal
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.runtime.workers import in_processes
from dutchbook.study.folds import Part, Sitting, parts
from dutchbook.study.grid import Grid
from dutchbook.study.runs import AS_RECORDED, Run, Study, Taped, Variant, variants_of
from dutchbook.tape import demo
from dutchbook.tape.controls import crossed, late, part, sessions
from dutchbook.tape.documents import read_document
from dutchbook.tape.format import StoredTape, open_tape
from dutchbook.tape.message import MemoryTape, Tape

Progress = Callable[[int, int], None]
"""Called with the runs done and all runs."""
LATE = {
    "Polymarket 1 min late": timedelta(minutes=1),
    "Polymarket 10 min late": timedelta(minutes=10),
}
CROSSED = "pairs crossed"
MOST_RUNS = 1_000
"""More runs than this are made only if the user has said so."""


class RunFailed(DutchbookError):
    """A run of a study failed; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is studied.

    Attributes:
        tapes: Paths, or ``demo``.
        grid: The settings.
        seeds: How many seeds, from 1.
        controls: For how many of the settings the controls are played, the first ones.
        results: A file of the results of the one tape's contracts, if they are known.
    """

    tapes: tuple[str, ...]
    grid: Grid
    seeds: int
    controls: int = 1
    results: Path | None = None

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InvalidInput("--seeds", self.seeds, "a number of seeds, at least 1")
        if self.results is not None and len(self.tapes) > 1:
            raise InvalidInput("--results", str(self.results), "possible for several tapes")


@dataclass(frozen=True, slots=True)
class _Job:
    """One run that is to be made."""

    path: Path
    variant: Variant
    setting: int
    settings: Settings
    seed: int
    results: Mapping[Key, Ruling]


@dataclass(frozen=True, slots=True)
class Plan:
    """A study whose runs are known and not yet made."""

    request: Request
    tapes: tuple[Taped, ...]
    parts: tuple[Part, ...] | str
    jobs: tuple[_Job, ...]

    def run(self, workers: int, tell: Progress, rescue: Callable[[Study], None]) -> Study:
        """Make every run, so many at once; the study is the same with any number of workers.

        Args:
            workers: How many processes.
            tell: Called after each run.
            rescue: Called with the runs that are done, if Ctrl-C or a failure cuts them short.

        Raises:
            RunFailed: A run failed.
        """
        done: list[Run] = []
        try:
            for run in _played(self.jobs, workers):
                done.append(run)
                tell(len(done), len(self.jobs))
        finally:
            if len(done) < len(self.jobs):
                rescue(self._study(done))
        return self._study(done)

    def _study(self, done: Iterable[Run]) -> Study:
        return Study(
            tapes=self.tapes,
            grid=self.request.grid,
            seeds=self.request.seeds,
            parts=self.parts,
            runs=tuple(done),
            planned=len(self.jobs),
            version=__version__,
        )


def plan(request: Request, *, sure: bool) -> Plan:
    """Return the runs of a study; reads each tape once.

    Args:
        request: What is studied.
        sure: Whether there may be any number of runs.

    Raises:
        TapeError: A tape is missing, malformed or incomplete.
        FactsError: The results do not fit the tape.
        InvalidInput: A tape is there twice, or there are more runs than `MOST_RUNS`.
    """
    opened = [_opened(name) for name in request.tapes]
    tapes = tuple(
        _taped(number, name, tape)
        for number, (name, tape) in enumerate(zip(request.tapes, opened, strict=True))
    )
    for number, tape in enumerate(tapes):
        if tape.digest in {each.digest for each in tapes[:number]}:
            raise InvalidInput("TAPE", tape.name, "another tape: it is there twice")
    found = parts(each for tape in tapes for each in tape.sittings)
    results = _results(request.results, opened[0])
    chosen = [each.settings for each in request.grid.settings]
    jobs = tuple(
        _Job(opened[variant.tape].path, variant, number, chosen[number], seed, results)
        for variant, number in _wanted(request, tapes, found)
        for seed in range(1, request.seeds + 1)
    )
    if len(jobs) > MOST_RUNS and not sure:
        raise InvalidInput("runs", len(jobs), f"at most {MOST_RUNS:,}, unless --yes is given")
    return Plan(request, tapes, found, jobs)


def _wanted(
    request: Request, tapes: tuple[Taped, ...], found: tuple[Part, ...] | str
) -> Iterator[tuple[Variant, int]]:
    """Yield what is played with which setting; what is played of a tape stands together."""
    settings = range(len(request.grid.settings))
    cut = () if isinstance(found, str) or len(settings) == 1 else found
    partial = [each for one in cut for each in variants_of(one, tapes) if each.sessions]
    for number, tape in enumerate(tapes):
        mine = [each for each in partial if each.tape == number]
        yield from product((Variant(number), *mine), settings)
        names = [*LATE, *([CROSSED] if tape.pairs > 1 else [])]
        controls = [Variant(number, name) for name in names]
        yield from product(controls, settings[: request.controls])


def _opened(name: str) -> StoredTape:
    return open_tape(demo.PATH if name == "demo" else Path(name))


def _taped(number: int, name: str, tape: StoredTape) -> Taped:
    sittings = tuple(
        Sitting(number, each.number, each.first, each.last, each.messages)
        for each in sessions(tape)
    )
    assumed = len(tape.meta.assumed) + sum(len(each.assumed) for each in tape.meta.contracts)
    return Taped(name, tape.digest(), len(tape.meta.pairs), assumed, sittings)


def _results(path: Path | None, tape: Tape) -> Mapping[Key, Ruling]:
    if path is None:
        return {}
    return read_results(str(path), read_document(path), tape.meta.contracts)


# Processes -----------------------------------------------------------------------------------


def at_once(workers: int | None, runs: int) -> int:
    """Return how many processes make so many runs; None: as many as there are cores.

    Raises:
        InvalidInput: It is less than one.
    """
    if workers is not None and workers < 1:
        raise InvalidInput("--workers", workers, "a number of processes, at least 1")
    return min(workers or os.cpu_count() or 1, runs)


def _played(jobs: tuple[_Job, ...], workers: int) -> Iterator[Run]:
    """Yield the runs in order; with one worker, they are made in this process."""
    return map(_play, jobs) if workers == 1 else in_processes(_play, jobs, workers)


def _play(job: _Job) -> Run:
    """Make one run.

    Raises:
        RunFailed: It failed. What a worker raises must survive the way to this process.
    """
    try:
        return run_virtual(_trade(job, _made(job.path, job.variant)))
    except (DutchbookError, ExceptionGroup) as error:
        where = f"{job.path}, {job.variant.control}, setting {job.setting + 1}, seed {job.seed}"
        raise RunFailed(f"{where}: {error}") from None


async def _trade(job: _Job, tape: Tape) -> Run:
    journal, clock = MemoryJournal(), TapeClock(tape.meta.first)
    paper = build_paper(job.settings, tape, journal, clock, seed=job.seed, results=job.results)
    await paper.trade(1)
    cash = {each.match_id: each.cash_time for each in tape.meta.pairs}
    found = await measured(journal, cash)
    return Run(job.variant, job.setting, job.seed, found, tuple(await entries(journal)))


@lru_cache(maxsize=1)
def _made(path: Path, variant: Variant) -> Tape:
    """Return what is played, held in memory for the next run of it."""
    tape = open_tape(path)
    if variant.control in LATE:
        return late(tape, Platform.POLYMARKET, LATE[variant.control])
    if variant.control == CROSSED:
        mixed = crossed(tape)
        assert mixed is not None, "only a tape with several pairs has them crossed"
        return mixed
    assert variant.control == AS_RECORDED, variant.control
    if variant.sessions:
        return part(tape, variant.sessions)
    return MemoryTape(tape.meta, list(tape.messages()))

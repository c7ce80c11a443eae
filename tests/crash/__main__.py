"""``python -m crash`` kills the engine wherever it can die, and judges what is left."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table
from support import postgres

from bench.figures import writing
from dutchbook.ports.crash_points import points

from . import figures
from .awaits import CANCEL, FAIL, sites
from .figures import struck
from .kills import AWAIT, TIME, Case, Ground, Profile, Verdict, home
from .programme import ELSEWHERE, FULL, SHORT, Programme, Size

SHOWN = 20
TURNS = 4
"""Extra rounds of random instants, if too few of the earlier ones struck a running engine."""


def main() -> int:
    """Run the programme and return the exit status."""
    asked = _asked()
    console = Console()
    place = asked.folder or home()
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="dutchbook-crash-", dir=place)
        path = Path(stack.enter_context(folder))
        server = None
        if not asked.only or Case.read(asked.seed, asked.only).on_server:
            try:
                server = stack.enter_context(postgres.server())
            except postgres.NoPostgres as error:
                console.print(str(error), markup=False, highlight=False)
                if asked.only:
                    return 1
        ground = Ground(path, server)
        if asked.only:
            return _once(ground, Case.read(asked.seed, asked.only), console)
        return _all(ground, asked, console)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 1))
    parser.add_argument("--short", action="store_true", help="a run of less than two minutes")
    parser.add_argument(
        "--only", default="", metavar="CASE", help="one case, as a failure says"
    )
    parser.add_argument("--point", default="", help="only cases that have this in their name")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    parser.add_argument("--folder", type=Path, help="where databases are made; else in memory")
    writing.add_option(parser, "crash")
    asked = parser.parse_args()
    if asked.figures and (asked.only or asked.point):
        parser.error("only the figures of all cases go into the page")
    if any((name == figures.BRIEF) != asked.short for name in asked.figures):
        parser.error(f"{figures.BRIEF} is for a run with --short, the others for one without")
    return asked


def _once(ground: Ground, case: Case, console: Console) -> int:
    verdict = ground.try_out(case)
    console.print(f"struck: {', '.join(verdict.struck) or 'nothing'}", highlight=False)
    for line in verdict.wrong:
        console.print(line, markup=False, highlight=False)
    return bool(verdict.wrong)


def _all(ground: Ground, asked: argparse.Namespace, console: Console) -> int:
    began, commit, measurements = time.monotonic(), _commit(), writing.begin(asked.figures)
    size = SHORT if asked.short else FULL
    programme = Programme(asked.seed, size)
    bars = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    verdicts: list[Verdict] = []
    with (
        Progress("{task.description}", *bars, console=Console(stderr=True)) as progress,
        multiprocessing.get_context("fork").Pool(asked.jobs) as pool,
        contextlib.suppress(KeyboardInterrupt),  # report what was seen so far
    ):
        _measured(programme, ground, pool, progress)
        served = ground.shelf.serves
        cases = [each for each in programme.cases(served=served) if asked.point in str(each)]
        kills = progress.add_task("kills", total=len(cases))
        more, turns = cases, iter(range(TURNS))
        while more:
            for verdict in pool.imap_unordered(partial(Ground.try_out, ground), more):
                verdicts.append(verdict)
                progress.update(kills, advance=1, total=len(cases))
                _print_progress(
                    progress.console, verdict, f"{len(verdicts)} of {len(cases)} cases"
                )
            left, turn = _left_at_random(verdicts, size), next(turns, None)
            more = [] if turn is None else [*programme.timed_again(turn, left)]
            cases += more
    failures = [*programme.wrong, *programme.unreached(), *_missed(verdicts, size)]
    if len(verdicts) < len(cases):
        failures.append(f"interrupted: {len(verdicts)} of {len(cases)} cases were tried")
        measurements = {}
    failed = [verdict for verdict in verdicts if verdict.wrong]
    _print_points(console, verdicts)
    _report(console, asked.seed, failed, failures)
    count, seconds = len(failed) + len(failures), time.monotonic() - began
    console.print(
        f"seed {asked.seed}, commit {commit}: {_kills(verdicts)} in {len(verdicts)} cases,"
        f" {count} failures, {seconds:.0f} s",
        highlight=False,
    )
    command = f"make crash SEED={asked.seed}" + " ARGS=--short" * asked.short
    for line in figures.written(measurements, verdicts, command, count, seconds):
        console.print(line, highlight=False)
    return count > 0


def _print_progress(console: Console, verdict: Verdict, progress: str) -> None:
    """Print a failure at once, and the progress of the run now and then."""
    if verdict.wrong:
        console.print(f"wrong: {verdict.case}", highlight=False)
    if not console.is_terminal and progress.partition(" ")[0].endswith("00"):
        console.print(progress)


def _measured(programme: Programme, ground: Ground, pool: Pool, progress: Progress) -> None:
    """Measure which points, events and awaits the scenarios pass."""
    bar = progress.add_task("scenarios", total=None)
    for fresh, cases in ((True, programme.unharmed), (False, programme.recovering)):
        every = cases()
        progress.update(bar, total=len(every), completed=0)
        profiles = pool.imap(partial(_profiled, ground, fresh), every)
        for case, profile in zip(every, profiles, strict=True):
            progress.advance(bar)
            if case.kills:
                programme.recoveries[case] = profile
            else:
                programme.profiles[case.number] = profile
    every = programme.unharmed()
    for case, seconds in zip(every, pool.imap(ground.seconds, every), strict=True):
        programme.seconds[case.number] = seconds


def _profiled(ground: Ground, fresh: bool, case: Case) -> Profile:
    return ground.profile(case, fresh=fresh)


def _kills(verdicts: list[Verdict]) -> str:
    every, served = figures.kills(verdicts)
    return f"{every} kills ({served} of them on PostgreSQL)"


def _missed(verdicts: list[Verdict], size: Size) -> list[str]:
    """Return the points that were struck less often than planned."""
    found = []
    for served, times in ((False, size.at_points), (True, size.served_at_points)):
        mine = [each for each in verdicts if each.case.on_server is served]
        wanted = Counter(kill.name for each in mine for kill in each.case.kills)
        seen, where = struck(mine), " on PostgreSQL" if served else ""
        found += [
            f"{name} was struck {seen[name]} times of {times}{where}"
            for name in points()
            if wanted[name] and seen[name] < times
        ]
    left = _left_at_random(verdicts, size)
    if left:
        found.append(f"{left} of {size.least_at_random} were not struck at random instants")
    return found


def _left_at_random(verdicts: list[Verdict], size: Size) -> int:
    """Return how many random instants are still to strike, if that many were planned.

    An instant strikes nothing if its engine had ended by then: the machine's speed varies.
    """
    mine = [each for each in verdicts if not each.case.on_server]
    asked = sum(kill.name == TIME for each in mine for kill in each.case.kills)
    least = size.least_at_random
    return max(least - struck(mine)[TIME], 0) if asked >= least else 0


def _print_points(console: Console, verdicts: list[Verdict]) -> None:
    """Print how often each point was struck, and how many of those cases failed."""
    table = Table("where", "before", "after", "failed")
    for what, before, after, failed in figures.by_place(verdicts):
        first = "" if before is None else str(before)
        table.add_row(what, first, str(after), str(failed or "-"))
    console.print(table)
    _print_awaits(console, verdicts)
    if ELSEWHERE:
        console.print(f"not come by: {', '.join(ELSEWHERE)}", highlight=False, style="dim")


def _print_awaits(console: Console, verdicts: list[Verdict]) -> None:
    """Print at how many awaits of the program a task was cancelled or a call failed."""
    every = sum(map(len, sites().values()))
    for way, word in ((CANCEL, "cancelled"), (FAIL, "failed")):
        name = f"{AWAIT}{way} "
        seen = [s for verdict in verdicts for s in verdict.struck if s.startswith(name)]
        wanted = {k.name for v in verdicts for k in v.case.kills if k.name.startswith(name)}
        console.print(
            f"awaits {word}: {len(set(seen))} of {len(wanted)} that wait, {len(seen)} times"
            f" (the program has {every})",
            highlight=False,
        )


def _report(console: Console, seed: int, failed: list[Verdict], failures: list[str]) -> None:
    for line in failures:
        console.print(line, markup=False, highlight=False)
    for verdict in failed[:SHOWN]:
        again = f"make crash ARGS='--seed {seed} --only \"{verdict.case}\"'"
        console.print(again, markup=False, highlight=False, soft_wrap=True)
        for line in verdict.wrong:
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
    if len(failed) > SHOWN:
        console.print(f"and {len(failed) - SHOWN} more cases")


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())

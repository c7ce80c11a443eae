"""`make simulate`: run seeds until enough executions are done, then print the results."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from support import postgres

from bench.figures import writing
from prove import figures
from prove.durable import MEMORY, POSTGRESQL, SQLITE
from prove.report import VOID, Sum, show
from prove.world import STEPS, Outcome, run

WIDE = 150
TWICE = 100
"""One seed in this many is run again in a process with another hash seed (I-31)."""


def outcomes(first: int, workers: int, **how: Any) -> Iterator[Outcome]:
    """Yield the outcomes of `first` and the seeds after it, in order."""
    if workers == 1:
        while True:
            yield run(first, **how)
            first += 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[Outcome]] = deque()
        try:
            while True:
                while len(waiting) < 3 * workers:
                    waiting.append(pool.submit(run, first, **how))
                    first += 1
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def again(seed: int, size: int) -> str:
    """Return the hash at the end of a seed's event log, computed in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "prove", "--head", str(seed), "--size", str(size)],
        env=os.environ | {"PYTHONHASHSEED": str(seed % 1000 + 1)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def simulate(given: argparse.Namespace, on: str) -> int:
    """Run seeds until enough executions were carried out or a violation is found.

    `on` is passed to `durable.database`.
    """
    wanted, first, size, only = given.executions, given.seed, given.size, given.only
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    measurements = writing.begin(given.figures)
    total, began = Sum(first), time.monotonic()
    columns = (TextColumn("simulating"), BarColumn(), TextColumn("{task.fields[what]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("", total=wanted, what="")
        found = outcomes(first, given.workers, size=size, only=only, on=on)
        for outcome in found:
            total.add(outcome)
            if outcome.seed % TWICE == 0 and on == MEMORY:
                total.twice += 1
                if only in ("", "I-31") and again(outcome.seed, size) != outcome.head:
                    total.differs(outcome.seed)
            so_far = f"{total.executions} executions, {sum(total.tally.hits.values())} faults"
            progress.update(bar, completed=total.executions, what=so_far)
            for each in outcome.violations[:1] if given.keep_going else ():
                progress.console.print(f"seed {outcome.seed}: {each}", highlight=False)
            if total.executions >= wanted or (total.violations and not given.keep_going):
                break
        found.close()  # type: ignore[attr-defined]
    seconds = time.monotonic() - began
    show(total, seconds, console)
    if given.result is not None:
        text = json.dumps(total.document(seconds), indent=1) + "\n"
        given.result.write_text(text, encoding="utf-8")
    for line in figures.written(measurements, total, seconds, given):
        console.print(line, highlight=False)
    return total.code


def main() -> int:
    """Parse the command line and run the simulation."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--executions", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=STEPS, help="steps of each seed's tape")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--head", type=int, help="print the end of one seed's event log")
    parser.add_argument(
        "--any-mix", action="store_true", help="a void run is told of, and is no failure"
    )
    parser.add_argument(
        "--keep-going", action="store_true", help="go on after a violation, to find them all"
    )
    parser.add_argument("--only", default="", help="judge by one check alone, as I-5")
    places = (MEMORY, SQLITE, POSTGRESQL)
    parser.add_argument("--on", default=MEMORY, choices=places, help="where rows are kept")
    writing.add_option(parser, "simulate")
    given = parser.parse_args()
    if given.figures and (given.only or given.size != STEPS):
        parser.error("only the figures of a run with every check and of the usual size go in")
    for name in given.figures:
        if given.on != figures.ON.get(name, MEMORY):
            parser.error(f"{name} is not for a run on {given.on}")
    if given.head is not None:
        sys.stdout.write(run(given.head, size=given.size).head + "\n")
        return 0
    if given.on == POSTGRESQL:
        with postgres.server() as url:
            code = simulate(given, url)
    else:
        code = simulate(given, given.on)
    return 0 if given.any_mix and code == VOID else code


if __name__ == "__main__":
    sys.exit(main())

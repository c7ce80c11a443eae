"""`make mutants`: plant bugs one at a time; the tests must catch each of them.

A bug is applied to a copy of the source. It counts as caught if the simulation, or the test
that the bug names, fails.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import writing
from prove.alone import ALONE
from prove.bug import SIMULATION, Bug, place
from prove.planted import PLANTED

ROOT = Path(__file__).resolve().parents[2]
EXECUTIONS = 4_000
PATIENCE = 600
CAUGHT, MISSED = "caught", "NOT CAUGHT"


def verdict(bug: Bug) -> str:
    """Plant a bug in a copy of the source, run what should catch it, and return the verdict."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for part in ("src", "tests/support"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        for file, old, new in bug.edits:
            path = place(copy, file)
            text = path.read_text(encoding="utf-8")
            if text.count(old) != 1:
                return f"stands {text.count(old)} times in {file}"
            path.write_text(text.replace(old, new), encoding="utf-8")
        places = (copy / "src", copy / "tests", ROOT / "tests")
        return _look(bug, os.pathsep.join(map(str, places)))


def _look(bug: Bug, path: str) -> str:
    if bug.caught_by == SIMULATION:
        words = ["-m", "prove", "--executions", str(EXECUTIONS), "--workers", "1"]
        words += ["--seed", str(bug.seed), *(("--only", bug.check) if bug.check else ())]
    else:
        words = ["-m", "pytest", "-x", "-q", *bug.caught_by.split()]
    environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return MISSED
    if done.returncode != 1:
        return MISSED
    seed = re.search(r"SEED=\d+", done.stdout)
    if bug.caught_by == SIMULATION and not seed:
        return MISSED  # the simulation did not even start
    return f"{CAUGHT} {seed[0]}" if seed else CAUGHT


def _figures(caught: int) -> list[str]:
    """Return what the page says of a run of all bugs."""
    return [
        "| run | by the simulation or a named test | by one check alone | caught |",
        "|---|---:|---:|---:|",
        f"| `make mutants` | {len(PLANTED)} | {len(ALONE)} | {caught} |",
    ]


def main() -> int:
    """Parse the command line and try the bugs."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--draw", type=int, help="only so many, drawn by the seed")
    parser.add_argument("--seed", default="", help="what draws them; else the day's date")
    parser.add_argument(
        "--only", help="only those whose name contains this, or the one of a check"
    )
    writing.add_option(parser, "mutants")
    given = parser.parse_args()
    if given.figures and (given.draw is not None or given.only is not None):
        parser.error("only the figures of all bugs go into the page")
    measurements = writing.begin(given.figures)
    every = (*PLANTED, *ALONE)
    bugs = [b for b in every if given.only in (None, b.check) or given.only in b.name]
    if given.draw is not None:
        drawn = given.seed or datetime.now(UTC).date().isoformat()
        bugs = random.Random(drawn).sample(bugs, min(given.draw, len(bugs)))  # noqa: S311
    console, table = (
        Console(width=120),
        Table("planted bug", "looked for by", "judged by", "", title="mutants"),
    )
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = []
        for bug, word in zip(bugs, pool.map(verdict, bugs), strict=True):
            found.append(word)
            console.print(f"{bug.check or 'all'} {bug.name}: {word}")
    for bug, word in zip(bugs, found, strict=True):
        table.add_row(bug.name, bug.caught_by, bug.check or "all", word)
    console.print(table)
    caught = sum(word.startswith(CAUGHT) for word in found)
    console.print(f"{caught} of {len(bugs)} caught")
    for measurement in measurements.values():
        console.print(measurement.write(_figures(caught)), highlight=False)
    return 0 if caught == len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main())

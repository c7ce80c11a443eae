"""`make mutate`: how many small changes of the program the tests notice."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.figures import writing
from mutation import equivalents, figures
from mutation.changed import changed, different
from mutation.known import Known
from mutation.mutants import Mutant, below
from mutation.results import Result, Results
from mutation.session import JOB, results_of
from mutation.tree import ROOT, Tree
from mutation.typing_errors import rejected

PLACES = (
    "domain",
    "application/capital",
    "application/execution",
    "application/exposure",
    "application/orders",
    "application/pair_trades",
    "application/settlement",
)
"""What moves money or orders."""
TESTS = ("tests/spec",)
"""They call what they judge directly; whole runs notice much more, but late."""
SECONDS = 20.0


def main() -> int:
    """Try the mutants that are asked for, and return the exit status."""
    asked = _asked()
    measurements = writing.begin(asked.figures)
    tree, files = Tree(), below(ROOT, PLACES)
    if asked.changed:
        tree = Tree(place=ROOT / "build/mutate/changed/tree")
        files = different(files, asked.changed)
    mutants = tree.prepare(files, asked.workers)
    mistyped = rejected(tree.place, files, mutants)
    mutants = [each for each in mutants if _asked_for(each, asked.only)]
    kept = Results(tree.place.parent / "results.json", tree.place)
    chosen = [mutant for mutant in mutants if mutant.key not in mistyped]
    if asked.changed:
        chosen = changed(chosen, asked.changed)
    if asked.most and len(chosen) > asked.most:
        chosen = random.Random(asked.seed).sample(chosen, asked.most)  # noqa: S311
    new = sum(kept.of(mutant, asked.seconds) is None for mutant in chosen)
    _say(
        f"{len(mutants):,} mutants of {len(files)} files, {len(mistyped):,} mistyped;"
        f" {len(chosen):,} asked for, {new:,} to try"
    )
    results = tried(tree, chosen, kept, asked.seconds, asked.workers, asked.tests)
    return _summed_up(asked, mutants, chosen, mistyped, results, new, measurements)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="PLACE", help="files or packages")
    parser.add_argument("--changed", metavar="COMMIT", help="only functions changed since it")
    parser.add_argument("--most", type=int, help="at most so many, drawn by the seed")
    parser.add_argument("--seed", default=os.environ.get("SEED") or "1")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of tests, a mutant")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--missed", action="store_true", help="show each that none notices")
    writing.add_option(parser, "mutate")
    asked = parser.parse_args()
    if asked.figures and (asked.only or asked.changed or asked.most):
        parser.error("only the figures of the whole programme go into the page")
    return asked


def tried(
    tree: Tree,
    mutants: Sequence[Mutant],
    kept: Results,
    seconds: float,
    workers: int,
    tests: Sequence[str],
) -> dict[str, Result]:
    """Return the results of some mutants, by key; those that are not known yet are tried.

    What is found is kept however this ends.

    Args:
        tree: Where they stand.
        mutants: The mutants.
        kept: The results of earlier runs.
        seconds: How long the tests of one are run at most.
        workers: How many are tried at once.
        tests: Paths of the tests.

    Raises:
        SystemExit: A test fails without a mutant.
    """
    open_ = {each.identity: each for each in mutants if kept.of(each, seconds) is None}
    build = tree.place.parent
    lines = build / f"{kept.tests}.jsonl"
    _take(lines, open_, kept, seconds)  # of a run that was killed
    if open_:
        known = Known(build / "known.json", tree.root)
        known.refresh()
        waiting = [
            {"key": each.key, "tested": each.tested, "identity": identity}
            for identity, each in open_.items()
        ]
        job = {
            "known": str(known.path),
            "results": str(lines),
            "mutants": waiting,
            "seconds": seconds,
            "workers": workers,
        }
        path = build / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        try:
            _pytest(tree.place, path, tests)
        finally:
            _take(lines, open_, kept, seconds)
            kept.write(mutants)
    return {each.key: found for each in mutants if (found := kept.of(each, 0)) is not None}


def _take(lines: Path, open_: dict[str, Mutant], kept: Results, seconds: float) -> None:
    """Keep the results of a session that ended, however it did."""
    if not lines.exists():
        return
    found = results_of(lines.read_text(encoding="utf-8").splitlines())
    for identity, (outcome, by) in found.items():
        if (mutant := open_.pop(identity, None)) is not None:
            kept.keep(mutant, Result(outcome, by, seconds))
    lines.unlink()


def _pytest(place: Path, job: Path, tests: Iterable[str]) -> None:
    """Run the session of the job."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "mutation.session", *tests]
    paths = os.pathsep.join(("src", "tests", ".", str(ROOT / "tests")))
    environment = os.environ | {JOB: str(job), "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=place, env=environment, check=False)
    if done.returncode not in (0, 5):
        sys.exit(f"the tests themselves ended with {done.returncode}")


def _summed_up(
    asked: argparse.Namespace,
    mutants: Sequence[Mutant],
    chosen: Sequence[Mutant],
    mistyped: dict[str, str],
    results: dict[str, Result],
    new: int,
    measurements: dict[str, writing.Measurement],
) -> int:
    entries = equivalents.listed()
    same = {each.key for each in chosen if any(entry.is_(each) for entry in entries)}
    missed = [m for m in chosen if m.key not in same and not _noticed(results.get(m.key))]
    if asked.missed:
        for mutant in missed:
            result = results.get(mutant.key)
            _say(f"{mutant}\n  {result.outcome if result else 'not tried'}\n")
    whole = not (asked.changed or asked.most)
    if not whole:
        _say(f"{len(chosen) - len(missed)} of {len(chosen)} noticed; --missed shows the others")
        return 0
    by_file = figures.scores(mutants, mistyped, same, results)
    lines = figures.table(by_file, new)
    _say("\n".join(lines))
    for measurement in measurements.values():
        _say(measurement.write(lines))
    counted = Counter(mutant.file for mutant in chosen)
    wrong = equivalents.wrong(entries, mutants, results, counted)
    wrong += [
        f"{score.place}: {score.percent:.1f} %, at least {figures.least(score)} are wanted"
        for score in figures.packages(by_file)
        if score.percent < figures.least(score)
    ]
    _say("\n".join(wrong))
    return bool(wrong)


def _asked_for(mutant: Mutant, places: Sequence[str] | None) -> bool:
    return places is None or any(mutant.file.startswith(place) for place in places)


def _noticed(result: Result | None) -> bool:
    return result is not None and result.noticed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

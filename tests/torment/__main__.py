"""``python -m torment`` mistreats the program in every way known, and judges what it does."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from support import postgres

from bench.figures import writing

from . import figures
from .ground import prepare
from .programme import KINDS, Try, Verdict, made, tries

TRIES, BRIEF = 200, 40


def main() -> int:
    """Make the tries and return the exit status."""
    asked, began = _asked(), time.monotonic()
    measurements = writing.begin(asked.figures)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dutchbook-torment-"))
        shared = Path(folder, "shared")
        shared.mkdir()
        prepare(shared)
        served = _served()
        chosen = [Try(*asked.only.split(":", 1))] if asked.only else _chosen(asked)
        with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
            found = [
                _shown(each)
                for each in pool.imap_unordered(
                    partial(made, shared=shared, served=served), chosen
                )
            ]
    seconds = time.monotonic() - began
    for measurement in measurements.values():
        say(measurement.write(figures.table(found, asked.seed, seconds)))
    return _summed_up(found, seconds, served=served)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torment", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 1))
    parser.add_argument("--tries", type=int, default=TRIES)
    parser.add_argument("--short", action="store_true", help=f"{BRIEF} tries")
    parser.add_argument("--kind", choices=sorted(KINDS), help="only tries of one kind")
    parser.add_argument("--only", default="", metavar="TRY", help="one try, as a failure says")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    writing.add_option(parser, "torment")
    asked = parser.parse_args()
    if asked.figures and (asked.only or asked.kind or asked.short or asked.tries != TRIES):
        parser.error("only the figures of the whole programme go into the page")
    return asked


def _chosen(asked: argparse.Namespace) -> list[Try]:
    count = BRIEF if asked.short else asked.tries
    if asked.kind:
        return [Try(asked.kind, f"{asked.seed}-{number}") for number in range(count)]
    return list(tries(asked.seed, count))


def _served() -> bool:
    """Return whether a PostgreSQL can be started here; each try on it starts its own."""
    try:
        with postgres.server():
            return True
    except postgres.NoPostgres as error:
        say(f"{error}: tries on it are left out")
        return False


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _shown(verdict: Verdict) -> Verdict:
    for line in verdict.wrong:
        say(f"{verdict.attempt}: {line}")
    return verdict


def _summed_up(found: Sequence[Verdict], seconds: float, *, served: bool) -> int:
    say(f"\n{'kind':16}{'tries':>6}{'failed':>8}")
    for kind, count, failed in figures.by_kind(found):
        note = "  (no server)" if kind == "servers" and not served else ""
        say(f"{kind:16}{count:6}{failed:8}{note}")
    failures = [verdict.attempt for verdict in found if verdict.wrong]
    calls = sum(verdict.calls for verdict in found)
    say(f"{len(found)} tries, {calls} calls, {len(failures)} failed, {seconds:.0f} s")
    for attempt in failures:
        say(f"make torment ARGS='--only {attempt}'")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())

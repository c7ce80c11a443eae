"""``python -m torment`` mistreats the program in every way known, and judges what it does."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from support import postgres

from .ground import prepare
from .programme import KINDS, Try, Verdict, made, tries


def main() -> int:
    """Make the tries and return the exit status."""
    asked, began = _asked(), time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dutchbook-torment-"))
        shared = Path(folder, "shared")
        shared.mkdir()
        prepare(shared)
        server = _server(stack)
        chosen = [Try(*asked.only.split(":", 1))] if asked.only else _chosen(asked)
        with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
            found = [
                _shown(each)
                for each in pool.imap_unordered(
                    partial(made, shared=shared, server=server), chosen
                )
            ]
    return _summed_up(found, time.monotonic() - began, served=server is not None)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torment", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 1))
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--short", action="store_true", help="40 tries")
    parser.add_argument("--kind", choices=sorted(KINDS), help="only tries of one kind")
    parser.add_argument("--only", default="", metavar="TRY", help="one try, as a failure says")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    return parser.parse_args()


def _chosen(asked: argparse.Namespace) -> list[Try]:
    count = 40 if asked.short else asked.tries
    if asked.kind:
        return [Try(asked.kind, f"{asked.seed}-{number}") for number in range(count)]
    return list(tries(asked.seed, count))


def _server(stack: ExitStack) -> str | None:
    try:
        return stack.enter_context(postgres.server())
    except postgres.NoPostgres as error:
        say(f"{error}: tries on it are left out")
        return None


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _shown(verdict: Verdict) -> Verdict:
    for line in verdict.wrong:
        say(f"{verdict.attempt}: {line}")
    return verdict


def _summed_up(found: Sequence[Verdict], seconds: float, *, served: bool) -> int:
    every: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for verdict in found:
        every[verdict.attempt.kind] += 1
        failed[verdict.attempt.kind] += bool(verdict.wrong)
    say(f"\n{'kind':16}{'tries':>6}{'failed':>8}")
    for kind in KINDS:
        note = "  (no server)" if kind == "servers" and not served else ""
        say(f"{kind:16}{every[kind]:6}{failed[kind]:8}{note}")
    calls, bad = sum(verdict.calls for verdict in found), sum(failed.values())
    say(f"{len(found)} tries, {calls} calls, {bad} failed, {seconds:.0f} s")
    for verdict in found:
        if verdict.wrong:
            say(f"make torment ARGS='--only {verdict.attempt}'")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())

"""How many tries of each kind there were, and what of that is written into the pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from .programme import KINDS, Verdict


def by_kind(found: Sequence[Verdict]) -> Iterator[tuple[str, int, int]]:
    """Yield each kind, how many tries were of it, and how many of those failed."""
    every = Counter(verdict.attempt.kind for verdict in found)
    failed = Counter(verdict.attempt.kind for verdict in found if verdict.wrong)
    for kind in KINDS:
        yield kind, every[kind], failed[kind]


def table(found: Sequence[Verdict], seed: int, seconds: float) -> list[str]:
    """Return the totals and each kind's in Markdown."""
    calls = sum(verdict.calls for verdict in found)
    bad = sum(bool(verdict.wrong) for verdict in found)
    lines = ["| kind | tries | failed |", "|---|---:|---:|"]
    lines += [f"| {kind} | {count} | {failed} |" for kind, count, failed in by_kind(found)]
    lines += [f"| `make torment SEED={seed}` | {len(found)} | {bad} |", ""]
    return [*lines, f"- {calls:,} calls of the program in {seconds:,.0f} s"]

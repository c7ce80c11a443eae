"""How often a run struck, and what of that it writes into the pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.figures.writing import Measurement
from dutchbook.ports.crash_points import points

from .awaits import CANCEL, FAIL
from .kills import AWAIT, TERM, TIME, Verdict
from .programme import ELSEWHERE

POINTS, BRIEF = "crash.points", "crash.short"
AT_TIMES = {
    TIME: "SIGKILL at a random instant",
    TERM: "SIGTERM, drained",
    "any": "during recovery, at any point",
}
Row = tuple[str, int | None, int, int]
"""A place, how often it was struck before and after, and how many of those cases failed."""


def struck(verdicts: Sequence[Verdict]) -> Counter[str]:
    """Return how often each place was struck."""
    return Counter(name for verdict in verdicts for name in verdict.struck)


def kills(verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """Return the number of kills, and of those on PostgreSQL."""
    found = [(v.case, s) for v in verdicts for s in v.struck if not s.startswith(AWAIT)]
    return len(found), sum(case.on_server for case, _ in found)


def by_place(verdicts: Sequence[Verdict]) -> Iterator[Row]:
    """Yield a row for each point, and for each kind of kill that no point has."""
    times = struck(verdicts)
    failed = Counter(
        name for verdict in verdicts if verdict.wrong for name in dict.fromkeys(verdict.struck)
    )
    for name in points()[::2]:
        what = name.partition(" ")[2]
        if what not in ELSEWHERE:
            before, after = f"before {what}", f"after {what}"
            yield what, times[before], times[after], failed[before] + failed[after]
    for name, what in AT_TIMES.items():
        yield what, None, times[name], failed[name]


def written(
    measurements: Mapping[str, Measurement],
    verdicts: Sequence[Verdict],
    command: str,
    failures: int,
    seconds: float,
) -> list[str]:
    """Write the blocks of a run, and return a line about each."""
    shown = {POINTS: table(verdicts)}
    whole = totals(verdicts, command, failures, seconds)
    return [each.write(shown.get(name, whole)) for name, each in measurements.items()]


def totals(
    verdicts: Sequence[Verdict], command: str, failures: int, seconds: float
) -> list[str]:
    """Return the totals of a run in Markdown."""
    every, served = kills(verdicts)
    times = struck(verdicts)
    cancelled, failed = (
        [count for name, count in times.items() if name.startswith(f"{AWAIT}{way} ")]
        for way in (CANCEL, FAIL)
    )
    counts = (every, served, sum(cancelled), sum(failed), len(verdicts), failures)
    columns = ("run", "kills", "of them on PostgreSQL", "awaits cancelled", "awaits failed")
    return [
        f"| {' | '.join(columns)} | cases | failures |",
        "|---|---:|---:|---:|---:|---:|---:|",
        f"| `{command}` | {' | '.join(f'{count:,}' for count in counts)} |",
        "",
        f"- in {seconds:,.0f} s; awaits: {len(cancelled)} cancelled, {len(failed)} failed",
    ]


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """Return how often each place was struck, in Markdown."""
    lines = ["| where | before | after | failed |", "|---|---:|---:|---:|"]
    named = AT_TIMES.values()
    for what, before, after, failed in by_place(verdicts):
        where = what if what in named else f"`{what}`"
        first = "" if before is None else before
        lines.append(f"| {where} | {first} | {after} | {failed or '-'} |")
    return lines

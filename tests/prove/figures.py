"""What a run writes into the pages: its totals, and the table of its faults."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from bench.figures.writing import Measurement
from prove.catalogue import FAULTS, NAMES, PHASES, Tally
from prove.durable import MEMORY, POSTGRESQL, SQLITE
from prove.limits import KINDS
from prove.report import Sum

COVERAGE = "simulate.faults"
ON = {"simulate.sqlite": SQLITE, "simulate.postgresql": POSTGRESQL}
"""Where the runs of some blocks keep their rows; those of the others keep them in memory."""


def written(
    measurements: Mapping[str, Measurement],
    total: Sum,
    seconds: float,
    given: argparse.Namespace,
) -> list[str]:
    """Write the blocks of a run, and return a line about each.

    A run that ended at a violation is only a part, and a void one proves nothing: neither is
    written.
    """
    if total.violations and not given.keep_going:
        return [f"{name} is not written: the run ended at a violation" for name in measurements]
    if total.void:
        return [f"{name} is not written: the run is void" for name in measurements]
    return [
        measurement.write(
            coverage(total.tally) if name == COVERAGE else totals(total, seconds, given)
        )
        for name, measurement in measurements.items()
    ]


def totals(total: Sum, seconds: float, given: argparse.Namespace) -> list[str]:
    """Return the totals of a run in Markdown."""
    faults, rarest = sum(total.tally.hits.values()), min(FAULTS, key=total.tally.of)
    counts = (total.executions, total.lives, faults, total.checks, len(total.violations))
    reached = (
        f"{status} {_share(count, total)} %" for status, count in sorted(total.reached.items())
    )
    limits = ", ".join(f"{kind.replace('_', ' ')} {total.limits[kind]:,}" for kind in KINDS)
    return [
        "| run | executions | engines | faults | checks | violations |",
        "|---|---:|---:|---:|---:|---:|",
        f"| `{command(given)}` | {' | '.join(f'{count:,}' for count in counts)} |",
        "",
        _seeds(total, seconds),
        f"- {_share(total.both, total)} % opened both legs; positions: {', '.join(reached)}",
        f"- the rarest of {len(FAULTS)} faults: {_title(rarest)}, {total.tally.of(rarest):,}",
        f"- times that a limit cut or refused an entry: {limits}",
    ]


def _seeds(total: Sum, seconds: float) -> str:
    last = total.first + total.seeds - 1
    again = f"{total.twice:,} of them again in another process, to compare the last hash"
    return f"- seeds {total.first:,} to {last:,} in {seconds:,.0f} s, {again}"


def _title(fault: int) -> str:
    return f"{FAULTS[fault]} {NAMES[fault - 1]}"


def _share(count: int, total: Sum) -> str:
    return f"{100 * count / max(total.executions, 1):.1f}"


def command(given: argparse.Namespace) -> str:
    """Return the command that repeats a run."""
    words = ["make simulate", f"EXECUTIONS={given.executions}", f"SEED={given.seed}"]
    words += [] if given.on == MEMORY else [f"ON={given.on}"]
    return " ".join(words)


def coverage(tally: Tally) -> list[str]:
    """Return how often each fault struck, by what the engine was about, in Markdown."""
    rule = "|---|" + "---:|" * (len(PHASES) + 1)
    lines = [f"| fault | {' | '.join(PHASES)} | all |", rule]
    for number in FAULTS:
        counts = [tally.hits[number, phase] for phase in PHASES]
        shown = " | ".join(f"{count:,}" if count else "" for count in counts)
        lines.append(f"| {_title(number)} | {shown} | {tally.of(number):,} |")
    return lines

"""Bugs in what a person is shown of a run."""

from __future__ import annotations

from prove.bug import Bug

FRAME = "cli/console/frame.py"

IN_SHOWN = (
    Bug(
        "an unhedged leg gives way to positions and events",
        FRAME,
        "alone = page.alone(state.alone, left - len(rule) - positions)",
        "alone = page.alone(state.alone, min(left - len(rule) - positions, 1))",
        "tests/spec/test_screen.py -k pushes",
    ),
    Bug(
        "a title is shown as the platform wrote it",
        FRAME,
        "shown = inert(text, self.encoding)",
        "shown = text",
        "tests/spec/test_screen.py -k hostile",
    ),
    Bug(
        "the counts of a run are those of all runs",
        "application/views/summary.py",
        'since = [row for row in log if row["sequence"] >= start]',
        "since = log",
        "tests/simulation/test_summary_of_a_run.py -k counts_of_a_run",
    ),
    Bug(
        "the fees of what an exit sold count as a cost of what is left",
        "domain/positions/fold.py",
        "return position.locked_profit < 0",
        "return position.locked_profit < sum(leg.fees for leg in position.legs) / 2",
        "tests/spec/test_accounting.py -k exit_left",
    ),
)

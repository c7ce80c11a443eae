"""The results of a simulation: tables for people, a document for machines."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dutchbook.domain.positions.position import PositionStatus
from prove.catalogue import FAULTS, NAMES, PHASES, Tally
from prove.cells import IMPOSSIBLE, POSSIBLE
from prove.limits import KINDS
from prove.oracle import Violation
from prove.world import Outcome

ROOT = Path(__file__).resolve().parents[2]
FAILED, VOID = 1, 2
RARE = 50
"""At least one execution in this many must have reached each status of a position."""
SELDOM = 1_000
"""At least one execution in this many must have met each fault, in a run of `ENOUGH`."""
ENOUGH = 20_000


@dataclass
class Sum:
    """Totals over all seeds so far."""

    first: int
    tally: Tally = field(default_factory=Tally)
    seeds: int = 0
    executions: int = 0
    both: int = 0
    lives: int = 0
    steps: int = 0
    checks: int = 0
    known: int = 0
    twice: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    limits: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, Violation]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Add one seed."""
        self.seeds += 1
        self.tally.hits.update(outcome.tally.hits)
        self.executions += outcome.executions
        self.both += outcome.both
        self.lives += outcome.lives
        self.steps += outcome.steps
        self.checks += outcome.checks
        self.known += outcome.known
        self.reached.update(outcome.reached)
        self.limits.update(outcome.limits)
        self.violations += [(outcome.seed, each) for each in outcome.violations]

    def differs(self, seed: int) -> None:
        """Record that a seed produced a different event log when it was run again."""
        violation = Violation("I-31", "run twice, it made two event logs", "its end")
        self.violations.append((seed, violation))

    @property
    def missing(self) -> list[str]:
        """What the run lacks to prove anything: an idle engine breaks nothing."""
        found = []
        if 2 * self.both < self.executions or not self.executions:
            found.append("fewer than half of the executions opened both legs")
        found += [
            f"fewer than one in {RARE} has reached {status.value}"
            for status in PositionStatus
            if RARE * self.reached[status.value] < self.executions
        ]
        if self.executions >= ENOUGH:
            found += self._missing_of_a_long_run()
        return found

    def _missing_of_a_long_run(self) -> list[str]:
        found = [
            f"{FAULTS[number]} was hit {self.tally.of(number)} times"
            for number in FAULTS
            if SELDOM * self.tally.of(number) < self.executions
        ]
        found += [
            f"{FAULTS[number]} was never hit on: {phase}"
            for number, phase in POSSIBLE
            if not self.tally.hits[number, phase]
        ]
        found += [f"no entry met the limit: {kind}" for kind in KINDS if not self.limits[kind]]
        if 5 * self.executions > 2 * sum(self.tally.hits.values()):
            found.append("fewer than 2.5 faults for each execution")
        return found

    @property
    def strange(self) -> list[str]:
        """Hits where the table of cells says that there can be none: the table is wrong."""
        return [
            f"{FAULTS[cell[0]]} was hit on: {cell[1]}, though {reason}"
            for cell, reason in IMPOSSIBLE.items()
            if self.tally.hits[cell]
        ]

    @property
    def void(self) -> bool:
        """Whether the run proves nothing."""
        return bool(self.missing)

    @property
    def code(self) -> int:
        """The exit code."""
        return FAILED if self.violations else VOID if self.void else 0

    def document(self, seconds: float) -> dict[str, Any]:
        """Return the result as plain data."""
        return {
            "commit": commit(),
            "seed": self.first,
            "seeds": self.seeds,
            "executions": self.executions,
            "opened_both_legs": self.both,
            "engines": self.lives,
            "steps": self.steps,
            "checks": self.checks,
            "run_twice": self.twice,
            "seconds": round(seconds, 1),
            "void": self.void,
            "faults": {FAULTS[number]: self.tally.of(number) for number in FAULTS},
            "injected": sum(self.tally.hits.values()),
            "reached": dict(sorted(self.reached.items())),
            "limits": {kind: self.limits[kind] for kind in KINDS},
            "positions_turned_round": self.known,
            "violations": [f"seed {seed}: {each}" for seed, each in self.violations],
        }


def commit() -> str:
    """Return the commit of this tree, with a plus if the tree was changed since."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--short") else "")


def show(total: Sum, seconds: float, console: Console) -> None:
    """Print the coverage table, the figures, and how to reproduce a failure."""
    console.print(_coverage(total.tally))
    rate = total.executions / seconds if seconds else 0
    share = 100 * total.both // max(total.executions, 1)
    console.print(
        f"{total.executions} executions of {total.seeds} seeds in {seconds:.0f} s"
        f" ({rate:.0f}/s); {share} % opened both legs; {total.lives} engines, "
        f"{total.checks} checks, {total.twice} seeds run twice"
    )
    shares = (
        f"{status} {100 * count / max(total.executions, 1):.1f} %"
        for status, count in sorted(total.reached.items())
    )
    console.print(f"executions whose position has been: {', '.join(shares)}")
    bound = ", ".join(f"{kind} {total.limits[kind]}" for kind in KINDS)
    console.print(f"times that a limit cut or refused an entry: {bound}")
    for seed, each in total.violations[:10]:
        console.print(f"[red]{each}", markup=True, highlight=False)
        console.print(f"  again: make simulate EXECUTIONS=1 SEED={seed}   (commit {commit()})")
    for lack in total.missing:
        console.print(f"void: {lack}")
    for hit in total.strange:
        console.print(f"the table of cells is wrong: {hit}")


def _coverage(tally: Tally) -> Table:
    table = Table(title="faults by what the engine was about", header_style="bold")
    table.add_column("fault")
    for phase in (*PHASES, "all"):
        table.add_column(phase, justify="right")
    for number, name in FAULTS.items():
        title = f"{name} {NAMES[number - 1]}"
        counts = [tally.hits[number, phase] for phase in PHASES]
        shown = [str(count) if count else "" for count in counts]
        table.add_row(title, *shown, str(tally.of(number)))
    return table

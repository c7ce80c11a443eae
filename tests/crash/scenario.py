"""What the engine lives through until it is killed: one number says it all."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dutchbook.config import Settings, load
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.generate import START, generate
from dutchbook.tape.message import MemoryTape

OFTEN, SELDOM = 300_000, 100_000
KINDS: tuple[tuple[str, ...], ...] = (
    (),
    (f"paper.fault_partial={OFTEN}",),
    (f"paper.fault_lost_answer={OFTEN}", f"paper.fault_partial={SELDOM}"),
    (f"paper.fault_failed_fill={OFTEN}",),
    (f"paper.fault_rejected={SELDOM}", f"paper.fault_not_sent={OFTEN}"),
    (f"paper.fault_late_answer={SELDOM}", f"paper.fault_server_error_500={OFTEN}"),
    ("paper.outages=kalshi:40-75,polymarket:50-110", f"paper.fault_partial={SELDOM}"),
    ("execution.auto_policy=unwind", f"paper.fault_rejected={OFTEN}"),
    ("execution.auto_policy=off", f"paper.fault_partial={OFTEN}"),
    ("paper.clock_offset_ms=150", f"paper.fault_not_sent={SELDOM}"),
    ("paper.clock_offset_ms=1500", f"paper.fault_partial={SELDOM}"),
    ("paper.clock_offset_ms=700", f"paper.fault_timeout_408={SELDOM}"),
    ("risk.failures_before_disable=1", f"paper.fault_rejected={OFTEN}"),
)
LAWS = (
    "time.check_seconds=20",
    "health.check_seconds=5",
    "execution.person_after_seconds=20",
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A tape, how the platforms behave, and what a person asks for meanwhile."""

    seed: int
    number: int

    @property
    def settings(self) -> Settings:
        """How the engine and the platforms are set."""
        return load(None, (*LAWS, *KINDS[self.number % len(KINDS)]))

    @property
    def chance(self) -> random.Random:
        """Draws of this scenario alone."""
        return random.Random(f"{self.seed}.{self.number}")  # noqa: S311 - a test's draws

    @property
    def asks(self) -> bool:
        """Whether a person halts and resumes in it."""
        return self.number % 3 == 1

    def tape(self, minutes: int) -> MemoryTape:
        """Return its tape, as long as asked for."""
        seed = 1000 * self.seed + self.number
        return generate(Seeded(seed), seed, minutes=minutes, pairs=2, pace=40)

    def tape_from(self, start: datetime, minutes: int) -> MemoryTape:
        """Return the same tape played at another time."""
        tape = self.tape(minutes)
        moved = start - START
        rows = tuple(
            replace(
                row,
                at=row.at + moved,
                platform_time=row.platform_time + moved if row.platform_time else None,
            )
            for row in tape.rows
        )
        meta = replace(
            tape.meta, first=rows[0].at, last=rows[-1].at + timedelta(microseconds=1)
        )
        return MemoryTape(meta, rows)

"""Every block of figures: its page, the programme that writes it, and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PERFORMANCE, RELIABILITY = "docs/performance.md", "docs/reliability.md"
CRASH_POINTS = "docs/crash-points.md"
STRICT = (PERFORMANCE, RELIABILITY)
"""Pages on which every table must stand in a block."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How a block is made.

    Args:
        page: Its page, from the root of the tree.
        paths: Files and folders; if one changes, the figures may be others.
        words: The module and options that measure it; empty if `bench` measures it.
        long: Whether `make figures` leaves it out unless it is named.
    """

    page: str
    paths: tuple[str, ...]
    words: tuple[str, ...] = ()
    long: bool = False


def _source(*names: str) -> tuple[str, ...]:
    return tuple(f"src/dutchbook/{name}" for name in names)


PAPER = _source(
    "application", "bootstrap", "config", "domain", "errors.py", "persistence/journals",
    "platforms", "ports", "runtime", "tape",
)  # fmt: skip
ENGINE = _source(
    "application", "bootstrap", "config", "domain", "errors.py", "persistence", "platforms",
    "ports", "runtime", "tape",
)  # fmt: skip
JOURNALS = ("bench/journals.py", "tests/support/reserving.py", *_source(
    "application/capital", "application/records", "domain/capital", "persistence", "runtime",
))  # fmt: skip
HALTS = ("bench/halts.py", *_source(
    "application/operator", "application/records", "bootstrap", "persistence", "runtime",
))  # fmt: skip
RECONCILE = ("bench/reconcile.py", *_source(
    "application", "bootstrap", "domain", "persistence", "runtime",
))  # fmt: skip
STATUS = ("bench/status.py", *_source(
    "__main__.py", "application/views", "cli", "config", "operations", "persistence",
))  # fmt: skip
WIRE = ("bench/wire.py", *_source(
    "domain/detection", "domain/market", "domain/values", "platforms/kalshi",
))  # fmt: skip
STUDY = ("bench/study.py", *PAPER)
DECISIONS = ("bench/decisions.py", *PAPER)
LAGS = ("bench/lags.py", *DECISIONS)
SURVIVAL = ("bench/survival.py", *_source("domain/market", "tape"))
SIMULATION = ("tests/prove", *ENGINE)
KILLS = ("tests/crash", "tests/support", "src/dutchbook")
MISTREATED = ("tests/torment", "src/dutchbook")
PLANTED = ("tests", "src/dutchbook")

MEMORY = ("prove", "--executions", "20000", "--seed", "1")
SQLITE = ("prove", "--executions", "10000", "--seed", "9400000", "--on", "sqlite")
SERVER = ("prove", "--executions", "3000", "--seed", "9500000", "--on", "postgresql")
UNSEEN = ("prove", "--executions", "200000", "--seed", "9700000")
MILLION = ("prove", "--executions", "1000000", "--seed", "1")
FULL = ("crash", "--seed", "1")
SHORT = (*FULL, "--short")
TORMENT = ("torment", "--seed", "1")

DECLARED: Mapping[str, Figures] = {
    "bench.replay": Figures(PERFORMANCE, STUDY),
    "bench.tapes": Figures(PERFORMANCE, _source("tape")),
    "bench.journals": Figures(PERFORMANCE, JOURNALS),
    "bench.postgres": Figures(PERFORMANCE, ("bench/postgres.py", *JOURNALS)),
    "bench.halts": Figures(PERFORMANCE, HALTS),
    "bench.reconcile": Figures(PERFORMANCE, RECONCILE),
    "bench.status": Figures(PERFORMANCE, STATUS),
    "bench.wire": Figures(PERFORMANCE, WIRE),
    "bench.lag": Figures(PERFORMANCE, STUDY),
    "bench.decisions": Figures(PERFORMANCE, DECISIONS),
    "bench.split": Figures(PERFORMANCE, DECISIONS),
    "bench.unhedged": Figures(PERFORMANCE, DECISIONS),
    "bench.lags": Figures(PERFORMANCE, LAGS, long=True),
    "bench.survival": Figures(PERFORMANCE, SURVIVAL),
    "bench.exits": Figures(PERFORMANCE, STUDY),
    "bench.controls": Figures(PERFORMANCE, STUDY),
    "simulate.memory": Figures(RELIABILITY, SIMULATION, MEMORY),
    "simulate.sqlite": Figures(RELIABILITY, SIMULATION, SQLITE, long=True),
    "simulate.postgresql": Figures(RELIABILITY, SIMULATION, SERVER, long=True),
    "simulate.unseen": Figures(RELIABILITY, SIMULATION, UNSEEN, long=True),
    "simulate.longest": Figures(RELIABILITY, SIMULATION, MILLION, long=True),
    "simulate.faults": Figures(RELIABILITY, SIMULATION, UNSEEN, long=True),
    "crash.short": Figures(RELIABILITY, KILLS, SHORT),
    "crash.full": Figures(RELIABILITY, KILLS, FULL, long=True),
    "crash.points": Figures(CRASH_POINTS, KILLS, FULL, long=True),
    "torment.all": Figures(RELIABILITY, MISTREATED, TORMENT, long=True),
    "mutants.all": Figures(RELIABILITY, PLANTED, ("prove.mutants",), long=True),
    "mutate.all": Figures(RELIABILITY, PLANTED, ("mutation",), long=True),
}

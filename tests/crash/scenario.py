"""What an engine experiences until it is killed; one number determines it all."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from prove.workload import STEP, tape

from dutchbook.config import Settings, load
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import PriceGrid
from dutchbook.ports.market_data import BookUpdate, GridChange
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.generate import START, generate
from dutchbook.tape.message import MemoryTape

FIRST, AGAIN = 3, 1
"""Minutes of the tape of a first life, and of each later one."""
OFTEN, SELDOM = 300_000, 100_000
LAWS = (
    "time.check_seconds=20",
    "health.check_seconds=5",
    "execution.person_after_seconds=20",
    "records.anchor_every=40",
    "exposure.urgent_share=0",
    # Fewer edges are worth it: a life is for what comes after an entry.
    "detection.costs_add_up=false",
)
_K, _P = Platform.KALSHI, Platform.POLYMARKET
FINER = {_K: PriceGrid.of_tick("0.001"), _P: PriceGrid.of_tick("0.0001")}
"""Grids on which the first pair's contracts are quoted later; its books still lie on them."""


@dataclass(frozen=True, slots=True)
class Fate:
    """An event on a platform, whether an engine is alive or not, timed from the first start.

    Attributes:
        seconds: When, in seconds after the first start.
        platform: Where.
        pair: The number of the pair whose contract resolves; None: cash comes or goes.
        figure: What a YES pays, or the dollars or contracts that come.
        outcome: Not the result comes but contracts of this outcome come or go.
    """

    seconds: int
    platform: Platform
    pair: int | None
    figure: Decimal
    outcome: Outcome | None = None

    @property
    def foreign(self) -> bool:
        """Whether cash or contracts come or go that no order of ours explains."""
        return self.pair is None or self.outcome is not None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a scenario is about.

    Attributes:
        settings: How the engine and its platforms are set.
        asks: What a person does meanwhile; see `crash.person`.
        fates: What happens on the platforms.
        loses: Whether the first calls for a merge or a payout are lost.
        rests: Whether half of some immediate orders keeps working for a while.
        dense: Whether most steps of its tape have an edge.
        regrids: Whether the first pair's contracts get finer grids in the middle of its tape.
    """

    settings: tuple[str, ...] = ()
    asks: frozenset[str] = frozenset()
    fates: tuple[Fate, ...] = ()
    loses: bool = False
    rests: bool = False
    dense: bool = False
    regrids: bool = False


def _resolved(first: int, second: int, *pays: str) -> tuple[Fate, ...]:
    """Return the results of both contracts of both pairs."""
    figures = [Decimal(each) for each in pays]
    return (
        Fate(first, _K, 0, figures[0]),
        Fate(first + 20, _P, 0, figures[1]),
        Fate(second, _P, 1, figures[3]),
        Fate(second + 20, _K, 1, figures[2]),
    )


ASKING = "exits.results_seconds=20"
LEAVING = ("exits.rule=classic", "exits.time_hours=200", "exits.check_seconds=5")
KINDS: tuple[Kind, ...] = (
    Kind(),
    Kind((f"paper.fault_partial={OFTEN}",)),
    Kind((f"paper.fault_lost_answer={OFTEN}", f"paper.fault_partial={SELDOM}")),
    Kind((f"paper.fault_failed_fill={OFTEN}",)),
    Kind((f"paper.fault_rejected={SELDOM}", f"paper.fault_not_sent={OFTEN}")),
    Kind((f"paper.fault_late_answer={SELDOM}", f"paper.fault_server_error_500={OFTEN}")),
    Kind(("paper.outages=kalshi:40-75,polymarket:50-110", f"paper.fault_partial={SELDOM}")),
    Kind(("execution.auto_policy=unwind", f"paper.fault_rejected={OFTEN}")),
    Kind(("execution.auto_policy=off", f"paper.fault_partial={OFTEN}")),
    Kind(
        (
            "paper.clock_offset_ms=150",
            f"paper.fault_not_sent={SELDOM}",
            "paper.silences=kalshi:30-120",
        )
    ),
    Kind(("paper.clock_offset_ms=1500", f"paper.fault_partial={SELDOM}")),
    Kind(("paper.clock_offset_ms=700", f"paper.fault_timeout_408={SELDOM}")),
    Kind(
        (
            "risk.failures_before_disable=1",
            "risk.max_open_pairs=1",
            f"paper.fault_rejected={OFTEN}",
        )
    ),
    Kind((ASKING,), fates=_resolved(60, 100, "1", "1", "0", "0"), dense=True),
    Kind(
        (ASKING, f"paper.fault_lost_answer={SELDOM}", f"paper.fault_partial={SELDOM}"),
        fates=_resolved(50, 80, "1", "0", "0.5", "1"),
        loses=True,
        dense=True,
    ),
    Kind((*LEAVING, f"paper.fault_not_sent={450_000}"), dense=True, regrids=True),
    Kind(
        (
            "execution.auto_policy=off",
            f"paper.fault_partial={OFTEN}",
            "exits.unhedged_stop=false",
        ),
        frozenset({"legs"}),
        dense=True,
    ),
    Kind(
        (
            f"paper.fault_failed_fill={OFTEN}",
            *LEAVING,
            "reconciliation.every_seconds=20",
            "reconciliation.grace_seconds=10",
        ),
        frozenset({"resolves"}),
        (
            Fate(30, _P, None, Decimal("-7.25")),
            Fate(70, _K, None, Decimal("3.5")),
            Fate(85, _P, 0, Decimal(6), Outcome.NO),
            Fate(130, _P, 0, Decimal(-6), Outcome.NO),
        ),
        dense=True,
    ),
    Kind((f"paper.fault_partial={SELDOM}",), frozenset({"leaves"}), rests=True, dense=True),
    Kind(),
)
COMBINED = 3 * len(KINDS)
"""With this many scenarios every kind occurs with and without a person who halts."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A tape, how the platforms behave, and what a person does meanwhile."""

    seed: int
    number: int
    kind: Kind = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", KINDS[self.number % len(KINDS)])

    @property
    def settings(self) -> Settings:
        """How the engine and the platforms are set."""
        return load(None, (*LAWS, *self.kind.settings))

    @property
    def chance(self) -> random.Random:
        """A random generator for this scenario."""
        return random.Random(f"{self.seed}.{self.number}")  # noqa: S311 - a test's draws

    @property
    def asks(self) -> frozenset[str]:
        """What a person does; in every third scenario they also halt and resume."""
        return self.kind.asks | ({"halts"} if self.number % 3 == 1 else frozenset())

    def tape(self, minutes: int) -> MemoryTape:
        """Return its tape, this many minutes long."""
        made = _made(1000 * self.seed + self.number, minutes, dense=self.kind.dense)
        return _regridded(made) if self.kind.regrids else made

    def tape_from(self, start: datetime, minutes: int) -> MemoryTape:
        """Return the same tape shifted to another time; its contracts stay the same."""
        tape, first = self.tape(minutes), self.tape(FIRST).meta
        moved = start - START
        rows = tuple(
            replace(row, at=row.at + moved, update=_moved(row.update, moved))
            for row in tape.rows
        )
        meta = replace(first, first=rows[0].at, last=rows[-1].at + timedelta(microseconds=1))
        return MemoryTape(meta, rows)


def _moved(update: BookUpdate, by: timedelta) -> BookUpdate:
    at = update.platform_time
    return replace(update, platform_time=at and at + by)


@lru_cache(maxsize=512)
def _made(seed: int, minutes: int, *, dense: bool) -> MemoryTape:
    """Generate a tape, once per process tree: a forked child finds its parent's tapes."""
    if dense:
        return tape(seed, steps=minutes * (timedelta(minutes=1) // STEP), pairs=2)
    return generate(Seeded(seed), seed, minutes=minutes, pairs=2, pace=40)


def _regridded(tape: MemoryTape) -> MemoryTape:
    """Return a tape on which the first pair's contracts get finer grids in the middle."""
    first, middle = tape.meta.pairs[0], len(tape.rows) // 2
    finer = tuple(GridChange(p, first.contract(p).contract_id, FINER[p]) for p in Platform)
    changed = replace(tape.rows[middle], grids=finer)
    return MemoryTape(tape.meta, (*tape.rows[:middle], changed, *tape.rows[middle + 1 :]))

"""What goes wrong in the run of one seed: a random subset of the faults, at random rates."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

from dutchbook.platforms.paper.faults import FaultPlan
from prove.catalogue import REQUESTS
from prove.tightness import limits

PARTS = 1_000_000
QUIET = 12
"""One seed in this many has no fault at all: the engine must work well without faults, too."""
DOUBTS = 2
"""One seed in this many has fills that appear late: few other things put positions in doubt.

By its number, so that each run has its share of them, however short it is.
"""
OFTEN = {2: 4, 29: 4, 30: 4, 34: 4, 35: 4}
"""Odds (one seed in n) of adding a fault to the ones that were drawn."""
ALL = tuple(range(1, 41))
DEADLY = 5
"""Divisor of the rates of database failures: some end an engine, so they must be rare."""
SELDOM = 400_000
"""Rate of faults whose occasions are rare, so that each one strikes eventually."""
DOUBTED = 300_000
"""Minimum rate of orders with a fill that appears late, which puts their positions in doubt."""
PAIRS_END = 250_000
"""Rate of pairs that resolve strangely: there are few pairs, and many executions."""
RATES = (20_000, 60_000, 150_000, 300_000)
COSTS = 4
"""One seed in this many asks of an edge what a missed second leg is expected to cost."""
CASH_RATES = (0, 15_000, 40_000, 80_000)
"""Rates at which a platform moves cash that belongs to no trade, in each step of the tape."""
SETTLEMENT = "settlement"
AIMS = (SETTLEMENT, SETTLEMENT, "first leg", "second leg", "adjustment")
"""What the engine is about when the first of its ends comes: by steps alone, these are rare."""


@dataclass(slots=True)
class Plan:
    """The faults of one seed, in parts per million of their occasions."""

    seed: int
    rates: dict[int, int] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    hidden_seconds: int = 0
    deaths: tuple[int, ...] = ()
    aim: str = ""
    cash_rate: int = 0
    on: bool = True

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Draw the plan of a seed."""
        chance = random.Random(f"plan {seed}")  # noqa: S311
        rates: dict[int, int] = {}
        if (seed + seed // QUIET) % QUIET:
            chosen = chance.sample(ALL, chance.choice((3, 5, 8, 14)))
            more = [n for n, odds in OFTEN.items() if not chance.randrange(odds)]
            more += [] if (seed + seed // 8) % DOUBTS else [14]
            chosen += [n for n in more if n not in chosen]
            rates = {number: chance.choice(RATES) for number in sorted(chosen)}
            rates |= {number: rates[number] // DEADLY for number in (37, 38) if number in rates}
            rates |= {n: max(rates[n], DOUBTED) for n in (14,) if n in rates}
            rates |= {n: PAIRS_END for n in (31, 32) if n in rates}
            rates |= {n: SELDOM for n in (19, 30, 33, 39, 40) if n in rates}
        deaths: list[int] = []
        for number in (34, 35):
            if number in rates:
                deaths += [chance.randrange(20, 2500) for _ in range(chance.randint(2, 6))]
        return cls(
            seed,
            rates,
            (*_settings(chance, seed), *limits(seed)),
            hidden_seconds=chance.choice((3, 20, 50, 100)) if 20 in rates else 0,
            deaths=tuple(sorted(deaths)),
            aim=chance.choice(AIMS),
            cash_rate=chance.choice(CASH_RATES),
        )

    def strikes(self, number: int, key: str) -> bool:
        """Return whether a fault strikes on the occasion named `key`."""
        rate = self.rates.get(number, 0)
        return self.on and rate > 0 and self.draw(number, key) % PARTS < rate

    def resolves(self, key: str) -> bool:
        """Return whether a pair resolves early without a fault: in some seeds, some do.

        More do where an engine is to end at a settlement.
        """
        drawn = self.draw(31, f"{key}.alike")
        if self.deaths and self.aim == SETTLEMENT:
            return drawn % 3 == 0
        return self.seed % 3 == 0 and drawn % 8 == 0

    def habit(self, number: int, key: str, parts: int) -> bool:
        """Return whether a platform shows a habit now; habits have no fault's seeds."""
        return self.draw(number, key) % PARTS < parts

    def draw(self, number: int, key: str) -> int:
        """Return a large number determined by seed, fault and occasion alone."""
        text = f"{self.seed}\x1f{number}\x1f{key}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")

    def platform(self) -> FaultPlan:
        """Return the faults that the paper platform injects itself."""
        chance = random.Random(f"platform {self.seed}")  # noqa: S311
        made = {n: f for n, f in REQUESTS.items() if n in self.rates}
        return FaultPlan(
            seed=self.seed,
            rates=tuple((fault, self.rates[number]) for number, fault in made.items()),
            latency_ms=chance.choice((0, 0, 40, 900)),
            jitter_ms=chance.choice((0, 30, 2_000)),
            settle_ms=chance.choice((500, 4_000, 45_000)),
            late_ms=20_000,
        )

    def calm(self) -> FaultPlan:
        """Return the same platform settings without faults."""
        made = self.platform()
        return FaultPlan(
            self.seed, (), made.latency_ms, made.jitter_ms, settle_ms=made.settle_ms
        )


def _settings(chance: random.Random, seed: int) -> tuple[str, ...]:
    policy = chance.choice(("off", "unwind", "complete_then_unwind", "complete_then_unwind"))
    return (
        "execution.cool_down_seconds=1",
        "detection.minimum_net_edge=0.002",
        "detection.yearly_return=0",
        "detection.minimum_fill_share=0",
        "exposure.halt_on_weekly=false",
        "exposure.urgent_share=0",
        # Fewer edges are worth it: most seeds are for what comes after an entry.
        f"detection.costs_add_up={'false' if seed % COSTS else 'true'}",
        f"execution.auto_policy={policy}",
        "exits.results_seconds=120",
        f"exits.rule={chance.choice(('hold', 'classic', 'classic'))}",
        f"exits.time_hours={chance.choice((0, 0, 48))}",
        "exits.take_profit_share=0.1",
        f"exits.minimum_gain={chance.choice(('0.008', '0.001'))}",
        f"risk.orders_per_minute={chance.choice((60, 6_000, 6_000, 6_000))}",
        f"paper.lag_steps={chance.choice((0, 1, 1))}",
        f"paper.replenishment={chance.choice(('never', 'new', 'new', 'every'))}",
    )

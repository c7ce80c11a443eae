"""How much each benchmark measures."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of every benchmark, in the units that it counts."""

    batches: int
    halts: int
    positions: int
    entries: int
    messages: int


LONG = Sizes(batches=2_000, halts=40, positions=2_000, entries=1_000_000, messages=200_000)
SHORT = Sizes(batches=200, halts=5, positions=200, entries=20_000, messages=20_000)


def is_short() -> bool:
    """Return whether the environment asks for a short run: BENCH_SHORT=1."""
    return os.environ.get("BENCH_SHORT") == "1"


def chosen() -> Sizes:
    """Return the sizes that the environment asks for."""
    return SHORT if is_short() else LONG

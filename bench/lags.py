"""What a run comes to by how long its orders are on their way, over many seeds.

A seed draws which quotes survive between two polls of the tape (`paper.lag_ms`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from decimal import Decimal
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from bench.decisions import of
from dutchbook.application.views.measured import Measured
from dutchbook.domain.market.contract import Platform
from dutchbook.tape.format import open_tape
from dutchbook.tape.message import MemoryTape, Tape

LAGS = (100, 300, 1_000, 3_700)
HEADS = (
    "| lag, ms | legs | runs | at worst, $: mean | of 90 % of the runs | entries, mean"
    " | runs with a loss |"
)
ORDERS = ("Kalshi first", "the order that is measured")


def table(path: Path, seeds: int) -> list[str]:
    """Return the table of every lag and order of the legs; each row is so many runs."""
    lines = [
        HEADS,
        "|---:|---|---:|---:|---|---:|---:|",
    ]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for lag, order in product(LAGS, ORDERS):
            asked = [(path, lag, order, seed) for seed in range(1, seeds + 1)]
            found = list(pool.map(_one, asked, chunksize=4))
            lines.append(f"| {lag:,} | {order} | {seeds} | {_shown(found)} |")
    return lines


def _one(asked: tuple[Path, int, str, int]) -> Measured:
    """Run a tape once, with the lag, the order of the legs and the seed that are asked for."""
    path, lag, order, seed = asked
    tape: Tape = open_tape(path)
    if order == ORDERS[0]:
        pairs = tuple(replace(each, primary_leg=Platform.KALSHI) for each in tape.meta.pairs)
        tape = MemoryTape(replace(tape.meta, pairs=pairs), list(tape.messages()))
    return of(tape, f"paper.lag_ms={lag}", seed=seed)


def _shown(found: Sequence[Measured]) -> str:
    worst = sorted(each.worst for each in found)
    low, high = worst[len(worst) // 20], worst[-1 - len(worst) // 20]
    losses = sum(each < 0 for each in worst)
    entries = _mean(Decimal(each.entries) for each in found)
    return f"{_mean(worst):.2f} | {low:.2f} to {high:.2f} | {entries:.1f} | {losses}"


def _mean(values: Iterable[Decimal]) -> Decimal:
    every = list(values)
    return sum(every, start=Decimal(0)) / len(every)

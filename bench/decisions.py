"""What each decision about edges adds, on the same tape and the same paper platforms.

Each row is a run of the tape to its end: all decisions of today, all but one, and none: those
of November 2026. Both legs lag by one step, and only what is added to a level comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any
from unittest.mock import patch

from support.exposure_time import ExposureTime

from dutchbook.application.capital.at_risk import CapitalAtRisk
from dutchbook.application.capital.capital import Capital
from dutchbook.application.exits.triggers import ExitSettings
from dutchbook.application.exposure.worker import ExposureWorker
from dutchbook.application.views.measured import Measured, measured
from dutchbook.bootstrap import exits
from dutchbook.bootstrap.paper import build_paper
from dutchbook.config import load
from dutchbook.domain.capital.limits import OpenPairs
from dutchbook.domain.events import Scenario
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import ENDING, RETRY, Exposure
from dutchbook.persistence.journals.memory import MemoryJournal
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape, Tape

DAY = timedelta(days=1)
THRESHOLDS = ("0.001", "0.008")
RESCUE = Decimal("0.02")
"""Dollars that completing a pair could lose in November 2026."""
OFF: Mapping[str, str] = {
    "both books of one moment": "detection.books_apart_ms=31536000000",
    "no entry beside an unhedged leg": "exposure.blocks_entries=false",
    "a floor that rises with the money used": "detection.edge_slope=0",
    "leaving early from 0.002": "exits.minimum_gain=0.008",
    "a missed leg and the wait are paid beyond the floor": "detection.costs_add_up=false",
}
"""Decisions, and the setting that takes each one back."""
HEADS = (
    "| minimum edge, $ | decisions | at worst, $ | at best, $ | dollar-days"
    " | $ per 1,000 dollar-days | entries | unhedged at the end, $ |"
)


def effects(tape: Tape) -> list[str]:
    """Return the table of every decision, for each minimum edge."""
    lines = [HEADS, "|---:|---|---:|---:|---:|---:|---:|---:|"]
    for threshold in THRESHOLDS:
        edge = f"detection.minimum_net_edge={threshold}"
        rows: list[tuple[str, Measured]] = [("all", of(tape, edge))]
        rows += [(f"all but: {name}", of(tape, edge, each)) for name, each in OFF.items()]
        for name, taken_back in BEFORE.items():
            with taken_back():
                rows.append((f"all but: {name}", of(tape, edge)))
        with tried_once(), slots_for_positions():
            rows.append(("none: those of November 2026", of(tape, edge, *OFF.values())))
        lines += [_row(threshold, name, found) for name, found in rows]
    return lines


@contextmanager
def slots_for_positions() -> Iterator[None]:
    """Let ten slots be for positions, whichever pairs they are on."""

    def slots(at_risk: CapitalAtRisk, _: str) -> OpenPairs:
        return OpenPairs(sum(at_risk.positions.values()), among=False)

    def most(capital: Capital, _: str) -> int:
        return capital.limits.max_open_pairs

    with (
        patch.object(CapitalAtRisk, "open_pairs", slots),
        patch.object(Capital, "most_positions", most),
    ):
        yield


@contextmanager
def tried_once() -> Iterator[None]:
    """Try completing, then an end of an unhedged leg, once each; the rest has a stop alone."""
    tried: set[tuple[str, Platform, str]] = set()

    def chosen(_: ExposureWorker, trade: PairTrade, exposure: Exposure) -> Scenario | str:
        for names in ((RETRY,), ENDING):
            attempt = (trade.position_id, trade.position.longer, names[0])
            if attempt not in tried:
                tried.add(attempt)
                ways = [s for s in exposure.scenarios() if s.name in names]
                possible = [(s.each, s) for s in ways if s.blocked is None and s.each]
                each, best = max(possible, key=itemgetter(0), default=(Decimal(0), None))
                if best is not None and (names == ENDING or -each <= RESCUE):
                    return best
        return "every step was tried"

    def stopped(**facts: Any) -> ExitSettings:
        return ExitSettings(**facts | {"worked": False})

    with (
        patch.object(ExposureWorker, "_chosen", chosen),
        patch.object(exits, "ExitSettings", stopped),
    ):
        yield


BEFORE: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "an unhedged leg is worked until it is gone": tried_once,
    "pairs count, not positions": slots_for_positions,
}
"""Decisions whose earlier form stands here alone."""


def unhedged(tape: Tape) -> list[str]:
    """Return for how long legs were unhedged by today's decisions, by what stood in the way."""
    lines = []
    for threshold in THRESHOLDS:
        seen = ExposureTime()

        async def main(edge: str = threshold, seen: ExposureTime = seen) -> None:
            clock = TapeClock(tape.meta.first)
            chosen = load(None, (f"detection.minimum_net_edge={edge}",))
            paper = build_paper(chosen, tape, MemoryJournal(), clock, seed=7)
            seen.watch(paper)
            await paper.trade(1)

        run_virtual(main())
        total = seen.by_cause()
        lines.append(
            f"minimum edge {threshold}: {len(seen.seconds)} legs, {total.total():,} s in all;"
            f" the longest while a remedy was permitted: {seen.longest()} s (aim: at most 60)"
        )
        lines += [f"  {name}: {count:,} s" for name, count in total.most_common()]
    return lines


MATCHES = ("the first evening", "the second evening")
TRIED: Mapping[str, tuple[str, ...]] = {
    "detection.edge_slope": ("0", "0.0025", "0.005", "0.01", "0.02"),
    "exits.minimum_gain": ("0.001", "0.002", "0.004", "0.008"),
    "execution.rescue_limit": ("0.01", "0.02", "0.03"),
    "exposure.patience_seconds": ("0", "60", "600"),
}
"""Constants, and the values of each that were tried with the others as they are."""


def split(tape: Tape) -> list[str]:
    """Return what each value of a constant makes of each evening.

    An evening is what the recording holds of one day. A constant that is chosen on one is
    judged on the other. The minimum edge is low: on the first evening there is no other edge.
    """
    evenings = halves(tape)
    lines = [
        f"| constant | value | {' | '.join(f'{name}, at worst, $' for name in MATCHES)} |",
        "|---|---:|---:|---:|",
    ]
    for constant, values in TRIED.items():
        for value in values:
            chosen = (f"detection.minimum_net_edge={THRESHOLDS[0]}", f"{constant}={value}")
            worst = " | ".join(f"{of(evening, *chosen).worst:.2f}" for evening in evenings)
            lines.append(f"| {constant} | {value} | {worst} |")
    return lines


def halves(tape: Tape) -> list[MemoryTape]:
    """Return a tape's messages of its first day and of all later ones, as tapes."""
    rows = list(tape.messages())
    end = tape.meta.first + DAY / 2
    parts = ([m for m in rows if m.at < end], [m for m in rows if m.at >= end])
    return [
        MemoryTape(
            replace(tape.meta, first=part[0].at, last=part[-1].at, messages=len(part)), part
        )
        for part in parts
    ]


def _row(threshold: str, name: str, found: Measured) -> str:
    money = (found.worst, found.best, found.dollar_days, found.per_thousand)
    shown = " | ".join(f"{each:.2f}" for each in money)
    return f"| {threshold} | {name} | {shown} | {found.entries} | {found.unhedged:.2f} |"


def of(tape: Tape, *settings: str, seed: int = 7) -> Measured:
    """Run a tape in memory and return what it came to."""

    async def main() -> Measured:
        journal, clock = MemoryJournal(), TapeClock(tape.meta.first)
        await build_paper(load(None, settings), tape, journal, clock, seed=seed).trade(1)
        return await measured(
            journal, {each.match_id: each.cash_time for each in tape.meta.pairs}
        )

    return run_virtual(main())

"""How much a paper result depends on its two settings: lag between legs, and replenishment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook.bootstrap.paper import build_paper
from dutchbook.config import load
from dutchbook.domain.events import PairDecided, PositionOpened
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.exit_case import ExitRule
from dutchbook.domain.positions.settlement import Ruling
from dutchbook.domain.values.units import plain
from dutchbook.persistence.journals.memory import MemoryJournal
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.controls import crossed, late
from dutchbook.tape.message import MemoryTape, Tape, TapeMessage

LAGS = (0, 1, 2)
RULE = "|---|---|---|---|---|"
POLICIES = ("added", "never", "new", "every")
SETTINGS = ("detection.minimum_net_edge=0.001",)
HELD = ("exits.minimum_gain=0.9", "exits.unhedged_stop=false")
"""No position is exited before its end, so that the figures show only the entries."""


def trade(tape: Tape, *settings: str) -> dict[str, Any]:
    """Run a tape in memory to its end and return the summary."""

    async def main() -> dict[str, Any]:
        clock = TapeClock(tape.meta.first)
        chosen = load(None, (*SETTINGS, *settings))
        paper = build_paper(chosen, tape, MemoryJournal(), clock, seed=7)
        return await paper.trade(1)

    return run_virtual(main())


def bracket(tape: Tape) -> list[str]:
    """Return a table of every lag and replenishment; lag 1 and `added` are the headline."""
    lines = [
        "| lag | replenishment | hedged | exposed | locked profit, $ |",
        "|---|---|---|---|---|",
    ]
    for lag in LAGS:
        for policy in POLICIES:
            found = trade(
                tape, *HELD, f"paper.lag_steps={lag}", f"paper.replenishment={policy}"
            )
            lines.append(f"| {lag} | {policy} | {_result(found)} |")
    return lines


def exits(tape: Tape) -> list[str]:
    """Return a table of the same run to its settlement, by exit rule and by results.

    In each result both contracts of every pair resolve alike or differently.
    """
    lines = [
        EXITS,
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for rule in ExitRule:
        for name, kalshi, polymarket in RESULTS:
            lines.append(f"| {rule} | {name} | {_settled(tape, rule, kalshi, polymarket)} |")
    return lines


EXITS = (
    "| exits | each pair resolves | hedged | left early | locked, $ | realised, $"
    " | divergence, $ | reserve used, $ | other legs, $ |"
)
RESULTS = (
    ("YES on both", Decimal(1), Decimal(1)),
    ("NO on both", Decimal(0), Decimal(0)),
    ("YES on Kalshi, NO on Polymarket", Decimal(1), Decimal(0)),
    ("NO on Kalshi, YES on Polymarket", Decimal(0), Decimal(1)),
)
"""Results of every pair at the end of a tape, with the dollars that a YES pays."""


def _settled(tape: Tape, rule: ExitRule, kalshi: Decimal, polymarket: Decimal) -> str:
    """Return the figures of a run after every payout."""
    results = {
        (platform, match.contract(platform).contract_id): Ruling(pays)
        for match in tape.meta.pairs
        for platform, pays in ((Platform.KALSHI, kalshi), (Platform.POLYMARKET, polymarket))
    }

    async def main() -> str:
        journal, clock = MemoryJournal(), TapeClock(tape.meta.first)
        chosen = load(None, (*SETTINGS, f"exits.rule={rule}"))
        paper = build_paper(chosen, tape, journal, clock, seed=7, results=results)
        found = (await paper.trade(1))["realised"]
        opened = await journal.rows("audit_log", {"name": PositionOpened.wire})
        payloads = [json.loads(row["payload"]) for row in opened]
        locked = {each["position_id"]: Decimal(each["locked_profit"]) for each in payloads}
        orders = await journal.rows("orders", {"purpose": Purpose.EXIT})
        exited = {row["position_id"] for row in orders if row["fill_size"]} & locked.keys()
        rows = await journal.rows("open_positions")
        gains = {row["position_id"]: row["realised_pnl"] for row in rows}
        hedged = sum((gains[each] for each in locked), start=Decimal(0))
        unhedged = sum(gains.values(), start=Decimal(0)) - hedged
        entered = sum(locked.values(), start=Decimal(0))
        sums = (plain(entered), plain(hedged), found["divergence"], found["reserve_used"])
        parts = (len(locked), len(exited), *sums, plain(unhedged))
        return " | ".join(str(part) for part in parts)

    return run_virtual(main())


def controls(tape: Tape) -> list[str]:
    """Return the true result, and what tapes make that must not be traded on.

    `paid` is what the open positions have cost: the most that can be lost of pairs that are not
    one question.
    """
    lines = [
        "| tape | hedged | locked profit, $ | paid, $ | suspicious | suspended pairs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, other in _others(tape):
        lines.append(_controlled(name, other))
    return lines


def _others(tape: Tape) -> Iterator[tuple[str, Tape]]:
    yield "as recorded", tape
    for minutes, words in ((1, "1 minute"), (10, "10 minutes")):
        delayed = late(tape, Platform.POLYMARKET, timedelta(minutes=minutes))
        yield f"Polymarket {words} late", delayed
    timed = MemoryTape(tape.meta, [_timed(each) for each in tape.messages()])
    delayed = late(timed, Platform.POLYMARKET, timedelta(minutes=10))
    yield "the same, with both platforms' own times", delayed
    inverted = [_inverted(each) for each in tape.messages()]
    yield "Polymarket inverted", MemoryTape(tape.meta, inverted)
    mixed = crossed(tape)
    if mixed is not None:
        yield "pairs crossed", mixed


def _controlled(name: str, tape: Tape) -> str:
    async def main() -> str:
        journal, clock = MemoryJournal(), TapeClock(tape.meta.first)
        paper = build_paper(load(None, (*SETTINGS, *HELD)), tape, journal, clock, seed=7)
        found = await paper.trade(1)
        decided = await journal.rows("audit_log", {"name": PairDecided.wire})
        decisions = [json.loads(row["payload"])["decision"] for row in decided]
        paid = sum(Decimal(each["committed"]) for each in found["capital"].values())
        suspicious = found["filtered"].get("suspicious_edge", 0)
        figures = (found["positions"]["OPEN"], found["result"]["locked"], f"{paid:.2f}")
        shown = " | ".join(map(str, figures))
        return f"| {name} | {shown} | {suspicious} | {decisions.count('disabled')} |"

    return run_virtual(main())


def _result(found: dict[str, Any]) -> str:
    held = found["positions"]
    return f"{held['OPEN']} | {held['SINGLE_LEG_EXPOSED']} | {found['result']['locked']}"


def _timed(message: TapeMessage) -> TapeMessage:
    """Return a message with the platform's own time: that of its receipt."""
    return replace(message, update=replace(message.update, platform_time=message.at))


def _inverted(message: TapeMessage) -> TapeMessage:
    if message.update.platform is Platform.KALSHI:
        return message
    update = message.update
    inverted = replace(
        update,
        bids=tuple((10_000 - price, size) for price, size in update.asks),
        asks=tuple((10_000 - price, size) for price, size in update.bids),
    )
    return replace(message, update=inverted)

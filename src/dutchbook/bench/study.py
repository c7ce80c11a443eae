"""How much a paper result depends on its two settings: lag between legs, and replenishment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook.bootstrap import build
from dutchbook.config import load
from dutchbook.domain.contract import Platform
from dutchbook.domain.exit_case import ExitRule
from dutchbook.persistence.memory import MemoryJournal
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape, Tape, TapeMessage

LAGS = (0, 1, 2)
RULE = "|---|---|---|---|---|"
POLICIES = ("never", "new", "every")
SETTINGS = ("detection.minimum_net_edge=0.001",)
HELD = ("exits.minimum_gain=0.9", "exits.unhedged_stop=false")
"""Nothing is left before its end: what is counted is what was entered."""


def trade(tape: Tape, *settings: str) -> dict[str, Any]:
    """Run a tape in memory to its end; returns the summary."""

    async def main() -> dict[str, Any]:
        clock = TapeClock(tape.meta.first)
        chosen = load(None, (*SETTINGS, *settings))
        engine = build(chosen, tape, MemoryJournal(), clock, seed=7)
        return await engine.trade(1)

    return run_virtual(main())


def bracket(tape: Tape) -> list[str]:
    """Return the table of every lag and replenishment; lag 1 and `never` are the headline."""
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
    """Return the same run held to the end, and left by take-profit, stop-loss and time."""
    lines = [
        "| exits | closed | realised by them, $ | open | locked profit of those, $ | both, $ |",
        "|---|---|---|---|---|---|",
    ]
    for rule in ExitRule:
        found = trade(tape, f"exits.rule={rule}")
        held, locked = found["positions"], Decimal(found["expected_profit"])
        closed = Decimal(found["realised"]["by_status"].get("CLOSED", "0"))
        parts = (held["CLOSED"], closed, held["OPEN"], locked, closed + locked)
        lines.append(f"| {rule} | {' | '.join(str(part) for part in parts)} |")
    return lines


def controls(tape: Tape) -> list[str]:
    """Return the true result beside a tape out of step and one with an outcome inverted."""
    lines = [
        "| tape | hedged | exposed | locked profit, $ | suspicious |",
        "|---|---|---|---|---|",
    ]
    shifts: tuple[tuple[str, Callable[[TapeMessage], TapeMessage]], ...] = (
        ("as recorded", lambda message: message),
        ("Polymarket 10 minutes late", _late),
        ("Polymarket inverted", _inverted),
    )
    for name, change in shifts:
        rows = sorted((change(m) for m in tape.messages()), key=lambda m: (m.session, m.at))
        found = trade(MemoryTape(tape.meta, rows), *HELD)
        suspicious = found["filtered"].get("suspicious_edge", 0)
        lines.append(f"| {name} | {_result(found)} | {suspicious} |")
    return lines


def _result(found: dict[str, Any]) -> str:
    held = found["positions"]
    return f"{held['OPEN']} | {held['SINGLE_LEG_EXPOSED']} | {found['expected_profit']}"


def _late(message: TapeMessage) -> TapeMessage:
    if message.platform is Platform.KALSHI:
        return message
    return replace(message, at=message.at + timedelta(minutes=10))


def _inverted(message: TapeMessage) -> TapeMessage:
    if message.platform is Platform.KALSHI:
        return message
    return replace(
        message,
        bids=tuple((10_000 - price, size) for price, size in message.asks),
        asks=tuple((10_000 - price, size) for price, size in message.bids),
    )

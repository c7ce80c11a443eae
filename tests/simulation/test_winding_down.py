"""Winding down: no entries, then the cheapest exits, then stop."""

from __future__ import annotations

import asyncio
import json

from support.runs import Finished, conserved, play

from dutchbook.bootstrap.paper import PaperRun
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import Event
from dutchbook.domain.positions.position import PositionStatus


def wound_down_after_the_first_position() -> Finished:
    asked: list[asyncio.Task[None]] = []

    def prepare(paper: PaperRun) -> None:
        engine = paper.engine

        def on_event(event: Event, sequence: int) -> None:
            del sequence
            if event.wire == "execution.position.opened" and not asked:
                halting = engine.risk.halts.halt_trading(HaltReason.WINDING_DOWN, "over")
                asked.append(asyncio.ensure_future(halting))

        engine.committer.subscribe(on_event)

    return play(minutes=20, check=conserved, prepare=prepare)


def test_winding_down_exits_what_is_held_and_enters_nothing_more() -> None:
    run = wound_down_after_the_first_position()

    log = run.tables["audit_log"]
    halted = next(r["sequence"] for r in log if r["name"] == "system.trading.halted")
    purposes = {row["order_id"]: row["purpose"] for row in run.tables["orders"]}
    later = [
        purposes[json.loads(row["payload"])["order_id"]]
        for row in log
        if row["name"] == "execution.order.placed" and row["sequence"] > halted
    ]
    statuses = {row["status"] for row in run.tables["open_positions"]}
    assert later
    assert "entry" not in later
    assert statuses == {PositionStatus.CLOSED}
    assert run.engine.stopping.is_set()

"""Settings that decide when, and how, a position is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from support.bench import KALSHI, POLYMARKET, Bench, bench
from support.runs import play
from support.tapes import CHEAP, FAIR, RICH, polls

from probes.executing import seconds
from probes.row import Row

TRIGGERED = "execution.exit.triggered"
ONCE = "execution.cool_down_seconds=100000"


def left(*after: Any, beside: Sequence[str] = ()) -> Callable[..., list[str]]:
    """Return a probe: by which rules is a position left, where books move so afterwards?"""

    def probe(*settings: str) -> list[str]:
        tape = polls(CHEAP, CHEAP, FAIR, FAIR, *after)
        run = play(ONCE, *beside, *settings, tape=tape)
        rows = (row for row in run.tables["audit_log"] if row["name"] == TRIGGERED)
        return sorted({str(json.loads(row["payload"])["rule"]) for row in rows})

    return probe


def mark(*settings: str) -> str:
    """What is leaving worth a contract when a position is opened, by the classic rule?"""
    run = play(ONCE, "exits.rule=classic", *settings, tape=polls(CHEAP, CHEAP, FAIR, FAIR))
    rows = (row for row in run.tables["audit_log"] if row["name"] == "execution.exit.marked")
    return str(json.loads(next(rows)["payload"])["mark"])


def stopped(*settings: str) -> list[str]:
    """Is an unhedged leg left after its price fell from 41 to 30 cents?"""

    async def work(at: Bench) -> None:
        await at.expose()
        await at.rest(1)
        at.show(KALSHI, {30: "500"}, {45: "500"})
        await at.rest(1)

    rows = bench(work, *settings).events(TRIGGERED)
    return [str(json.loads(row["payload"])["rule"]) for row in rows]


def tries(*settings: str) -> int:
    """How many seconds lie between two tries to leave, of which the first fills nothing?"""

    async def work(at: Bench) -> None:
        at.execute(second="100")
        await at.rest(5)
        for _ in range(60):
            for platform, book in ((KALSHI, RICH[0]), (POLYMARKET, RICH[1])):
                bid, size, ask, more = book
                at.show(platform, {bid: str(size)}, {ask: str(more)})
                at.moved(platform, {}, {})
            await at.rest(1)

    rows = bench(work, *settings).events(TRIGGERED)
    return seconds(rows[0]["occurred_at"], rows[1]["occurred_at"])


def results(*settings: str) -> int:
    """How many seconds lie between two questions whether an open contract has a result?"""
    asked: list[datetime] = []

    async def work(at: Bench) -> None:
        gateway: Any = at.paper.platforms.gateways[KALSHI]
        known = gateway.results

        async def noted(contracts: Any) -> Any:
            asked.append(at.engine.clock.now())
            return await known(contracts)

        gateway.results = noted
        at.execute(second="100")
        await at.rest(700)

    bench(work, "reconciliation.every_seconds=100000", *settings)
    return seconds(*asked[:2])


CLASSIC, FALLEN = "exits.rule=classic", ((35, 500, 37, 500), (50, 500, 52, 500))
"""Contracts bought at `CHEAP` sell for 35 and 48 at `FALLEN`."""
BY_PRICE = (CLASSIC, "exits.time_hours=0")
ROWS = (
    Row(
        "exits.rule",
        left(*[FAIR] * 4),
        {"hold": [], "classic": ["time"]},
        ("exits.time_hours=200",),
    ),
    Row(
        "exits.pairs",
        left(*[FAIR] * 4),
        {"cup:classic": ["time"], "other:classic": []},
        ("exits.time_hours=200",),
    ),
    Row(
        "exits.take_profit_share",
        left(*[RICH] * 4, beside=BY_PRICE),
        {4: ["take_profit"], 5: []},
    ),
    Row(
        "exits.stop_loss_share",
        left(*[FALLEN] * 4, beside=BY_PRICE),
        {2: ["stop_loss"], 3: []},
        at="hedged",
    ),
    Row("exits.stop_loss_share", stopped, {1: ["stop_loss"], 3: []}, at="unhedged"),
    Row("exits.time_hours", left(*[FAIR] * 4, beside=(CLASSIC,)), {143: [], 145: ["time"]}),
    Row(
        "exits.unhedged_stop",
        stopped,
        {"true": ["stop_loss"], "false": []},
        ("exits.stop_loss_share=1",),
    ),
    Row("exits.minimum_gain", left(*[RICH] * 4), {"0.12": ["worth_more_now"], "0.13": []}),
    Row(
        "exits.urgent_cost",
        left(*[FAIR] * 4, beside=("exits.leave=all",)),
        {"0.06": [], "0.07": ["wind_down"]},
    ),
    Row(
        "exits.leave",
        left(*[FAIR] * 4, beside=("exits.urgent_cost=0.07",)),
        {"nothing": [], "risk": ["platform_risk"], "all": ["wind_down"]},
    ),
    Row("exits.check_seconds", tries, {7: 7, 13: 13}),
    Row("exits.results_seconds", results, {70: 70, 130: 130}),
    Row("detection.gas", mark, {0: "0.935178", "1.5": "0.925178"}, at="exit"),
    Row(
        "detection.yearly_return",
        left(*[RICH] * 4, beside=("exits.minimum_gain=0.13",)),
        {"0.1": [], "0.5": ["worth_more_now"]},
        at="exit",
    ),
)

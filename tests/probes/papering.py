"""Settings of the paper platforms."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from support.bench import KALSHI, POLYMARKET, Bench, bench
from support.pairs import NOW
from support.runs import play
from support.tapes import CHEAP, FAIR, polls, streamed

from dutchbook.domain.market.contract import Platform
from dutchbook.platforms.paper.faults import Fault
from probes.entering import show
from probes.executing import first, seconds
from probes.row import Row

MS = timedelta(milliseconds=1)


def milliseconds(number: float) -> int:
    return round(number)


def cash(platform: Platform) -> Callable[..., Decimal]:
    """Return a probe: how much does a platform hold for us before anything is traded?"""

    def probe(*settings: str) -> Decimal:
        run = play(*settings, tape=polls(FAIR))
        theirs = run.paper.platforms.exchanges[platform].wallet.cash
        assert theirs == run.engine.risk.capital.balance(platform).free
        return theirs

    return probe


def steps(*settings: str) -> list[int]:
    """At which steps of a tape, four seconds long each, do both legs meet their books?"""
    run = play(*settings, tape=polls(*[CHEAP] * 8))
    filled = [row for row in run.tables["audit_log"] if row["name"] == "execution.order.filled"]
    return [seconds(NOW, row["occurred_at"]) // 4 for row in filled[:2]]


def sent_for(*settings: str) -> list[int]:
    """How many milliseconds after the edge do both legs meet their books?"""
    run = play(*settings, tape=streamed(polls(*[CHEAP] * 8)))
    filled = [row for row in run.tables["audit_log"] if row["name"] == "execution.order.filled"]
    return [(row["occurred_at"] - NOW) // MS for row in filled[:2]]


def bought(*settings: str) -> Decimal:
    """How much is bought at a level of 300 that grows to 400, is 200 and then 300 again?"""
    sizes = [300] * 8 + [400] * 8 + [200] * 8 + [300] * 8
    rows = [((38, 500, 40, size), (47, 5_000, 49, 500)) for size in sizes]
    beside = ("execution.cool_down_seconds=0", "exits.minimum_gain=0.9")
    run = play(*beside, *settings, tape=polls(*rows))
    entries = (row for row in run.tables["orders"] if row["purpose"] == "entry")
    return sum((row["fill_size"] for row in entries), Decimal(0))


def round_trip(*settings: str) -> int:
    """How many milliseconds does the slowest of some pings take?"""

    async def work(at: Bench) -> None:
        await at.rest(100)

    rows = bench(work, *settings).tables["platform_health_logs"]
    return max(int(row["response_time_ms"]) for row in rows)


def listed(*settings: str) -> int:
    """How many milliseconds after Kalshi's acknowledgement is its trade listed?"""

    async def work(at: Bench) -> None:
        show(at)
        await at.rest(20)

    run = bench(work, *settings)
    filled = first(run, "execution.order.filled")["occurred_at"]
    listings = run.events("execution.fill.listed")
    (at,) = (row["occurred_at"] for row in listings if '"platform":"kalshi"' in row["payload"])
    return milliseconds((at - filled) / MS)


def final(*settings: str) -> int:
    """How many milliseconds after it was matched is a fill on Polymarket final?"""

    async def work(at: Bench) -> None:
        show(at)
        await at.rest(20)

    run = bench(work, *settings)
    filled = run.events("execution.order.filled")[1]["occurred_at"]
    return milliseconds((first(run, "execution.fill.settled")["occurred_at"] - filled) / MS)


def drift(*settings: str) -> str:
    """How far off was the clock found to be?"""
    run = play(*settings, tape=polls(FAIR))
    found = (r for r in run.tables["audit_log"] if r["name"].startswith("time.drift"))
    return str(json.loads(next(found)["payload"])["drift_ms"])


def told(*settings: str) -> list[tuple[int, str]]:
    """What is told of the platforms on a tape of six minutes, and when?"""
    run = play(*settings, tape=polls(*[FAIR] * 90))
    return [
        (seconds(NOW, row["occurred_at"]), row["name"].partition(".")[2])
        for row in run.tables["audit_log"]
        if row["name"].startswith(("platform.health.d", "degradation"))
    ]


def struck(*settings: str) -> set[str]:
    """Which faults changed an answer?"""
    beside = ("execution.cool_down_seconds=5", "paper.replenishment=every")
    run = play(*beside, *settings, tape=polls(*[CHEAP] * 8))
    gateways = run.paper.platforms.gateways.values()
    return {str(fault) for gateway in gateways for fault in gateway.hits}


DEGRADED, LOST = "health.degraded", "health.disconnected"
OUT, BACK = "protocol.activated", "protocol.deactivated"
SILENT = [(120, DEGRADED), (137, OUT), (300, BACK)]
SILENT_TOO = [(90, DEGRADED), (109, OUT), (201, BACK)]
DOWN = [(90, LOST), (90, OUT), (330, BACK)]
DOWN_TOO = [(60, LOST), (60, OUT), (240, BACK)]
FAULTS = tuple(
    Row(f"paper.fault_{fault}", struck, {0: set(), 1_000_000: {str(fault)}}) for fault in Fault
)
ROWS = (
    Row("paper.kalshi_cash", cash(KALSHI), {700: Decimal(700), 90: Decimal(90)}),
    Row("paper.polymarket_cash", cash(POLYMARKET), {700: Decimal(700), 90: Decimal(90)}),
    Row("paper.lag_steps", steps, {0: [0, 0], 1: [1, 2], 3: [3, 6]}),
    Row("paper.lag_ms", sent_for, {70: [70, 140], 300: [300, 600]}),
    Row(
        "paper.replenishment",
        bought,
        {"added": 500, "never": 1_122, "new": 400, "every": 2_742},
    ),
    Row("paper.latency_ms", round_trip, {40: 40, 70: 70}),
    Row("paper.jitter_ms", round_trip, {400: 258, 700: 652}),
    Row(
        "paper.kalshi_lag_least_ms",
        listed,
        {2_000: 2_000, 1_000: 1_673},
        ("paper.kalshi_lag_most_ms=2000",),
    ),
    Row(
        "paper.kalshi_lag_most_ms",
        listed,
        {700: 700, 1_500: 1_313},
        ("paper.kalshi_lag_least_ms=700",),
    ),
    Row("paper.settle_ms", final, {7_000: 7_000, 9_000: 9_000}),
    Row("paper.clock_offset_ms", drift, {"1500": "1500", "-1200.5": "-1200.5"}),
    Row("paper.silences", told, {"kalshi:60-300": SILENT, "polymarket:30-200": SILENT_TOO}),
    Row("paper.outages", told, {"kalshi:60-300": DOWN, "polymarket:30-200": DOWN_TOO}),
    *FAULTS,
)

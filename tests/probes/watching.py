"""Settings of health, exposures, comparisons and the clock."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from support.bench import KALSHI, POLYMARKET, Bench, Ended, bench
from support.exposures import exposure
from support.memory_journal import MemoryJournal
from support.pairs import NOW
from support.runs import play
from support.tapes import FAIR, polls

from dutchbook.bootstrap.paper import build_paper
from dutchbook.config import load
from dutchbook.domain.values.units import Money
from dutchbook.errors import OutcomeUnknown
from dutchbook.ports.journal import Batch
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from probes.entering import outcome, show
from probes.executing import first, seconds
from probes.row import Row

COMPARED = "system.reconciliation.complete"
DIFFERS = "system.reconciliation.discrepancy"
REMINDED = "execution.single_leg.exposure_reminder"


async def idle(at: Bench) -> None:
    await at.rest(400)


def apart(run: Ended, name: str) -> int:
    """Return the seconds between the first two events of a name."""
    one, two = (row["occurred_at"] for row in run.events(name)[:2])
    return seconds(one, two)


# The platforms ------------------------------------------------------------------------------


def checks(*settings: str) -> int:
    """How many seconds lie between two checks of a platform?"""
    rows = bench(idle, *settings).tables["platform_health_logs"]
    times = [row["recorded_at"] for row in rows if row["platform"] is KALSHI]
    return seconds(*times[:2])


def ping(*settings: str) -> str:
    """What becomes of a ping that takes three seconds?"""
    (row, *_) = bench(idle, "paper.latency_ms=3000", *settings).tables["platform_health_logs"]
    return str(row["connection_state"])


def health(*settings: str) -> list[tuple[int, str]]:
    """What is told of Kalshi on a tape of six minutes, and when?"""
    run = play("health.check_seconds=5", *settings, tape=polls(*[FAIR] * 90))
    return [
        (seconds(NOW, row["occurred_at"]), row["name"].rpartition(".")[2])
        for row in run.tables["audit_log"]
        if row["name"].startswith(("platform.health", "degradation"))
        and not row["name"].endswith("updated")
    ]


def when(name: str, *beside: str) -> Any:
    """Return a probe: at which second of that tape is something told?"""

    def probe(*settings: str) -> int:
        return next((at for at, told in health(*beside, *settings) if told == name), 0)

    return probe


def degraded_edge(*settings: str) -> str:
    """Is an edge of seven cents looked at while a platform is out of use?"""

    async def work(at: Bench) -> None:
        await at.rest(100)
        show(at)
        await at.rest(0.1)

    return outcome(bench(work, *settings))


def signs_of_life(*settings: str) -> int:
    """How many seconds lie between two notes on a platform's health?"""
    run = play(*settings, tape=polls(*[FAIR] * 90))
    times = [
        row["occurred_at"]
        for row in run.tables["audit_log"]
        if row["name"] == "platform.health.updated" and "kalshi" in row["payload"]
    ]
    return seconds(*times[:2])


# Exposures ------------------------------------------------------------------------------------


def reminded(*settings: str) -> int:
    """How many seconds after an exposure is it reported again?"""

    async def work(at: Bench) -> None:
        await at.expose()
        await at.rest(400)

    beside = ("exits.unhedged_stop=false", "exposure.urgent_share=0")
    run = bench(work, *beside, *settings)
    began = first(run, "execution.single_leg.exposure")["occurred_at"]
    return seconds(began, first(run, REMINDED)["occurred_at"])


def reminded_of_less(*settings: str) -> int:
    """How many seconds after an exposure of 42 dollars is it reported again?"""

    async def work(at: Bench) -> None:
        await at.expose()
        await at.rest(2_000)

    run = bench(work, "exits.unhedged_stop=false", *settings)
    began = first(run, "execution.single_leg.exposure")["occurred_at"]
    return seconds(began, first(run, REMINDED)["occurred_at"])


def reminded_of_dust(*settings: str) -> int:
    """How many seconds lie between two reminders of one contract that nobody buys?"""

    async def work(at: Bench) -> None:
        await at.expose(second="99")
        at.show(KALSHI, {}, {})
        at.show(POLYMARKET, {}, {})
        await at.rest(9_000)

    return apart(bench(work, "exits.unhedged_stop=false", *settings), REMINDED)


def together(*settings: str) -> list[int]:
    """When are two exposures reported again that are 20 seconds apart?"""

    async def work(at: Bench) -> datetime:
        began = at.engine.clock.now()
        for _ in range(2):
            at.execute()
            await at.rest()
            at.usual(POLYMARKET)
            at.usual(KALSHI)
            await at.rest(19.8)
        await at.rest(70)
        return began

    beside = ("exits.unhedged_stop=false", "execution.cool_down_seconds=0")
    more = ("exposure.urgent_share=0", "exposure.blocks_entries=false")
    run = bench(work, *beside, *more, *settings)
    return [seconds(run.answer, row["occurred_at"]) for row in run.events(REMINDED)[:2]]


def weekly(*settings: str) -> bool:
    """Does the third week in a row with two single legs halt trading?"""

    async def main() -> bool:
        monday, journal = datetime(2026, 7, 6, 12, tzinfo=UTC), MemoryJournal()
        clock = TapeClock(monday)
        paper = build_paper(load(None, settings), polls(FAIR), journal, clock, seed=1)
        engine, tracker = paper.engine, paper.engine.monitoring.exposures
        await engine.risk.capital.load()
        await tracker.start()
        running = asyncio.ensure_future(tracker.run())
        for number in range(6):
            at = monday + timedelta(weeks=number // 2, hours=number % 2)
            await engine.committer.commit(Batch(events=(exposure(f"x{number}", at),)))
        await tracker.drained()
        running.cancel()
        return engine.risk.capital.state.trading_halted

    return run_virtual(main())


# Comparisons ----------------------------------------------------------------------------------


def compared(*settings: str) -> int:
    """How many seconds lie between two comparisons?"""
    return apart(bench(idle, *settings), COMPARED)


def doubted(*settings: str) -> int:
    """For how many seconds may missing cash be a delay?"""

    async def work(at: Bench) -> datetime:
        await at.rest(20)
        at.paper.platforms.exchanges[KALSHI].wallet.fund(Money(Decimal(4_995)))
        began = at.engine.clock.now()
        await at.rest(300)
        return began

    run = bench(work, "reconciliation.every_seconds=10", *settings)
    return seconds(run.answer, first(run, DIFFERS)["occurred_at"])


def asking(*questions: str) -> Any:
    """Return a probe: how long does a comparison take, where some questions get no answer?"""

    def probe(*settings: str) -> int:
        async def work(at: Bench) -> None:
            async def never(*_: Any, **__: Any) -> None:
                await over.wait()
                raise OutcomeUnknown("kalshi", "silence")

            over, gateway = asyncio.Event(), at.paper.platforms.gateways[KALSHI]
            for name in questions:
                setattr(gateway, name, never)
            await at.rest(400)
            over.set()
            for name in questions:
                delattr(gateway, name)

        run = bench(work, "reconciliation.every_seconds=100", *settings)
        events = [json.loads(row["payload"]) for row in run.events(COMPARED)]
        return int(events[1]["duration_ms"]) // 1_000

    return probe


# Our clock ------------------------------------------------------------------------------------


def drift(offset_ms: int) -> Any:
    """Return a probe: what is told of a clock that is off by so much?"""

    def probe(*settings: str) -> list[str]:
        run = play(f"paper.clock_offset_ms={offset_ms}", *settings, tape=polls(FAIR))
        names = [row["name"] for row in run.tables["audit_log"]]
        return [n.rpartition(".")[2] for n in names if n.startswith("time.drift")]

    return probe


def clock_checks(*settings: str) -> int:
    """How many seconds lie between two checks of the clock?"""
    return apart(bench(idle, "paper.clock_offset_ms=150", *settings), "time.drift.warning")


SILENT, DOWN = "paper.silences=kalshi:60-300", "paper.outages=kalshi:60-200"
ROWS = (
    Row("health.check_seconds", checks, {7: 7, 13: 13}),
    Row("health.answer_seconds", ping, {2: "unanswered", 4: "connected"}),
    Row("health.silence_seconds", when("degraded", SILENT), {45: 105, 70: 130}),
    Row("health.slow_ms", when("degraded", "paper.latency_ms=2500"), {2_400: 22, 2_600: 0}),
    Row("health.failures", when("disconnected", DOWN), {2: 65, 4: 75}),
    Row("health.recoveries", when("recovered", DOWN), {2: 205, 4: 215}),
    Row("health.protocol_seconds", when("activated", SILENT), {45: 101, 70: 126}),
    Row("health.fresh_seconds", when("recovered", DOWN), {1: 0, 20: 205}),
    Row(
        "health.edge_multiplier",
        degraded_edge,
        {"8.7": "platform_degraded", "8.8": "nothing"},
    ),
    Row("health.heartbeat_seconds", signs_of_life, {60: 60, 120: 120}),
    Row(
        "exposure.reminder_seconds",
        reminded,
        {40: 40, 90: 90},
        ("exposure.reminder_gap_seconds=39",),
    ),
    Row(
        "exposure.reminder_gap_seconds",
        together,
        {39: [60, 60], 41: [60, 80]},
        at="two exposures",
    ),
    Row("exposure.urgent_share", reminded_of_less, {"0.004": 60, "0.005": 600}),
    Row("exposure.small_reminder_seconds", reminded_of_less, {500: 500, 700: 700}),
    Row("exposure.dust_dollars", reminded_of_dust, {"0.4": 600, "0.5": 3_600}),
    Row("exposure.dust_reminder_seconds", reminded_of_dust, {2_000: 2_000, 4_000: 4_000}),
    Row("exposure.halt_on_weekly", weekly, {"true": True, "false": False}),
    Row("reconciliation.every_seconds", compared, {70: 70, 110: 110}),
    Row("reconciliation.grace_seconds", doubted, {30: 30, 70: 70}),
    Row("reconciliation.call_seconds", asking("balances", "positions"), {7: 14, 11: 22}),
    Row(
        "reconciliation.whole_seconds",
        asking("balances", "positions", "orders", "trades", "movements", "reads_as_of"),
        {13: 13, 17: 17},
    ),
    Row("time.check_seconds", clock_checks, {70: 70, 110: 110}),
    Row("time.warning_ms", drift(80), {70: ["warning"], 90: []}),
    Row("time.critical_ms", drift(700), {600: ["critical"], 800: ["warning"]}),
    Row("time.halt_ms", drift(1_200), {1_100: ["halt"], 1_300: ["critical"]}),
)

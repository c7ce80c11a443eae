"""Single legs are reported at once, counted for good, and repeated until they are gone."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bench import KALSHI, NOBODY, POLYMARKET, Bench, Ended, bench
from support.exposures import exposure
from support.laws import reached, reaches
from support.memory_journal import MemoryJournal
from support.runs import AS_THEY_COME, HELD, Finished, play, stored

from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import LimitApproached, Stamp
from dutchbook.domain.positions.exposure_counts import MONTHLY, WEEKLY, ExposureCounts
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.persistence.log.verify import problems
from dutchbook.platforms.paper.faults import Fault
from dutchbook.ports.journal import Batch
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

MONDAY = datetime(2026, 7, 6, 12, tzinfo=UTC)
WEEK, HOUR = timedelta(weeks=1), timedelta(hours=1)
THREE_WEEKS = [MONDAY + week * WEEK + hour * HOUR for week in range(3) for hour in range(2)]
FAULTS = [
    ("paper.fault_rejected=300000",),
    ("paper.fault_failed_fill=300000",),
    ("paper.fault_partial=400000", "paper.jitter_ms=2000"),
    ("paper.fault_lost_answer=300000", "paper.fault_not_sent=200000"),
]
Row = dict[str, Any]
LEFT_ALONE = ("execution.auto_policy=off", *HELD)
URGENT = ("exposure.urgent_share=0", *LEFT_ALONE)
"""Whatever is at risk, a reminder comes every minute."""
REMINDED = "execution.single_leg.exposure_reminder"


# Counting -------------------------------------------------------------------------------------


class Life:
    """One database, and engines that start on it and die, one after the other."""

    def __init__(self, *chosen: str) -> None:
        self.journal = MemoryJournal()
        self.settings = load(None, chosen)
        self.tape = generated_tape(7, minutes=1)
        self.clock = TapeClock(MONDAY)
        self.starts = 0

    async def start(self) -> Engine:
        """Start the next engine, as a new process would; its trading has not begun."""
        self.starts += 1
        engine = build_paper(
            self.settings, self.tape, self.journal, self.clock, seed=7, run=self.starts
        ).engine
        await engine.risk.capital.load()
        for service in engine.monitoring.services:
            await service.start()
        return engine

    async def expose(self, engine: Engine, at: datetime) -> None:
        """Commit one more exposure."""
        rows = await self.journal.rows("audit_log")
        await engine.committer.commit(Batch(events=(exposure(f"x{len(rows)}", at),)))

    async def told(self) -> list[tuple[str, str]]:
        """Return every limit that was reported, with the exposure that crossed it."""
        rows = await self.journal.rows("audit_log", order_by=("sequence",))
        return [
            (json.loads(row["payload"])["limit"], row["causation_id"])
            for row in rows
            if row["name"].startswith("risk.limit")
        ]


async def _working(engine: Engine, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` while the tracker runs, then drain the tracker as a stop does."""
    running = asyncio.ensure_future(engine.monitoring.exposures.run())
    await work()
    await engine.monitoring.exposures.drained()
    running.cancel()


async def _live(life: Life, times: list[datetime]) -> Engine:
    engine = await life.start()

    async def work() -> None:
        for at in times:
            await life.expose(engine, at)

    await _working(engine, work)
    return engine


def test_the_sixth_exposure_of_a_month_and_a_third_bad_week_are_reported_and_halt() -> None:
    async def main() -> tuple[Any, Engine]:
        life = Life()
        engine = await _live(life, THREE_WEEKS)
        return await life.told(), engine

    told, engine = run_virtual(main())

    assert Counter(limit for limit, _ in told) == {MONTHLY: 1, WEEKLY: 1}
    assert engine.risk.capital.state.halt_reasons == {HaltReason.EXPOSURE_LIMIT}


def test_a_third_bad_week_halts_only_where_the_setting_says_so() -> None:
    async def main() -> tuple[Any, Engine]:
        life = Life("exposure.halt_on_weekly=false")
        engine = await _live(life, THREE_WEEKS)
        return await life.told(), engine

    told, engine = run_virtual(main())

    assert WEEKLY in {limit for limit, _ in told}
    assert not engine.risk.capital.state.trading_halted


def test_a_crossed_limit_that_a_crash_left_unreported_is_reported_at_the_next_start() -> None:
    async def main() -> tuple[Any, Any, Engine]:
        life = Life()
        engine = await life.start()
        for at in THREE_WEEKS:
            await life.expose(engine, at)  # no tracker runs: the engine dies first
        before = await life.told()
        engine = await _live(life, [])
        return before, await life.told(), engine

    before, after, engine = run_virtual(main())

    assert before == []
    assert Counter(limit for limit, _ in after) == {MONTHLY: 1, WEEKLY: 1}
    assert engine.risk.capital.state.halt_reasons == {HaltReason.EXPOSURE_LIMIT}


def test_a_halt_that_a_person_cleared_does_not_come_back_with_a_restart() -> None:
    async def main() -> Engine:
        life = Life()
        engine = await _live(life, THREE_WEEKS)
        await engine.risk.halts.resume_trading(
            HaltReason.EXPOSURE_LIMIT, "looked at each of them"
        )
        return await _live(life, [])

    assert not run_virtual(main()).risk.capital.state.trading_halted


some = st.lists(st.integers(0, 24 * 7 * 20), max_size=40)
many = st.lists(st.integers(0, 24 * 7 * 6), min_size=10, max_size=25)
hours = st.one_of(some, many).map(sorted)


@reaches(told=10, died=15)
@settings(max_examples=60, deadline=None)
@given(hours, st.data())
def test_live_counts_equal_a_count_from_the_log_across_any_restarts(
    offsets: list[int], data: st.DataObject
) -> None:
    """I-21: whatever the history, and wherever an engine drains or dies."""
    times = [MONDAY + offset * HOUR for offset in offsets]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(times)), max_size=6)))
    dies = data.draw(st.lists(st.booleans(), min_size=len(cuts), max_size=len(cuts)))

    async def main() -> tuple[Any, Any]:
        life, begin = Life(), 0
        for cut, death in zip(cuts, dies, strict=True):
            if death:
                engine = await life.start()
                for at in times[begin:cut]:
                    await life.expose(engine, at)
            else:
                await _live(life, times[begin:cut])
            begin = cut
        engine = await _live(life, times[begin:])
        return engine.monitoring.exposures.counts, await life.told()

    counts, told = run_virtual(main())
    if told:
        reached("told")
    if any(dies):
        reached("died")

    recount, expected = ExposureCounts(), Counter[str]()
    for at in times:
        recount, crossed = recount.counted(at)
        expected.update(each.limit for each in crossed)
    assert counts == recount
    assert Counter(limit for limit, _ in told) == expected
    assert len(set(told)) == len(told)


def test_a_verification_finds_a_limit_that_was_invented_repeated_or_never_reported() -> None:
    def said(name: str, limit: str, cause: str) -> LimitApproached:
        stamp = Stamp(name, MONDAY, "exposure", cause)
        return LimitApproached(stamp, limit=limit, value=Decimal(6), bound=Decimal(5))

    async def main() -> tuple[list[str], list[str], list[str]]:
        life = Life()
        await _live(life, THREE_WEEKS)
        whole = problems(await stored(life.journal))
        _, crossed = (await life.told())[0]
        false = (said("again", MONTHLY, crossed), said("invented", WEEKLY, "x0"))
        await life.journal.commit(Batch(events=false))
        wrong = problems(await stored(life.journal))
        untold = Life()
        engine = await untold.start()
        for at in THREE_WEEKS:
            await untold.expose(engine, at)
        assert problems(await stored(untold.journal)) == []
        await engine.lifecycle.stop("it never told")
        silent = problems(await stored(untold.journal))
        await _live(untold, [])
        assert problems(await stored(untold.journal)) == []
        return whole, wrong, silent

    whole, wrong, untold = run_virtual(main())

    assert whole == []
    assert [each.split(" tells of ")[1] for each in wrong] == [
        f"{MONTHLY} twice",
        f"{WEEKLY} and a recount does not find it",
    ]
    assert [each.split(" crossed ")[1] for each in untold] == [
        f"{MONTHLY}, and nobody was told",
        f"{WEEKLY}, and nobody was told",
    ]


# Whole runs -----------------------------------------------------------------------------------


def _events(run: Finished, name: str) -> list[Row]:
    return [
        row | {"facts": json.loads(row["payload"])}
        for row in run.tables["audit_log"]
        if row["name"] == name
    ]


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: faults[0])
def test_an_exposure_is_reported_within_five_seconds_of_what_reveals_it(
    faults: tuple[str, ...],
) -> None:
    """I-20: it is revealed by the last fill, rejection or failed fill of its execution."""
    reveals = (
        "execution.order.failed",
        "execution.order.filled",
        "execution.fill.failed",
        "execution.order.outcome_unknown",
    )
    leaving = "exits.minimum_gain=0.008"  # partial exits are exposures as well
    run = play(*faults, *LEFT_ALONE, leaving, "risk.max_open_pairs=100", minutes=60)

    told = _events(run, "execution.single_leg.exposure")
    assert told
    for event in told:
        before = [
            row["occurred_at"]
            for row in run.tables["audit_log"]
            if row["name"] in reveals
            and row["sequence"] < event["sequence"]
            and row["correlation_id"] == event["correlation_id"]
        ]
        waited = event["occurred_at"] - max(before)
        unknown = event["facts"]["failed_leg"]["code"] == 2003
        assert unknown or waited <= timedelta(seconds=5)
    held = {
        row["position_id"]
        for row in run.tables["open_positions"]
        if row["status"] is PositionStatus.SINGLE_LEG_EXPOSED
    }
    assert held
    assert held <= {event["facts"]["position_id"] for event in told}


def _words(run: Finished) -> dict[str, list[Row]]:
    """Return the events about each exposed position, in order."""
    said = defaultdict[str, list[Row]](list)
    for row in run.tables["audit_log"]:
        if row["name"].startswith("execution.single_leg."):
            facts = json.loads(row["payload"])
            said[facts["position_id"]].append(row | {"facts": facts})
    return said


def test_an_exposed_position_is_reported_again_every_minute_until_the_end() -> None:
    run = play("paper.fault_rejected=300000", *URGENT, seed=7, minutes=30)

    last = run.tables["audit_log"][-1]["occurred_at"]
    exposed = [p for p in run.tables["open_positions"] if p["status"] == "SINGLE_LEG_EXPOSED"]
    assert exposed
    for position in exposed:
        said = _words(run)[position["position_id"]]
        times = [row["occurred_at"] for row in said]
        waits = [b - a for a, b in itertools.pairwise(times)]
        assert len(said) > 5
        assert {row["name"] for row in said[1:]} == {"execution.single_leg.exposure_reminder"}
        assert all(timedelta(seconds=55) <= wait <= timedelta(seconds=60) for wait in waits)
        assert last - times[-1] < timedelta(seconds=65)
        since = {row["facts"]["exposed_since"] for row in said[1:]}
        assert since == {times[0].isoformat(timespec="microseconds")}


def test_no_reminder_is_sent_for_a_hedged_position() -> None:
    run = play("paper.fault_rejected=100000", *LEFT_ALONE, seed=7, minutes=20)

    opened = {row["position_id"] for row in run.tables["open_positions"]} - set(_words(run))

    assert run.summary["positions"]["OPEN"] > 0
    assert opened


def test_the_period_and_the_gap_of_reminders_are_settings() -> None:
    run = play(
        "paper.fault_rejected=300000",
        *URGENT,
        "exposure.reminder_seconds=300",
        "exposure.reminder_gap_seconds=290",
        seed=7,
        minutes=30,
    )

    for said in _words(run).values():
        times = [row["occurred_at"] for row in said]
        waits = [b - a for a, b in itertools.pairwise(times)]
        assert all(timedelta(seconds=290) <= wait <= timedelta(seconds=300) for wait in waits)
    assert any(len(said) > 2 for said in _words(run).values())


@pytest.mark.parametrize(("away", "at"), [(10, 60), (57, 60), (500, 500)])
def test_a_restart_neither_repeats_nor_forgets_a_reminder(away: int, at: int) -> None:
    """The last reminder is read from the audit log, whichever engine wrote it."""

    async def main() -> list[float]:
        tape = generated_tape(7, minutes=30)
        clock, journal = TapeClock(tape.meta.first), MemoryJournal()
        faults = load(None, (AS_THEY_COME, "paper.fault_rejected=300000", *URGENT))
        await build_paper(faults, tape, journal, clock, seed=7).trade(1)
        kind = "execution.single_leg.exposure_reminder"
        said = await journal.rows("audit_log", {"name": kind}, order_by=("sequence",))
        last, about = said[-1]["occurred_at"], said[-1]["correlation_id"]

        await clock.sleep_until(last + timedelta(seconds=away))
        engine = build_paper(faults, tape, journal, clock, seed=7, run=2).engine
        await engine.lifecycle.start([], [], {}, mode="paper", run=2, version="x")
        engine.monitoring.sessions.began(clock.now())
        running = asyncio.ensure_future(engine.monitoring.reminders.run())
        await clock.sleep_until(last + timedelta(seconds=max(away, 60), milliseconds=1))
        await engine.monitoring.reminders.drained()
        running.cancel()
        later = await journal.rows("audit_log", {"name": kind}, order_by=("sequence",))
        again = [row for row in later[len(said) :] if row["correlation_id"] == about]
        return [(row["occurred_at"] - last).total_seconds() for row in again]

    waits = run_virtual(main())

    assert waits
    assert set(waits) == {at}


async def _an_hour(at: Bench) -> None:
    await at.expose()
    await at.rest(3_600)


def _reminders(run: Ended) -> list[float]:
    """Return the seconds from the first report of the exposure to each reminder."""
    (began,) = run.events("execution.single_leg.exposure")
    told = (row["occurred_at"] - began["occurred_at"] for row in run.events(REMINDED))
    return [each.total_seconds() for each in told]


@pytest.mark.parametrize(("share", "every"), [("0.004", 60), ("0.005", 600)])
def test_the_more_is_at_risk_the_more_often_an_exposure_is_reported_again(
    share: str, every: int
) -> None:
    """A hundred contracts at 40 cents are 42 dollars with their fee, of 10,000."""
    run = bench(_an_hour, *HELD, f"exposure.urgent_share={share}")

    assert _reminders(run) == list(range(every, 3_601, every))


async def _dust(at: Bench) -> None:
    await at.expose(second="99")
    at.show(KALSHI, NOBODY, NOBODY)
    at.show(POLYMARKET, NOBODY, NOBODY)
    await at.rest(7_300)


@pytest.mark.parametrize(
    ("dollars", "later"), [("1", [600, 4_200]), ("0.4", list(range(600, 7_300, 600)))]
)
def test_dust_about_which_nothing_can_be_done_is_reported_again_every_hour(
    dollars: str, later: list[float]
) -> None:
    """One contract at 40 cents; when it was first reported, its books took orders."""
    run = bench(_dust, *HELD, f"exposure.dust_dollars={dollars}")

    assert _reminders(run) == later


def test_an_exposure_that_grows_is_reported_at_once_and_then_as_what_it_is_now() -> None:
    """Ten contracts are 4 dollars, and a hundred are 42, of 10,000."""

    async def work(at: Bench) -> datetime:
        at.fault(POLYMARKET, Fault.FAILED_FILL)
        await at.expose(second="90")
        grown = at.engine.clock.now()
        await at.rest(200)
        return grown

    run = bench(work, *HELD, "exposure.urgent_share=0.004")

    first, grown = run.events("execution.single_leg.exposure")
    told = [json.loads(row["payload"])["exposed_quantity"] for row in (first, grown)]
    reminders = [row["occurred_at"] for row in run.events(REMINDED)]
    assert told == ["10", "100"]
    assert grown["occurred_at"] - first["occurred_at"] <= timedelta(seconds=5)
    assert reminders[0] - grown["occurred_at"] == timedelta(seconds=60)


def test_no_reminder_is_sent_between_the_sessions_of_a_tape() -> None:
    async def main() -> int:
        tape = generated_tape(7, minutes=30)
        clock, journal = TapeClock(tape.meta.first), MemoryJournal()
        faults = load(None, (AS_THEY_COME, "paper.fault_rejected=300000", *LEFT_ALONE))
        paper = build_paper(faults, tape, journal, clock, seed=7)
        await paper.trade(1)
        kind = "execution.single_leg.exposure_reminder"
        before = len(await journal.rows("audit_log", {"name": kind}))
        running = asyncio.ensure_future(paper.engine.monitoring.reminders.run())
        await clock.sleep(3_600)
        running.cancel()
        return len(await journal.rows("audit_log", {"name": kind})) - before

    assert run_virtual(main()) == 0

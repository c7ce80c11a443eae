"""Health, drift and the degradation protocol, over whole runs and in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.memory_journal import MemoryJournal
from support.pairs import pair
from support.runs import Finished, play
from support.tapes import FAIR, polls, streamed

from dutchbook.application.monitoring.clock_drift import TimeDriftService
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.detection.quote import Reason
from dutchbook.domain.events import (
    DegradationProtocolActivated,
    DegradationProtocolDeactivated,
    Event,
)
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.market.health import DriftLimits, HealthStatus
from dutchbook.errors import NotSent, TimeUnknown
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
KALSHI = Platform.KALSHI
Told = list[tuple[int, str, dict[str, Any]]]


def told(run: Finished, *prefixes: str) -> Told:
    """Return events in order: seconds since the start of the run, name and facts."""
    first = run.paper.tape.meta.first
    return [
        ((row["occurred_at"] - first) // SECOND, row["name"], json.loads(row["payload"]))
        for row in run.tables["audit_log"]
        if row["name"].startswith(prefixes)
    ]


def changes(run: Finished) -> list[str]:
    """Return the names of events that change health or use."""
    names = (name for _, name, _ in told(run, "platform.", "degradation.", "system.health"))
    return [name for name in names if name != "platform.health.updated"]


# Platforms ------------------------------------------------------------------------------------


def test_every_platform_is_checked_every_half_minute() -> None:
    run = play(minutes=20)

    rows = run.tables["platform_health_logs"]
    for platform in Platform:
        times = [row["recorded_at"] for row in rows if row["platform"] is platform]
        assert times == [run.paper.tape.meta.first + n * 30 * SECOND for n in range(40)]
    assert {(row["status"], row["connection_state"]) for row in rows} == {
        (HealthStatus.HEALTHY, "connected")
    }


def test_a_healthy_run_logs_one_health_event_an_hour() -> None:
    run = play(tape=polls(*[FAIR] * 251, seconds=30))

    notes = told(run, "platform.", "degradation.", "time.", "system.health")
    assert [(at, name) for at, name, _ in notes] == [
        (hour * 3_600, "platform.health.updated") for hour in range(3) for _ in Platform
    ]


def test_an_outage_is_reported_once_and_so_is_its_end() -> None:
    run = play("paper.outages=kalshi:100-400", minutes=20)

    found = [(at, name) for at, name, _ in told(run, "platform.", "degradation.") if at]
    assert found == [
        (150, "platform.health.updated"),
        (150, "platform.health.disconnected"),
        (150, "degradation.protocol.activated"),
        (450, "platform.health.updated"),
        (450, "platform.health.recovered"),
        (450, "degradation.protocol.deactivated"),
    ]
    states = {
        row["connection_state"]
        for row in run.tables["platform_health_logs"]
        if row["platform"] is KALSHI
    }
    assert states == {"connected", "unanswered", "disconnected"}


def test_a_short_outage_changes_nothing() -> None:
    """Down during one check, and for less than a minute: the status does not flap."""
    run = play("paper.outages=kalshi:110-140,kalshi:290-310", minutes=20)

    assert changes(run) == []


def test_two_unhealthy_platforms_at_once_are_reported_as_critical_once() -> None:
    run = play("paper.outages=kalshi:100-400,polymarket:200-500", minutes=20)

    critical = told(run, "system.health.critical")
    assert [(at, facts["component"]) for at, _, facts in critical] == [(240, "platforms")]


def test_slow_answers_degrade_a_platform_and_keep_it_in_use() -> None:
    run = play("paper.latency_ms=2500", minutes=5)

    slow = [facts for _, name, facts in told(run, "platform.health.degraded")]
    assert [facts["detail"] for facts in slow] == ["answers take 2500 ms"] * 2
    assert "degradation.protocol.activated" not in changes(run)


def test_a_frozen_book_of_a_polled_tape_is_named() -> None:
    tape = generated_tape(7, minutes=20)
    frozen = tape.meta.pairs[0].kalshi.contract_id
    after = tape.meta.first + timedelta(minutes=5)
    rows = [row for row in tape.rows if row.update.contract_id != frozen or row.at < after]

    run = play(tape=MemoryTape(tape.meta, rows))

    found = told(run, "platform.health.degraded")
    assert [facts["detail"] for _, _, facts in found] == [f"silent: {frozen}"]
    assert 360 <= found[0][0] <= 390


def _twice(tape: MemoryTape, gap: timedelta) -> MemoryTape:
    """Return a tape of two sessions; the second begins `gap` after the first did."""
    steps = tape.rows[-1].step + 1
    later = [replace(m, at=m.at + gap, step=m.step + steps, session=1) for m in tape.rows]
    meta = replace(tape.meta, last=later[-1].at, messages=2 * len(later))
    return MemoryTape(meta, [*tape.rows, *later])


def test_a_gap_between_the_sessions_of_a_tape_is_no_outage() -> None:
    tape = generated_tape(7, minutes=10)
    both = _twice(tape, timedelta(hours=25))
    later = both.rows[len(tape.rows) :]

    run = play(tape=both)

    assert changes(run) == []
    rows = run.tables["platform_health_logs"]
    assert len(rows) == 2 * 2 * 20
    assert not [r for r in rows if tape.rows[-1].at < r["recorded_at"] < later[0].at]


def test_a_health_check_that_a_session_ends_before_its_answer_is_dropped() -> None:
    """The ping of second 570 is answered at 574; the session ends at 572."""
    tape = generated_tape(7, minutes=10)
    end = tape.meta.first + 572 * SECOND
    rows = [row for row in tape.rows if row.at < end]

    run = play("paper.latency_ms=4000", tape=_twice(MemoryTape(tape.meta, rows), 2 * HOUR))

    assert len(run.tables["platform_health_logs"]) == 2 * 2 * 19


def test_a_gap_within_a_session_is_an_outage() -> None:
    tape = generated_tape(7, minutes=20)
    begins = tape.meta.first + timedelta(minutes=5)
    rows = [r for r in tape.rows if not begins <= r.at < begins + timedelta(minutes=3)]

    run = play(tape=MemoryTape(tape.meta, rows))

    assert changes(run).count("degradation.protocol.activated") == len(Platform)
    assert changes(run).count("platform.health.recovered") == len(Platform)


# The protocol ---------------------------------------------------------------------------------

SILENT = ("paper.silences=kalshi:60-1100", "detection.book_age_seconds=3600")
"""Books this old would be traded on if the protocol did not prevent it."""


def _placed(run: Finished, begins: int, ends: int) -> list[int]:
    return [at for at, _, _ in told(run, "risk.budget.reserved") if begins <= at < ends]


def test_nothing_new_is_executed_while_a_stream_is_silent() -> None:
    usual, silent = play(minutes=25), play(*SILENT, minutes=25)

    began = [at for at, name, _ in told(silent, "degradation.protocol.activated")]
    assert 60 + 77 <= began[0] <= 60 + 81
    assert _placed(usual, began[0], 1_100)
    assert not _placed(silent, began[0], 1_100)
    assert silent.summary["filtered"]["platform_degraded"] > 0


def test_a_platform_is_in_use_again_with_the_first_fresh_data() -> None:
    run = play("paper.silences=kalshi:100-300", minutes=20)

    events = told(run, "degradation.")
    assert [name for _, name, _ in events] == [
        "degradation.protocol.activated",
        "degradation.protocol.deactivated",
    ]
    assert events[0][2]["reason"] == "stream silent for 81 s"
    assert 300 <= events[1][0] <= 305
    assert 199 <= events[1][2]["silent_seconds"] <= 206
    assert _placed(run, events[1][0], 1_200)


def test_a_new_session_alone_does_not_put_a_platform_in_use_again() -> None:
    """Silent at the end of one session and for the first minute of the next."""
    tape = _twice(generated_tape(7, minutes=10), 2 * HOUR)

    run = play("paper.silences=kalshi:300-7260", tape=tape)

    events = [(at, name) for at, name, _ in told(run, "degradation.")]
    assert [name for _, name in events] == [
        "degradation.protocol.activated",
        "degradation.protocol.deactivated",
    ]
    assert 7_260 <= events[1][0] <= 7_265


def test_the_minimum_edge_is_raised_by_half_while_a_platform_is_out() -> None:
    seen: list[tuple[type[Event], Decimal, int]] = []

    def listen(paper: PaperRun) -> None:
        engine = paper.engine

        def on_event(event: Event, sequence: int) -> None:
            if isinstance(event, DegradationProtocolActivated | DegradationProtocolDeactivated):
                assert sequence
                detection = engine.detection
                minimum = detection._hurdles.minimum_net_edge
                seen.append((type(event), minimum, detection._minimum_e4))

        engine.committer.subscribe(on_event)

    play("paper.silences=kalshi:100-300", minutes=10, prepare=listen)

    assert seen == [
        (DegradationProtocolActivated, Decimal("0.012"), 120),
        (DegradationProtocolDeactivated, Decimal("0.008"), 80),
    ]


def test_a_queued_opportunity_meets_the_protocol_too() -> None:
    async def main() -> tuple[Reason | None, Reason | None]:
        tape = generated_tape(7, minutes=1)
        paper = build_paper(load(), tape, MemoryJournal(), TapeClock(tape.meta.first), seed=7)
        engine = paper.engine
        before = engine.queue.refusal(pair(), Outcome.YES)
        await engine.monitoring.protocol.disconnected((KALSHI,))
        return before, engine.queue.refusal(pair(), Outcome.YES)

    assert run_virtual(main()) == (None, Reason.PLATFORM_DEGRADED)


def test_the_books_of_a_silent_stream_are_polled() -> None:
    """They stay as fresh and as accurate as the platform's; the silence goes on."""
    seen: list[tuple[timedelta, bool]] = []

    def look_now_and_then(paper: PaperRun) -> None:
        engine = paper.engine

        async def look() -> None:
            await engine.clock.sleep(200)
            for book in engine.watchlist.books.values():
                offered = paper.platforms.exchanges[book.platform].liquidity[book.contract_id]
                same = sorted(book.asks.items()) == list(offered.available(ASK))
                assert book.updated_at is not None
                seen.append((engine.clock.now() - book.updated_at, same))

        looking.append(asyncio.ensure_future(look()))

    looking: list[asyncio.Future[None]] = []
    run = play("paper.silences=kalshi:100-300", minutes=10, prepare=look_now_and_then)

    assert len(seen) == 4
    assert all(age <= 4 * SECOND for age, _ in seen)
    assert [same for _, same in seen].count(True) >= 3
    assert [name for _, name, _ in told(run, "degradation.")][-1].endswith("deactivated")
    assert len(told(run, "degradation.")) == 2


def test_an_answer_that_the_stream_overtook_is_dropped() -> None:
    async def main() -> tuple[int, int]:
        tape = generated_tape(7, minutes=1)
        clock = TapeClock(tape.meta.first)
        settings = load(None, ("paper.latency_ms=500",))
        engine = build_paper(settings, tape, MemoryJournal(), clock, seed=7).engine
        polling = engine.monitoring.protocol._polling
        book = next(b for (p, _), b in engine.watchlist.books.items() if p is KALSHI)
        book.replace(((4_000, 10**6),), ())
        book.touch(clock.now(), 1)
        asking = asyncio.ensure_future(polling.poll(KALSHI))
        await clock.sleep(0.25)
        book.replace(((4_100, 10**6),), ())
        book.touch(clock.now(), 2)
        await asking
        overtaken = book.best_bid
        await polling.poll(KALSHI)
        return overtaken, book.best_bid

    assert run_virtual(main()) == (4_100, 0)


def test_a_stream_of_changes_is_complete_again_after_a_silence() -> None:
    """Changes were missed meanwhile, so the first message afterwards brings the whole book."""
    tape = streamed(generated_tape(7, minutes=10))
    assert {row.update.whole for row in tape.rows if row.step > 10} == {False}

    run = play("paper.silences=kalshi:100-300", tape=tape)

    assert run.paper.market.missed == set()
    for key, book in run.engine.watchlist.books.items():
        liquidity = run.paper.platforms.exchanges[key[0]].liquidity[key[1]]
        assert sorted(book.bids.items()) == sorted(liquidity.available(BID))
        assert sorted(book.asks.items()) == sorted(liquidity.available(ASK))


# The paper platform ---------------------------------------------------------------------------


def test_a_ping_takes_as_long_as_any_request_and_fails_in_an_outage() -> None:
    async def main() -> tuple[float, bool]:
        tape = generated_tape(7, minutes=1)
        clock = TapeClock(tape.meta.first)
        settings = load(None, ("paper.latency_ms=150", "paper.outages=kalshi:10-20"))
        paper = build_paper(settings, tape, MemoryJournal(), clock, seed=7)
        gateway = paper.platforms.gateways[KALSHI]
        await gateway.ping()
        took = clock.monotonic()
        await clock.sleep(10)
        refused = 0
        for ask in (gateway.ping, gateway.balances, gateway.positions):
            with pytest.raises(NotSent):
                await ask()
            refused += 1
        return took, refused == 3

    assert run_virtual(main()) == (0.15, True)


UNSEEN = (
    "health.failures=1000",
    "health.protocol_seconds=100000",
    "detection.book_age_seconds=3600",
    "paper.lag_steps=0",
    "detection.books_apart_ms=31536000000",
)
"""Nothing else stops an order, so the outage itself must."""


def test_an_order_in_an_outage_never_leaves() -> None:
    run = play("paper.outages=kalshi:60-1200", *UNSEEN, minutes=20)

    refused = {facts["reason"] for _, _, facts in told(run, "execution.order.failed")}
    assert refused == {"the connection was refused"}
    assert not [row for row in run.tables["fills"] if row["reported_at"] > _at(run, 60)]


def test_an_answer_on_its_way_when_an_outage_begins_is_lost() -> None:
    run = play("paper.latency_ms=4000", _often_down(), *UNSEEN, minutes=20)

    lost = {facts["reason"] for _, _, facts in told(run, "execution.order.outcome_unknown")}
    assert lost == {"no_answer"}


def _at(run: Finished, seconds: int) -> datetime:
    return run.paper.tape.meta.first + seconds * SECOND


def _often_down() -> str:
    """Down for three seconds of every six: many orders are accepted and their answers lost."""
    return "paper.outages=" + ",".join(
        f"{platform}:{n}-{n + 3}" for platform in Platform for n in range(0, 1_200, 6)
    )


# Drift ----------------------------------------------------------------------------------------


class Server:
    """A time server with given answers, in turn; the last answer repeats."""

    def __init__(self, *answers: Decimal | None, seconds: float = 0) -> None:
        self._answers: Sequence[Decimal | None] = answers
        self._seconds = seconds
        self.asked: list[float] = []

    async def offset_ms(self) -> Decimal:
        loop = asyncio.get_running_loop()
        self.asked.append(loop.time())
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        await asyncio.sleep(self._seconds)
        if answer is None:
            raise TimeUnknown("here", "silence")
        return answer


async def _checked(*servers: Server, hours: int = 0) -> Engine:
    """Start an engine's drift service with `servers`, and let it work for some hours."""
    tape = generated_tape(7, minutes=1)
    clock = TapeClock(tape.meta.first)
    engine = build_paper(load(), tape, MemoryJournal(), clock, seed=7).engine
    await engine.risk.capital.load()
    drift = TimeDriftService(
        engine.committer,
        engine.risk,
        servers,
        engine.monitoring.system,
        clock,
        DriftLimits(),
        every=timedelta(hours=1),
    )
    recording = asyncio.ensure_future(engine.recorder.run())
    await drift.start()
    running = asyncio.ensure_future(drift.run())
    await clock.sleep(hours * 3_600 + 60)
    await drift.drained()
    await engine.recorder.drained()
    running.cancel()
    recording.cancel()
    return engine


def _counts(engine: Engine) -> dict[str, int]:
    besides = ("risk", "records")
    counts = engine.committer.counts.items()
    return {name: n for name, n in counts if not any(word in name for word in besides)}


def test_a_correct_clock_is_not_mentioned() -> None:
    server = Server(Decimal("99.9"))

    engine = run_virtual(_checked(server, hours=3))

    assert len(server.asked) == 4
    assert _counts(engine) == {}


def test_the_clock_is_checked_at_the_start_and_every_hour() -> None:
    server = Server(Decimal(0), Decimal(-150), Decimal(600), Decimal(1_000))

    engine = run_virtual(_checked(server, hours=3))

    assert [b - a for a, b in zip(server.asked, server.asked[1:], strict=False)] == [3_600] * 3
    assert _counts(engine) == {
        "time.drift.warning": 1,
        "time.drift.critical": 1,
        "system.trading.halted": 1,
        "time.drift.halt": 1,
    }
    assert engine.risk.capital.state.halt_reasons == {HaltReason.TIME_DRIFT}


def test_the_second_server_is_asked_when_the_first_is_silent() -> None:
    first, second = Server(None), Server(Decimal(700))

    engine = run_virtual(_checked(first, second))

    assert (len(first.asked), len(second.asked)) == (1, 1)
    assert _counts(engine) == {"time.drift.critical": 1}


def test_a_server_has_five_seconds_and_is_asked_three_times_two_seconds_apart() -> None:
    slow = Server(Decimal(0), seconds=6)

    engine = run_virtual(_checked(slow))

    assert slow.asked == [0, 7, 14]
    assert _counts(engine) == {"system.health.critical": 1}


def test_an_unknown_time_is_reported_once_until_it_is_known_again() -> None:
    silence = (None,) * 3
    server = Server(*silence, *silence, Decimal(0), *silence)

    engine = run_virtual(_checked(server, hours=3))

    assert _counts(engine) == {"system.health.critical": 2}


def test_with_a_clock_that_is_off_by_a_second_nothing_is_traded() -> None:
    run = play("paper.clock_offset_ms=-1200", minutes=10)

    assert run.summary["executions"]["total"] == 0
    assert told(run, "time.drift")[0] == (
        0,
        "time.drift.halt",
        {"drift_ms": "-1200", "bound_ms": 1_000},
    )


def test_the_summary_counts_dropped_notes_if_there_are_any() -> None:
    def full(paper: PaperRun) -> None:
        paper.engine.recorder._bound = 0

    whole, bounded = play(minutes=10), play(minutes=10, prepare=full)

    assert "dropped" not in whole.summary
    assert bounded.summary["dropped"] > 0


def test_a_critical_event_is_kept_even_where_others_are_dropped() -> None:
    async def main() -> tuple[int, int]:
        tape = generated_tape(7, minutes=1)
        paper = build_paper(load(), tape, MemoryJournal(), TapeClock(tape.meta.first), seed=7)
        engine = paper.engine
        engine.recorder._bound = 0
        engine.monitoring.system.critical("outbox", "full")
        running = asyncio.ensure_future(engine.recorder.run())
        await engine.recorder.drained()
        running.cancel()
        return engine.committer.counts["system.health.critical"], engine.recorder.dropped

    assert run_virtual(main()) == (1, 0)

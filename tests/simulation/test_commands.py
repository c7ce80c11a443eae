"""Commands that people give a running engine, and its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.memory_journal import MemoryJournal
from support.reserving import Reserving
from support.rows import execution_row
from support.runs import HELD, play

from dutchbook.application.operator.command_rows import (
    EXPIRY,
    command_row,
    halting,
    withdrawn,
)
from dutchbook.application.operator.commands import Commands
from dutchbook.application.records.lease import ENGINE, take
from dutchbook.application.records.rows import SINGLETON
from dutchbook.application.records.runs import count_run
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import Grade, HaltReason
from dutchbook.domain.capital.reservation import BudgetRequest
from dutchbook.domain.events import Event, OrderPlaced, PositionOpened
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity
from dutchbook.errors import Conflict, ReservationFailed, StorageError
from dutchbook.ports.halt_file import HaltNote
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.ports.tables.trading import ORDERS
from dutchbook.runtime.clock import SystemClock, TapeClock
from dutchbook.runtime.virtual_time import run_virtual

TERM = timedelta(seconds=600)
PAIR, OTHER = "demo-pair-00", "demo-pair-01"


class File:
    """A HALT file in memory."""

    def __init__(self) -> None:
        self.note: HaltNote | None = None
        self.obstacle = ""

    def standing(self) -> HaltNote | None:
        return self.note

    def clear(self, note: HaltNote) -> str:
        assert note == self.note
        if not self.obstacle:
            self.note = None
        return self.obstacle


@dataclass
class Desk:
    """A started engine, and another process's access to its database."""

    paper: PaperRun
    journal: MemoryJournal
    file: File
    asked: int = 0

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.paper.engine

    @property
    def commands(self) -> Commands:
        return self.engine.lifecycle.commands

    @property
    def reasons(self) -> set[str]:
        return {reason.value for reason in self.engine.risk.capital.state.halt_reasons}

    async def ask(
        self,
        name: str,
        *,
        grade: int = 0,
        rationale: str = "a good reason",
        expiry: timedelta = EXPIRY,
        **arguments: Any,
    ) -> str:
        """Write a command as another process does; return its id."""
        self.asked += 1
        key = f"c{self.asked}"
        row = command_row(key, name, arguments, rationale, "me", SystemClock(), expiry)
        writes: tuple[Any, ...] = (Insert("operator_commands", row),)
        if grade:
            lease = (await self.journal.rows("leases", ENGINE))[0]
            writes += (halting(lease, Grade(grade)),)
        await self.journal.commit(Batch(writes))
        return key

    async def answer(self, key: str) -> Any:
        return (await self.journal.rows("operator_commands", {"command_id": key}))[0]["answer"]

    async def told(self, name: str, **arguments: Any) -> Any:
        """Give a command, let the engine process it, and return its answer."""
        key = await self.ask(name, **arguments)
        await self.commands.fold()
        return await self.answer(key)

    async def halted(self) -> int:
        return int((await self.journal.rows("leases", ENGINE))[0]["halted"])

    async def names(self) -> list[str]:
        return [row["name"] for row in await self.journal.rows("audit_log")]


def desk(work: Callable[[Desk], Awaitable[Any]], *settings: str, journal: Any = None) -> Any:
    """Start an engine that is not trading yet, and run `work` next to it."""

    async def main() -> Any:
        kept = journal or MemoryJournal()
        tape, file = generated_tape(7, minutes=1), File()
        fence = await take(kept, SystemClock(), "me", TERM, lambda _: True, file)
        run, clock = await count_run(kept, fence), TapeClock(tape.meta.first)
        paper = build_paper(
            load(None, settings),
            tape,
            kept,
            clock,
            seed=7,
            run=run,
            fence=fence,
        )
        opening = {platform: Money(Decimal(5_000)) for platform in Platform}
        meta = tape.meta
        await paper.engine.lifecycle.start(
            meta.contracts, meta.pairs, opening, mode="paper", run=run, version="x"
        )
        return await work(Desk(paper, kept, file))

    return run_virtual(main())


# Halts


def test_a_halt_is_processed_answered_and_reported() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        answer = await at.told("halt", grade=1)
        row = (await at.journal.rows("risk_states"))[0]
        return answer, row["halt_reason"], row["trading_halted"], (await at.names())[-1]

    assert desk(work) == (
        {"done": True, "halted": True},
        ["operator"],
        True,
        "system.trading.halted",
    )


def test_a_halt_survives_a_restart_even_if_no_engine_processed_it() -> None:
    kept = MemoryJournal()

    async def leave(at: Desk) -> None:
        await at.ask("halt", grade=2)

    async def find(at: Desk) -> tuple[set[str], int, Grade]:
        return at.reasons, await at.halted(), at.engine.committer.fence.grade  # type: ignore[union-attr]

    desk(leave, journal=kept)

    assert desk(find, journal=kept) == ({"operator"}, 2, Grade.CANCELS_ONLY)


def test_trading_resumes_only_when_no_halt_reason_is_left() -> None:
    async def work(at: Desk) -> list[Any]:
        await at.told("halt", grade=2)
        await at.engine.risk.halts.halt_trading(HaltReason.TIME_DRIFT, "1,200 ms")
        first = await at.told("resume", reason="operator")
        seen = [first, await at.halted()]
        second = await at.told("resume", reason="time_drift")
        return [*seen, second, await at.halted(), at.reasons]

    assert desk(work) == [
        {"done": True, "reasons_left": ["time_drift"]},
        2,
        {"done": True, "reasons_left": []},
        0,
        set(),
    ]


def test_a_reason_that_is_not_active_cannot_be_cleared() -> None:
    async def work(at: Desk) -> tuple[Any, Any]:
        return await at.told("resume", reason="operator"), await at.told("resume")

    for answer in desk(work):
        assert answer["done"] is False
        assert "a halt reason that is set" in answer["why"]


def test_a_pending_halt_is_not_lifted_by_an_earlier_resumption() -> None:
    async def work(at: Desk) -> tuple[list[int], set[str]]:
        await at.told("halt", grade=1)
        await at.ask("resume", reason="operator")
        await at.ask("halt", grade=1)
        seen: list[int] = []

        def on_event(event: Event, sequence: int) -> None:
            assert sequence or not event.durable
            seen.append(at.journal._tables["leases"]["engine",]["halted"])

        at.engine.committer.subscribe(on_event)
        await at.commands.fold()
        return seen, at.reasons

    seen, reasons = desk(work)

    assert seen
    assert set(seen) == {1}
    assert reasons == {"operator"}


def test_commands_are_answered_in_order_and_once() -> None:
    async def work(at: Desk) -> list[Any]:
        keys = [
            await at.ask("halt", grade=1),
            await at.ask("resume", reason="operator"),
            await at.ask("resume", reason="operator"),
            await at.ask("dance"),
        ]
        await at.commands.fold()
        answers: list[Any] = [(await at.answer(key))["done"] for key in keys]
        answers.append(await at.halted())
        count = len(await at.names())
        await at.commands.fold()
        return [answers, len(await at.names()) - count]

    assert desk(work) == [[True, True, False, False, 0], 0]


def test_a_halt_file_is_processed_and_then_removed() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        at.file.note = HaltNote(Grade.CANCELS_ONLY, False, "locked", "me")
        await at.commands.fold()
        return at.reasons, await at.halted(), at.file.note

    assert desk(work) == ({"operator"}, 2, None)


def test_a_halt_file_that_stays_is_reported_once_and_its_halt_cannot_be_cleared() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        at.file.note = HaltNote(Grade.NO_ENTRIES, False, "a folder", "me")
        at.file.obstacle = "x.HALT is in the way"
        for _ in range(3):
            await at.commands.fold()
        names = await at.names()
        refused = await at.told("resume", reason="operator")
        at.file.note = None
        cleared = await at.told("resume", reason="operator")
        return names, refused, cleared, at.reasons, await at.halted()

    names, refused, cleared, reasons, grade = desk(work)

    assert names.count("system.health.critical") == names.count("system.trading.halted") == 1
    assert refused["done"] is False
    assert "x.HALT is in the way; remove it first" in refused["why"]
    assert (cleared["done"], reasons, grade) == (True, set(), 0)


def test_no_older_resumption_lifts_the_halt_of_a_file() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        await at.told("halt", grade=1)
        await at.ask("resume", reason="operator")
        at.file.note = HaltNote(Grade.NO_ENTRIES, False, "locked", "me")
        await at.commands.fold()
        return at.reasons, await at.halted(), at.file.note

    assert desk(work) == ({"operator"}, 1, None)


def test_a_database_that_does_not_answer_stops_entries_until_it_does() -> None:
    async def work(at: Desk) -> list[bool]:
        fence = at.engine.committer.fence
        assert fence is not None
        rows, seen = at.journal.rows, []

        async def silent(*_: Any, **__: Any) -> Any:
            raise StorageError("locked")

        following = asyncio.ensure_future(at.commands.follow(1))
        for answers in (silent, rows):
            at.journal.rows = answers  # type: ignore[method-assign]
            await at.engine.clock.sleep(1.5)
            seen.append(fence.blind)
        following.cancel()
        return seen

    assert desk(work) == [True, False]


def test_a_resumption_does_not_lift_a_halt_that_came_at_the_same_moment() -> None:
    """The guard rejects the commit; the engine looks again and lifts nothing."""

    async def work(at: Desk) -> tuple[int, set[str], int]:
        await at.told("halt", grade=1)
        await at.ask("resume", reason="operator")
        commit = at.journal.commit
        tries: list[bool] = []

        async def raced(batch: Batch) -> Any:
            lifts = any(w.table == "leases" and "halts" in w.guard for w in _updates(batch))
            if lifts and not tries:
                await at.ask("halt", grade=1)
            tries.append(lifts)
            return await commit(batch)

        at.journal.commit = raced  # type: ignore[method-assign]
        await at.commands.fold()
        return sum(tries), at.reasons, await at.halted()

    # Rejected once; then the reason is cleared, and the newer halt stands and is processed.
    assert desk(work) == (1, {"operator"}, 1)


def _updates(batch: Batch) -> list[Update]:
    return [write for write in batch.writes if isinstance(write, Update)]


def test_an_unreadable_halt_is_a_halt() -> None:
    kept = MemoryJournal()

    async def nothing(at: Desk) -> None:
        assert at.reasons <= {"unreadable"}

    async def find(at: Desk) -> tuple[set[str], str]:
        request = BudgetRequest("e", PAIR, dict.fromkeys(Platform, Money(Decimal(1))))
        with pytest.raises(ReservationFailed) as refused:
            at.engine.risk.reserve_budget(request)
        return at.reasons, refused.value.reason

    for damaged in (["no_such_reason"], "operator", []):
        desk(nothing, journal=kept)
        kept._tables["risk_states"]["default",] |= {
            "halt_reason": damaged,
            "trading_halted": not damaged,
        }
        expected = {"unreadable"}
        assert desk(find, journal=kept) == (expected, "trading_halted"), damaged


# Cancel all, wind down, drain


def _resting(number: int) -> Order:
    return Order(
        order_id=f"o{number}",
        client_order_id=f"k{number}",
        platform=Platform.KALSHI,
        contract_id="KXDEMO-26-00",
        pair_id=PAIR,
        execution_id=f"e{number}",
        leg=Leg.PRIMARY,
        purpose=Purpose.ENTRY,
        outcome=Outcome.YES,
        side=Side.BUY,
        price=Price(Decimal("0.01")),
        size=Quantity(Decimal(10)),
        time_in_force=TimeInForce.GTC,
        created_at=SystemClock().now(),
        working_size=Quantity(Decimal(10)),
    )


async def _rest(at: Desk, number: int, *, known: bool) -> None:
    """Let an order of ours rest on the paper platform; `known`: its answer was received."""
    order = _resting(number)
    at.paper.platforms.exchanges[Platform.KALSHI].update(
        "KXDEMO-26-00", ((3_000, 10**9),), ((9_000, 10**9),), whole=True, now=_now(at)
    )
    report = at.paper.platforms.exchanges[Platform.KALSHI].submit(order, _now(at))
    if known:
        order = order.acknowledged(report.platform_order_id, report.working)
    order = replace(order, outcome_unknown_since=_now(at))
    execution = execution_row(order.execution_id, pair_id=PAIR, phase="waiting")
    rows = (Insert("executions", execution), Insert("orders", ORDERS.row_of(order)))
    await at.journal.commit(Batch(rows))
    at.engine.trades.put(await at.engine.trading.loader.one(order.execution_id))


def _now(at: Desk) -> Any:
    return at.engine.clock.now()


def test_cancel_all_cancels_working_orders_including_unknown_outcomes() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        await _rest(at, 1, known=True)
        await _rest(at, 2, known=False)
        held = at.paper.platforms.exchanges[Platform.KALSHI].wallet.held
        answer = await at.told("halt", grade=1, cancel_all=True)
        rows = {row["order_id"]: row["status"] for row in await at.journal.rows("orders")}
        left = at.paper.platforms.exchanges[Platform.KALSHI].wallet.held
        return held, left, answer["orders"], rows

    held, left, told, rows = desk(work)

    assert held == 2 * left
    assert told["o1"] == "cancelled"
    assert "has not returned an id" in told["o2"]
    assert rows == {"o1": "CANCELLED", "o2": "PENDING"}


def test_resting_orders_are_cancelled_when_a_person_asks_to_stop() -> None:
    async def work(at: Desk) -> list[str]:
        await _rest(at, 1, known=True)

        async def feed() -> None:
            at.engine.stopping.set()

        await at.engine.lifecycle.run(feed, (), at.engine.stopping)
        return [row["status"] for row in await at.journal.rows("orders")]

    assert desk(work) == ["CANCELLED"]


def test_two_hundred_orders_are_cancelled_within_two_seconds() -> None:
    """At a latency of 150 ms per cancellation; the clock is virtual."""

    async def work(at: Desk) -> tuple[float, int]:
        for number in range(200):
            await _rest(at, number, known=True)
        began = at.engine.clock.monotonic()
        answer = await at.told("halt", grade=2, cancel_all=True)
        took = at.engine.clock.monotonic() - began
        return took, sum(said == "cancelled" for said in answer["orders"].values())

    took, cancelled = desk(work, "paper.latency_ms=150")

    assert cancelled == 200
    assert took <= 2


def test_winding_down_is_durable_and_stops_the_engine_once_nothing_is_held() -> None:
    kept = MemoryJournal()

    async def ask(at: Desk) -> tuple[bool, bool, list[str]]:
        before = at.engine.risk.halts.winding_down
        await at.told("wind_down", grade=1)
        return before, at.engine.risk.halts.winding_down, (await at.names())[-2:]

    async def again(at: Desk) -> tuple[bool, bool]:
        async def endless() -> None:
            await at.engine.stopping.wait()

        await at.engine.lifecycle.run(endless, (), at.engine.stopping)
        return at.engine.risk.halts.winding_down, at.engine.stopping.is_set()

    assert desk(ask, journal=kept) == (
        False,
        True,
        ["system.trading.halted", "system.wind_down.started"],
    )
    assert desk(again, journal=kept) == (True, True)


# Commands that expire, or are withdrawn


EXPIRED = timedelta(0)


def test_an_expired_wind_down_is_not_begun_and_its_halt_stays() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        answer = await at.told("wind_down", grade=1, expiry=EXPIRED)
        return answer, at.reasons, await at.halted(), await at.names()

    answer, reasons, grade, names = desk(work)

    assert answer["done"] is False
    assert "it expired at " in answer["why"]
    assert (reasons, grade) == ({"operator"}, 1)
    assert "system.wind_down.started" not in names


def test_a_withdrawn_wind_down_is_not_begun_and_its_halt_is_lifted_by_name() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        key = await at.ask("wind_down", grade=1)
        (row,) = await at.journal.rows("operator_commands", {"command_id": key})
        await at.journal.commit(withdrawn(row, SystemClock().now(), "me", "no more", "h1"))
        await at.commands.fold()
        halted = at.reasons, await at.halted()
        await at.told("resume", reason="operator")
        return await at.answer(key), halted, (at.reasons, await at.halted()), await at.names()

    answer, halted, resumed, names = desk(work)

    assert answer == {"done": False, "why": "withdrawn by me: no more"}
    assert (halted, resumed) == (({"operator"}, 1), (set(), 0))
    assert "system.wind_down.started" not in names


def test_a_wind_down_that_an_engine_has_taken_is_not_withdrawn() -> None:
    async def work(at: Desk) -> Any:
        key = await at.ask("wind_down", grade=1)
        (row,) = await at.journal.rows("operator_commands", {"command_id": key})
        await at.commands.fold()
        with pytest.raises(Conflict, match="operator_commands"):
            await at.journal.commit(withdrawn(row, SystemClock().now(), "me", "", "h1"))
        return await at.answer(key)

    assert desk(work) == {"done": True}


def test_an_expired_override_lifts_nothing() -> None:
    async def work(at: Desk) -> tuple[Any, Any]:
        answer = await at.told("override", target=PAIR, amount="1", expiry=EXPIRED)
        return answer["done"], at.engine.risk.overrides.override(PAIR)

    assert desk(work) == (False, None)


def test_a_halt_never_expires() -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        key = await at.ask("halt", grade=1, expiry=EXPIRED)
        (row,) = await at.journal.rows("operator_commands", {"command_id": key})
        await at.commands.fold()
        return row["expires_at"], at.reasons

    assert desk(work) == (None, {"operator"})


def test_draining_has_a_time_limit_once_a_person_asks_to_stop() -> None:
    times: list[float] = []

    def stop_at_the_first_order(paper: PaperRun) -> None:
        engine = paper.engine

        def on_event(event: Event, sequence: int) -> None:
            if isinstance(event, OrderPlaced) and not times:
                assert sequence
                times.append(engine.clock.monotonic())
                engine.stopping.set()

        engine.committer.subscribe(on_event)

    run = play("paper.latency_ms=3600000", prepare=stop_at_the_first_order, minutes=30)

    names = [row["name"] for row in run.tables["audit_log"]]
    ended = max(row["occurred_at"] for row in run.tables["audit_log"])
    started = run.paper.tape.meta.first
    assert names[-1] == "system.stopped"
    assert (ended - started).total_seconds() - times[0] <= 30.001
    assert [row["status"] for row in run.tables["orders"]] == ["PENDING"]
    assert sum(row["reserved"] for row in run.tables["accounts"]) > 0


# The throttle on repeated execution


def test_a_pair_that_fails_too_often_is_disabled_until_a_person_enables_it() -> None:
    run = play("paper.fault_rejected=1000000", "risk.failures_before_disable=3", minutes=40)

    executions = [row["pair_id"] for row in run.tables["executions"]]
    pairs = {row["match_id"]: row for row in run.tables["contract_matches"]}
    disabled = {pair for pair, row in pairs.items() if not row["operator_approved"]}
    assert disabled
    assert {pair: executions.count(pair) for pair in sorted(disabled)} == dict.fromkeys(
        sorted(disabled), 3
    )
    assert all(executions.count(pair) < 3 for pair in pairs if pair not in disabled)
    assert run.summary["filtered"]["pair_not_approved"] > 0


def test_a_success_resets_the_failure_count_and_a_restart_does_not() -> None:
    kept = MemoryJournal()

    async def some(at: Desk) -> list[bool]:
        breaker, watch = at.engine.queue._breaker, at.engine.watchlist.pairs[PAIR]
        seen = []
        for number, phase in enumerate(("failed", "exposed", "hedged", "failed", "exposed")):
            await breaker.concluded(PAIR, hedged=phase == "hedged")
            await at.journal.commit(Batch((Insert("executions", _ended(number, phase)),)))
            seen.append(watch.match.operator_approved)
        return seen

    async def one_more(at: Desk) -> list[Any]:
        breaker, watch = at.engine.queue._breaker, at.engine.watchlist.pairs[PAIR]
        await breaker.concluded(PAIR, hedged=False)
        seen = [watch.match.operator_approved]
        refused = await at.told("resume", reason=OTHER)
        given = await at.told("resume", reason=PAIR)
        return [*seen, refused["done"], given, watch.match.operator_approved]

    settings = ("risk.failures_before_disable=3",)
    assert desk(some, *settings, journal=kept) == [True] * 5
    assert desk(one_more, *settings, journal=kept) == [
        False,
        False,
        {"done": True, "pair": PAIR},
        True,
    ]


def _ended(number: int, phase: str) -> dict[str, Any]:
    at = generated_tape(7, minutes=1).meta.first + timedelta(seconds=number + 1)
    return execution_row(f"x{number}", pair_id=PAIR, phase=phase, ended_at=at)


# Overrides


def _request(size: object = 1, amount: object = 1, name: str = "e") -> BudgetRequest:
    amounts = dict.fromkeys(Platform, Money(Decimal(str(amount))))
    return BudgetRequest(name, PAIR, amounts, Money(Decimal(str(size))))


async def _reserved(at: Desk, request: BudgetRequest) -> str | None:
    """Try to reserve; return the reason of the rejection, None if it succeeds."""
    engine = at.engine
    entries = Reserving(engine.risk, engine.committer, engine.clock, engine.committer._ids)
    try:
        await entries.reserve(request)
    except ReservationFailed as failed:
        return failed.reason
    return None


async def _fill_slots(at: Desk) -> None:
    """Take every slot, in the database and in the engine's cache."""
    most = at.engine.risk.capital.limits.max_open_pairs
    change = Update(
        "risk_states", {"singleton_key": "default"}, put={"open_position_count": most}
    )
    await at.journal.commit(Batch((change,)))
    capital = at.engine.risk.capital
    capital.state = replace(capital.state, open_position_count=most)
    for number in range(most):
        capital.at_risk.move(f"pair {number}", ZERO, 1)


def test_an_override_lifts_the_slots_for_one_execution() -> None:
    async def work(at: Desk) -> list[Any]:
        await _fill_slots(at)
        seen: list[Any] = [await _reserved(at, _request())]
        answer = await at.told("override", target=PAIR, amount="300")
        seen.append(answer["done"])
        seen.append(await _reserved(at, replace(_request(), pair_id=OTHER)))
        seen += [await _reserved(at, _request(name=str(n))) for n in range(2)]
        return seen

    full = "max_open_pairs"
    assert desk(work) == [full, True, full, None, full]


@pytest.mark.parametrize(
    ("size", "refused"), [("249.999999", None), ("250", None), ("250.000001", "position_size")]
)
def test_an_override_is_good_for_the_dollars_that_it_states(
    size: str, refused: str | None
) -> None:
    async def work(at: Desk) -> str | None:
        await at.told("override", target=PAIR, amount="250")
        return await _reserved(at, _request(size))

    assert desk(work) == refused


@pytest.mark.parametrize(
    ("amount", "lifted", "refused"),
    [
        ("100", False, None),
        ("100.01", False, "insufficient_capital"),
        ("100.01", True, None),
        ("5000", True, None),
        ("5000.01", True, "insufficient_capital"),
    ],
)
def test_an_override_lifts_capital_limits_and_never_free_capital(
    amount: str, refused: str | None, *, lifted: bool
) -> None:
    async def work(at: Desk) -> str | None:
        if lifted:
            await at.told("override", target=PAIR, amount="300")
        return await _reserved(at, _request(amount=amount))

    assert desk(work, "risk.platform_share=0.01") == refused


def test_an_override_is_not_consumed_by_a_rejected_reservation() -> None:
    async def work(at: Desk) -> list[str | None]:
        await at.told("override", target=PAIR, amount="300")
        return [await _reserved(at, _request("300.01")), await _reserved(at, _request("300"))]

    assert desk(work) == ["position_size", None]


DENIED = [
    ({"amount": "300.000001"}, "at most 300"),
    ({"amount": "0"}, "above zero"),
    ({"amount": "-5"}, "above zero"),
    ({"amount": "1", "rationale": "too short"}, "at least 10 characters"),
    ({"amount": "1", "target": "nobody"}, "has this id"),
]


@pytest.mark.parametrize(("wish", "why"), DENIED)
def test_an_override_that_is_not_allowed_is_denied_logged_and_reported(
    wish: dict[str, str], why: str
) -> None:
    async def work(at: Desk) -> tuple[Any, ...]:
        answer = await at.told("override", **({"target": PAIR} | wish))
        log = await at.journal.rows("risk_override_logs")
        return answer, log, (await at.names())[-1]

    answer, log, name = desk(work)

    assert answer["done"] is False
    assert why in answer["why"]
    assert [(row["approved"], row["denial_reason"]) for row in log] == [(False, answer["why"])]
    assert name == "risk.override.denied"


def test_the_longest_rationale_that_is_too_short_is_one_character_short() -> None:
    async def work(at: Desk) -> list[bool]:
        return [
            (await at.told("override", target=PAIR, amount="1", rationale="x" * n))["done"]
            for n in (9, 10)
        ]

    assert desk(work) == [False, True]


def test_an_override_is_denied_while_the_daily_loss_halt_stands() -> None:
    async def work(at: Desk) -> tuple[Any, Any]:
        await at.engine.risk.halts.halt_trading(HaltReason.DAILY_LOSS_LIMIT, "lost")
        denied = await at.told("override", target=PAIR, amount="1")
        return denied["code"], denied["why"]

    assert desk(work) == (3004, "the daily-loss halt stands")


def test_an_override_does_not_approve_a_pair() -> None:
    async def work(at: Desk) -> str:
        change = Update(
            "contract_matches", {"match_id": PAIR}, put={"operator_approved": False}
        )
        await at.journal.commit(Batch((change,)))
        return str((await at.told("override", target=PAIR, amount="1"))["why"])

    assert desk(work) == "the pair is not approved"


def test_an_override_trades_an_opportunity_that_the_slots_rejected() -> None:
    """End to end: another pair is the only one that may be open."""
    granted: list[asyncio.Future[Any]] = []

    def lift_for_the_other(paper: PaperRun) -> None:
        engine = paper.engine

        def on_event(event: Event, sequence: int) -> None:
            if isinstance(event, PositionOpened) and not granted:
                assert sequence
                other = OTHER if event.pair_id == PAIR else PAIR
                wish = engine.risk.overrides.process_override(
                    other, Money(Decimal(40)), "worth a second one"
                )
                granted.append(asyncio.ensure_future(wish))

        engine.committer.subscribe(on_event)

    settings = ("risk.max_open_pairs=1", *HELD)
    without = play(*settings, minutes=60)
    run = play(*settings, minutes=60, prepare=lift_for_the_other)

    assert len({row["pair_id"] for row in without.tables["open_positions"]}) == 1
    first, *others = sorted(run.tables["open_positions"], key=lambda row: row["opened_at"])
    (second,) = (row for row in others if row["pair_id"] != first["pair_id"])
    assert second["kalshi_cost"] + second["polymarket_cost"] <= 40
    assert run.summary["events"]["risk.override.applied"] == 1


# The trading day


def test_a_day_begins_at_its_hour_while_running_and_lifts_only_its_own_halt() -> None:
    async def work(at: Desk) -> list[Any]:
        risk, clock = at.engine.risk, at.engine.clock
        at.engine.risk.capital.state = replace(
            risk.capital.state, daily_pnl=Money(Decimal(-500))
        )
        await risk.halts.enforce()
        await risk.halts.halt_trading(HaltReason.EXPOSURE_LIMIT, "five in a week")
        hour = timedelta(hours=(20 - clock.now().hour) % 24)
        opens = clock.now().replace(minute=0, second=0, microsecond=0) + hour
        following = asyncio.ensure_future(risk.halts.follow_days())
        await clock.sleep_until(opens - timedelta(microseconds=1))
        seen: list[Any] = [at.reasons]
        await clock.sleep_until(opens + timedelta(microseconds=1))
        seen += [
            at.reasons,
            risk.capital.state.daily_pnl,
            risk.capital.state.last_reset == opens,
        ]
        row = (await at.journal.rows("risk_states"))[0]
        following.cancel()
        return [*seen, row["halt_reason"], row["last_reset_timestamp"] == opens]

    assert desk(work, "risk.reset_hour_utc=20") == [
        {"daily_loss_limit", "exposure_limit"},
        {"exposure_limit"},
        0,
        True,
        ["exposure_limit"],
        True,
    ]


@pytest.mark.parametrize(("pnl", "kept"), [("39", 0), ("-15", -15)])
def test_after_a_clock_that_was_ahead_the_day_is_set_back_and_only_losses_stay(
    pnl: str, kept: int
) -> None:
    """A gain of the days ahead hid a loss from the limit."""

    async def work(at: Desk) -> list[Any]:
        risk = at.engine.risk
        ahead = replace(
            risk.capital.state,
            last_reset=risk.capital.today() + timedelta(days=9),
            daily_pnl=Money(Decimal(pnl)),
        )
        risk.capital.state = ahead
        held = Update("risk_states", SINGLETON, put={"daily_pnl": ahead.daily_pnl})
        await at.journal.commit(Batch((held,)))
        await risk.halts.start_day()
        row = (await at.journal.rows("risk_states"))[0]
        today = risk.capital.today()
        return [row["last_reset_timestamp"] == today, row["daily_pnl"], risk.capital.state]

    set_back, stored, state = desk(work)

    assert (set_back, stored, state.daily_pnl) == (True, kept, kept)


def test_no_day_begins_while_the_clock_has_drifted() -> None:
    async def work(at: Desk) -> list[bool]:
        risk, clock = at.engine.risk, at.engine.clock
        await risk.halts.halt_trading(HaltReason.TIME_DRIFT, "1,200 ms")
        following = asyncio.ensure_future(risk.halts.follow_days())
        before = risk.capital.state.last_reset
        await clock.sleep_until(before + timedelta(days=1, seconds=5))
        seen = [risk.capital.state.last_reset > before]
        await risk.halts.resume_trading(HaltReason.TIME_DRIFT, "the clock is right")
        await clock.sleep(2)
        following.cancel()
        return [*seen, risk.capital.state.last_reset > before]

    assert desk(work) == [False, True]


def test_a_day_that_cannot_begin_now_begins_a_second_later() -> None:
    async def work(at: Desk) -> list[bool]:
        risk, clock = at.engine.risk, at.engine.clock
        commit = at.journal.commit
        refused: list[bool] = []

        async def once(batch: Batch) -> Any:
            if not refused:
                refused.append(True)
                raise Conflict("leases", "engine", "halted in this moment")
            return await commit(batch)

        at.journal.commit = once  # type: ignore[method-assign]
        following = asyncio.ensure_future(risk.halts.follow_days())
        before = risk.capital.state.last_reset
        await clock.sleep_until(before + timedelta(days=1, milliseconds=500))
        seen = [risk.capital.state.last_reset > before]
        await clock.sleep(1)
        following.cancel()
        return [*seen, risk.capital.state.last_reset > before]

    assert desk(work) == [False, True]

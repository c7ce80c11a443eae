"""What an engine does while its database does not answer, and once it answers again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from support.outages import Breaking, Struck, once, outlasting
from support.pairs import NOW
from support.runs import HELD
from support.tapes import CHEAP, FAIR, polls

from dutchbook.application.records.recorder import LOT, Recorder
from dutchbook.application.records.rows import SINGLETON
from dutchbook.bootstrap.paper import PaperRun, build_paper
from dutchbook.config import load
from dutchbook.domain.events import Event, SystemHealthCritical
from dutchbook.domain.execution.order import Purpose
from dutchbook.errors import DatabaseLost
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

SETTINGS = (*HELD, "paper.lag_steps=0", "detection.book_age_seconds=60")
HALTED, COMPARED, RESUMED = (
    "system.trading.halted",
    "system.reconciliation.complete",
    "system.trading.resumed",
)


@dataclass
class Run:
    """What happened in a run: orders as they were sent, events as they were shown, and rows."""

    sent: list[tuple[float, str, bool]] = field(default_factory=list)
    shown: list[Event] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    ended: BaseException | None = None
    seconds: float = 0

    def at(self, name: str) -> float:
        """Return when the first event of a name happened, in seconds of the tape."""
        found = next(row for row in self.log if row["name"] == name)
        return float((found["occurred_at"] - NOW) / timedelta(seconds=1))


def placing(purpose: Purpose) -> Struck:
    """Return a condition: the first batch that places an order for a purpose."""
    return once(
        lambda batch: any(
            isinstance(write, Insert)
            and write.table == "orders"
            and write.row["purpose"] is purpose
            and write.row["working_size"]
            for write in batch.writes
        )
    )


def note_sends(paper: PaperRun, connection: Breaking, run: Run) -> None:
    """Note each order that reaches a platform, and whether the database is away then."""
    for exchange in paper.platforms.exchanges.values():

        def noted(order: Any, now: Any, submit: Any = exchange.submit) -> Any:
            elapsed = paper.engine.clock.monotonic()
            run.sent.append((elapsed, str(order.purpose), connection.away))
            return submit(order, now)

        exchange.submit = noted  # type: ignore[method-assign]


def played(connection: Breaking, *settings: str, number: int = 1, polled: int = 20) -> Run:
    """Play a tape on a database that breaks."""

    async def main() -> Run:
        made = polls(*[CHEAP] * polled, FAIR)
        chosen = load(None, (*SETTINGS, *settings))
        journal, outages = outlasting(connection, chosen.database.reconnect_seconds)
        clock, run = TapeClock(NOW), Run()
        paper = build_paper(
            chosen, made, journal, clock, seed=number, run=number, outages=outages
        )
        paper.engine.committer.subscribe(lambda event, _: run.shown.append(event))
        note_sends(paper, connection, run)
        try:
            await paper.trade(number)
        except* DatabaseLost as lost:
            run.ended = lost
        run.seconds, connection.away = clock.monotonic(), False
        run.log = await connection.rows("audit_log", order_by=("sequence",))
        run.orders = await connection.rows("orders")
        run.positions = await connection.rows("open_positions")
        return run

    return run_virtual(main())


@pytest.mark.parametrize("stores", [True, False])
def test_an_entry_that_waited_for_the_database_is_not_sent_and_later_ones_are(
    stores: bool,
) -> None:
    run = played(Breaking(placing(Purpose.ENTRY), stores=stores))

    first = run.orders[0]
    assert (first["purpose"], first["status"]) == (Purpose.ENTRY, "CANCELLED")
    assert run.sent, "once it answers, trading goes on"
    assert min(at for at, _, _ in run.sent) > run.at(RESUMED)
    assert [away for _, _, away in run.sent if away] == []
    assert {row["status"] for row in run.positions} == {"OPEN"}


def test_entries_are_halted_by_name_until_the_platforms_were_compared() -> None:
    run = played(Breaking(placing(Purpose.ENTRY)))

    names = [row["name"] for row in run.log]
    halted, resumed = names.index(HALTED), names.index(RESUMED)
    assert '"reason":"database_outage"' in run.log[halted]["payload"]
    assert "the connection broke" in run.log[halted]["payload"]
    assert COMPARED in names[halted:resumed]
    assert "answered after 3 s" in run.log[resumed]["payload"]


def test_an_outage_is_shown_while_it_lasts() -> None:
    run = played(Breaking(placing(Purpose.ENTRY)))

    critical = [each for each in run.shown if isinstance(each, SystemHealthCritical)]
    halted = next(row for row in run.log if row["name"] == HALTED)
    assert [each.component for each in critical] == ["database"]
    assert critical[0].stamp.occurred_at <= halted["occurred_at"]
    assert "no answer from" in critical[0].detail


@pytest.mark.parametrize("stores", [True, False])
def test_a_hedge_whose_commit_got_no_answer_is_sent_once_after_it(stores: bool) -> None:
    connection = Breaking(placing(Purpose.HEDGE), stores=stores)

    run = played(connection, polled=2)

    (hedge,) = [at for at, purpose, _ in run.sent if purpose == "hedge"]
    (entry,) = [at for at, purpose, _ in run.sent if purpose == "entry"]
    assert hedge - entry > 3
    assert [row["status"] for row in run.positions] == ["OPEN"]


def test_an_engine_ends_after_the_set_time_and_sends_nothing_until_then() -> None:
    connection = Breaking(placing(Purpose.HEDGE))
    connection.back_after = None

    run = played(connection, "database.reconnect_seconds=30")

    assert run.ended is not None
    assert [(purpose, away) for _, purpose, away in run.sent] == [("entry", False)]
    assert 30 <= run.seconds < 35


def test_a_halt_that_an_ended_engine_left_is_lifted_by_the_next_comparison() -> None:
    connection = Breaking()
    played(connection, polled=1)
    left = {"trading_halted": True, "halt_reason": ["database_outage"]}

    async def halt() -> None:
        await connection.commit(Batch((Update("risk_states", SINGLETON, put=left),)))

    asyncio.run(halt())
    run = played(connection, number=2, polled=3)

    since = [row["name"] for row in run.log][-200:]
    assert RESUMED in since
    assert run.sent


class Counting:
    """Notes how many events each commit has."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def commit(self, batch: Batch) -> None:
        """Note a commit."""
        self.sizes.append(len(batch.events))


def test_what_was_noted_in_a_long_outage_is_committed_in_lots() -> None:
    """A statement takes some thirty thousand values; one note has more than thirty."""

    async def main() -> list[int]:
        counting = Counting()
        recorder = Recorder(counting)  # type: ignore[arg-type]
        for _ in range(2 * LOT + 1):
            recorder.note(Batch(events=(object(),)))  # type: ignore[arg-type]
        running = asyncio.ensure_future(recorder.run())
        await recorder.drained()
        running.cancel()
        return counting.sizes

    assert run_virtual(main()) == [LOT, LOT, 1]

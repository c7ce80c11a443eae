"""Bugs found by kills and restarts: each lost, misreported or stopped something."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.bench import POLYMARKET, Bench, bench
from support.exposures import exposure
from support.memory_journal import MemoryJournal
from support.pairs import NOW
from support.reconciled import At, beside, says
from support.reconciliation import ABSENT, HALF, POSITION, TEN, account, order, report
from support.reserving import Reserving

from dutchbook.application.pair_trades.adjustments import Plan
from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.capital.reservation import BudgetRequest
from dutchbook.domain.events import ReconciliationComplete, ReconciliationResolved
from dutchbook.domain.execution.order import Finality, Purpose
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.pair_trades.facts import Moved, Placed, Reported, Stalled
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import OPPOSITE
from dutchbook.domain.positions.position import Holding, PositionStatus
from dutchbook.domain.reconciliation.findings import Choice, Discrepancy, DiscrepancyType
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import Unavailable
from dutchbook.domain.values.units import NOTHING, Money
from dutchbook.errors import InvalidInput, InvalidPositionState, StorageError
from dutchbook.persistence.database import Database
from dutchbook.platforms.paper.faults import Fault
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual, turnstile

HALT = HaltReason.RECONCILIATION_DISCREPANCY
WHY = "looked at the platform's page"


def test_two_checks_at_once_that_find_no_discrepancy_left_lift_its_halt_once() -> None:
    async def work(at: At) -> list[str]:
        await at.engine.risk.halts.halt_trading(HALT, "one is open")
        disputes = at.engine.trading.disputes
        await asyncio.gather(disputes.enforce(), disputes.enforce())
        return await at.names()

    assert beside("filled", work).count("system.trading.resumed") == 1


def test_a_person_who_lifts_that_halt_at_the_same_moment_stops_no_engine() -> None:
    async def work(at: At) -> bool:
        await at.engine.risk.halts.halt_trading(HALT, "one is open")
        lifted = at.engine.risk.halts.resume_trading(HALT, WHY)
        await asyncio.gather(lifted, at.engine.trading.disputes.enforce())
        return at.engine.risk.capital.state.trading_halted

    assert beside("filled", work) is False


def test_a_discrepancy_that_is_resolved_twice_at_once_is_resolved_once() -> None:
    async def work(at: At) -> list[str]:
        says(at, ABSENT)
        await at.service.reconcile()
        disputes = at.engine.trading.disputes
        one = next(iter(disputes.open.values()))
        ways = (Choice.ADOPT_PLATFORM, Choice.ACKNOWLEDGE)
        await asyncio.gather(*(disputes.settle([one], way, WHY) for way in ways))
        return await at.names()

    assert beside("working", work).count("system.reconciliation.resolved") == 1


async def _releasing(at: At) -> asyncio.Task[None]:
    """Begin to release a reservation of 40 dollars, in a commit that takes half a minute."""
    engine, journal = at.engine, at.engine.journal
    entries = Reserving(engine.risk, engine.committer, engine.clock, engine.committer._ids)
    amounts = {platform: Money(Decimal(20)) for platform in Platform}
    taken = await entries.reserve(BudgetRequest("execution-2", "cup", amounts))
    commit = journal.commit

    async def slow(batch: Batch) -> Receipt:
        receipt = await commit(batch)
        if any(write.table == "reservations" for write in batch.writes):
            await at.engine.clock.sleep(30)
        return receipt

    journal.commit = slow  # type: ignore[method-assign]
    releasing = asyncio.create_task(entries.release(taken))
    await asyncio.sleep(0)
    return releasing


async def _reserved(at: At) -> Decimal:
    (row,) = await at.rows("risk_states")
    return Decimal(row["reserved_capital"])


def test_the_budget_is_not_counted_again_while_a_commit_that_changes_it_is_in_progress() -> (
    None
):
    async def work(at: At) -> Any:
        releasing = await _releasing(at)
        await at.service.reconcile()
        counted = await _reserved(at)
        await releasing
        return counted, await _reserved(at)

    assert beside("filled", work) == (0, 0)


def test_a_commit_whose_caller_was_cancelled_leaves_the_cache_in_doubt() -> None:
    """The commit succeeds and the caller cannot know: this engine never counts again (I-15)."""

    async def work(at: At) -> Any:
        releasing = await _releasing(at)
        seen = [at.engine.committer.mark]
        releasing.cancel()
        await at.engine.clock.sleep(60)
        return await _reserved(at), [*seen, at.engine.committer.mark]

    assert beside("filled", work) == (0, [None, None])


@pytest.mark.parametrize("person_first", [True, False])
def test_a_position_that_a_person_and_a_comparison_resolve_at_once_is_resolved_once(
    *, person_first: bool
) -> None:
    async def work(at: At) -> list[str]:
        says(at, ABSENT)
        await at.service.reconcile()
        disputes, resolver = at.engine.trading.disputes, at.engine.reconciling.resolver
        one = next(iter(disputes.open.values()))
        both = [
            resolver.resolve(POSITION, Choice.ACKNOWLEDGE, WHY),
            disputes.settle([one], Choice.ADOPT_PLATFORM, WHY),
        ]
        await asyncio.gather(*(both if person_first else reversed(both)))
        assert not disputes.open
        return await at.names()

    assert beside("working", work).count("system.reconciliation.resolved") == 1


def test_of_two_people_who_resolve_a_position_at_once_one_gets_an_error() -> None:
    async def work(at: At) -> Any:
        says(at, ABSENT)
        await at.service.reconcile()
        resolver = at.engine.reconciling.resolver
        both = [resolver.resolve(POSITION, Choice.ACKNOWLEDGE, WHY) for _ in range(2)]
        told = await asyncio.gather(*both, return_exceptions=True)
        return told, await at.names()

    (first, second), names = beside("working", work)

    assert first == PositionStatus.SINGLE_LEG_EXPOSED
    assert isinstance(second, InvalidPositionState)
    assert names.count("system.reconciliation.resolved") == 1


class Waiting(MemoryJournal):
    """Delays the commit of a decision until a test releases it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def commit(self, batch: Batch) -> Receipt:
        if any(isinstance(event, ReconciliationResolved) for event in batch.events):
            self.reached.set()
            await self.go.wait()
        return await super().commit(batch)


def test_a_persons_decision_is_carried_to_its_end_although_the_person_has_left() -> None:
    """Half done, a discrepancy would be resolved in the database and open in the engine."""
    journal = Waiting()

    async def work(at: At) -> Any:
        says(at, ABSENT)
        await at.service.reconcile()
        resolver = at.engine.reconciling.resolver
        person = asyncio.ensure_future(resolver.resolve(POSITION, Choice.ACKNOWLEDGE, WHY))
        await journal.reached.wait()
        person.cancel()
        with pytest.raises(asyncio.CancelledError):
            await person
        journal.go.set()
        await at.engine.clock.sleep(1)
        image = at.engine.trades.of(POSITION).position
        return (
            at.engine.trading.disputes.open,
            [row["resolution"] for row in await at.rows("discrepancies")],
            (image.status, image.version),
            await at.position(),
            at.engine.risk.capital.state.halt_reasons,
        )

    left, resolved, image, row, reasons = beside("working", work, Platform.POLYMARKET, journal)

    assert (left, resolved) == ({}, ["acknowledge"])
    assert image == (row["status"], row["version"])
    assert row["status"] is PositionStatus.SINGLE_LEG_EXPOSED
    assert reasons == frozenset()


async def _doubted(at: At) -> Any:
    moved = Moved(at.engine.clock.now(), PositionStatus.RECONCILIATION_REQUIRED, {})
    await at.engine.trades.book(at.engine.trades.of(POSITION).execution_id, moved)
    return at.engine.reconciling.resolver


@pytest.mark.parametrize(("later", "gone"), [(0, False), (61, True)])
def test_an_order_that_can_still_arrive_is_not_given_up_because_a_person_says_so(
    later: int, gone: bool
) -> None:
    async def work(at: At) -> Any:
        says(at, ABSENT)
        until = NOW + timedelta(seconds=60)
        told: Any = at.told[at.platform]
        told.arrives_until = lambda _: until
        resolver = await _doubted(at)
        await at.engine.clock.sleep(later)
        refused = pytest.raises(InvalidInput, match="can no longer arrive")
        with nullcontext() if gone else refused:
            await resolver.resolve(POSITION, Choice.ADOPT_PLATFORM, WHY)
        return (await at.order())["working_size"] == 0

    assert beside("unknown", work) is gone


def test_an_order_that_is_placed_while_a_person_decides_is_left_for_the_next_comparison() -> (
    None
):
    async def work(at: At) -> str:
        says(at, ABSENT)
        resolver = await _doubted(at)
        gather, calls = resolver._own.gather, [0]

        async def gathered() -> Any:
            calls[0] += 1
            own = await gather()
            if calls[0] == 1:
                return own
            newer = replace(own.ours.orders[0].order, order_id="newer")
            more = replace(own.ours.orders[0], order=newer)
            return replace(own, ours=replace(own.ours, orders=(*own.ours.orders, more)))

        with pytest.raises(InvalidInput, match="may list it late"):
            await resolver.resolve(POSITION, Choice.ADOPT_PLATFORM, WHY)
        await at.engine.clock.sleep(600)
        resolver._own.gather = gathered
        became: str = await resolver.resolve(POSITION, Choice.ADOPT_PLATFORM, WHY)
        return became

    assert beside("partly filled", work) == PositionStatus.SINGLE_LEG_EXPOSED


def test_a_committed_undelivered_limit_is_reported_once_at_the_next_start() -> None:
    """Redelivery counts the exposure, and counting from the log counts it again."""

    async def main() -> list[str]:
        journal, clock = MemoryJournal(), TapeClock(NOW)
        for number in range(6):
            await journal.commit(Batch(events=(exposure(f"x{number}", NOW),)))
        tape = generated_tape(7, minutes=1)
        engine = build_paper(load(None, ()), tape, journal, clock, seed=7).engine
        await engine.committer.redeliver()
        await engine.risk.capital.load()
        await engine.monitoring.exposures.start()
        running = asyncio.ensure_future(engine.monitoring.exposures.run())
        await engine.monitoring.exposures.drained()
        running.cancel()
        return [row["name"] for row in await journal.rows("audit_log")]

    assert run_virtual(main()).count("risk.limit.approached") == 1


@pytest.mark.parametrize("restarted", [True, False])
def test_an_exposure_reported_by_a_dying_engine_does_not_silence_the_next_engine(
    *, restarted: bool
) -> None:
    async def work(at: At) -> list[Any]:
        trades, seen = at.engine.trades, list[Any]()

        async def look() -> None:
            if restarted:
                trades.take_up(await at.engine.trading.loader.load())
            trade = trades.of(POSITION)
            seen.append((trade.position.status.value, trade.stall_reported))

        sale = order(
            Platform.KALSHI,
            order_id="exit",
            client_order_id="exit-key",
            purpose=Purpose.EXIT,
            outcome=Outcome.YES,
            side=Side.SELL,
        )
        sold = OurOrder(sale, account(Platform.KALSHI)).fill_of(
            report("x", TEN, Finality.SETTLED, Platform.KALSHI)
        )
        key, now = trades.of(POSITION).execution_id, at.engine.clock.now()
        await trades.book(key, Stalled(now))
        await look()
        await trades.book(key, Placed(now, sale))
        await trades.book(key, Reported(now, "exit", "kalshi-8", (sold,), NOTHING))
        await look()
        return seen

    assert beside("filled", work) == [("OPEN", True), ("EXIT_PARTIAL", False)]


@pytest.mark.parametrize(("discrepancies", "asked"), [(0, []), (1, [True])])
def test_a_payout_is_requested_as_soon_as_a_comparison_finds_a_difference(
    discrepancies: int, asked: list[bool]
) -> None:
    """Otherwise a platform's payout looks like unexplained cash."""

    async def main() -> list[bool]:
        tape, clock = generated_tape(7, minutes=1), TapeClock(NOW)
        engine = build_paper(load(None, ()), tape, MemoryJournal(), clock, seed=7).engine
        service, seen = engine.exiting.settlement, list[bool]()

        async def poll(*, whole: bool) -> None:
            seen.append(whole)

        service.poll = poll  # type: ignore[method-assign]
        running = asyncio.ensure_future(service.run())
        stamp = engine.committer.stamp("reconciliation")
        told = ReconciliationComplete(stamp, 1, 1, 0, discrepancies, (Platform.KALSHI,), 0)
        await engine.committer.commit(Batch(events=(told,)))
        await clock.sleep(1)
        running.cancel()
        return seen

    assert run_virtual(main()) == asked


def test_a_clock_that_is_set_back_does_not_keep_a_person_from_being_asked() -> None:
    """By that clock the order was not unknown for long enough until an hour later."""

    async def work(at: Bench) -> list[int]:
        async def asked() -> int:
            names = [row["name"] for row in await at.journal.rows("audit_log")]
            return names.count("execution.order.needs_person")

        await at.expose()
        at.fault(POLYMARKET, Fault.LOST_ANSWER)
        await at.service.retry_leg(at.id, "0.53")
        clock: Any = at.engine.clock
        clock._start -= timedelta(hours=1)
        seen = [await asked()]
        await at.rest(900)
        seen.append(await asked())
        at.fault(POLYMARKET)
        await at.rest(90)
        return seen

    assert bench(work).answer == [0, 1]


def test_missing_cash_is_reported_after_the_interval_and_the_grace_that_are_configured() -> (
    None
):
    """The second comparison came only after half a minute, when the engine had ended."""

    async def work(at: At) -> list[list[str]]:
        says(at, Unavailable("timed out"))
        kalshi = at.told[Platform.KALSHI]
        kalshi.held = {"kalshi-cup": {Outcome.YES: TEN}}
        kalshi.cash, kalshi.as_of = Money(Decimal(999)), NOW + timedelta(hours=1)
        comparing, seen = asyncio.ensure_future(at.service.run()), []
        for wait in (21, 10):
            await at.engine.clock.sleep(wait)
            found = await at.rows("discrepancies")
            seen.append([row["kind"] for row in found if row["platform"] is Platform.KALSHI])
        comparing.cancel()
        return seen

    chosen = ("reconciliation.every_seconds=20", "reconciliation.grace_seconds=10")
    seen = beside("filled", work, Platform.POLYMARKET, None, *chosen)

    assert seen == [[], [DiscrepancyType.BALANCE_MISMATCH]]


async def test_a_closed_journal_answers_at_once(tmp_path: Path) -> None:
    """A commit after the engine had ended used to wait for a thread that was gone."""
    database = Database.at(f"sqlite:///{tmp_path / 'closed.db'}")
    await asyncio.to_thread(database.prepare, "paper")
    journal = database.journal(turnstile())
    await journal.open()
    await journal.close()

    with pytest.raises(StorageError, match="is closed"):
        async with asyncio.timeout(5):
            await journal.commit(Batch(events=(exposure("late", NOW),)))


@pytest.mark.parametrize("begun", [False, True], ids=["before its first commit", "after it"])
@pytest.mark.parametrize(("entered", "reason"), [(Outcome.NO, OPPOSITE), (Outcome.YES, None)])
def test_no_leg_is_completed_against_what_an_execution_is_buying_on_kalshi(
    entered: Outcome, reason: str | None, *, begun: bool
) -> None:
    """Kalshi would net the two, and neither position would hold what its record states."""

    async def work(at: At) -> str | None:
        mine, trades = at.engine.trades.of(POSITION), at.engine.trades
        execution = replace(mine.execution, execution_id="entering")
        position = replace(
            mine.position,
            position_id="entering",
            execution_id="entering",
            kalshi=Holding(entered),
            polymarket=Holding(entered.opposite),
        )
        entering = PairTrade(mine.plan, execution, position)
        (trades.put if begun else trades.claims.prepare)(entering)
        plan = Plan(Platform.KALSHI, Outcome.YES, Side.BUY, TEN, HALF, Purpose.HEDGE)
        asked = at.engine.trading.adjustments._undoes(
            at.engine.trades.of(POSITION).position, plan
        )
        return OPPOSITE if asked else None

    assert beside("filled", work) == reason


def test_a_decision_is_carried_to_its_end_although_its_caller_is_cancelled() -> None:
    async def work(at: At) -> tuple[bool, list[str]]:
        disputes = at.engine.trading.disputes
        found = Discrepancy(DiscrepancyType.ORDER_UNKNOWN, Platform.KALSHI, "strange")
        (dispute,) = await disputes.raised([found])
        resolver = at.engine.reconciling.resolver
        asked = asyncio.ensure_future(
            resolver.resolve(dispute.dispute_id, Choice.ACKNOWLEDGE, WHY)
        )
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
        await at.engine.clock.sleep(1)
        return dispute.dispute_id in disputes.open, await at.names()

    still, names = beside("filled", work)

    assert not still
    assert "system.reconciliation.resolved" in names

"""Fills that appear after a position or execution ended are found and booked, however late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.bench import Bench, bench
from support.memory_journal import MemoryJournal
from support.pairs import NOW
from support.reconciled import At, beside, says
from support.reconciliation import (
    FOUR,
    POSITION,
    SENT,
    SIX,
    TEN,
    account,
    ours_with,
    report,
    whole_report,
)
from support.rows import execution_row, leg_state, position_row

from dutchbook.application.pair_trades.loading import LAST, Loader
from dutchbook.application.pair_trades.store import LATE
from dutchbook.application.reconciliation.our_state import OurReading
from dutchbook.application.reconciliation.unbooked_fills import UnbookedFills
from dutchbook.domain.events import BudgetReleased, PositionClosed, Stamp
from dutchbook.domain.execution.order import Finality, Order, OrderStatus, Purpose
from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.pair_trades.facts import Corrected
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import OrderReport
from dutchbook.domain.values.units import NOTHING, ZERO, Price, Quantity
from dutchbook.platforms.kalshi.order_encoder import encode_fills
from dutchbook.platforms.order_answers import Answer
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.orders import FillReport
from dutchbook.ports.tables.trading import ORDERS
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.virtual_time import run_virtual

POLY = Platform.POLYMARKET
LONG = 2 * LATE.total_seconds()
SETTLED = Finality.SETTLED


# Unspent dollars ------------------------------------------------------------------------------


def filled_at(limit: str) -> Callable[[OurState], OurState]:
    """Return a change of our state: ten NO were bought for fifty cents, all fills final."""

    def change(ours: OurState) -> OurState:
        placed = ours.orders[1].order
        bare = replace(placed, filled=NOTHING, cost=ZERO, fees=ZERO, working_size=TEN)
        whole = OurOrder(bare, account(POLY)).fill_of(report("t1", TEN, SETTLED))
        made = ours_with(
            replace(bare, price=Price(Decimal(limit))), (whole,), PositionStatus.OPEN
        )
        return replace(made, positions=ours.positions)

    return change


@pytest.mark.parametrize(("limit", "asked"), [("0.50", False), ("0.60", True)])
def test_a_polymarket_buy_is_queried_until_its_dollars_are_spent(
    limit: str, *, asked: bool
) -> None:
    async def work(at: At) -> list[str]:
        await at.service.reconcile()
        return at.told[POLY].asked

    assert ("polymarket-key" in beside("filled", work, change=filled_at(limit))) is asked


def test_further_contracts_bought_by_the_dollars_of_a_filled_buy_are_booked() -> None:
    async def work(at: At) -> Any:
        more = report("t2", Quantity(Decimal(2)), SETTLED)
        says(at, whole_report("polymarket-7", (report("t1", TEN, SETTLED), more), NOTHING))
        await at.service.reconcile()
        order, position = await at.order(), await at.position()
        return order["fill_size"], position["polymarket_size"]

    assert beside("filled", work, change=filled_at("0.60")) == (12, 12)


# Reported by a stream, long after the end -----------------------------------------------------


async def streaming(at: At, told: FillReport | None, *, wait: float = 60) -> None:
    """Let a platform's stream report a fill, and its consumers work for a while."""
    services = at.engine.lifecycle._services
    (stragglers,) = (each for each in services if isinstance(each, UnbookedFills))
    running = [asyncio.ensure_future(each.run()) for each in (stragglers, at.service)]
    if told is not None:
        at.engine.trading.reported.note(told)
    waited = asyncio.ensure_future(at.engine.clock.sleep(wait))
    await asyncio.wait({*running, waited}, return_when=asyncio.FIRST_COMPLETED)
    for each in running:
        assert each.cancel() or each.result()


def gone(ours: OurState) -> OurState:
    """A position whose legs were sold again; one order ended with nothing."""
    (position,) = ours.positions
    kalshi, polymarket = (replace(leg, size=NOTHING, cost=ZERO) for leg in position.legs)
    over = replace(position, kalshi=kalshi, polymarket=polymarket)
    over = replace(over, status=PositionStatus.CLOSED, closed_at=SENT)
    settled = [
        replace(each, fills=tuple(replace(f, finality=SETTLED) for f in each.fills))
        for each in ours.orders
    ]
    return replace(ours, positions=(over,), orders=tuple(settled))


@pytest.mark.parametrize("named", [True, False], ids=["our id", "its own id alone"])
def test_a_fill_of_a_position_that_closed_long_ago_is_found_when_a_stream_reports_it(
    *, named: bool
) -> None:
    async def work(at: At) -> Any:
        await at.service.start()
        await at.service.reconcile()
        await at.engine.clock.sleep(LONG)
        await at.service.reconcile()
        forgotten = at.engine.trades.known(POSITION)
        late = report("t1", FOUR, SETTLED)
        says(at, whole_report("polymarket-7", (late,), NOTHING))
        told = late if named else replace(late, client_order_id=None)
        await streaming(at, told)
        return forgotten, (await at.order())["fill_size"], (await at.position())["status"]

    forgotten, filled, status = beside("cancelled", work, change=gone)

    assert forgotten is None
    assert (filled, status) == (FOUR, PositionStatus.RECONCILIATION_REQUIRED)


def test_a_fill_that_no_stream_has_reported_is_found_in_the_list_of_trades() -> None:
    """A client of Polymarket's stream reconnects without a word (py-sdk issue 307)."""

    async def work(at: At) -> Any:
        await at.service.start()
        await at.engine.clock.sleep(LONG)
        late = report("t1", FOUR, SETTLED)
        says(at, whole_report("polymarket-7", (late,), NOTHING))
        at.told[POLY].traded = [replace(late, client_order_id=None)]
        await at.service.reconcile()
        await streaming(at, None)
        return (await at.order())["fill_size"], (await at.position())["status"]

    assert beside("cancelled", work, change=gone) == (
        FOUR,
        PositionStatus.RECONCILIATION_REQUIRED,
    )


def test_without_a_report_nobody_queries_a_position_that_closed_long_ago() -> None:
    async def work(at: At) -> list[str]:
        await at.service.start()
        await at.service.reconcile()
        await at.engine.clock.sleep(LONG)
        before = len(at.told[POLY].asked)
        await at.service.reconcile()
        return at.told[POLY].asked[before:]

    assert "polymarket-key" not in beside("cancelled", work, change=gone)


def test_a_position_that_was_reloaded_for_nothing_is_dropped_again() -> None:
    async def work(at: At) -> list[bool]:
        await at.service.start()
        seen, own = [], at.engine.reconciling.own
        for again in (False, True, False):
            if again:
                await own.recall(await at.order())
            await at.engine.clock.sleep(1 if again else LONG)
            await own.gather()
            seen.append(at.engine.trades.known(POSITION) is not None)
        return seen

    assert beside("cancelled", work, change=gone) == [False, True, False]


def test_orders_of_a_pair_that_is_not_followed_are_not_reloaded() -> None:
    async def work(at: At) -> Any:
        await nothing_bought(at, "second", ended=SENT)
        own, another = at.engine.reconciling.own, {"pair_id": "on no tape"}
        at.engine.trades.drop("execution-1")
        for row in await at.rows("orders"):
            await own.recall(row | another)
        return at.engine.trades.all(), spent(await own.gather())

    assert beside("cancelled", work, change=gone) == ([], [])


def spent(own: OurReading) -> list[str]:
    """Return the executions that have ended with nothing and may have bought after all."""
    return [each.execution_id for each in own.trades if each.ended and not each.opened]


async def start(at: At) -> None:
    """Load what a start would load."""
    at.engine.trades.take_up(await at.engine.trading.loader.load())
    at.engine.reconciling.own.load()


async def nothing_bought(
    at: At, name: str, *, ended: datetime | None, told: bool = False, **of_order: Any
) -> Order:
    """Store an execution whose one order, on Polymarket, ended with nothing.

    Args:
        at: Where.
        name: Of the order and of everything that it belongs to.
        ended: When the execution ended, None if it goes on.
        told: Whether the log reports its end.
        of_order: What is different about the order.
    """
    journal, committer = at.engine.journal, at.engine.committer
    (row,) = await journal.rows("executions", {"execution_id": "execution-1"})
    (opportunity,) = await journal.rows("opportunities", {"opportunity_id": "opportunity-1"})
    placed = replace(
        at.ours.orders[1].order,
        order_id=name,
        client_order_id=f"{name}-key",
        platform_order_id="polymarket-8",
        execution_id=name,
        leg=Leg.PRIMARY,
        purpose=Purpose.ENTRY,
    )
    placed = replace(placed, **of_order)
    facts = {
        "execution_id": name,
        "opportunity_id": name,
        "ended_at": ended,
        "phase": "failed" if ended else "waiting",
        "primary_state": leg_state(Platform.KALSHI, "gone"),
        "secondary_state": leg_state(POLY, "gone"),
    }
    writes = (
        Insert("opportunities", opportunity | {"opportunity_id": name}),
        Insert("executions", row | facts),
        Insert("orders", ORDERS.row_of(placed)),
    )
    await journal.commit(Batch(writes))
    if told:
        await journal.commit(
            Batch(events=(BudgetReleased(committer.stamp(name), "r", name, ZERO, "over"),))
        )
    return placed


def second(trade_id: str, size: Decimal = FOUR) -> FillReport:
    told = report(trade_id, size, SETTLED)
    return replace(told, platform_order_id="polymarket-8", client_order_id="second-key")


def test_a_fill_of_an_execution_that_ended_long_ago_with_nothing_makes_its_position() -> None:
    async def work(at: At) -> Any:
        await nothing_bought(at, "second", ended=SENT)
        await at.engine.clock.sleep(LONG)
        await at.service.reconcile()
        before = len(at.engine.trades.all())
        at.told[POLY].answers["second-key"] = whole_report(
            "polymarket-8", (second("x"),), NOTHING
        )
        await streaming(at, second("x"))
        rows = await at.rows("open_positions")
        return before, [r for r in rows if r["execution_id"] == "second"]

    before, rows = beside("cancelled", work)

    assert before == 1
    assert [(r["status"], r["polymarket_size"]) for r in rows] == [
        (PositionStatus.SINGLE_LEG_EXPOSED, FOUR)
    ]


@pytest.mark.parametrize(
    ("of_order", "asked"),
    [
        ({}, True),
        ({"platform_order_id": None}, True),
        ({"status": OrderStatus.REJECTED, "refusal": "no"}, False),
    ],
    ids=["acknowledged", "never answered for", "refused"],
)
def test_an_order_that_ended_with_nothing_is_queried_for_a_while_unless_it_was_rejected(
    of_order: dict[str, Any], *, asked: bool
) -> None:
    async def work(at: At) -> list[bool]:
        await nothing_bought(at, "second", ended=SENT, **of_order)
        await start(at)
        seen = []
        for _ in range(2):
            at.told[POLY].asked.clear()
            await at.service.reconcile()
            seen.append("second-key" in at.told[POLY].asked)
            await at.engine.clock.sleep(LONG)
        return seen

    assert beside("cancelled", work) == [asked, False]


def test_a_fill_of_an_execution_that_has_not_ended_makes_no_position() -> None:
    """The execution books its own fills: a position made here would count them twice."""

    async def work(at: At) -> Any:
        placed = await nothing_bought(at, "second", ended=None)
        own, trades = at.engine.reconciling.own, at.engine.trades
        (row,) = await at.engine.journal.rows("orders", {"order_id": "second"})
        await own.recall(row)
        told = await own.gather()
        mine = OurOrder(placed, account(POLY)).fill_of(second("x"))
        late = Corrected(at.engine.clock.now(), placed, placed.with_fill(mine), (mine,), ())
        made = await trades.book("second", late)
        return spent(told), made.opened, len(await at.rows("open_positions"))

    assert beside("cancelled", work) == ([], False, 1)


# Loaded at a start ----------------------------------------------------------------------------


def closings(count: int, *, told: int = 0) -> Callable[[Any], Awaitable[MemoryJournal]]:
    """Return a maker of a journal of positions that closed an hour apart, oldest first.

    After all that, the log reports the closing of the first `told`.
    """

    async def made(stamp: Any) -> MemoryJournal:
        journal = MemoryJournal()
        for number in range(count):
            await journal.commit(closed(f"p{number}", NOW - timedelta(hours=count - number)))
        for number in range(told):
            event = PositionClosed(stamp(number), f"p{number}", "p", *[ZERO] * 4)
            await journal.commit(Batch(events=(event,)))
        return journal

    return made


def closed(name: str, at: datetime) -> Batch:
    """Return the rows of a position that closed, and of its execution."""
    nothing = {f"{each}_size": Decimal(0) for each in Platform}
    facts = {"execution_id": name, "status": PositionStatus.CLOSED, "closed_at": at, **nothing}
    execution = execution_row(name, phase="hedged", ended_at=at)
    position = position_row(name, **facts)
    return Batch((Insert("executions", execution), Insert("open_positions", position)))


def stamp(number: int) -> Stamp:
    return Stamp(f"event-{number}", NOW, "test")


def loaded(make: Callable[[Any], Awaitable[MemoryJournal]]) -> list[str]:
    async def main() -> list[str]:
        accounts = {each: account(each) for each in Platform}
        loader = Loader(await make(stamp), accounts, {}, SeededIds(1, 1))
        return [each.position_id for each in (await loader.load()).trades]

    return run_virtual(main())


def test_the_positions_that_closed_last_are_loaded_however_long_ago_that_was() -> None:
    """No clock is read: it may have been set while no engine ran."""

    async def make(stamp: Any) -> MemoryJournal:
        journal = await closings(3)(stamp)
        late = NOW - timedelta(hours=1) - LATE
        for name, at in (("within", late), ("before", late - timedelta(seconds=1))):
            await journal.commit(closed(name, at))
        return journal

    assert loaded(make) == ["p2", "within"]


def test_the_last_closings_of_the_log_are_loaded_whatever_their_timestamps() -> None:
    names = loaded(closings(LAST + 5, told=LAST + 3))

    last = [*(f"p{number}" for number in range(3, LAST + 3)), f"p{LAST + 4}"]
    assert sorted(names) == sorted(last)


@pytest.mark.parametrize(
    ("ended", "event", "taken"),
    [
        (SENT - LATE, False, True),
        (SENT - 2 * LATE, False, False),
        (SENT - 2 * LATE, True, True),
    ],
    ids=["late", "long before the last", "told of by the end of the log"],
)
def test_executions_that_ended_last_with_nothing_are_queried_after_a_start(
    ended: datetime, *, event: bool, taken: bool
) -> None:
    async def work(at: At) -> list[str]:
        await nothing_bought(at, "last", ended=SENT)
        await nothing_bought(at, "earlier", ended=ended, told=event)
        await at.engine.clock.sleep(LONG)
        await start(at)
        return spent(await at.engine.reconciling.own.gather())

    assert ("earlier" in beside("cancelled", work)) is taken


# Two answers at once --------------------------------------------------------------------------


@pytest.mark.parametrize("later", [(), ("y",)], ids=["the same answer", "a newer answer"])
def test_an_answer_that_is_being_booked_is_not_booked_again_by_a_comparison(
    later: tuple[str, ...],
) -> None:
    """Twice in the log, or the older one over the newer, where its execution has not ended."""
    two = Quantity(Decimal(2))

    async def work(at: At) -> Any:
        unknown: dict[str, Any] = {"working_size": TEN, "status": OrderStatus.PENDING}
        placed = await nothing_bought(at, "second", ended=None, **unknown)
        await start(at)
        at.told[POLY].answers["second-key"] = whole_report("polymarket-8", (second("x"),), SIX)
        newer = [second("x"), *(second(name, two) for name in later)]
        working = Quantity(TEN - sum(each.size for each in newer))
        commit = at.engine.journal.commit

        async def slow(batch: Batch) -> Any:
            at.engine.journal.commit = commit  # type: ignore[method-assign]
            await at.engine.clock.sleep(1)
            return await commit(batch)

        at.engine.journal.commit = slow  # type: ignore[method-assign]
        report = OrderReport("polymarket-8", tuple(newer), working)
        answering = asyncio.ensure_future(at.engine.trading.inquiries._book(placed, report))
        await asyncio.sleep(0)
        repaired = (await at.service.reconcile()).event.repairs
        await answering
        (row,) = [row for row in await at.rows("orders") if row["order_id"] == "second"]
        told = (await at.names()).count("execution.order.filled")
        return repaired, told, row["fill_size"], row["working_size"]

    filled = FOUR + two * len(later)
    assert beside("cancelled", work) == (0, 1 + len(later), filled, TEN - filled)


def test_a_fill_that_settled_while_the_stream_was_broken_is_read_when_it_is_connected() -> None:
    """An outage breaks it off from second 2 to 30; the fill of second 0 is final at 4."""

    async def work(at: Bench) -> list[str]:
        at.execute(second="100")
        seen: list[str] = []
        for seconds in (10, 25):
            await at.rest(seconds)
            fills = at.held.fills.values()
            seen += [each.finality for each in fills if each.platform is Platform.POLYMARKET]
        return seen

    run = bench(work, "paper.outages=polymarket:2-30")

    assert run.answer == [Finality.PROVISIONAL, Finality.SETTLED]
    assert {row["finality"] for row in run.tables["fills"]} == {Finality.SETTLED}


def test_a_fill_that_settled_before_its_order_was_answered_is_settled_then() -> None:
    """The stream was quicker than the answer to a retry, and its reports were dropped."""

    async def work(at: Bench) -> list[Finality]:
        await at.expose(second="40")
        gateway: Any = at.paper.platforms.gateways[Platform.POLYMARKET]
        submit = gateway.submit

        async def late(approved: Any) -> Any:
            await submit(approved)
            await at.rest(1)
            answer = await gateway.find_order(approved.subject)
            await at.rest(6)
            return answer

        gateway.submit = late
        await at.service.retry_leg(at.id, "0.53")
        await at.rest(10)
        fills = at.held.fills.values()
        return [each.finality for each in fills if each.platform is Platform.POLYMARKET]

    assert bench(work).answer == [Finality.SETTLED] * 2


def test_what_is_stated_stays_until_the_whole_list_of_its_trades_was_read() -> None:
    """Kalshi filled 100 in two trades; for 20 seconds, only the first page of them is read."""

    async def work(at: Bench) -> list[tuple[Quantity, Quantity]]:
        server: Any = at.paper.platforms.gateways[Platform.KALSHI]._server
        until = at.engine.clock.monotonic() + 20

        def page(order: Order, report: OrderReport) -> Answer:
            if at.engine.clock.monotonic() < until:
                return encode_fills(order, replace(report, fills=report.fills[:1]), last=False)
            return encode_fills(order, report)

        async def lost(report: FillReport) -> None:
            assert report.platform is Platform.KALSHI, "nothing arrives on the stream"

        server._page, server._report = page, lost
        at.execute(second="100")
        at.moved(Platform.KALSHI, {38: "500"}, {39: "40", 40: "60"})
        seen = []
        for seconds in (2, 10, 60):
            await at.rest(seconds)
            order = next(o for o in at.orders() if o.platform is Platform.KALSHI)
            seen.append((order.filled, order.stated))
        return seen

    run = bench(work)

    assert run.answer == [(100, 100), (100, 60), (100, 0)]
    assert {row["size"] for row in run.tables["fills"] if row["platform"] == "kalshi"} == {
        40,
        60,
    }

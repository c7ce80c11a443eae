"""A comparison reaches the ended orders of a leg on which the next order is always out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from support.reconciled import At, beside, says
from support.reconciliation import POSITION, TEN, report, whole_report

from dutchbook.domain.execution.order import Order, OrderStatus
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import NOTHING
from dutchbook.ports.orders import OrderReport

CAME_LATE = whole_report("polymarket-7", (report("t1", TEN),), NOTHING)
ASKED = PositionStatus.RECONCILIATION_REQUIRED


async def sends(at: At) -> None:
    """Send another order of the position, and see it cancelled."""
    (trade,) = at.engine.trades.trades
    known = trade.orders[f"{at.platform}-order"]
    more = replace(
        known,
        order_id="next",
        client_order_id="key-next",
        platform_order_id=None,
        status=OrderStatus.PENDING,
        working_size=known.size,
        reported=False,
    )
    now = at.engine.clock.now()
    await at.engine.trades.book(trade.execution_id, facts.Placed(now, more))
    ended = facts.Reported(now, "next", "x-next", (), NOTHING)
    await at.engine.trades.book(trade.execution_id, ended)


def between(at: At, change: Any) -> None:
    """Let something happen while the platform is asked about the order."""
    told = at.told[at.platform]
    answering = told.find_order

    async def find(order: Order) -> OrderReport | None:
        answer = await answering(order)
        if order.order_id == f"{at.platform}-order":
            await change()
        return answer

    told.find_order = find  # type: ignore[method-assign]


def test_a_fill_that_came_late_is_found_although_another_order_was_sent_meanwhile() -> None:
    async def work(at: At) -> Any:
        says(at, CAME_LATE)
        between(at, lambda: sends(at))
        await at.service.reconcile()
        return (await at.order())["fill_size"], (await at.position())["status"]

    assert beside("cancelled", work) == (TEN, ASKED)


def test_a_fill_that_came_late_is_found_while_an_order_is_out() -> None:
    async def work(at: At) -> Any:
        says(at, CAME_LATE)
        async with at.engine.trades.lock(POSITION):
            comparing = asyncio.ensure_future(at.service.reconcile())
            await at.engine.clock.sleep(5)
            before = (await at.order())["fill_size"]
        await comparing
        return before, (await at.order())["fill_size"], (await at.position())["status"]

    assert beside("cancelled", work) == (NOTHING, TEN, ASKED)


@pytest.mark.parametrize("state", ["working", "unknown", "intent"])
def test_an_order_that_may_be_being_answered_is_left_out_while_its_position_is_busy(
    state: str,
) -> None:
    async def work(at: At) -> Any:
        says(at, CAME_LATE)
        async with at.engine.trades.lock(POSITION):
            during = await at.service.reconcile()
        return during.event.orders_verified, during.event.discrepancies

    assert beside(state, work) == (0, 0)


def test_an_order_that_changed_itself_is_left_to_the_next_comparison() -> None:
    async def work(at: At) -> Any:
        says(at, CAME_LATE)

        async def acknowledged() -> None:
            (trade,) = at.engine.trades.trades
            ended = facts.Reported(
                at.engine.clock.now(), f"{at.platform}-order", "polymarket-7", (), NOTHING
            )
            await at.engine.trades.book(trade.execution_id, ended)

        between(at, acknowledged)
        return (await at.service.reconcile()).event.repairs, (await at.order())["fill_size"]

    assert beside("working", work) == (0, NOTHING)


def test_a_position_that_closed_meanwhile_is_left_to_the_next_comparison() -> None:
    async def work(at: At) -> Any:
        says(at, CAME_LATE)

        async def closed() -> None:
            (trade,) = at.engine.trades.trades
            over = replace(trade.position, status=PositionStatus.CLOSED)
            at.engine.trades.put(replace(trade, position=over))

        between(at, closed)
        return (await at.service.reconcile()).event.repairs, (await at.order())["fill_size"]

    assert beside("cancelled", work) == (0, NOTHING)

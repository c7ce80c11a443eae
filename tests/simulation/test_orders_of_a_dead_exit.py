"""An order of an exit whose engine died before its answer: nobody knows, and it is said."""

from __future__ import annotations

from typing import Any

import pytest
from support.bench import Bench, Died, Left, bench
from support.exits import UNSETTLED, InTheExit, leaving

from dutchbook.application.views.unanswered import unanswered
from dutchbook.domain.execution.order import Order, Purpose


def dead_with_an_order_out() -> tuple[Left, Order]:
    """Return what an engine leaves that dies after its exit's order, and that order."""
    with pytest.raises(Died) as died:
        bench(leaving, UNSETTLED, dies=InTheExit(1))
    (trade,) = died.value.left.paper.engine.trades.all()
    (order,) = trade.open_orders
    assert (order.purpose, order.outcome_unknown_since) == (Purpose.EXIT, None)
    return died.value.left, order


async def started(at: Bench) -> tuple[Any, ...]:
    """Return what an engine says of that order as soon as it has started."""
    (order,) = at.held.open_orders
    (shown,) = (await unanswered(at.journal))[order.execution_id]
    return order.outcome_unknown_since, shown["order_id"], shown["quantity"]


def test_the_next_engine_records_at_once_that_the_outcome_is_unknown() -> None:
    left, order = dead_with_an_order_out()

    ended = bench(started, UNSETTLED, after=left)

    assert ended.answer[1:] == (order.order_id, order.working_size)
    assert ended.answer[0] is not None
    assert len(ended.events("execution.order.outcome_unknown")) == 1

"""The requirement's repositories: what they load, and with how many queries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError
from support.rows import everything, order_row, position_row

from dutchbook.domain.execution.order import OrderStatus
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.errors import IllegalTransition, UnknownId
from dutchbook.persistence.database import Database
from dutchbook.persistence.unit_of_work import UnitOfWork, engine_for, unit_of_work
from dutchbook.ports.journal import Batch, Insert
from dutchbook.runtime.virtual_time import turnstile

OPEN, EXPOSED, CLOSED = (
    PositionStatus.OPEN,
    PositionStatus.SINGLE_LEG_EXPOSED,
    PositionStatus.CLOSED,
)
Work = Callable[[UnitOfWork], Awaitable[Any]]


def queries(url: str, work: Work) -> tuple[Any, int]:
    """Run `work` on a database with five positions; return its result and its queries."""
    Database.at(url).prepare("paper")

    async def main() -> tuple[Any, int]:
        await _fill(url)
        engine = engine_for(url)
        seen: list[str] = []
        event.listen(
            engine.sync_engine,
            "before_cursor_execute",
            lambda _c, _cursor, statement, *_: seen.append(statement),
        )
        try:
            async with unit_of_work(engine) as unit:
                return await work(unit), sum(not s.startswith("PRAGMA") for s in seen)
        finally:
            await engine.dispose()

    return asyncio.run(main())


async def _fill(url: str) -> None:
    journal = Database.at(url).journal(turnstile())
    await journal.open()
    more = [
        Insert("orders", order_row(f"o{n}", position_id=f"p{n}", status="FILLED"))
        for n in range(4)
    ]
    statuses = (OPEN, OPEN, EXPOSED, CLOSED)
    more += [
        Insert("open_positions", position_row(f"p{n}", kalshi_order_id=f"o{n}", status=status))
        for n, status in enumerate(statuses)
    ]
    await journal.commit(Batch((*everything(), *more)))
    await journal.close()


def ids(rows: Any) -> list[str]:
    return sorted(row.position_id for row in rows)


READS: list[tuple[Work, list[str], int]] = [
    (lambda u: u.positions.find_by_pair_id("p"), ["held", "p0", "p1", "p2", "p3"], 1),
    (lambda u: u.positions.find_by_status(OPEN), ["held", "p0", "p1"], 1),
    (
        lambda u: u.positions.find_by_status_with_pair(OPEN, EXPOSED),
        ["held", "p0", "p1", "p2"],
        1,
    ),
    (lambda u: u.positions.find_by_status_with_orders(OPEN), ["held", "p0", "p1"], 2),
    (lambda u: u.positions.find_active_positions(), ["held", "p0", "p1", "p2"], 2),
]


@pytest.mark.parametrize(("work", "found", "count"), READS)
def test_a_query_loads_what_its_name_states_in_a_fixed_number_of_queries(
    database_url: str, work: Work, found: list[str], count: int
) -> None:
    rows, seen = queries(database_url, work)

    assert (ids(rows), seen) == (found, count)


def test_pair_and_orders_come_with_the_positions(database_url: str) -> None:
    async def work(unit: UnitOfWork) -> list[tuple[str, str, list[str], str]]:
        rows = await unit.positions.find_by_status_with_orders(EXPOSED)
        return [
            (
                r.position_id,
                r.pair.match_id,
                [o.order_id for o in r.orders],
                r.kalshi_order.order_id,
            )
            for r in rows
            if r.kalshi_order
        ]

    assert queries(database_url, work) == ([("p2", "p", ["o2"], "o2")], 2)


def test_a_relationship_that_a_query_did_not_name_raises_when_accessed(
    database_url: str,
) -> None:
    async def work(unit: UnitOfWork) -> None:
        position = await unit.positions.find_by_id("p0")
        assert position is not None
        with pytest.raises(InvalidRequestError, match="raise"):
            _ = position.pair

    assert queries(database_url, work) == (None, 1)


def test_one_position_is_loaded_bare_or_with_its_pair(database_url: str) -> None:
    async def work(unit: UnitOfWork) -> tuple[Any, Any, Any]:
        bare = await unit.positions.find_by_id("p1")
        paired = await unit.positions.find_by_id_with_pair("p1")
        return bare, paired and paired.pair.match_id, await unit.positions.find_by_id("none")

    (bare, pair, none), seen = queries(database_url, work)
    assert (bare.position_id, pair, none, seen) == ("p1", "p", None, 3)


def test_a_status_follows_the_table_or_is_rejected(database_url: str) -> None:
    async def work(unit: UnitOfWork) -> tuple[str, int]:
        await unit.positions.update_status("p0", EXPOSED)
        with pytest.raises(IllegalTransition):
            await unit.positions.update_status("p3", OPEN)
        with pytest.raises(UnknownId):
            await unit.positions.update_status("none", OPEN)
        await unit.positions.update_with_order("p0", {"kalshi_order_id": "o1", "status": OPEN})
        await unit.commit()
        after = await unit.positions.find_by_id("p0")
        assert after is not None
        return after.status, after.version

    assert queries(database_url, work)[0] == ("OPEN", 3)


def test_orders_are_found_and_changed_along_their_table(database_url: str) -> None:
    async def work(unit: UnitOfWork) -> tuple[list[str], Any]:
        pending = [order.order_id for order in await unit.orders.find_pending_orders()]
        await unit.orders.update_order_status(
            "o", OrderStatus.PARTIAL, Decimal("0.4"), Decimal("0.5")
        )
        with pytest.raises(IllegalTransition):
            await unit.orders.update_status("o", OrderStatus.REJECTED)
        await unit.commit()
        return pending, await unit.orders.find_by_id("o")

    (pending, order), _ = queries(database_url, work)
    assert pending == ["o"]
    assert (order.status, order.fill_size, order.fill_cost) == (
        "PARTIAL",
        Decimal("0.5"),
        Decimal("0.2"),
    )


def test_what_is_created_and_not_committed_is_gone(database_url: str) -> None:
    async def work(unit: UnitOfWork) -> int:
        await unit.orders.create(order_row("fresh"))
        await unit.positions.create(position_row("fresh"))
        return len(await unit.orders.find_by_pair_id("p"))

    assert queries(database_url, work)[0] == 6

    async def left() -> int:
        journal = Database.at(database_url).journal(turnstile())
        await journal.open()
        try:
            return len(await journal.rows("orders"))
        finally:
            await journal.close()

    assert asyncio.run(left()) == 5

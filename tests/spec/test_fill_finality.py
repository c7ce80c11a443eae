"""Newer reports of a trade count, and one that has to wait delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from support.answers import order
from support.reconciliation import report

from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import TradeKey
from dutchbook.domain.values.units import Quantity
from dutchbook.ports.orders import FillReport
from dutchbook.runtime.virtual_time import run_virtual

TEN = Quantity(order(Platform.POLYMARKET).size)
PROVISIONAL, SETTLED, FAILED = Finality


def trade(name: str, finality: Finality) -> FillReport:
    return report(name, TEN, finality)


@dataclass
class Trades:
    """Pair trades: each trade is one of its own position, and some positions are attended."""

    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def order_of(self, told: FillReport) -> tuple[Any, None]:
        return SimpleNamespace(position_id=told.trade_id), None

    def lock(self, position_id: str) -> asyncio.Lock:
        return self.locks.setdefault(position_id, asyncio.Lock())

    def attended(self, position_id: str) -> bool:
        return self.lock(position_id).locked()

    def all(self) -> tuple[()]:
        return ()


class Follower(SettlementFollower):
    """The follower, whose bookings take a second."""

    def __init__(self, trades: Trades) -> None:
        nothing: Any = None
        unsettled: Any = SimpleNamespace(due=asyncio.Event().wait)
        found: Any = trades
        super().__init__(
            found, nothing, nothing, nothing, unsettled, nothing, nothing, answer_seconds=1
        )
        self.booked: list[tuple[str, Finality]] = []

    async def _book(self, key: TradeKey, report: FillReport) -> bool:
        await asyncio.sleep(1)
        self.booked.append((key[1], report.finality))
        return True


def following(work: Callable[[Follower, Trades], Awaitable[None]]) -> list[Any]:
    async def main() -> list[Any]:
        trades = Trades()
        follower = Follower(trades)
        running = asyncio.ensure_future(follower.catch_up())
        await asyncio.sleep(0)
        await work(follower, trades)
        await follower.drained()
        running.cancel()
        return follower.booked

    booked: list[Any] = run_virtual(main())
    return booked


def test_a_newer_report_that_comes_while_a_trade_is_booked_is_booked_too() -> None:
    """The settlement of a fill was lost, and it stayed provisional for ever."""

    async def work(follower: Follower, _: Trades) -> None:
        first = asyncio.ensure_future(follower.received(trade("t1", PROVISIONAL)))
        await asyncio.sleep(0.5)
        await follower.received(trade("t1", SETTLED))
        await first

    assert following(work) == [("t1", PROVISIONAL), ("t1", SETTLED)]


def test_a_failed_trade_waits_for_who_acts_for_its_position_and_no_other_waits_for_it() -> None:
    async def work(follower: Follower, trades: Trades) -> None:
        async with trades.lock("t1"):
            await follower.received(trade("t1", FAILED))
            await follower.received(trade("t2", FAILED))
            await follower.received(trade("t1", FAILED))
            assert follower.booked == [("t2", FAILED)]

    assert following(work) == [("t2", FAILED), ("t1", FAILED)]


def test_what_settles_or_is_listed_waits_for_nobody() -> None:
    """The answer to an order of its position may take a quarter of a minute."""

    async def work(follower: Follower, trades: Trades) -> None:
        async with trades.lock("t1"):
            await follower.received(trade("t1", PROVISIONAL))
            await follower.received(trade("t1", SETTLED))
            assert follower.booked == [("t1", PROVISIONAL), ("t1", SETTLED)]

    following(work)


def test_a_failed_trade_of_a_busy_position_is_left_to_the_next_start_at_the_end() -> None:
    async def main() -> list[Any]:
        trades = Trades()
        follower = Follower(trades)
        running = asyncio.ensure_future(follower.catch_up())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        async with trades.lock("t1"):
            await follower.received(trade("t1", FAILED))
        await follower.drained()
        return follower.booked

    booked: list[Any] = run_virtual(main())
    assert booked == []

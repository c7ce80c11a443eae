"""When an order of ours meets the book on paper: after steps of the tape, or milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.answers import order
from support.pairs import NOW, contract

from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.market.survival import gone
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import FaultPlan
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.platforms.paper.server import PaperServer
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

KALSHI = Platform.KALSHI
POLL = 4
MATCH_MS = 300
CHANCE = gone(timedelta(milliseconds=MATCH_MS), timedelta(0))
ORDERS = 400


class Market:
    """A paper platform whose book is polled every four seconds, from the first."""

    def __init__(self, plan: FaultPlan, steps: int) -> None:
        self.clock = TapeClock(NOW)
        self.lag = StepLag(steps)
        self.exchange = PaperExchange(
            KALSHI,
            [contract(KALSHI)],
            Replenishment.EVERY,
            Money(Decimal(1_000_000)),
        )
        self.server = PaperServer(self.exchange, self.clock, self.lag, plan)

    async def poll(self, polls: int = 4) -> None:
        for step in range(polls):
            await self.clock.sleep_until(NOW + timedelta(seconds=POLL * step))
            self.lag.began(step)
            asks = ((4_000, 5_000_000_000),)
            self.exchange.update("kalshi-cup", (), asks, whole=True, now=self.clock.now())
            self.lag.ended(step)

    async def met(self, number: int = 0, leg: Leg = Leg.PRIMARY) -> float:
        """Send an order, and return the second at which it was matched."""
        name = f"order {number}"
        sent = replace(
            order(KALSHI, order_id=name, size=Quantity(Decimal(1))),
            client_order_id=name,
            leg=leg,
            created_at=self.clock.now(),
        )
        await self.server.create(sent)
        report = self.exchange.find(name)
        assert report is not None
        return (report.fills[0].matched_at - NOW).total_seconds()


def at(
    work: Callable[[Market], Awaitable[Any]], plan: FaultPlan | None = None, steps: int = 1
) -> Any:
    async def main() -> Any:
        market = Market(plan or FaultPlan(), steps)
        polling = asyncio.ensure_future(market.poll())
        await market.clock.sleep(0.5)
        found = await work(market)
        await polling
        return found

    return run_virtual(main())


@pytest.mark.parametrize("leg", list(Leg))
@pytest.mark.parametrize(("steps", "second"), [(0, 0.5), (1, 4), (2, 8)])
def test_either_leg_meets_the_books_of_a_later_step(
    steps: int, second: float, leg: Leg
) -> None:
    assert at(lambda market: market.met(leg=leg), steps=steps) == second


def test_at_the_end_of_a_session_nothing_waits() -> None:
    async def work(market: Market) -> float:
        asyncio.get_running_loop().call_later(1, market.lag.release)
        return await market.met()

    assert at(work, steps=3) == 1.5


def test_with_milliseconds_no_step_is_waited_for() -> None:
    plan = FaultPlan(match_ms=MATCH_MS)

    assert at(lambda market: market.met(), plan, steps=3) == 0.8


async def many(market: Market) -> list[float]:
    return await asyncio.gather(*(market.met(number) for number in range(ORDERS)))


def test_between_two_polls_a_quote_is_gone_as_often_as_was_recorded() -> None:
    """Then the order meets the next poll, four seconds after the last."""
    found = at(many, FaultPlan(match_ms=MATCH_MS, polled=True))

    assert set(found) == {0.8, 4}
    share = sum(each == 4 for each in found) / ORDERS
    assert abs(share - float(CHANCE)) < 0.05
    assert at(many, FaultPlan(match_ms=MATCH_MS, polled=True)) == found
    assert at(many, FaultPlan(seed=1, match_ms=MATCH_MS, polled=True)) != found


def test_an_older_quote_is_gone_less_often() -> None:
    async def later(market: Market) -> list[float]:
        await market.clock.sleep(10.6)
        return await many(market)

    found = at(later, FaultPlan(match_ms=MATCH_MS, polled=True))

    assert 0 < sum(each != 11.4 for each in found) / ORDERS < 0.07


def test_an_order_that_meets_the_next_poll_anyway_depends_on_no_chance() -> None:
    assert set(at(many, FaultPlan(match_ms=3_600, polled=True))) == {4.1}


def test_on_a_streamed_tape_nothing_depends_on_chance() -> None:
    assert set(at(many, FaultPlan(match_ms=MATCH_MS))) == {0.8}

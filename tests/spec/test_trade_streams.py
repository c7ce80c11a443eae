"""A stream of trades may break off or end: what it missed is read, and the engine goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from support.answers import order
from support.pairs import NOW
from support.reconciliation import report

from dutchbook.application.recovery.trade_streams import TradeStreams
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Quantity
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.ports.account import Listing
from dutchbook.ports.orders import Connected, FillReport, Gap, TradeUpdate
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

KALSHI = Platform.KALSHI
TEN = Quantity(order(KALSHI).size)
ONE, TWO, THREE = (report(name, TEN, Finality.SETTLED, KALSHI) for name in ("t1", "t2", "t3"))
AT = NOW + timedelta(seconds=7)
Step = TradeUpdate | Exception | float


@dataclass
class Platforms:
    """A platform whose stream does as told: reports, waits, breaks off, ends or raises."""

    streams: list[list[Step]]
    lists: list[Listing[FillReport] | Exception] = field(default_factory=list)
    platform: Platform = KALSHI
    asked: list[tuple[float, datetime]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    missed_on: list[Platform] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)

    async def trade_updates(self) -> AsyncIterator[TradeUpdate]:
        self.opened.append(self.clock.monotonic())
        for step in self.streams.pop(0) if self.streams else [1e6]:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, FillReport | Connected | Gap):
                yield step
            else:
                await self.clock.sleep(step)

    async def trades(self, since: datetime) -> Listing[FillReport]:
        self.asked.append((self.clock.monotonic(), since))
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def received(self, trade: FillReport) -> None:
        self.taken.append(trade.trade_id)

    def missed(self, platform: Platform) -> None:
        self.missed_on.append(platform)

    def note(self, trade: FillReport) -> None:
        assert trade.trade_id == self.taken[-1], "it is noted after it was taken"

    def follow(self, seconds: float) -> None:
        """Follow the stream for so long; nothing but the end of time stops it."""

        async def main() -> None:
            self.clock = TapeClock(NOW)
            streams = TradeStreams(
                {KALSHI: cast("Any", self)}, cast("Any", self), cast("Any", self), self.clock, 5
            )
            running = asyncio.ensure_future(streams.run())
            await self.clock.sleep(seconds)
            assert not running.done(), "a stream that ends never ends the engine"
            running.cancel()

        run_virtual(main())


def test_every_report_is_passed_on_and_at_a_first_connection_nothing_is_read() -> None:
    platform = Platforms([[Connected(), ONE, 1.0, TWO, 1e6]])

    platform.follow(60)

    assert platform.taken == ["t1", "t2"]
    assert not platform.asked
    assert not platform.missed_on


def test_what_a_broken_stream_missed_is_read_once_it_is_connected_again() -> None:
    platform = Platforms(
        [[ONE, 7.0, Gap(AT), 20.0, Connected(), 1.0, THREE, 1e6]], [Listing((ONE, TWO))]
    )

    platform.follow(60)

    assert platform.asked == [(27, AT)]
    assert platform.taken == ["t1", "t1", "t2", "t3"]
    assert platform.missed_on == [KALSHI], "open fills may have settled meanwhile"


def test_two_gaps_before_a_connection_are_read_from_the_first_on() -> None:
    later = Gap(AT + timedelta(seconds=1))
    platform = Platforms([[Gap(AT), 1.0, later, 1.0, Connected(), 1e6]], [Listing()])

    platform.follow(60)

    assert [since for _, since in platform.asked] == [AT]


@pytest.mark.parametrize(
    "answer",
    [Listing((TWO,), complete=False), OutcomeUnknown(KALSHI, "502"), NotSent(KALSHI, "down")],
    ids=["in part", "no answer", "never left"],
)
def test_a_list_is_read_again_less_and_less_often_until_it_is_complete(
    answer: Listing[FillReport] | Exception,
) -> None:
    platform = Platforms(
        [[Gap(AT), Connected(), 5.0, THREE, 1e6]], [answer, answer, answer, Listing((ONE, TWO))]
    )

    platform.follow(600)

    assert [at for at, _ in platform.asked] == [0, 1, 3, 7]
    assert platform.taken[-2:] == ["t1", "t2"]
    assert "t3" in platform.taken[:-2], "meanwhile the stream goes on"


@pytest.mark.parametrize(
    "end", [[], [NotSent(KALSHI, "down")], [OutcomeUnknown(KALSHI, "nonsense")]]
)
def test_a_stream_that_ends_is_opened_again_and_read_from_its_last_report_on(
    end: list[Step],
) -> None:
    platform = Platforms([[3.0, ONE, 9.0, *end], [2.0, Connected(), 1e6]], [Listing((TWO,))])

    platform.follow(60)

    assert platform.opened == [0, 13]
    assert platform.asked == [(15, NOW + timedelta(seconds=3))]
    assert platform.taken == ["t1", "t2"]

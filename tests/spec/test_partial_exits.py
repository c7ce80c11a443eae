"""Exits that have stalled after one leg: when each is reported, at once and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.pairs import NOW
from support.single_legs import position

from dutchbook.application.exits.partial import PartialExits
from dutchbook.domain.events import PositionMoved, Stamp
from dutchbook.domain.pair_trades.facts import Stalled
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

OPEN, PARTIAL = PositionStatus.OPEN, PositionStatus.EXIT_PARTIAL
MOVED = PositionMoved(Stamp("m", NOW, "e"), "held", "cup", OPEN, PARTIAL, cause="exited")


@dataclass
class Stalling:
    """The service with one position, and when its exposure was reported."""

    status: PositionStatus = PARTIAL
    kalshi: str = "100"
    unknown: bool = False
    stall_reported: bool = False
    told: list[float] = field(default_factory=list)
    locked: asyncio.Lock = field(default_factory=asyncio.Lock)
    clock: Any = None
    service: Any = None

    @asynccontextmanager
    async def lock(self, position_id: str) -> AsyncIterator[None]:
        assert position_id == "held"
        async with self.locked:
            yield

    def known(self, position_id: str) -> Any:
        """Return the pair trade if there is one of this name."""
        held = position(self.kalshi, "0", self.status)
        trade = SimpleNamespace(
            position=held,
            position_id="held",
            execution_id="e",
            unknown=self.unknown,
            stall_reported=self.stall_reported,
        )
        return trade if position_id == "held" else None

    async def book(self, execution_id: str, fact: Stalled) -> None:
        """Note the report of an exposure."""
        assert execution_id == "e"
        assert self.locked.locked()
        self.stall_reported = True
        self.told.append((fact.at - NOW) / timedelta(seconds=1))


def told(at: Stalling, work: Callable[[Stalling], Any] | None = None) -> list[float]:
    """Suspect the position at second 0, and return when its exposure was reported."""

    async def main() -> list[float]:
        at.clock = TapeClock(NOW)
        service = at.service = PartialExits(cast("Any", at), at.clock)
        running = asyncio.ensure_future(service.run())
        await asyncio.sleep(0)
        service.on_event(MOVED, 1)
        if work is not None:
            await work(at)
        await asyncio.sleep(10)
        running.cancel()
        return at.told

    return run_virtual(main())


def test_an_exit_that_stalls_after_one_leg_is_reported_at_once_and_once() -> None:
    assert told(Stalling()) == [0]


@pytest.mark.parametrize(
    "facts", [{"status": OPEN}, {"kalshi": "0"}, {"stall_reported": True}], ids=str
)
def test_what_is_not_stalled_or_was_reported_is_not_reported(facts: dict[str, Any]) -> None:
    assert told(Stalling(**facts)) == []


def test_it_is_reported_as_soon_as_the_outcome_of_its_order_is_known() -> None:
    """Whatever made it known: no event may tell of it."""

    async def work(at: Stalling) -> None:
        await asyncio.sleep(3.5)
        at.unknown = False

    assert told(Stalling(unknown=True), work) == [4]


def test_what_is_booked_meanwhile_is_looked_at_in_the_same_moment() -> None:
    """The next order of the policy would make an outcome unknown again."""

    async def work(at: Stalling) -> None:
        await asyncio.sleep(3.5)
        at.unknown = False
        at.service.on_event(MOVED, 1)
        await asyncio.sleep(0.1)
        at.unknown = True

    assert told(Stalling(unknown=True), work) == [3.5]


def test_it_is_not_looked_at_any_more_once_it_is_no_exit_in_part() -> None:
    async def work(at: Stalling) -> None:
        await asyncio.sleep(3.5)
        at.status = OPEN
        await asyncio.sleep(2)
        at.status, at.unknown = PARTIAL, False

    assert told(Stalling(unknown=True), work) == []


def test_a_position_that_is_suspected_again_is_looked_at_again() -> None:
    async def main() -> list[float]:
        at = Stalling(status=OPEN)
        at.clock = TapeClock(NOW)
        service = PartialExits(cast("Any", at), at.clock)
        running = asyncio.ensure_future(service.run())
        for seconds in (1, 2):
            service.on_event(MOVED, 1)
            await asyncio.sleep(seconds)
            at.status = PARTIAL
        service.on_event(MOVED, 1)
        await service.drained()
        running.cancel()
        return at.told

    assert run_virtual(main()) == [1]


def test_a_stop_looks_once_at_what_is_suspected_and_waits_for_no_answer() -> None:
    async def main() -> list[float]:
        at = Stalling(unknown=True)
        at.clock = TapeClock(NOW)
        service = PartialExits(cast("Any", at), at.clock)
        service.on_event(MOVED, 1)
        await service.drained()
        assert at.clock.monotonic() == 0
        at.unknown = False
        await service.drained()
        return at.told

    assert run_virtual(main()) == [0]

"""How long an engine may believe that it holds the lease: a term from a commit's beginning.

What a slow database does between a commit's beginning and its end is not known here: the row
may have been written at once, and its term counts from the time that the batch names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from support.clocks import Hand
from support.memory_journal import MemoryJournal

from dutchbook.application.records.lease import Fence, take
from dutchbook.ports.journal import Batch, Insert, Receipt

TERM = timedelta(seconds=10)
ROW = Batch((Insert("system_metadata", {"key": "x", "value": "y"}),))
Pass = Callable[[Hand, float], None]


def _both(clock: Hand, seconds: float) -> None:
    clock.elapsed += seconds


def _monotonic(clock: Hand, seconds: float) -> None:
    """Let time pass while the time of day is set back as far."""
    clock.elapsed += seconds
    clock.ahead -= timedelta(seconds=seconds)


def _of_day(clock: Hand, seconds: float) -> None:
    """Let time pass that the monotonic clock does not see, as in a machine that sleeps."""
    clock.ahead += timedelta(seconds=seconds)


either_clock = pytest.mark.parametrize("wait", [_both, _monotonic, _of_day])


class SlowJournal(MemoryJournal):
    """A journal whose commits take as many seconds as `takes` says."""

    def __init__(self, clock: Hand, wait: Pass) -> None:
        super().__init__()
        self.takes = 0.0
        self._clock, self._wait = clock, wait

    async def commit(self, batch: Batch) -> Receipt:
        receipt = await super().commit(batch)
        self._wait(self._clock, self.takes)
        return receipt


def held_until(wait: Pass, work: Callable[[SlowJournal, Hand], Awaitable[Fence]]) -> list[bool]:
    """Return whether the lease is believed in just before 13 seconds, and at 13."""
    clock = Hand()

    async def main() -> list[bool]:
        fence = await work(SlowJournal(clock, wait), clock)
        seconds = max(clock.elapsed, clock.ahead.total_seconds())
        wait(clock, 12.999 - seconds)
        seen = [fence.held]
        wait(clock, 0.001)
        return [*seen, fence.held]

    return asyncio.run(main())


@either_clock
def test_a_slow_commit_extends_the_belief_in_a_lease_only_from_its_beginning(
    wait: Pass,
) -> None:
    async def work(journal: SlowJournal, clock: Hand) -> Fence:
        fence = await take(journal, clock, "a", TERM, lambda _: False)
        wait(clock, 3)
        journal.takes = 6
        await fence.commit(journal, ROW)
        return fence

    assert held_until(wait, work) == [True, False]


@either_clock
def test_a_lease_that_was_slow_to_take_is_believed_in_from_when_it_was_asked_for(
    wait: Pass,
) -> None:
    async def work(journal: SlowJournal, clock: Hand) -> Fence:
        wait(clock, 3)
        journal.takes = 6
        return await take(journal, clock, "a", TERM, lambda _: False)

    assert held_until(wait, work) == [True, False]

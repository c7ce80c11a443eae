"""To which trading day a loss counts that is booked while one day follows another."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from support.reserving import Limited

from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.ports.journal import Batch, Receipt, Update
from dutchbook.runtime.virtual_time import run_virtual

LIMITS = RiskLimits(daily_loss_share=2 / RiskLimits().bankroll)
"""A day may lose two dollars."""
DAY = 86_400
HALT = ["daily_loss_limit"]


class Held:
    """Keeps back the answer to one commit: the one that begins a day, or another one."""

    def __init__(self, gate: Limited, *, begins: bool) -> None:
        self.kept, self.answers = asyncio.Event(), asyncio.Event()
        self._begins = begins
        self._commit = gate.journal.commit
        gate.journal.commit = self.commit  # type: ignore[method-assign]

    async def commit(self, batch: Batch) -> Receipt:
        receipt = await self._commit(batch)
        begins = any(
            isinstance(each, Update) and "last_reset_timestamp" in each.put
            for each in batch.writes
        )
        if begins is self._begins and not self.kept.is_set():
            self.kept.set()
            await self.answers.wait()
        return receipt


async def beside(gate: Limited, dollars: str, *, first: str) -> None:
    """Begin a day and book a loss, of which the database takes `first` first.

    The answer to that one comes after the other commit.
    """
    held = Held(gate, begins=first == "the day")
    both = [gate.risk.halts.start_day, lambda: gate.lose(dollars)]
    earlier, later = both if first == "the day" else reversed(both)
    waits = asyncio.ensure_future(earlier())
    await held.kept.wait()
    other = asyncio.ensure_future(later())
    await asyncio.sleep(1)
    held.answers.set()
    await asyncio.gather(waits, other)


async def day_and_row(gate: Limited) -> list[Any]:
    """Return the day's result and the halts, in memory and in the database."""
    (row,) = await gate.journal.rows("risk_states")
    state = gate.risk.capital.state
    return [state.daily_pnl, row["daily_pnl"], sorted(state.halt_reasons), row["halt_reason"]]


async def after_a_day_that_lost(dollars: str) -> Limited:
    gate = Limited(LIMITS)
    await gate.open()
    await gate.lose(dollars)
    await gate.entries.clock.sleep(DAY)
    return gate


FIRST = pytest.mark.parametrize("first", ["the day", "the loss"])


@FIRST
def test_a_loss_booked_beside_the_commit_that_begins_a_day_counts_to_that_day(
    first: str,
) -> None:
    async def main() -> list[Any]:
        gate = await after_a_day_that_lost("1")
        await beside(gate, "1.5", first=first)
        found = await day_and_row(gate)
        await gate.lose("0.5")
        return [found, await day_and_row(gate)]

    lost = Decimal("-1.5")
    assert run_virtual(main()) == [[lost, lost, [], []], [-2, -2, HALT, HALT]]


@FIRST
def test_a_loss_at_the_limit_halts_the_day_that_begins_beside_it(first: str) -> None:
    """The same commit lifts the halt of the day before."""

    async def main() -> list[Any]:
        gate = await after_a_day_that_lost("3")
        before = await day_and_row(gate)
        await beside(gate, "2", first=first)
        return [before, await day_and_row(gate)]

    assert run_virtual(main()) == [[-3, -3, HALT, HALT], [-2, -2, HALT, HALT]]


def test_a_loss_booked_before_anything_has_begun_its_day_counts_to_its_day() -> None:
    """A clock that was set, or a process that stood still, passes the hour unnoticed."""

    async def main() -> list[Any]:
        gate = await after_a_day_that_lost("1")
        await gate.lose("1.5")
        await gate.risk.halts.start_day()
        return await day_and_row(gate)

    lost = Decimal("-1.5")
    assert run_virtual(main()) == [lost, lost, [], []]

"""To which trading day a loss counts that is booked while one day follows another."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.reserving import Limited

from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.ports.journal import Batch, Receipt, Update
from dutchbook.runtime.virtual_time import run_virtual

Steps = tuple[str, ...]
LIMITS = RiskLimits(daily_loss_share=2 / RiskLimits().bankroll)
"""A day may lose two dollars."""
SECOND = timedelta(seconds=1)
HALT = ["daily_loss_limit"]


class Held:
    """Keeps back the commit that begins a day, and any other, until told to go on.

    Attributes:
        stored: Lets the database take another commit than that of the day.
        answered: Lets the answer to that one arrive.
        begun: Lets the answer to the commit that begins a day arrive.
    """

    def __init__(self, gate: Limited) -> None:
        self.stored, self.answered, self.begun = (asyncio.Event() for _ in range(3))
        self._commit = gate.journal.commit
        gate.journal.commit = self.commit  # type: ignore[method-assign]

    async def commit(self, batch: Batch) -> Receipt:
        begins = any(
            isinstance(each, Update) and "last_reset_timestamp" in each.put
            for each in batch.writes
        )
        if not begins:
            await self.stored.wait()
        receipt = await self._commit(batch)
        await (self.begun if begins else self.answered).wait()
        return receipt


BESIDE = pytest.mark.parametrize(
    ("before", "after"),
    [
        (("stored",), ("begun", "answered")),
        ((), ("begun", "stored", "answered")),
        ((), ("stored", "answered", "begun")),
    ],
    ids=["answered when the day has begun", "stored then", "booked meanwhile"],
)
"""Steps of `Held` before a day's hour, and after it."""


async def lost_beside(gate: Limited, dollars: str, before: Steps, after: Steps) -> None:
    """Book a loss just before the hour at which a day begins, and begin that day."""
    held = Held(gate)
    losing = asyncio.ensure_future(gate.lose(dollars))
    for step in before:
        getattr(held, step).set()
    await gate.entries.clock.sleep(2)
    beginning = asyncio.ensure_future(gate.risk.halts.start_day())
    for step in after:
        await gate.entries.clock.sleep(1)
        getattr(held, step).set()
    await asyncio.gather(losing, beginning)


async def day_and_row(gate: Limited) -> list[Any]:
    """Return the day's result and the halts, in memory and in the database."""
    (row,) = await gate.journal.rows("risk_states")
    state = gate.risk.capital.state
    return [state.daily_pnl, row["daily_pnl"], sorted(state.halt_reasons), row["halt_reason"]]


async def at_the_end_of_a_day(lost: str) -> Limited:
    """Return a risk manager in the last second of a day that has lost some dollars."""
    gate = Limited(LIMITS)
    await gate.open()
    await gate.lose(lost)
    ends = gate.risk.capital.today() + timedelta(days=1)
    await gate.entries.clock.sleep_until(ends - SECOND)
    return gate


@BESIDE
def test_a_loss_booked_beside_the_commit_that_begins_a_day_counts_to_that_day(
    before: Steps, after: Steps
) -> None:
    async def main() -> list[Any]:
        gate = await at_the_end_of_a_day("0.25")
        await lost_beside(gate, "1.5", before, after)
        found = await day_and_row(gate)
        await gate.lose("0.5")
        return [found, await day_and_row(gate)]

    lost = Decimal("-1.5")
    assert run_virtual(main()) == [[lost, lost, [], []], [-2, -2, HALT, HALT]]


@BESIDE
def test_a_loss_at_the_limit_halts_the_day_that_begins_beside_it(
    before: Steps, after: Steps
) -> None:
    """The same commit lifts the halt of the day before."""

    async def main() -> list[Any]:
        gate = await at_the_end_of_a_day("3")
        halted = await day_and_row(gate)
        await lost_beside(gate, "2", before, after)
        return [halted, await day_and_row(gate)]

    assert run_virtual(main()) == [[-3, -3, HALT, HALT], [-2, -2, HALT, HALT]]


def test_a_loss_booked_before_anything_has_begun_its_day_counts_to_its_day() -> None:
    """A clock that was set, or a process that stood still, passes the hour unnoticed."""

    async def main() -> list[Any]:
        gate = await at_the_end_of_a_day("1")
        await gate.entries.clock.sleep(2)
        await gate.lose("1.5")
        await gate.risk.halts.start_day()
        return await day_and_row(gate)

    lost = Decimal("-1.5")
    assert run_virtual(main()) == [lost, lost, [], []]

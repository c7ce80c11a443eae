"""What the database knows, the caches know, whoever stops waiting and whatever is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from support.reserving import Limited

from dutchbook.domain.capital.limits import HaltReason, RiskLimits
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.virtual_time import run_virtual

OPERATOR, KALSHI = HaltReason.OPERATOR, Platform.KALSHI
SLOW_SECONDS = 2
Work = Callable[[Limited], Awaitable[object]]


async def halted(gate: Limited) -> None:
    await gate.risk.halts.halt_trading(OPERATOR, "pressed")


async def resumed(gate: Limited) -> None:
    await gate.risk.halts.resume_trading(OPERATOR, "looked at it")


async def paid_in(gate: Limited) -> None:
    await gate.risk.cash.deposit(KALSHI, Money(Decimal(7)), "from the bank")


async def left(gate: Limited, work: Work) -> None:
    """Do work whose caller stops waiting in the middle of its commit."""
    commit = gate.journal.commit

    async def slow(batch: Batch) -> Receipt:
        await asyncio.sleep(SLOW_SECONDS)
        return await commit(batch)

    gate.journal.commit = slow  # type: ignore[method-assign]
    doing = asyncio.ensure_future(work(gate))
    await asyncio.sleep(SLOW_SECONDS / 2)
    doing.cancel()
    await asyncio.sleep(SLOW_SECONDS)
    gate.journal.commit = commit  # type: ignore[method-assign]
    assert doing.cancelled()


@pytest.mark.parametrize(
    ("before", "work", "reasons"),
    [(None, halted, {OPERATOR}), (halted, resumed, set())],
    ids=["a halt", "a resumption"],
)
def test_a_halt_stands_in_the_cache_as_it_does_in_the_database(
    before: Work | None, work: Work, reasons: set[HaltReason]
) -> None:
    async def main() -> None:
        gate = Limited(RiskLimits())
        await gate.open()
        if before is not None:
            await before(gate)

        await left(gate, work)

        (row,) = await gate.journal.rows("risk_states")
        assert set(row["halt_reason"]) == reasons
        assert gate.risk.capital.state.halt_reasons == reasons
        assert gate.risk.capital.state.trading_halted == bool(reasons)

    run_virtual(main())


def test_a_halt_waits_for_a_resumption_that_nobody_waits_for() -> None:
    """Each commit has all reasons of its moment: one beside another would bring it back."""

    async def both(gate: Limited) -> None:
        resuming = asyncio.ensure_future(resumed(gate))
        await asyncio.sleep(0)
        resuming.cancel()
        await gate.risk.halts.halt_trading(HaltReason.TIME_DRIFT, "a second off")

    async def main() -> None:
        gate = Limited(RiskLimits())
        await gate.open()
        await halted(gate)

        await both(gate)

        (row,) = await gate.journal.rows("risk_states")
        assert set(row["halt_reason"]) == gate.risk.capital.state.halt_reasons
        assert gate.risk.capital.state.halt_reasons == {HaltReason.TIME_DRIFT}

    run_virtual(main())


def test_cash_that_came_in_is_counted_in_the_cache_as_it_is_in_the_database() -> None:
    async def main() -> None:
        gate = Limited(RiskLimits())
        await gate.open()
        free = gate.risk.capital.free(KALSHI)

        await left(gate, paid_in)

        rows = await gate.journal.rows("accounts", {"account_id": "kalshi:shard-0:USD"})
        assert gate.risk.capital.free(KALSHI) == free + 7 == rows[0]["free"]

    run_virtual(main())


def test_a_loss_that_a_halt_under_way_is_about_is_booked_after_it() -> None:
    async def main() -> list[tuple[Decimal, bool]]:
        gate, seen = Limited(RiskLimits()), []
        await gate.open()
        commit, lasts = gate.journal.commit, iter((SLOW_SECONDS, 0))

        async def slow(batch: Batch) -> Receipt:
            await asyncio.sleep(next(lasts))
            receipt = await commit(batch)
            (row,) = await gate.journal.rows("risk_states")
            seen.append((row["daily_pnl"], row["trading_halted"]))
            return receipt

        gate.journal.commit = slow  # type: ignore[method-assign]
        limit = gate.risk.capital.limits.daily_loss
        halting = gate.risk.halts.halt_trading(HaltReason.DAILY_LOSS_LIMIT, "a mark")
        under_way = asyncio.ensure_future(halting)
        await asyncio.sleep(SLOW_SECONDS / 2)
        await gate.lose(str(limit + 1))
        await under_way
        return seen

    booked = run_virtual(main())

    assert [halted for _, halted in booked] == [True, True]
    assert booked[0][0] == 0 > booked[1][0]

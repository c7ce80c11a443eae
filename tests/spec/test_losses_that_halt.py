"""A loss that reaches the day's limit is committed with its halt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.purse import Purse, usd

from dutchbook.application.capital.capital import Alone
from dutchbook.application.capital.halts import Halted
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.pair_trades.capital import CapitalChange
from dutchbook.domain.values.units import NOTHING, Quantity
from dutchbook.errors import Conflict

LOSS, OPERATOR = HaltReason.DAILY_LOSS_LIMIT, HaltReason.OPERATOR
HEDGED = Alone("p", NOTHING)
NONE: tuple[Any, Any] = ({}, ())


def lost(dollars: object) -> CapitalChange:
    return CapitalChange("one", "r", state={"daily_pnl": usd(f"-{dollars}")})


def played(work: Callable[[Purse], Coroutine[Any, Any, Any]]) -> Purse:
    async def main() -> Purse:
        purse = await Purse().opened()
        await work(purse)
        return purse

    return asyncio.run(main())


def facts(halt: Halted) -> tuple[Any, ...]:
    put, events = halt
    return dict(put), [(event.reason, event.reasons, event.detail) for event in events]


def halted_at(epoch: int, detail: str, *reasons: str) -> tuple[Any, ...]:
    put = {"trading_halted": True, "halt_reason": [*reasons], "epoch": epoch}
    return put, [("daily_loss_limit", reasons, detail)]


def test_a_loss_below_the_limit_brings_no_halt() -> None:
    async def work(purse: Purse) -> None:
        async with purse.risk.halts.with_loss(lost("499.999999"), HEDGED) as halt:
            assert halt == NONE
            assert purse.capital.lost == Decimal("499.999999")
        assert purse.capital.lost == 0

    assert not played(work).capital.state.trading_halted


def test_a_loss_at_the_limit_brings_the_halt_that_belongs_in_its_commit() -> None:
    async def work(purse: Purse) -> None:
        async with purse.risk.halts.with_loss(lost(500), HEDGED) as halt:
            assert facts(halt) == halted_at(2, "500 lost of 500", "daily_loss_limit")
            assert purse.capital.state.halt_reasons == {LOSS}

    purse = played(work)

    assert purse.capital.state.halt_reasons == {LOSS}
    assert purse.journal.batches == [], "the caller commits it"


def test_the_halt_of_a_loss_has_the_other_reasons_too() -> None:
    async def work(purse: Purse) -> None:
        purse.capital.halt(OPERATOR)
        async with purse.risk.halts.with_loss(lost(600), HEDGED) as halt:
            both = ("daily_loss_limit", "operator")
            assert facts(halt) == halted_at(3, "600 lost of 500", *both)

    played(work)


def test_a_loss_that_is_halted_already_brings_no_second_halt() -> None:
    async def work(purse: Purse) -> None:
        purse.capital.halt(LOSS)
        async with purse.risk.halts.with_loss(lost(600), HEDGED) as halt:
            assert halt == NONE

    assert played(work).capital.state.epoch == 2


def test_what_a_step_leaves_alone_counts_at_its_mark() -> None:
    alone = Alone("p", Quantity(Decimal(1_000)), Decimal("-0.4"))

    async def work(purse: Purse) -> None:
        async with purse.risk.halts.with_loss(lost(100), alone) as halt:
            assert facts(halt) == halted_at(2, "500 lost of 500", "daily_loss_limit")
        assert purse.capital.lost == 400

    played(work)


@pytest.mark.parametrize(
    ("error", "reasons"),
    [(Conflict("open_positions", "p", "another version"), set()), (LookupError(), {LOSS})],
    ids=["rejected", "not known"],
)
def test_only_a_commit_that_the_database_rejected_halts_nothing(
    error: Exception, reasons: set[HaltReason]
) -> None:
    async def work(purse: Purse) -> None:
        with pytest.raises(type(error)) as caught:
            async with purse.risk.halts.with_loss(lost(600), HEDGED):
                raise error
        assert caught.value is error

    purse = played(work)

    assert purse.capital.state.halt_reasons == reasons
    assert purse.capital.lost == 0


def test_a_loss_counts_to_the_day_in_which_it_is_booked() -> None:
    async def work(purse: Purse) -> None:
        purse.capital.shift(daily_pnl=usd(-499))
        purse.clock.instant += timedelta(days=1)
        async with purse.risk.halts.with_loss(lost(1), HEDGED) as halt:
            assert halt == NONE

    purse = played(work)

    assert purse.capital.state.daily_pnl == 0
    assert purse.capital.state.last_reset == purse.capital.today()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_halt_waits_for_another_and_is_none_if_the_limit_is_no_longer_reached() -> None:
    """Two losses reach it together, and the first is rejected while the second waits."""
    seen: list[Any] = []

    async def first(purse: Purse, done: asyncio.Event) -> None:
        with suppress(Conflict):
            async with purse.risk.halts.with_loss(lost(300), HEDGED):
                await done.wait()
                raise Conflict("open_positions", "p", "another version")

    async def second(purse: Purse) -> None:
        async with purse.risk.halts.with_loss(lost(300), Alone("q", NOTHING)) as halt:
            seen.append(halt)

    async def work(purse: Purse) -> None:
        late = purse.journal.late = asyncio.Event()
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(purse.risk.halts.halt_trading(OPERATOR, "pressed"))
            group.create_task(first(purse, done))
            await turns()
            group.create_task(second(purse))
            await turns()
            assert seen == []
            done.set()
            await turns()
            late.set()

    purse = played(work)

    assert seen == [NONE]
    assert purse.capital.state.halt_reasons == {OPERATOR}


def test_a_mark_that_reaches_the_limit_halts() -> None:
    async def work(purse: Purse) -> None:
        contracts = Quantity(Decimal(1_000))
        await purse.risk.halts.mark(Alone("p", contracts, Decimal("-0.4")))
        assert not purse.capital.state.trading_halted
        await purse.risk.halts.mark(Alone("p", contracts, Decimal("-0.5")))

    purse = played(work)

    assert purse.capital.state.halt_reasons == {LOSS}
    assert len(purse.journal.batches) == 1

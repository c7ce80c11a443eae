"""The trading day: when it begins, what is committed with it, and what stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.purse import Fence, Purse, usd

from dutchbook.domain.capital.limits import HaltReason, RiskState, Unhedged
from dutchbook.domain.events import TradingHalted, TradingResumed
from dutchbook.domain.values.units import Quantity
from dutchbook.ports.journal import Update

LOSS, OPERATOR, DRIFT = (
    HaltReason.DAILY_LOSS_LIMIT,
    HaltReason.OPERATOR,
    HaltReason.TIME_DRIFT,
)
SINGLETON = {"singleton_key": "default"}
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
TOMORROW, YESTERDAY = TODAY + timedelta(days=1), TODAY - timedelta(days=1)


def played(work: Callable[[Purse], Coroutine[Any, Any, Any]], fence: Any = None) -> Purse:
    async def main() -> Purse:
        purse = await Purse(fence=fence).opened()
        await work(purse)
        return purse

    return asyncio.run(main())


def writes(purse: Purse) -> list[Any]:
    return [batch.writes for batch in purse.journal.batches]


async def result(purse: Purse, dollars: object, *halts: HaltReason) -> None:
    """Have a day's result, and halts that are durable."""
    for reason in halts:
        await purse.risk.halts.halt_trading(reason, "before")
    purse.capital.shift(daily_pnl=usd(dollars))
    purse.journal.batches.clear()
    purse.events.clear()


def day(start: datetime, off: object, **put: Any) -> Update:
    put = {"last_reset_timestamp": start, **put}
    return Update("risk_states", SINGLETON, put=put, add={"daily_pnl": usd(off)})


def test_a_day_that_goes_on_is_not_begun_again() -> None:
    async def work(purse: Purse) -> None:
        await result(purse, -20)
        await purse.risk.halts.start_day()

    purse = played(work)

    assert writes(purse) == []
    assert purse.capital.state.daily_pnl == -20


@pytest.mark.parametrize(
    ("until", "gained", "kept", "start"),
    [
        (1, -20, 0, TOMORROW),
        (1, 20, 0, TOMORROW),
        (-1, -20, -20, YESTERDAY),
        (-1, 20, 0, YESTERDAY),
    ],
    ids=["a loss", "a gain", "a loss of a day set back", "a gain of a day set back"],
)
def test_another_day_begins_with_nothing_and_one_set_back_keeps_its_losses(
    until: int, gained: int, kept: int, start: datetime
) -> None:
    async def work(purse: Purse) -> None:
        await result(purse, gained)
        purse.clock.instant += timedelta(days=until)
        await purse.risk.halts.start_day()

    purse = played(work)

    assert writes(purse) == [(day(start, kept - gained),)]
    assert purse.capital.state == RiskState(daily_pnl=usd(kept), last_reset=start)


def test_the_halt_of_the_days_loss_ends_with_the_day() -> None:
    async def work(purse: Purse) -> None:
        await result(purse, -600, LOSS)
        purse.clock.instant += timedelta(days=1)
        await purse.risk.halts.start_day()

    purse = played(work)

    put = {"trading_halted": False, "halt_reason": [], "epoch": 3}
    assert writes(purse) == [(day(TOMORROW, 600, **put),)]
    (event,) = purse.events
    assert isinstance(event, TradingResumed)
    assert (event.reason, event.reasons) == ("daily_loss_limit", ())
    assert event.rationale == "a new trading day began"
    assert purse.capital.state == RiskState(last_reset=TOMORROW, epoch=3)


def test_the_other_halts_stay() -> None:
    async def work(purse: Purse) -> None:
        await purse.journal.insert("leases", name="engine")
        await result(purse, -600, LOSS, OPERATOR)
        purse.clock.instant += timedelta(days=1)
        await purse.risk.halts.start_day()

    purse = played(work, Fence())

    put = {"trading_halted": True, "halt_reason": ["operator"], "epoch": 4}
    assert writes(purse) == [(day(TOMORROW, 600, **put),)]
    assert purse.capital.state.halt_reasons == {OPERATOR}


def test_the_halt_of_the_lease_is_lifted_with_the_days() -> None:
    async def work(purse: Purse) -> None:
        await purse.journal.insert("leases", name="engine")
        await result(purse, -600, LOSS)
        purse.clock.instant += timedelta(days=1)
        await purse.risk.halts.start_day()

    purse = played(work, Fence())

    ((_, lifted),) = writes(purse)
    assert lifted == Fence.LIFTED


def test_a_day_that_is_set_back_keeps_its_halt() -> None:
    async def work(purse: Purse) -> None:
        await result(purse, -600, LOSS)
        purse.clock.instant -= timedelta(days=1)
        await purse.risk.halts.start_day()

    purse = played(work)

    assert writes(purse) == [(day(YESTERDAY, 0),)]
    assert purse.capital.state.halt_reasons == {LOSS}


def test_no_day_begins_while_the_clock_has_drifted() -> None:
    async def work(purse: Purse) -> None:
        await result(purse, -20, DRIFT)
        purse.clock.instant += timedelta(days=1)
        await purse.risk.halts.start_day()

    purse = played(work)

    assert writes(purse) == []
    assert purse.capital.state.last_reset == TODAY


@pytest.mark.parametrize("halts", [(), (LOSS,)], ids=["trading", "halted"])
def test_a_day_that_the_database_rejects_begins_with_the_next_attempt(
    halts: tuple[HaltReason, ...],
) -> None:
    async def work(purse: Purse) -> None:
        await result(purse, -600, *halts)
        purse.clock.instant += timedelta(days=1)
        purse.journal.rejects = True
        before = purse.capital.state
        await purse.risk.halts.start_day()
        assert purse.capital.state == before
        await purse.risk.halts.start_day()

    purse = played(work)

    assert len(writes(purse)) == 1
    assert purse.capital.state.last_reset == TOMORROW
    assert not purse.capital.state.trading_halted


def test_a_loss_that_the_new_day_has_too_halts_again() -> None:
    async def work(purse: Purse) -> None:
        await result(purse, 0, LOSS)
        mark = Decimal("-0.5")
        purse.capital.unhedged["p"] = Unhedged(Quantity(Decimal(1_000)), mark, mark)
        purse.clock.instant += timedelta(days=1)
        await purse.risk.halts.start_day()

    purse = played(work)

    resumed, halted = purse.events
    assert isinstance(resumed, TradingResumed)
    assert isinstance(halted, TradingHalted)
    assert halted.detail == "500 lost of 500"
    assert purse.capital.state.halt_reasons == {LOSS}


def test_what_is_booked_beside_the_beginning_of_a_day_counts_towards_it() -> None:
    async def work(purse: Purse) -> None:
        await result(purse, -20)
        purse.clock.instant += timedelta(days=1)
        purse.journal.late = asyncio.Event()
        beginning = asyncio.ensure_future(purse.risk.halts.start_day())
        for _ in range(5):
            await asyncio.sleep(0)
        purse.capital.shift(daily_pnl=usd(-7))
        purse.journal.late.set()
        await beginning

    assert played(work).capital.state.daily_pnl == -7


# At its hour


def followed(purse: Purse, sleeps: int) -> Callable[[], Coroutine[Any, Any, None]]:
    purse.clock.sleeps = sleeps

    async def follow() -> None:
        with pytest.raises(asyncio.CancelledError):
            await purse.risk.halts.follow_days()

    return follow


@pytest.mark.parametrize(
    ("before", "slept", "start"),
    [
        (timedelta(seconds=30), [30, 60], TOMORROW),
        (timedelta(seconds=59.5), [59.5, 60], TOMORROW),
        (timedelta(seconds=60), [60, 60], TOMORROW),
        (timedelta(seconds=150), [60, 60], TODAY),
    ],
)
def test_the_clock_is_looked_at_each_minute_and_at_the_hour_of_the_day(
    before: timedelta, slept: list[float], start: datetime
) -> None:
    async def work(purse: Purse) -> None:
        purse.clock.instant = TOMORROW - before
        await followed(purse, 2)()

    purse = played(work)

    assert purse.clock.slept == slept
    assert purse.capital.state.last_reset == start


def test_a_day_that_the_database_rejects_is_tried_again_each_second() -> None:
    async def work(purse: Purse) -> None:
        purse.clock.instant = TOMORROW - timedelta(seconds=30)
        purse.journal.rejects = True
        await followed(purse, 3)()

    purse = played(work)

    assert purse.clock.slept == [30, 1, 60]


def test_a_day_waits_for_a_clock_that_has_drifted() -> None:
    async def work(purse: Purse) -> None:
        await result(purse, 0, DRIFT)
        purse.clock.instant = TOMORROW - timedelta(seconds=30)
        await followed(purse, 4)()

    purse = played(work)

    assert purse.clock.slept == [30, 1, 1, 1]
    assert purse.capital.state == replace(
        purse.capital.state, last_reset=TODAY, halt_reasons=frozenset({DRIFT})
    )

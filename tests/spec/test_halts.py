"""Halts and resumptions: what is committed, what the cache has, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.purse import KALSHI, Fence, Purse, balance, usd

from dutchbook.domain.capital.limits import HaltReason, RiskState
from dutchbook.domain.events import Event, RecordsChanged, TradingHalted, TradingResumed
from dutchbook.errors import Conflict, InvalidInput
from dutchbook.ports.journal import Batch, Update

OPERATOR, DRIFT, LOSS = (
    HaltReason.OPERATOR,
    HaltReason.TIME_DRIFT,
    HaltReason.DAILY_LOSS_LIMIT,
)
SINGLETON = {"singleton_key": "default"}
ASIDE = Batch((Update("accounts", {"account_id": "kalshi:shard-0:USD"}, add={"free": usd(1)}),))


def played(work: Callable[[Purse], Coroutine[Any, Any, Any]], fence: Any = None) -> Purse:
    """Do some work with capital that is loaded."""

    async def main() -> Purse:
        purse = await Purse(fence=fence).opened()
        await work(purse)
        return purse

    return asyncio.run(main())


def told(purse: Purse) -> list[tuple[Any, ...]]:
    """Return what the events say, without their stamps."""
    return [said(event) for event in purse.events]


def said(event: Event) -> tuple[Any, ...]:
    assert event.stamp.correlation_id in {"risk", "records"}
    match event:
        case TradingHalted():
            return ("halted", event.reason, event.reasons, event.detail)
        case TradingResumed():
            return ("resumed", event.reason, event.reasons, event.rationale)
        case RecordsChanged():
            return ("changed", *event.tables)
        case _:
            raise AssertionError(event)


def halt_put(epoch: int, *reasons: str) -> dict[str, Any]:
    return {"trading_halted": bool(reasons), "halt_reason": [*reasons], "epoch": epoch}


def halt_update(epoch: int, *reasons: str) -> Update:
    return Update("risk_states", SINGLETON, put=halt_put(epoch, *reasons))


# Halting


def test_a_halt_is_committed_and_told_with_all_reasons() -> None:
    async def work(purse: Purse) -> None:
        await purse.risk.halts.halt_trading(OPERATOR, "pressed")
        await purse.risk.halts.halt_trading(LOSS, "500 lost")

    purse = played(work)

    both = ("daily_loss_limit", "operator")
    assert [batch.writes for batch in purse.journal.batches] == [
        (halt_update(2, "operator"),),
        (halt_update(3, *both),),
    ]
    assert told(purse) == [
        ("halted", "operator", ("operator",), "pressed"),
        ("halted", "daily_loss_limit", both, "500 lost"),
    ]
    assert purse.capital.state.halt_reasons == {OPERATOR, LOSS}


def test_a_halt_that_stands_already_changes_nothing() -> None:
    async def work(purse: Purse) -> None:
        await purse.risk.halts.halt_trading(OPERATOR, "pressed")
        await purse.risk.halts.halt_trading(OPERATOR, "pressed again")

    purse = played(work)

    assert len(purse.journal.batches) == len(purse.events) == 1
    assert purse.capital.state.epoch == 2


def test_what_comes_with_a_halt_is_in_its_commit() -> None:
    purse = played(lambda it: it.risk.halts.halt_trading(OPERATOR, "pressed", ASIDE))

    (batch,) = purse.journal.batches
    assert batch.writes == (halt_update(2, "operator"), *ASIDE.writes)
    assert told(purse) == [("halted", "operator", ("operator",), "pressed")]


def test_what_comes_with_a_halt_that_stands_already_is_committed_anyway() -> None:
    async def work(purse: Purse) -> None:
        await purse.risk.halts.halt_trading(OPERATOR, "pressed")
        await purse.risk.halts.halt_trading(OPERATOR, "pressed again", ASIDE)

    purse = played(work)

    assert [batch.writes for batch in purse.journal.batches][1] == ASIDE.writes
    assert told(purse)[1:] == [("changed", "accounts")]


def test_a_halt_takes_effect_before_it_is_durable_and_later_ones_wait_for_it() -> None:
    async def work(purse: Purse) -> None:
        purse.journal.late = asyncio.Event()
        halts = purse.risk.halts
        both = [
            asyncio.ensure_future(halts.halt_trading(reason, "a reason"))
            for reason in (OPERATOR, DRIFT)
        ]
        for _ in range(5):
            await asyncio.sleep(0)
        assert purse.capital.state.halt_reasons == {OPERATOR, DRIFT}
        assert purse.journal.batches == []
        purse.journal.late.set()
        await asyncio.gather(*both)

    purse = played(work)

    reasons = [event.reasons for event in purse.events if isinstance(event, TradingHalted)]
    assert reasons == [("operator",), ("operator", "time_drift")]


@pytest.mark.parametrize("reason", HaltReason)
def test_only_winding_down_leaves_positions_as_cheaply_as_possible(reason: HaltReason) -> None:
    purse = Purse()
    purse.capital.halt(reason)

    assert purse.risk.halts.winding_down is (reason is HaltReason.WINDING_DOWN)


# Resuming


async def halted(purse: Purse, *reasons: HaltReason) -> None:
    for reason in reasons:
        await purse.risk.halts.halt_trading(reason, "before")
    purse.journal.batches.clear()
    purse.events.clear()


def test_a_reason_is_cleared_and_trading_resumes_with_the_last() -> None:
    resumed: list[bool] = []

    async def work(purse: Purse) -> None:
        await halted(purse, OPERATOR, DRIFT)
        resume = purse.risk.halts.resume_trading
        resumed.extend([await resume(reason, "looked at it") for reason in (OPERATOR, DRIFT)])

    purse = played(work)

    assert resumed == [False, True]
    assert [batch.writes for batch in purse.journal.batches] == [
        (halt_update(4, "time_drift"),),
        (halt_update(5),),
    ]
    assert told(purse) == [
        ("resumed", "operator", ("time_drift",), "looked at it"),
        ("resumed", "time_drift", (), "looked at it"),
    ]
    assert purse.capital.state.halt_reasons == frozenset()


def test_what_comes_with_a_resumption_is_in_its_commit() -> None:
    async def work(purse: Purse) -> None:
        await halted(purse, OPERATOR)
        await purse.risk.halts.resume_trading(OPERATOR, "looked at it", ASIDE)

    purse = played(work)

    (batch,) = purse.journal.batches
    assert batch.writes == (halt_update(3), *ASIDE.writes)


def test_the_halt_of_the_lease_is_lifted_with_the_last_reason() -> None:
    async def work(purse: Purse) -> None:
        await purse.journal.insert("leases", name="engine")
        await halted(purse, OPERATOR, DRIFT)
        for reason in (OPERATOR, DRIFT):
            await purse.risk.halts.resume_trading(reason, "looked at it")

    purse = played(work, Fence())

    assert [batch.writes for batch in purse.journal.batches] == [
        (halt_update(4, "time_drift"),),
        (halt_update(5), Fence.LIFTED),
    ]


def test_a_reason_that_is_not_set_cannot_be_cleared() -> None:
    async def work(purse: Purse) -> None:
        await halted(purse, DRIFT)
        with pytest.raises(InvalidInput) as caught:
            await purse.risk.halts.resume_trading(OPERATOR, "looked at it")
        assert str(caught.value) == "reason: 'operator' is not a halt reason that is set"

    purse = played(work)

    assert purse.journal.batches == []
    assert purse.capital.state.halt_reasons == {DRIFT}


def test_a_resumption_that_the_database_rejects_clears_nothing() -> None:
    async def work(purse: Purse) -> None:
        await halted(purse, OPERATOR)
        purse.journal.rejects = True
        with pytest.raises(Conflict):
            await purse.risk.halts.resume_trading(OPERATOR, "looked at it")

    purse = played(work)

    assert purse.capital.state == RiskState(
        last_reset=purse.capital.today(), halt_reasons=frozenset({OPERATOR}), epoch=2
    )
    assert purse.events == []


# The limit of the day's loss


@pytest.mark.parametrize(
    ("lost", "detail"),
    [
        ("499.999999", None),
        ("500", "500 lost of 500"),
        ("500.5", "500.5 lost of 500"),
    ],
)
def test_trading_halts_once_the_days_loss_is_at_its_limit(
    lost: str, detail: str | None
) -> None:
    async def work(purse: Purse) -> None:
        purse.capital.shift(daily_pnl=-usd(lost))
        await purse.risk.halts.enforce()

    purse = played(work)

    expected = [("halted", "daily_loss_limit", ("daily_loss_limit",), detail)]
    assert told(purse) == (expected if detail else [])


def test_where_nothing_is_held_losing_nothing_is_no_halt() -> None:
    async def work(purse: Purse) -> None:
        purse.hold(balance(), balance())
        await purse.risk.halts.enforce()
        assert not purse.capital.state.trading_halted
        purse.capital.shift(daily_pnl=-usd("0.000001"))
        await purse.risk.halts.enforce()

    purse = played(work)

    assert told(purse) == [
        ("halted", "daily_loss_limit", ("daily_loss_limit",), "0.000001 lost of 0")
    ]
    assert purse.capital.free(KALSHI) == 0

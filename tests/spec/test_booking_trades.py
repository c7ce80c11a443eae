"""Bookings of pair trades: one commit for all that changes, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support import traded
from support.clocks import START
from support.pairs import NOW, book, pair
from support.rows import sample
from support.traded import (
    CUP,
    KALSHI,
    POLYMARKET,
    Holder,
    bare,
    entered,
    fill,
    order,
    q,
    reported,
    reservation,
    usd,
)

from dutchbook.application.pair_trades.store import Loaded
from dutchbook.application.records.changes import Gate
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import FillSettled, Stamp
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.errors import Conflict, OrderOut, UnknownId
from dutchbook.ports.journal import Batch, Insert, Receipt


def run(work: Callable[[Holder], Awaitable[Any]]) -> Any:
    return traded.run(work, CUP, pair(match_id="other"))


# Booking --------------------------------------------------------------------------------------


def begun(name: str = "e") -> tuple[PairTrade, facts.Begun]:
    first = order(f"{name}-k", execution_id=name)
    return bare(name), facts.Begun(NOW, first, reservation(name))


def test_an_entry_is_booked_with_its_rows_its_events_and_its_reservation() -> None:
    event = FillSettled(Stamp("beside", NOW, "e"), "t", "o", KALSHI)
    row = Insert("platform_health_logs", sample("platform_health_logs", response_time_ms=3))

    async def work(holder: Holder) -> None:
        start, fact = begun()
        told = len(await holder.told())

        after = await holder.trades.book(start, fact, alongside=Batch((row,), (event,)))

        assert holder.trades.trade("e") is after
        assert after.reservation == reservation()
        assert [holder.risk.capital.free(p) for p in Platform] == [994, 993]
        assert (await holder.told())[told:] == [
            "risk.budget.reserved", "execution.fill.settled",
        ]  # fmt: skip
        for table, count in (("executions", 1), ("orders", 1), ("reservations", 2),
                             ("platform_health_logs", 1), ("open_positions", 0)):  # fmt: skip
            assert len(await holder.journal.rows(table)) == count, table
        assert (await holder.journal.rows("reservations"))[0]["reserved_at"] == START

    run(work)


def test_all_facts_of_one_booking_are_one_version_of_the_position() -> None:
    async def work(holder: Holder) -> Any:
        book, (start, fact) = holder.trades.book, begun()
        second = order("p", POLYMARKET)
        fills = [fill(second, "p1", "6"), fill(second, "p2", "4")]
        await book(start, fact)
        await book("e", reported(fact.order, fill(fact.order, "k1", "10")))
        await book("e", facts.Placed(NOW, second), reported(second, *fills))
        opened = await book("e", facts.Concluded(NOW))
        still = await book("e", facts.Stalled(NOW))
        failed = (replace(each, finality=Finality.FAILED) for each in fills)
        after = await book("e", *(facts.Final(NOW, each) for each in failed))
        versions = [each.position.version for each in (opened, still, after)]
        return versions, after.position.legs, holder.trades.version

    versions, legs, counted = run(work)

    assert versions == [1, 1, 2]
    assert [leg.size for leg in legs] == [10, 0]
    assert counted == 3, "without a position nothing counts"


def test_what_begins_has_the_version_of_its_facts() -> None:
    async def work(holder: Holder) -> Any:
        start, fact = begun()
        await holder.trades.book(start, fact)
        done = reported(fact.order, fill(fact.order, "t", "10"))
        return await holder.trades.book("e", done, facts.Concluded(NOW))

    after = run(work)

    assert (after.opened, after.position.version) == (True, 1)


def test_a_pair_trade_that_is_not_known_is_not_booked() -> None:
    async def work(holder: Holder) -> None:
        with pytest.raises(UnknownId, match=r"^no pair trade has the id 'x'$"):
            await holder.trades.book("x", facts.Concluded(NOW))

    run(work)


def test_a_booking_that_the_database_rejects_changes_nothing() -> None:
    async def work(holder: Holder) -> None:
        start, fact = begun()
        closed_gate = Gate(guard={"trading_halted": True})
        with pytest.raises(Conflict):
            await holder.trades.book(start, fact, gate=closed_gate)

        assert holder.trades.trades == []
        assert [holder.risk.capital.free(p) for p in Platform] == [1000, 1000]
        assert await holder.journal.rows("executions") == []

        await holder.trades.book(start, fact, gate=Gate(guard={"trading_halted": False}))
        again = replace(fact.order, order_id="again")
        with pytest.raises(OrderOut):
            await holder.trades.book("e", facts.Placed(NOW, again))
        assert list(holder.trades.trade("e").orders) == ["e-k"]

    run(work)


def test_a_booking_that_changes_nothing_commits_nothing() -> None:
    async def work(holder: Holder) -> Any:
        await holder.keep(entered())
        before = await holder.told()
        await holder.trades.book("e")
        return before == await holder.told()

    assert run(work)


def test_a_pair_is_first_traded_once() -> None:
    async def enter(holder: Holder, name: str, size: str) -> None:
        start, fact = begun(name)
        fills = (fill(fact.order, f"{name}1", size),) if q(size) else ()
        await holder.trades.book(start, fact)
        done = reported(fact.order, *fills)
        await holder.trades.book(name, done, facts.Concluded(holder.clock.now()))

    async def work(holder: Holder) -> Any:
        seen = []
        for name, size, at in (("a", "0", 1), ("b", "10", 2), ("c", "10", 3)):
            holder.clock.elapsed = at
            await enter(holder, name, size)
            match, _ = await holder.journal.rows("contract_matches")
            names = ("first_traded_timestamp", "last_traded_timestamp", "total_cycles_traded")
            seen.append([match[each] for each in names])
        return seen

    two, three = START + timedelta(seconds=2), START + timedelta(seconds=3)
    assert run(work) == [[None, None, 0], [two, two, 1], [two, three, 2]]


def test_a_pair_that_an_earlier_run_has_traded_keeps_its_first_time() -> None:
    async def work(holder: Holder) -> Any:
        early = NOW - timedelta(days=3)
        known = {"cup": early}
        holder.trades.take_up(Loaded(first_traded=known))
        start, fact = begun()
        await holder.trades.book(start, fact)
        done = reported(fact.order, fill(fact.order, "t", "10"))
        await holder.trades.book("e", done, facts.Concluded(NOW))
        match, _ = await holder.journal.rows("contract_matches")
        return match["first_traded_timestamp"] == early, known

    assert run(work)[0]


@pytest.mark.parametrize(("mark", "halted"), [(38, False), (2, True)])
def test_an_exposure_halts_trading_in_its_own_commit_if_its_mark_loses_too_much(
    mark: int, *, halted: bool
) -> None:
    async def work(holder: Holder) -> Any:
        watch = holder.watchlist.pairs["cup"]
        watch.kalshi = book(KALSHI, {mark: 5000}, {})
        watch.polymarket = book(POLYMARKET, {}, {})
        start, fact = begun()
        many = replace(fact.order, size=q(1000), working_size=q(1000))
        big = replace(fact.reservation, amounts={KALSHI: usd(500), POLYMARKET: usd(500)})
        await holder.trades.book(start, replace(fact, order=many, reservation=big))
        done = reported(many, fill(many, "t", "1000"))
        await holder.trades.book("e", done, facts.Concluded(NOW))
        told = await holder.told()
        state = holder.risk.capital.state
        (row,) = await holder.journal.rows("risk_states")
        return state.halt_reasons, told[-4:], holder.risk.capital.unhedged, row

    reasons, told, unhedged, row = run(work)

    assert reasons == ({HaltReason.DAILY_LOSS_LIMIT} if halted else set())
    assert (row["trading_halted"], bool(row["halt_reason"])) == (halted, halted)
    assert list(unhedged) == ["held-e"]
    assert unhedged["held-e"].quantity == 1000
    assert ("system.trading.halted" in told) is halted, told


# Locks ----------------------------------------------------------------------------------------


def test_one_service_at_a_time_decides_about_a_position() -> None:
    async def work(holder: Holder) -> Any:
        trades, order_ = holder.trades, []
        await holder.keep(entered())

        async def decide(name: str) -> None:
            async with trades.lock("held-e"):
                order_.append(f"{name} begins")
                await asyncio.sleep(1)
                order_.append(f"{name} ends")

        seen = [trades.attended("held-e"), trades.busy("held-e")]
        both = asyncio.gather(decide("a"), decide("b"))
        await asyncio.sleep(0.5)
        seen += [trades.attended("held-e"), trades.busy("held-e"), trades.attended("other")]
        await both
        return order_, [*seen, trades.attended("held-e"), trades.busy("held-e")]

    order_, seen = run(work)

    assert order_ == ["a begins", "a ends", "b begins", "b ends"]
    assert seen == [False, False, True, True, False, False, False]


def slow(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every commit take ten seconds."""
    commit = holder.journal.commit

    async def committed(batch: Batch) -> Receipt:
        await asyncio.sleep(10)
        return await commit(batch)

    monkeypatch.setattr(holder.journal, "commit", committed)


def test_a_lock_of_a_cancelled_holder_is_held_until_its_booking_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(holder: Holder) -> Any:
        trades = holder.trades
        await holder.keep(entered())
        slow(holder, monkeypatch)
        times: list[Any] = []

        async def book() -> None:
            async with trades.lock("held-e"):
                await trades.book("e", facts.Stalled(NOW))

        booking = asyncio.ensure_future(book())
        await asyncio.sleep(1)
        booking.cancel()
        await asyncio.wait([booking])
        times.append((trades.attended("held-e"), trades.busy("held-e"), booking.cancelled()))
        async with trades.lock("held-e"):
            times.append(trades.trade("e").stall_reported)
        await asyncio.sleep(0)
        return times, trades.attended("held-e"), trades.busy("held-e"), trades._releasing

    assert run(work) == ([(True, True, True), True], False, False, set())


@pytest.mark.parametrize("stops", [asyncio.CancelledError, ConnectionError])
def test_a_lock_is_held_too_for_a_booking_that_has_only_just_been_begun(
    stops: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task has not run yet when its holder stops."""

    async def work(holder: Holder) -> Any:
        trades = holder.trades
        await holder.keep(entered())
        slow(holder, monkeypatch)

        async def stopped() -> None:
            async with trades.lock("held-e"):
                booking = trades.book("e", facts.Stalled(NOW))
                booking.send(None)
                booking.throw(stops())

        with pytest.raises(stops):
            await stopped()
        async with trades.lock("held-e"):
            return trades.trade("e").stall_reported

    assert run(work) is True


def test_a_booking_without_a_lock_makes_a_position_busy_and_no_one_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(holder: Holder) -> Any:
        trades = holder.trades
        await holder.keep(entered())
        slow(holder, monkeypatch)
        booking = asyncio.ensure_future(trades.book("e", facts.Stalled(NOW)))
        await asyncio.sleep(1)
        seen = (trades.attended("held-e"), trades.busy("held-e"), trades.busy("other"))
        await booking
        return seen, trades.busy("held-e")

    assert run(work) == ((False, True, False), False)


def test_a_lock_is_released_when_its_holder_fails_or_is_cancelled_without_a_booking() -> None:
    async def work(holder: Holder) -> Any:
        trades = holder.trades
        await holder.keep(entered())
        with pytest.raises(ValueError, match="failed"):
            async with trades.lock("held-e"):
                raise ValueError("failed")
        await asyncio.sleep(0)
        seen = [trades.attended("held-e")]
        with pytest.raises(asyncio.CancelledError):
            async with trades.lock("held-e"):
                raise asyncio.CancelledError
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [*seen, trades.attended("held-e"), len(trades._releasing)]

    assert run(work) == [False, False, 0]

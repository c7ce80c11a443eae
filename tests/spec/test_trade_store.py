"""The cache of pair trades: what it finds, keeps and lets go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from support import traded
from support.pairs import NOW, pair
from support.traded import (
    KALSHI,
    NO,
    POLYMARKET,
    YES,
    Holder,
    bare,
    entered,
    order,
    q,
    reservation,
    usd,
)

from dutchbook.application.pair_trades.store import Loaded, PairTrades
from dutchbook.domain.execution.order import Finality, Purpose
from dutchbook.domain.market.contract import DivergenceClass, Side
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import Holding, PositionStatus
from dutchbook.domain.positions.result import Result, result_of
from dutchbook.errors import UnknownId
from dutchbook.ports.orders import FillReport

LIKE = pair(divergence_class=DivergenceClass.SAME_SOURCE)
UNLIKE = pair(match_id="other", divergence_class=DivergenceClass.UNCLASSIFIED)


def run(work: Callable[[Holder], Awaitable[Any]]) -> Any:
    return traded.run(work, LIKE, UNLIKE)


def closed(name: str = "c", **more: Any) -> PairTrade:
    """Return a closed position of which nothing can change."""
    trade = entered(name, prefix=f"{name}-", **more)
    position = replace(
        trade.position,
        kalshi=Holding(YES, f"{name}-k", cash=usd(3)),
        polymarket=Holding(NO, f"{name}-p", cash=usd(-1)),
        status=PositionStatus.CLOSED,
        closed_at=NOW,
    )
    return replace(trade, position=position)


# Looking up -----------------------------------------------------------------------------------


def test_nothing_is_found_in_an_empty_cache() -> None:
    async def work(holder: Holder) -> None:
        trades = holder.trades
        for look, message in (
            (trades.trade, "no pair trade has the id 'x'"),
            (trades.of, "no open position has the id 'x'"),
            (trades.of_order, "no order of a pair trade has the id 'x'"),
        ):
            with pytest.raises(UnknownId) as caught:
                look("x")
            assert str(caught.value) == message
        assert [trades.find("x"), trades.known("x"), trades.find_order("x")] == [None] * 3
        assert trades.by_fill((KALSHI, "x")) is None
        assert trades.order_of(seen(order("x"))) is None
        assert (trades.trades, trades.all(), trades.open_orders) == ([], [], [])
        assert (trades.followed, trades.positions, trades.unlisted) == ([], {}, False)
        assert trades.version == 0

    run(work)


def seen(of: Any, **more: Any) -> FillReport:
    report = FillReport(
        platform=of.platform,
        platform_order_id=f"x-{of.order_id}",
        client_order_id=of.client_order_id,
        trade_id="t",
        price=of.price,
        size=of.size,
        fee=usd("0.02"),
        finality=Finality.SETTLED,
        matched_at=NOW,
    )
    return replace(report, **more)


def test_a_pair_trade_is_found_by_each_of_its_ids() -> None:
    async def work(holder: Holder) -> None:
        trades, one = holder.trades, entered()
        running = entered("f", prefix="f-", ends=False)
        await holder.keep(one, running)

        assert [trades.trade(name) for name in "ef"] == [one, running]
        assert [trades.find(name) for name in "ef"] == [one, running]
        assert trades.of("held-e") is trades.known("held-e") is one
        assert trades.known("held-f") is None, "it has no position yet"
        assert trades.of_order("k") is trades.find_order("k") is one
        assert trades.of_order("f-p") is trades.find_order("f-p") is running
        assert trades.by_fill((KALSHI, "k1")) is one
        assert trades.by_fill((POLYMARKET, "f-p1")) is running
        assert trades.by_fill((POLYMARKET, "k1")) is None
        assert (trades.trades, trades.all()) == ([one, running], [one])
        assert trades.pairs == {"cup": LIKE, "other": UNLIKE}
        assert trades.match(one.position) is LIKE
        assert trades.version == 1, "counts what has a position"

    run(work)


def test_a_reported_trade_is_of_an_order_by_our_id_or_by_the_platforms() -> None:
    async def work(holder: Holder) -> Any:
        trade = entered()
        await holder.keep(trade)
        k = trade.orders["k"]
        reports = (
            seen(k),
            seen(k, platform_order_id="?"),
            seen(k, client_order_id=None),
            seen(k, client_order_id="?"),
            seen(k, client_order_id=None, platform_order_id="?"),
            seen(k, client_order_id=None, platform=POLYMARKET),
            seen(k, client_order_id="client-p"),
        )
        return [holder.trades.order_of(each) for each in reports], trade

    found, trade = run(work)

    k, p = (trade, trade.orders["k"]), (trade, trade.orders["p"])
    assert found == [k, k, k, k, None, None, p]


def test_open_orders_are_those_of_running_executions_too() -> None:
    async def work(holder: Holder) -> Any:
        sale = order("s", side=Side.SELL, purpose=Purpose.EXIT)
        first = order("f-k", execution_id="f")
        begun = facts.Begun(NOW, first, reservation("f"))
        running = traded.played(begun, start=bare("f"))
        await holder.keep(entered().with_orders((sale,)), running)
        return [each.order_id for each in holder.trades.open_orders]

    assert run(work) == ["s", "f-k"]


def test_positions_are_those_that_are_not_closed_and_followed_those_of_known_pairs() -> None:
    async def work(holder: Holder) -> Any:
        trades = holder.trades
        stranger = entered("s", "stranger", prefix="s-")
        await holder.keep(entered(), closed(), stranger, entered("f", prefix="f-", ends=False))
        positions = list(trades.positions)
        return positions, [one.execution_id for one in trades.followed], trades.positions

    names, followed, positions = run(work)

    assert (names, followed) == (["held-e", "held-s"], ["e", "c", "s"][:2])
    assert positions["held-e"] == entered().position


@pytest.mark.parametrize(
    ("pair_id", "stated", "unlisted"),
    [("cup", "1", True), ("cup", "0", False), ("stranger", "1", False)],
)
def test_trades_are_unlisted_while_an_order_of_a_followed_pair_has_only_totals(
    pair_id: str, stated: str, *, unlisted: bool
) -> None:
    async def work(holder: Holder) -> Any:
        trade = entered(pair_id=pair_id, ends=False)
        part = replace(trade.orders["k"], stated=q(stated))
        await holder.keep(trade.with_orders((part,)))
        return holder.trades.unlisted

    assert run(work) is unlisted


def test_the_result_is_of_all_positions_and_of_those_that_are_over() -> None:
    """What is locked on a pair whose contracts may resolve differently is unsure."""

    async def work(holder: Holder) -> Any:
        gone, late, one = closed("a"), closed("b"), entered()
        two = entered("f", "other", prefix="f-")
        holder.trades.take_up(Loaded([one, two, late], [gone.position]))
        before = holder.trades.result
        retired = holder.trades.retire("b")
        return (
            before,
            holder.trades.result,
            retired is late,
            holder.trades.over == [gone.position],
        )

    before, after, retired, over = run(work)

    one, two = entered().position, entered("f", "other", prefix="f-").position
    past = result_of([closed("a").position, closed("b").position])
    assert past.closed == 4
    assert before == after == past + result_of([one, two], ["other"])
    assert before.unsure == two.locked_profit > 0
    assert (retired, over) == (True, True)


def test_a_start_forgets_the_result_of_the_one_before() -> None:
    async def work(holder: Holder) -> Any:
        holder.trades.take_up(Loaded([], [closed().position]))
        holder.trades.take_up(Loaded())
        return holder.trades.result

    assert run(work) == Result()


# Put, retired and dropped ---------------------------------------------------------------------


def test_what_is_finished_is_retired_and_no_longer_found() -> None:
    async def work(holder: Holder) -> None:
        trades, over = holder.trades, closed()
        empty = entered("f", sizes=("0", "0"), prefix="f-")
        open_, running = entered(), entered("g", prefix="g-", ends=False)
        await holder.keep(over, empty, open_, running)

        retired = [trades.retire(name) for name in ("c", "f", "e", "g", "x")]

        assert retired == [over, empty, None, None, None]
        assert trades.trades == [open_, running]
        assert trades.result == result_of([over.position, open_.position])
        for known in (trades.find("c"), trades.known("held-c"), trades.find_order("c-k")):
            assert known is None
        assert trades.by_fill((KALSHI, "c-k1")) is None
        assert trades.order_of(seen(over.orders["c-k"])) is None
        assert not trades.claims.held(KALSHI, "kalshi-cup", YES) - 10
        assert trades.order_of(seen(open_.orders["k"])) is not None

    run(work)


def sizes(trades: PairTrades) -> dict[str, int]:
    """Return how many entries each part of the cache has, but for what is never forgotten."""
    parts = {name: part for name, part in vars(trades).items() if isinstance(part, dict)}
    return {name: len(part) for name, part in parts.items() if name != "_first_traded"}


def test_a_dropped_pair_trade_leaves_nothing_behind() -> None:
    async def work(holder: Holder) -> Any:
        trades = holder.trades
        before = sizes(trades)
        plain = order("q", POLYMARKET, contract_id="polymarket-cup")
        trade = entered().with_orders((plain,))
        await holder.keep(trade)
        async with trades.lock("held-e"):
            pass
        await trades.book("e", facts.Stalled(NOW))
        assert trades.claims.held(KALSHI, "kalshi-cup", YES) == 10
        trades.drop("e")
        trades.drop("e")
        assert trades.claims.held(KALSHI, "kalshi-cup", YES) == 0
        return before, sizes(trades)

    before, after = run(work)

    assert before == after


def test_pair_trades_that_share_ids_are_dropped_one_after_the_other() -> None:
    """A damaged database may name an order twice."""

    async def work(holder: Holder) -> Any:
        one, two = entered(), entered("f")
        two = replace(two, position=replace(two.position, position_id="held-e"))
        before = sizes(holder.trades)
        for each in (one, two):
            holder.trades.put(each)
        for name in "ef":
            holder.trades.drop(name)
        return holder.trades.trades, before == sizes(holder.trades)

    assert run(work) == ([], True)


def test_what_a_pair_trade_holds_is_counted_as_it_was_last_committed() -> None:
    async def work(holder: Holder) -> Any:
        trade, held = entered(), []
        sold = replace(trade.position, kalshi=Holding(YES, "k"))
        for each in (trade, trade, replace(trade, position=sold)):
            holder.trades.put(each)
            held.append(holder.trades.claims.held(KALSHI, "kalshi-cup", YES))
        return held

    assert run(work) == [10, 10, 0]

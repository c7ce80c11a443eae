"""What a pair trade says of itself: its state, its facts, and what is left to do with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.trades import (
    BARE,
    EXECUTION,
    KALSHI,
    LATER,
    NO,
    POLYMARKET,
    RETRY,
    SALE,
    YES,
    K,
    P,
    fill,
    q,
    usd,
)

from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, Unlisted
from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Merge, Payout
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO

SETTLED, FAILED, PROVISIONAL = Finality.SETTLED, Finality.FAILED, Finality.PROVISIONAL
EXPOSED = PositionStatus.SINGLE_LEG_EXPOSED
UNKNOWN = K.unknown(NOW)


def trade(*orders: Order, fills: tuple[Fill, ...] = (), **terms: Any) -> PairTrade:
    """Return a trade with some orders and fills."""
    return replace(BARE.with_orders(orders).with_fills(fills), **terms)


def done(order: Order, size: int = 10, cost: str = "4", **terms: Any) -> Order:
    """Return an order that filled and no longer works."""
    return replace(order.ended(), filled=q(size), cost=usd(cost), **terms)


def stating(order: Order, size: int, cost: str = "1") -> Order:
    """Return an order that no longer works, of which only totals are stated."""
    return replace(order.ended(), filled=q(size), stated=q(size), stated_cost=usd(cost))


def part(order: Order, size: int, cost: str = "1") -> Unlisted:
    """Return what is stated of an order."""
    terms = (order.outcome, order.side, q(size), usd(cost), ZERO, NOW)
    return Unlisted(order.order_id, order.platform, *terms)


def holding(**legs: Holding) -> OpenPosition:
    return replace(BARE.position, **legs)  # type: ignore[arg-type]


# State
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opened", "ended_at", "phase", "states"),
    [
        pytest.param(False, None, Phase.DECIDED, "", id="begun"),
        pytest.param(True, None, Phase.WAITING, "waiting", id="waiting"),
        pytest.param(False, NOW, Phase.FAILED, "ended", id="failed"),
        pytest.param(True, NOW, Phase.FAILED, "ended held", id="failed, with a late fill"),
        pytest.param(True, NOW, Phase.HEDGED, "ended traded held", id="hedged"),
        pytest.param(False, None, Phase.FAILED, "", id="failed, and not yet booked"),
    ],
)
def test_the_state_of_a_trade_follows_from_its_execution_and_its_row(
    opened: bool, ended_at: datetime | None, phase: Phase, states: str
) -> None:
    execution = replace(EXECUTION, phase=phase)
    of = replace(BARE, opened=opened, ended_at=ended_at, execution=execution)

    names = ("ended", "traded", "waiting", "held")
    assert [name for name in names if getattr(of, name)] == states.split()


OVER = trade(
    done(K),
    done(P),
    fills=(fill("k1", 10, SETTLED), fill("p1", 10, SETTLED)),
    position=replace(BARE.position, status=PositionStatus.CLOSED),
)


@pytest.mark.parametrize(
    ("of", "over"),
    [
        pytest.param(OVER, True, id="closed and final"),
        pytest.param(replace(OVER, position=BARE.position), False, id="not closed"),
        pytest.param(
            replace(OVER, position=replace(OVER.position, kalshi=Holding(YES, size=q(1)))),
            False,
            id="something of it is unpaid",
        ),
        pytest.param(
            replace(
                OVER,
                position=replace(
                    OVER.position, kalshi=Holding(YES, size=q(1), payout=Decimal(1))
                ),
            ),
            True,
            id="what is left is paid",
        ),
        pytest.param(OVER.with_orders((RETRY,)), False, id="an order works"),
        pytest.param(OVER.with_orders((stating(K, 2),)), False, id="something is not listed"),
        pytest.param(OVER.with_fills((fill("k1", 10),)), False, id="a Kalshi fill can fail"),
        pytest.param(OVER.with_fills((fill("p1", 10),)), False, id="a fill of p can fail"),
    ],
)
def test_a_trade_is_over_when_nothing_can_change_it(of: PairTrade, *, over: bool) -> None:
    assert of.over is over


# Facts
# ------------------------------------------------------------------------------------


def test_the_facts_are_its_fills_then_its_stated_parts_then_its_payments() -> None:
    merge, payout = Merge(POLYMARKET, q(1), NOW), Payout(KALSHI, Decimal(1), NOW)
    fills = (fill("k1", 3), fill("p1", 2))
    of = trade(stating(K, 4), done(P), stating(RETRY, 5, "2"), fills=fills)
    of = replace(of, payments=(merge, payout))

    assert of.unlisted == (part(K, 4), part(RETRY, 5, "2"))
    assert of.facts == (*fills, part(K, 4), part(RETRY, 5, "2"), merge, payout)


@pytest.mark.parametrize(
    ("of", "kalshi", "polymarket"),
    [
        pytest.param(trade(), False, False, id="nothing"),
        pytest.param(trade(K, fills=(fill("k1", 3),)), True, False, id="a Kalshi fill"),
        pytest.param(trade(P, fills=(fill("p1", 3),)), False, True, id="a Polymarket fill"),
        pytest.param(trade(P, fills=(fill("p1", 3, SETTLED),)), False, False, id="settled"),
        pytest.param(trade(P, fills=(fill("p1", 3, FAILED),)), False, False, id="failed"),
        pytest.param(trade(stating(K, 3)), False, False, id="stated by Kalshi"),
        pytest.param(trade(stating(P, 3)), False, True, id="stated by Polymarket"),
    ],
)
def test_what_a_platform_can_still_take_back_is_provisional(
    of: PairTrade, kalshi: bool, polymarket: bool
) -> None:
    assert [of.provisional(platform) for platform in Platform] == [kalshi, polymarket]


def test_the_listed_trades_of_an_order_are_found_by_its_id_even_failed_ones() -> None:
    own = (fill("p1", 1), fill("p2", 2, FAILED))

    of = trade(K, P, fills=(fill("k1", 3), *own))

    assert of.fills_of("p") == own


def test_a_trade_names_the_contracts_of_its_orders_and_the_legs_that_it_holds() -> None:
    of = trade(K, P, position=holding(polymarket=Holding(NO, "p", q(2))))

    assert of.contracts == {KALSHI: "kalshi-cup", POLYMARKET: "polymarket-cup"}
    assert of.legs == ((POLYMARKET, "polymarket-cup", NO),)


# Orders that are out
# ------------------------------------------------------------------------------------

OUTCOME_UNKNOWN = "the outcome of an order of this position is unknown"
WORKS = "an order of this position still works"


@pytest.mark.parametrize(
    ("of", "unknown", "out", "why"),
    [
        pytest.param(trade(), False, [], None, id="no order"),
        pytest.param(trade(done(K), done(P)), False, [], None, id="all over"),
        pytest.param(trade(done(K), P), False, [P], WORKS, id="one works"),
        pytest.param(
            trade(replace(K, working_size=q(1)), done(P)),
            False,
            [replace(K, working_size=q(1))],
            WORKS,
            id="one contract works",
        ),
        pytest.param(
            trade(UNKNOWN, done(P)), True, [UNKNOWN], OUTCOME_UNKNOWN, id="one is unknown"
        ),
        pytest.param(
            trade(replace(UNKNOWN, working_size=q(0))),
            True,
            [],
            OUTCOME_UNKNOWN,
            id="unknown, and nothing of it works",
        ),
    ],
)
def test_an_order_is_out_while_it_works_or_its_outcome_is_unknown(
    of: PairTrade, unknown: bool, out: list[Order], why: str | None
) -> None:
    assert (of.unknown, of.working, of.open_orders) == (unknown, bool(out), out)
    assert of.order_out() == why


def test_an_order_works_on_its_platform() -> None:
    of = trade(done(K), P)

    assert [of.working_on(platform) for platform in Platform] == [False, True]
    assert not trade(done(K)).working_on(KALSHI)


def test_the_latest_order_of_a_leg_is_the_one_that_was_placed_last() -> None:
    of = trade(K, P, SALE)

    assert of.latest(Leg.PRIMARY) == SALE
    assert of.latest(Leg.SECONDARY) == P
    assert trade(K).latest(Leg.SECONDARY) is None


# What is settled, and what can be sold
# ------------------------------------------------------------------------------------


def test_what_no_platform_can_take_back_counts_by_platform_and_outcome() -> None:
    fills = (
        fill("k1", 6, SETTLED),
        fill("k2", 2, SETTLED),
        fill("k3", 1, PROVISIONAL),
        fill("p1", 5, SETTLED),
        fill("p2", 4, FAILED),
        fill("s5", 3, SETTLED),
        fill("c6", 7, SETTLED),
    )

    of = trade(stating(K, 20), stating(P, 30), fills=fills)

    assert of.settled_sizes == {(KALSHI, YES): 25, (POLYMARKET, NO): 5, (POLYMARKET, YES): 7}


def test_a_sale_that_has_settled_alone_counts_against() -> None:
    assert trade(fills=(fill("s5", 3, SETTLED),)).settled_sizes == {(KALSHI, YES): -3}


@pytest.mark.parametrize(
    ("orders", "edge"),
    [
        pytest.param((), "0", id="no order"),
        pytest.param((K,), "0.1", id="ten planned"),
        pytest.param((K, replace(K, order_id="more", size=q(20))), "0.05", id="the larger"),
        pytest.param((K, replace(P, size=q(40))), "0.1", id="the second leg does not count"),
        pytest.param((K, replace(SALE, size=q(40))), "0.1", id="a sale does not count"),
        pytest.param(
            (replace(K, purpose=Purpose.HEDGE),), "0", id="a purchase that is no entry"
        ),
        pytest.param((replace(K, size=q(1)),), "1", id="one planned"),
    ],
)
def test_the_planned_edge_is_per_contract_of_the_entry(
    orders: tuple[Order, ...], edge: str
) -> None:
    of = trade(*orders)

    assert of.planned_edge == Decimal(edge)


KALSHI_SALE = done(SALE, 4, "1.6")
KALSHI_BUYS = (fill("k1", 6, SETTLED), fill("k2", 4))


@pytest.mark.parametrize(
    ("of", "sellable"),
    [
        pytest.param(trade(), 0, id="nothing"),
        pytest.param(
            trade(
                done(K),
                fills=KALSHI_BUYS,
                position=holding(kalshi=Holding(YES, "k", q(10))),
            ),
            6,
            id="what has settled",
        ),
        pytest.param(
            trade(
                done(K),
                KALSHI_SALE,
                fills=(*KALSHI_BUYS, fill("s5", 4, SETTLED)),
                position=holding(kalshi=Holding(YES, "k", q(6))),
            ),
            2,
            id="less what was sold",
        ),
        pytest.param(
            trade(
                done(K),
                fills=KALSHI_BUYS,
                position=holding(kalshi=Holding(YES, "k", q(7))),
            ),
            3,
            id="less what was merged away",
        ),
        pytest.param(
            trade(
                done(K),
                fills=KALSHI_BUYS,
                position=holding(kalshi=Holding(YES, "k", q(10), complement=q(5))),
            ),
            5,
            id="no more than the opposite leaves",
        ),
        pytest.param(
            trade(
                done(K),
                fills=KALSHI_BUYS,
                position=holding(kalshi=Holding(YES, "k", q(1))),
            ),
            0,
            id="never less than nothing",
        ),
        pytest.param(
            trade(
                done(K),
                done(replace(K, order_id="opposite", outcome=NO), 3),
                done(P, 2),
                fills=KALSHI_BUYS,
                position=holding(kalshi=Holding(YES, "k", q(10))),
            ),
            6,
            id="other outcomes and platforms count for nothing",
        ),
    ],
)
def test_what_has_settled_and_is_held_can_be_sold(of: PairTrade, sellable: int) -> None:
    assert of.sellable(KALSHI) == sellable


# Changes
# ------------------------------------------------------------------------------------


def test_orders_and_fills_are_added_or_replaced() -> None:
    ended, settled = K.ended(), fill("k1", 3, SETTLED)

    of = trade(K, P, fills=(fill("k1", 3), fill("p1", 2)))
    after = of.with_orders((ended,)).with_fills((settled, fill("k2", 1)))

    assert after.orders == {"k": ended, "p": P}
    assert after.fills == {
        (KALSHI, "k1"): settled,
        (POLYMARKET, "p1"): fill("p1", 2),
        (KALSHI, "k2"): fill("k2", 1),
    }


@pytest.mark.parametrize("opened", [True, False], ids=["opened before", "new"])
def test_what_was_bought_is_a_position_that_names_the_first_order_of_each_platform(
    *, opened: bool
) -> None:
    second = replace(K, order_id="k again", created_at=LATER)
    of = trade(
        second, K, P, fills=(fill("k1", 10), fill("p1", 10)), opened=opened, ended_at=NOW
    )
    of = replace(of, plan=replace(of.plan, divergence_probability=Decimal("0.01")))

    bought = of.bought(PositionStatus.OPEN, LATER)

    fee = usd("0.02")
    assert bought == replace(
        BARE.position,
        kalshi=Holding(YES, "k", q(10), usd(4), fee, cash=usd("-4.02")),
        polymarket=Holding(NO, "p", q(10), usd(5), fee, cash=usd("-5.02")),
        status=PositionStatus.OPEN,
        opened_at=NOW if opened else LATER,
        divergence_reserve=usd("0.0904"),
        marked_pnl=usd("0.8696"),
    )


def test_a_leg_without_an_order_names_none() -> None:
    bought = trade(K, fills=(fill("k1", 10),)).bought(EXPOSED, NOW)

    assert [leg.order_id for leg in bought.legs] == ["k", None]

"""What pair trades hold and enter of each contract, and which of it an order would undo."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support import traded
from support.pairs import NOW, contract, pair
from support.traded import (
    CUP,
    KALSHI,
    NO,
    POLYMARKET,
    YES,
    entered,
    fill,
    order,
    q,
    reported,
    reservation,
)

from dutchbook.application.pair_trades.claims import Claims
from dutchbook.domain.execution.order import Order, Purpose
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform, Side
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.result import unhedged_cost
from dutchbook.domain.values.units import MICRO, Money

SHARED = pair(match_id="shared", polymarket=contract(POLYMARKET, contract_id="p-shared"))
"""Another pair on the same contract of Kalshi."""
APART = pair(
    match_id="apart",
    kalshi=contract(KALSHI, contract_id="k-apart"),
    polymarket=contract(POLYMARKET, contract_id="p-apart"),
)
MATCHES = {each.match_id: each for each in (CUP, SHARED, APART)}
CONTRACTS = {KALSHI: "kalshi-cup", POLYMARKET: "polymarket-cup"}


def begun(name: str = "e", pair_id: str = "cup", kalshi: Outcome = YES) -> PairTrade:
    """Return an execution whose first order is out."""
    ids: Any = {"pair_id": pair_id, "execution_id": name}
    first = order(f"{name}-k", outcome=kalshi, **ids)
    begins = facts.Begun(NOW, first, reservation(name, pair_id))
    return traded.played(begins, start=traded.bare(name, pair_id, kalshi))


def claims(*trades: PairTrade, prepared: tuple[PairTrade, ...] = ()) -> Claims:
    made = Claims(MATCHES)
    for trade in trades:
        made.put(None, trade)
    for trade in prepared:
        made.prepare(trade)
    return made


# Holdings that an entry opposes ---------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "sizes", "opposed"),
    [
        (CUP, ("10", "10"), {YES: False, NO: True}),
        (CUP, ("10", "0"), {YES: False, NO: True}),
        (CUP, ("0", "0"), {YES: False, NO: False}),
        (SHARED, ("10", "10"), {YES: False, NO: True}),
        (APART, ("10", "10"), {YES: False, NO: False}),
    ],
    ids=["the same", "one leg", "nothing bought", "one contract shared", "others"],
)
def test_an_entry_opposes_a_holding_of_the_other_outcome_of_either_contract(
    match: ContractMatch, sizes: tuple[str, str], opposed: dict[Outcome, bool]
) -> None:
    holding = claims(entered(sizes=sizes))

    assert {of: holding.opposes(match, of) for of in Outcome} == opposed


def test_an_entry_opposes_a_holding_of_the_second_contract_alone() -> None:
    other = pair(match_id="q", kalshi=contract(KALSHI, contract_id="k-apart"))
    holding = claims(entered())

    assert [holding.opposes(other, of) for of in (YES, NO)] == [False, True]


def test_a_trade_that_is_dropped_or_sold_is_held_no_longer() -> None:
    trade, second = entered(), entered("f", prefix="f-")
    empty = replace(
        trade,
        position=replace(trade.position, kalshi=replace(trade.position.kalshi, size=q(0))),
    )
    holding = claims(trade, second)

    holding.drop(second)
    left = holding.held(KALSHI, "kalshi-cup", YES)
    holding.put(trade, empty)

    assert left == 10
    assert [
        holding.held(p, CONTRACTS[p], of) for p, of in ((KALSHI, YES), (POLYMARKET, NO))
    ] == [
        0,
        10,
    ]


def test_a_trade_that_is_not_known_can_be_dropped_and_forgotten() -> None:
    nothing = claims()

    nothing.drop(entered())
    nothing.forget("e")

    assert not nothing.in_use(CUP)


@pytest.mark.parametrize(
    ("trades", "undone"),
    [
        ((), set()),
        ((entered("f"),), {NO}),
        ((entered("f", kalshi=NO),), {YES}),
        ((begun("f"),), {NO}),
        ((begun("f", kalshi=NO),), {YES}),
        ((begun("f", pair_id="shared"),), {NO}),
        ((begun("f", pair_id="apart"),), set()),
    ],
)
def test_a_position_must_not_buy_the_opposite_of_what_another_holds_or_enters(
    trades: tuple[PairTrade, ...], undone: set[Outcome]
) -> None:
    mine = entered()

    assert claims(mine, *trades).undone_by(mine, "kalshi-cup") == undone


# Unhedged legs --------------------------------------------------------------------------


def test_an_unhedged_leg_counts_on_its_own_pair_from_what_it_must_have_cost() -> None:
    """Ten contracts at 45 cents without a counterpart."""
    trade = entered(sizes=("10", "0"))
    held = claims(trade)
    paid = unhedged_cost(trade.position)

    found = {
        name: held.unhedged(pair_id, Money(dollars))
        for name, pair_id, dollars in (
            ("as much", "cup", paid),
            ("less than that", "cup", paid + MICRO),
            ("another pair", "shared", Decimal(0)),
        )
    }
    held.drop(trade)

    assert found == {"as much": True, "less than that": False, "another pair": False}
    assert paid > 0
    assert not held.unhedged("cup", Money(Decimal(0)))


def test_a_hedged_position_and_one_that_is_still_entered_have_no_unhedged_leg() -> None:
    held = claims(entered(), begun("f"))

    assert not held.unhedged("cup", Money(Decimal(0)))


def test_a_leg_that_gets_its_counterpart_is_unhedged_no_longer() -> None:
    trade, hedged = entered(sizes=("10", "0")), entered()
    held = claims(trade)

    held.put(trade, hedged)

    assert not held.unhedged("cup", Money(Decimal(0)))


# What is under way ----------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize(
    ("pair_id", "used"),
    [
        ("cup", {"cup", "shared"}),
        ("shared", {"cup", "shared"}),
        ("apart", {"apart"}),
        ("not followed", set()),
    ],
)
def test_the_contracts_of_an_execution_under_way_are_in_use(
    pair_id: str, used: set[str], *, prepared: bool
) -> None:
    trade = begun(pair_id=pair_id)
    under_way = claims(prepared=(trade,)) if prepared else claims(trade)

    assert {name for name, each in MATCHES.items() if under_way.in_use(each)} == used


def test_what_was_prepared_is_forgotten_and_what_is_entered_ends() -> None:
    first, second = begun("e", "not followed"), begun("f")
    under_way = claims(prepared=(first, second))

    before = under_way.in_use(CUP)
    under_way.forget("f")
    forgotten = under_way.in_use(CUP)
    under_way.put(None, second)
    entering = under_way.in_use(CUP)
    under_way.put(second, replace(second, ended_at=NOW))

    assert [before, forgotten, entering, under_way.in_use(CUP)] == [True, False, True, False]


def test_an_execution_that_waits_with_a_position_enters_no_longer() -> None:
    waiting = replace(entered(ends=False), opened=True)
    counted = claims(waiting)

    assert not counted.enters("kalshi-cup", YES)
    assert not counted.in_use(CUP)
    assert counted.held(KALSHI, "kalshi-cup", YES) == 0


def working(of: Order, size: str) -> PairTrade:
    trade = entered()
    return trade.with_orders((replace(of, working_size=q(size)),))


@pytest.mark.parametrize(
    ("of", "size", "used"),
    [
        (order("s", side=Side.SELL), "0.01", True),
        (order("s", side=Side.SELL), "0", False),
        (order("s", POLYMARKET), "1", True),
        (order("s", POLYMARKET, outcome=YES), "1", True),
        (order("s", contract_id="elsewhere"), "1", False),
    ],
)
def test_a_contract_on_which_an_order_of_a_position_works_is_in_use(
    of: Order, size: str, *, used: bool
) -> None:
    position = claims(working(of, size))

    assert position.in_use(CUP) is used


def test_an_order_on_one_contract_of_a_position_leaves_the_other_free() -> None:
    holding = claims(working(order("s", POLYMARKET), "1"))

    assert not holding.in_use(SHARED)


@pytest.mark.parametrize("prepared", [True, False])
def test_a_running_execution_enters_one_outcome_of_its_contract_on_kalshi(
    *, prepared: bool
) -> None:
    trades = (begun("a", "cup", NO), begun("b", "apart"), begun("c", "not followed"))
    entering = claims(prepared=trades) if prepared else claims(*trades)

    asked = [
        (name, of) for name in ("kalshi-cup", "k-apart", "polymarket-cup") for of in Outcome
    ]
    assert [each for each in asked if entering.enters(*each)] == [
        ("kalshi-cup", NO), ("k-apart", YES),
    ]  # fmt: skip


# What a purchase on Kalshi would undo ---------------------------------------------------


def test_buying_the_opposite_of_the_leg_of_another_position_is_against_it() -> None:
    mine, other = entered(), entered("f", prefix="f-")

    alone, both = claims(mine), claims(mine, other)

    assert [alone.against(mine, of) for of in (YES, NO)] == [False, False]
    assert [both.against(mine, of) for of in (YES, NO)] == [False, True]


def test_a_position_without_an_order_on_kalshi_is_against_nothing() -> None:
    mine = entered()
    second = {"p": mine.orders["p"]}
    counted = claims(entered("f", prefix="f-"))

    assert not counted.against(replace(mine, orders=second), NO)


# What is held and what is being sold ----------------------------------------------------


def test_what_all_positions_of_followed_pairs_hold_of_an_outcome_is_added_up() -> None:
    """Those that were opened with the other outcome hold it as a complement."""
    opposite = entered("f", kalshi=NO, prefix="f-", sizes=("7", "7"))
    part = replace(opposite.position.kalshi, complement=q(2))
    opposite = replace(opposite, position=replace(opposite.position, kalshi=part))
    counted = claims(
        entered(), entered("g", prefix="g-", sizes=("3", "4")), opposite,
        entered("h", "not followed", prefix="h-"),
    )  # fmt: skip

    held = {(p, of): counted.held(p, CONTRACTS[p], of) for p in Platform for of in Outcome}
    assert held == {
        (KALSHI, YES): 10 + 3 + 2,
        (KALSHI, NO): 7,
        (POLYMARKET, YES): 7,
        (POLYMARKET, NO): 10 + 4,
    }
    assert counted.held(KALSHI, "polymarket-cup", YES) == 0


def test_what_other_orders_may_still_sell_of_an_outcome_is_added_up() -> None:
    """Whichever outcome their positions were opened with."""
    sale: Any = {"side": Side.SELL, "purpose": Purpose.EXIT}
    first = entered().with_orders((
        order("s1", size="4", **sale), order("s2", size="3", **sale),
        order("buy", size="5"), order("no", size="6", outcome=NO, **sale),
        order("p-sale", POLYMARKET, size="8", outcome=YES, **sale),
    ))  # fmt: skip
    second = entered("f", kalshi=NO, prefix="f-").with_orders((order("s3", size="2", **sale),))
    counted = claims(first, second, entered("g", prefix="g-"))

    selling = [
        counted.selling(each)
        for each in (
            order("mine", **sale), order("s1", **sale), order("s3", **sale),
            order("mine", outcome=NO, **sale), order("mine", POLYMARKET, **sale),
            order("mine", POLYMARKET, outcome=YES, **sale),
            order("mine", contract_id="elsewhere", **sale),
        )
    ]  # fmt: skip
    assert selling == [9, 5, 7, 6, 0, 8, 0]


def test_a_sale_that_has_filled_in_part_may_sell_the_rest() -> None:
    sale = order("s", side=Side.SELL, purpose=Purpose.EXIT)
    placed = traded.played(facts.Placed(NOW, sale), start=entered())
    partly = traded.played(reported(sale, fill(sale, "s1", "4"), working="6"), start=placed)

    assert claims(partly).selling(order("mine", side=Side.SELL)) == 6

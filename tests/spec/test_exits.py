"""Decisions of `next_exit`: whether a position is held or exited, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.laws import reached, reaches
from support.pairs import NOW, book, pair

from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.exit_case import (
    ExitCase,
    ExitRule,
    ExitRules,
    Hold,
    Leave,
    Way,
    Why,
)
from dutchbook.domain.positions.exits import (
    left_now,
    mark_of,
    most_out_e4,
    next_exit,
    out_of_both,
    worth_of_holding,
)
from dutchbook.domain.positions.exposure import Place
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Quantity

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
MATCH = pair()
RULES = ExitRules()
CLASSIC = replace(RULES, rule=ExitRule.CLASSIC)
EDGE = Decimal("0.02")


def position(kalshi: int = 100, polymarket: int = 100, **facts: Any) -> OpenPosition:
    """Return YES on Kalshi for 40 cents and NO on Polymarket for 53, without fees."""
    made = OpenPosition(
        position_id="p",
        pair_id="cup",
        execution_id="e",
        kalshi=Holding(
            Outcome.YES, "k", Quantity(Decimal(kalshi)), Money(kalshi * Decimal("0.40"))
        ),
        polymarket=Holding(
            Outcome.NO, "m", Quantity(Decimal(polymarket)), Money(polymarket * Decimal("0.53"))
        ),
        expected_edge=Money(100 * EDGE),
        divergence_reserve=Money(Decimal(0)),
        status=PositionStatus.OPEN,
        opened_at=NOW,
    )
    return replace(made, **facts)


def books(kalshi_bid: int, polymarket_ask: int, size: int = 500) -> dict[Platform, OrderBook]:
    """Return books in cents: selling NO on Polymarket matches the asks of YES."""
    return {
        KALSHI: book(KALSHI, {kalshi_bid: size}, {min(kalshi_bid + 2, 99): size}),
        POLYMARKET: book(
            POLYMARKET, {max(polymarket_ask - 2, 1): size}, {polymarket_ask: size}
        ),
    }


def case(
    offered: dict[Platform, OrderBook], held: OpenPosition | None = None, **facts: Any
) -> ExitCase:
    held = held or position()
    terms = {p: MATCH.contract(p).fees for p in Platform}
    places = {}
    for p in Platform:
        schedule = terms[p]
        now_terms = schedule.at(NOW) if schedule else None
        assert now_terms is not None
        places[p] = Place(MATCH.contract(p), offered[p], now_terms, held.holding(p))
    made = ExitCase(
        match=MATCH,
        position=held,
        places=places,
        sellable={p: held.holding(p).size for p in Platform},
        untrusted_because=dict.fromkeys(Platform),
        now=NOW,
        edge=EDGE,
    )
    return replace(made, **facts)


RICH = books(60, 45)
"""Selling both legs pays 115 cents."""
FAIR = books(45, 50)
"""Selling both legs pays 95 cents."""


def left(decision: object) -> Leave:
    assert isinstance(decision, Leave), decision
    return decision


def test_a_locked_pair_is_held_while_its_payout_is_worth_more_than_a_sale() -> None:
    assert next_exit(case(FAIR), RULES) == Hold(Why.WORTH_MORE)


def test_a_pair_that_sells_for_more_than_its_payout_is_exited_at_once() -> None:
    found = left(next_exit(case(RICH), RULES))

    assert found.reason is Why.BETTER_NOW
    assert found.way is Way.SELL
    assert found.size == 100
    assert Decimal("111.5") < found.net < Decimal(115)


def test_an_exit_is_no_larger_than_the_depth_of_both_books_at_its_price() -> None:
    offered = RICH
    offered = {
        KALSHI: book(KALSHI, {60: 30, 40: 500}, {62: 10}),
        POLYMARKET: RICH[POLYMARKET],
    }

    found = left(next_exit(case(offered), RULES))

    assert found.size == 30
    assert [leg.platform for leg in found.legs] == [KALSHI, POLYMARKET]


def test_the_thinner_book_goes_first() -> None:
    offered = {KALSHI: RICH[KALSHI], POLYMARKET: book(POLYMARKET, {43: 9}, {45: 120})}

    found = left(next_exit(case(offered), RULES))

    assert [leg.platform for leg in found.legs] == [POLYMARKET, KALSHI]


def test_shares_not_yet_final_are_exited_by_buying_the_opposite_outcome() -> None:
    unsettled = {KALSHI: Quantity(Decimal(100)), POLYMARKET: Quantity(Decimal(0))}

    found = left(next_exit(case(RICH, sellable=unsettled), RULES))

    legs = {leg.platform: leg for leg in found.legs}
    assert found.way is Way.REVERSE
    assert (legs[POLYMARKET].side, legs[POLYMARKET].outcome) == (Side.BUY, Outcome.YES)
    assert legs[KALSHI].side is Side.SELL


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"untrusted_because": {KALSHI: "book_stale", POLYMARKET: None}}, Why.BOOK),
        ({"now": MATCH.kalshi.close_time}, Why.CLOSED),
        ({"position": position(status=PositionStatus.CLOSED)}, Why.NOT_HELD),
        ({"position": position(status=PositionStatus.RECONCILIATION_REQUIRED)}, Why.STATUS),
    ],
)
def test_a_position_that_must_not_be_traded_is_held_with_the_reason(
    facts: dict[str, Any], reason: Why
) -> None:
    found = next_exit(case(RICH, **facts), RULES)

    assert isinstance(found, Hold)
    assert found.reason is reason


@pytest.mark.parametrize("platform", list(Platform))
def test_a_pair_is_left_early_only_by_books_of_one_moment(platform: Platform) -> None:
    """RICH sells for 115 cents, and one of its books may be of the poll before."""
    found = {}
    for ms in (1_500, 1_501):
        old = books(60, 45)
        old[platform].touch(NOW - timedelta(milliseconds=ms), 1)
        found[ms] = next_exit(case(old), RULES)
        for rules in (RULES, CLASSIC):
            forced = next_exit(case(old, forced=Why.RULES_CHANGED), rules)
            assert left(forced).reason is Why.RULES_CHANGED, "what must be left is left"

    assert isinstance(found[1_500], Leave)
    assert found[1_501] == Hold(Why.BOOK, "books_apart")


def test_a_resolved_contract_is_redeemed_and_never_traded() -> None:
    decision = next_exit(case(RICH, resolved=True, forced=Why.WIND_DOWN), RULES)

    assert decision == Hold(Why.RESOLVED)


@pytest.mark.parametrize("forced", [Why.RULES_CHANGED, Why.PLATFORM_RISK, Why.WIND_DOWN])
def test_a_forced_exit_may_cost_no_more_than_its_allowance(forced: Why) -> None:
    dear = next_exit(case(FAIR, forced=forced), RULES)
    cheap = case(books(49, 49), forced=forced)
    found = left(next_exit(cheap, RULES))
    worth = worth_of_holding(cheap, RULES) * found.size

    assert dear == Hold(Why.TOO_COSTLY, forced)
    assert found.reason is forced
    assert worth - RULES.urgent_cost * found.size <= found.net < worth


def test_classic_exits_are_measured_from_the_mark_at_opening() -> None:
    born = mark_of(case(FAIR), CLASSIC)
    assert born is not None

    unmarked = next_exit(case(FAIR), CLASSIC)
    at_birth = next_exit(case(FAIR, born=born), CLASSIC)
    lower = next_exit(case(books(40, 50), born=born), CLASSIC)
    higher = next_exit(case(books(48, 50), born=born), CLASSIC)

    assert unmarked == Hold(Why.NO_MARK)
    assert at_birth == Hold(Why.WITHIN_LIMITS)
    assert left(lower).reason is Why.STOP
    assert left(higher).reason is Why.PROFIT


def test_classic_exits_two_days_before_resolution_but_a_stop_comes_first() -> None:
    late = MATCH.resolution_date - timedelta(hours=47)
    born = mark_of(case(FAIR), CLASSIC)

    found = next_exit(case(FAIR, now=late, born=born), CLASSIC)
    stopped = next_exit(case(books(40, 50), now=late, born=born), CLASSIC)

    assert left(found).reason is Why.TIME
    assert left(stopped).reason is Why.STOP


UNHEDGED = position(100, 0, status=PositionStatus.SINGLE_LEG_EXPOSED)


def test_an_unhedged_leg_is_stopped_relative_to_its_opening_mark() -> None:
    born = mark_of(case(FAIR, UNHEDGED), RULES)

    unmarked = next_exit(case(FAIR, UNHEDGED), RULES)
    same = next_exit(case(FAIR, UNHEDGED, born=born), RULES)
    found = next_exit(case(books(40, 50), UNHEDGED, born=born), RULES)
    off = next_exit(
        case(books(40, 50), UNHEDGED, born=born), replace(RULES, unhedged_stop=False)
    )

    assert unmarked == Hold(Why.NO_MARK)
    assert same == Hold(Why.WITHIN_LIMITS)
    assert left(found).reason is Why.STOP
    assert left(found).size == 100
    assert [leg.platform for leg in left(found).legs] == [KALSHI]
    assert off == Hold(Why.NO_STOP)


def test_an_exit_with_one_leg_closed_is_finished_at_the_lowest_cost() -> None:
    half = position(0, 100, status=PositionStatus.EXIT_PARTIAL)

    sold = left(next_exit(case(books(45, 45), half), RULES))
    bought_back = left(next_exit(case(books(20, 60), half), RULES))

    assert (sold.reason, sold.legs[0].platform) == (Why.UNFINISHED, POLYMARKET)
    assert (bought_back.way, bought_back.legs[0].platform) == (Way.COMPLETE, KALSHI)


# Flipped pairs ------------------------------------------------------------------------------

BACK = Quantity(Decimal(100)), Money(Decimal(47))
FLIPPED = replace(
    position(),
    kalshi=Holding(Outcome.YES, "k", complement=BACK[0], complement_cost=BACK[1]),
    polymarket=Holding(Outcome.NO, "m", complement=BACK[0], complement_cost=BACK[1]),
)
"""Both legs have sold a hundred contracts that they never held."""


def bought_back(decision: object) -> Leave:
    """Return an exit that consists only of buying back the outcomes that the legs sold."""
    found = left(decision)
    assert found.way is Way.REVERSE
    assert {leg.platform: (leg.side, leg.outcome) for leg in found.legs} == {
        KALSHI: (Side.BUY, Outcome.YES),
        POLYMARKET: (Side.BUY, Outcome.NO),
    }
    return found


@pytest.mark.parametrize("sellable", [0, 100])
def test_a_flipped_pair_is_bought_back_where_that_is_worth_more_than_its_payout(
    sellable: int,
) -> None:
    """YES at 35 on Kalshi and NO at 50 on Polymarket: this saves 115 cents."""
    counted = dict.fromkeys(Platform, Quantity(Decimal(sellable)))

    found = bought_back(next_exit(case(books(33, 52), FLIPPED, sellable=counted), RULES))
    held = next_exit(case(books(50, 47), FLIPPED, sellable=counted), RULES)

    assert found.reason is Why.BETTER_NOW
    assert found.size == 100
    assert Decimal("111.5") < found.net < Decimal(115)
    assert held == Hold(Why.WORTH_MORE)


def test_a_forced_exit_of_a_flipped_pair_costs_no_more_than_its_allowance() -> None:
    cheap = case(books(49, 53), FLIPPED, forced=Why.PLATFORM_RISK)
    found = bought_back(next_exit(cheap, RULES))
    worth = worth_of_holding(cheap, RULES) * found.size
    dear = next_exit(case(books(50, 47), FLIPPED, forced=Why.PLATFORM_RISK), RULES)

    assert found.reason is Why.PLATFORM_RISK
    assert worth - RULES.urgent_cost * found.size <= found.net < worth
    assert dear == Hold(Why.TOO_COSTLY, Why.PLATFORM_RISK)


# Properties -----------------------------------------------------------------------------------

cents = st.integers(2, 96)
sizes = st.integers(1, 400)


@reaches(left=5, held=30)
@given(cents, cents, sizes, st.integers(1, 300))
def test_by_default_locked_profit_is_never_given_up(
    kalshi_bid: int, polymarket_ask: int, size: int, held: int
) -> None:
    looked = case(books(kalshi_bid, polymarket_ask, size), position(held, held))

    found = next_exit(looked, RULES)

    reached("left" if isinstance(found, Leave) else "held")
    if isinstance(found, Leave):
        worth = worth_of_holding(looked, RULES) + RULES.minimum_gain
        assert found.net > worth * found.size
        assert found.size <= min(held, size)
    else:
        assert isinstance(found, Hold)


@reaches(both=50)
@given(cents, cents, st.integers(30, 300))
def test_selling_and_buying_the_opposite_outcome_pay_the_same_on_the_same_book(
    kalshi_bid: int, polymarket_ask: int, held: int
) -> None:
    held -= held % 10
    sized = position(held, held)
    nothing = {p: Quantity(Decimal(0)) for p in Platform}
    offered = books(kalshi_bid, polymarket_ask)

    sale = out_of_both(case(offered, sized), Decimal(held), RULES)
    reverse = out_of_both(case(offered, sized, sellable=nothing), Decimal(held), RULES)

    if isinstance(sale, Leave) and isinstance(reverse, Leave):
        reached("both")
        assert (sale.way, reverse.way) == (Way.SELL, Way.REVERSE)
        assert abs(sale.net - reverse.net) <= Decimal("0.000004")
    else:
        assert isinstance(sale, Leave) or isinstance(reverse, Hold)


@reaches(left=6)
@given(cents, cents, st.integers(0, 3), st.integers(0, 3))
def test_better_prices_never_turn_an_exit_into_a_hold(
    kalshi_bid: int, polymarket_ask: int, up: int, down: int
) -> None:
    worse = next_exit(case(books(kalshi_bid, polymarket_ask)), RULES)
    better = next_exit(
        case(books(min(kalshi_bid + up, 97), max(polymarket_ask - down, 2))), RULES
    )

    if isinstance(worse, Leave):
        reached("left")
        assert left(better).net >= worse.net


@reaches(left=6)
@given(cents, cents, sizes)
def test_the_integer_filter_never_misses_an_exit(
    kalshi_bid: int, polymarket_ask: int, size: int
) -> None:
    looked = case(books(kalshi_bid, polymarket_ask, size))
    offered = {p: place.book for p, place in looked.places.items()}
    floor_e4 = int((worth_of_holding(looked, RULES) + RULES.minimum_gain) * 10_000)

    passes = most_out_e4(offered, looked.position) > floor_e4

    if isinstance(next_exit(looked, RULES), Leave):
        reached("left")
        assert passes


# What leaving now would bring
# ---------------------------------------------------------------------------------

_BARE = position()
BOUGHT = replace(
    _BARE,
    kalshi=replace(_BARE.kalshi, cash=Money(Decimal(-40))),
    polymarket=replace(_BARE.polymarket, cash=Money(Decimal(-53))),
)
"""Bought for 93 dollars: it locks 7."""


@pytest.mark.parametrize("offered", [FAIR, RICH])
def test_left_now_a_position_comes_to_what_both_sales_bring_less_what_was_paid(
    offered: dict[Platform, OrderBook],
) -> None:
    there = case(offered, BOUGHT)

    sold = left(out_of_both(there, Decimal(100), RULES))

    assert BOUGHT.locked_profit == 7
    assert left_now(there, RULES) == sold.net - 93


def test_a_position_that_the_books_do_not_take_whole_has_no_value_now() -> None:
    thin = case(books(45, 50, size=99), BOUGHT)
    closed = case(FAIR, BOUGHT, untrusted_because={KALSHI: "too old", POLYMARKET: None})

    assert left_now(thin, RULES) is None
    assert left_now(closed, RULES) is None
    assert left_now(case(FAIR, BOUGHT, resolved=True), RULES) is None

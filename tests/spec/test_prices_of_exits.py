"""What an exit brings: sizes, limits, fees and the order of its legs, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW, book, pair

from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.exit_case import (
    ExitCase,
    ExitRule,
    ExitRules,
    Hold,
    Leave,
    LegExit,
    Way,
    Why,
)
from dutchbook.domain.positions.exits import (
    exposure_of,
    held_worth,
    left_now,
    mark_of,
    most_out_e4,
    next_exit,
    out_of_both,
    worth_of_holding,
)
from dutchbook.domain.positions.exposure import Exposure, Place
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Price, PriceGrid, Quantity

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
YES, NO = Outcome.YES, Outcome.NO
BUY, SELL = Side.BUY, Side.SELL
_S = PositionStatus
MATCH = pair()
RULES = ExitRules()
CLASSIC = replace(RULES, rule=ExitRule.CLASSIC)


def size(number: str) -> Quantity:
    return Quantity(Decimal(number))


def money(number: str) -> Money:
    return Money(Decimal(number))


def position(kalshi: str = "100", polymarket: str = "100", **facts: Any) -> OpenPosition:
    """Return YES on Kalshi for 40 cents and NO on Polymarket for 53, without fees."""
    here, there = Decimal(kalshi), Decimal(polymarket)
    made = OpenPosition(
        position_id="p",
        pair_id="cup",
        execution_id="e",
        kalshi=Holding(YES, "k", size(kalshi), Money(here * Decimal("0.40"))),
        polymarket=Holding(NO, "m", size(polymarket), Money(there * Decimal("0.53"))),
        expected_edge=money("2"),
        divergence_reserve=money("0"),
        status=_S.OPEN,
        opened_at=NOW,
    )
    return replace(made, **facts)


def case(
    kalshi: OrderBook, polymarket: OrderBook, held: OpenPosition | None = None, **facts: Any
) -> ExitCase:
    held = held or position()
    places = {}
    for platform, offered in ((KALSHI, kalshi), (POLYMARKET, polymarket)):
        schedule = MATCH.contract(platform).fees
        terms = schedule.at(NOW) if schedule else None
        assert terms is not None
        places[platform] = Place(
            MATCH.contract(platform), offered, terms, held.holding(platform)
        )
    made = ExitCase(
        match=MATCH,
        position=held,
        places=places,
        sellable={p: held.holding(p).size for p in Platform},
        untrusted_because=dict.fromkeys(Platform),
        now=NOW,
        edge=Decimal("0.02"),
    )
    return replace(made, **facts)


def with_fees(made: ExitCase, rate: str = "0") -> ExitCase:
    """Return the case with another rate of fees; each order still rounds by its quantum."""
    places = {
        p: replace(place, terms=replace(place.terms, taker_rate=Decimal(rate)))
        for p, place in made.places.items()
    }
    return replace(made, places=places)


HERE = book(KALSHI, {60: 500}, {62: 500})
THERE = book(POLYMARKET, {43: 500}, {45: 500})
RICH = case(HERE, THERE)
"""Selling YES brings 60 cents and NO 55."""


def leg(
    platform: Platform, outcome: Outcome, side: Side, limit: str, net: str, contracts: str
) -> LegExit:
    return LegExit(platform, outcome, side, size(contracts), Price(Decimal(limit)), money(net))


# Both legs
# ---------------------------------------------------------------------------------------------


def test_a_sale_of_both_legs_brings_their_prices_less_fees_rounding_and_gas() -> None:
    """Fees 1.68 and 0.0001, and 0.7425 and 0.00001; two cents of gas for each order."""
    found = out_of_both(RICH, Decimal(100), replace(RULES, gas=money("0.02")))

    assert found == Leave(
        Why.BETTER_NOW,
        Way.SELL,
        size("100"),
        (
            leg(KALSHI, YES, SELL, "0.60", "58.2999", "100"),
            leg(POLYMARKET, NO, SELL, "0.55", "54.23749", "100"),
        ),
        money("112.53739"),
        "sell 100 contracts of both legs for 112.53739 dollars",
    )


def test_where_a_leg_cannot_be_sold_its_opposite_is_bought() -> None:
    unsettled = replace(RICH, sellable={KALSHI: size("100"), POLYMARKET: size("99.99")})

    found = out_of_both(unsettled, Decimal(100), RULES)

    assert found == Leave(
        Why.BETTER_NOW,
        Way.REVERSE,
        size("100"),
        (
            leg(KALSHI, YES, SELL, "0.60", "58.3199", "100"),
            leg(POLYMARKET, YES, BUY, "0.45", "54.25749", "100"),
        ),
        money("112.57739"),
        "reverse 100 contracts of both legs for 112.57739 dollars",
    )


@pytest.mark.parametrize(
    ("sellable", "wanted", "traded"),
    [
        ("100", "40.999", "40.99"),
        ("40.50", "40.50", "40.50"),
        ("40.49", "40.50", "40"),
        ("0", "40.50", "40"),
    ],
)
def test_a_size_is_rounded_to_what_each_order_can_trade(
    sellable: str, wanted: str, traded: str
) -> None:
    """Whole contracts where Polymarket's opposite is bought for whole cents."""
    made = replace(RICH, sellable={KALSHI: size("100"), POLYMARKET: size(sellable)})

    found = out_of_both(made, Decimal(wanted), RULES)

    assert isinstance(found, Leave)
    assert found.size == Decimal(traded)


@pytest.mark.parametrize("wanted", ["0", "0.004", "4.99"])
def test_less_than_the_smallest_order_is_too_thin(wanted: str) -> None:
    assert out_of_both(RICH, Decimal(wanted), RULES) == Hold(Why.THIN)
    assert isinstance(out_of_both(RICH, Decimal(5), RULES), Leave)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (book(KALSHI, {}, {62: 500}), THERE),
        (HERE, book(POLYMARKET, {43: 500}, {})),
        (book(KALSHI, {60: 99}, {62: 500}), THERE),
        (HERE, book(POLYMARKET, {43: 500}, {45: 99})),
    ],
)
def test_a_book_that_does_not_take_the_size_is_too_thin(
    here: OrderBook, there: OrderBook
) -> None:
    assert out_of_both(case(here, there), Decimal(100), RULES) == Hold(Why.THIN)


def test_a_contract_without_a_valid_price_there_is_too_thin() -> None:
    low = case(book(KALSHI, {3: 500}, {62: 500}), THERE)
    coarse = replace(low.places[KALSHI].contract, grid=PriceGrid.of_tick("0.1"))
    places = {**low.places, KALSHI: replace(low.places[KALSHI], contract=coarse)}

    assert out_of_both(replace(low, places=places), Decimal(100), RULES) == Hold(Why.THIN)


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "first"),
    [(120, 121, KALSHI), (121, 120, POLYMARKET), (120, 120, KALSHI)],
)
def test_the_thinner_book_down_to_the_limit_goes_first(
    kalshi: int, polymarket: int, first: Platform
) -> None:
    here = book(KALSHI, {60: kalshi, 59: 900}, {62: 1})
    there = book(POLYMARKET, {43: 1}, {45: polymarket, 46: 900})

    found = out_of_both(case(here, there), Decimal(100), RULES)

    assert isinstance(found, Leave)
    assert [each.platform for each in found.legs] == [first, first.other]


# The value of holding
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "worth"),
    [
        (timedelta(days=365), "0.925462962962962962962962963"),
        (timedelta(0), "0.9995"),
        (timedelta(days=-9), "0.9995"),
        (timedelta(microseconds=999_999), "0.9995"),
    ],
)
def test_holding_is_worth_a_dollar_that_is_late_and_may_not_come(
    before: timedelta, worth: str
) -> None:
    now = MATCH.cash_time - before

    assert held_worth(MATCH, now, RULES) == Decimal(worth)
    assert worth_of_holding(replace(RICH, now=now), RULES) == Decimal(worth)


def test_at_most_both_best_prices_come_out_of_a_contract() -> None:
    offered = {KALSHI: HERE, POLYMARKET: THERE}

    assert most_out_e4(offered, position()) == 6_000 + 5_500


# Early, forced and classic exits
# ---------------------------------------------------------------------------------------------

DAY = replace(RULES, yearly_return=Decimal(0), minimum_gain=Decimal("0.0105"))
SURE = replace(MATCH, divergence_probability=Decimal(0))


@pytest.mark.parametrize(
    ("least", "kind"),
    [("0.1499988", Leave), ("0.1499989", Hold), ("0.15", Hold)],
)
def test_an_early_exit_must_bring_more_than_holding_and_its_gain(
    least: str, kind: type[object]
) -> None:
    """Without fees but for rounding, a hundred contracts bring 114.99989 dollars."""
    rules = replace(DAY, minimum_gain=Decimal(least))

    found = next_exit(with_fees(replace(RICH, match=SURE)), rules)

    assert isinstance(found, kind)
    if isinstance(found, Hold):
        assert found == Hold(Why.WORTH_MORE)


@pytest.mark.parametrize(("cost", "leaves"), [("0.1500011", True), ("0.1500010", False)])
def test_a_forced_exit_may_bring_as_little_as_its_allowance_says(
    cost: str, *, leaves: bool
) -> None:
    """45 cents and 40: without fees but for rounding, 84.99989 dollars."""
    poor = case(book(KALSHI, {45: 500}, {47: 500}), book(POLYMARKET, {58: 500}, {60: 500}))
    forced = with_fees(replace(poor, match=SURE, forced=Why.WIND_DOWN))

    found = next_exit(forced, replace(DAY, urgent_cost=Decimal(cost)))

    if leaves:
        assert isinstance(found, Leave)
        assert (found.reason, found.net) == (Why.WIND_DOWN, Decimal("84.99989"))
    else:
        assert found == Hold(Why.TOO_COSTLY, Why.WIND_DOWN)


def test_a_forced_exit_for_which_the_books_are_too_thin_is_too_costly() -> None:
    thin = case(book(KALSHI, {60: 4}, {62: 5}), THERE, forced=Why.WIND_DOWN)

    assert next_exit(thin, RULES) == Hold(Why.TOO_COSTLY, Why.WIND_DOWN)
    assert next_exit(replace(thin, forced=None), RULES) == Hold(Why.WORTH_MORE)
    assert next_exit(replace(thin, forced=None), CLASSIC) == Hold(Why.THIN)


def test_an_exit_takes_the_levels_that_each_bring_more_than_holding() -> None:
    """Beside 60 and 55 cents, 50 and 55 bring more than a dollar, but 50 and 49 do not."""
    here = book(KALSHI, {60: 30, 50: 500}, {62: 500})
    there = book(POLYMARKET, {43: 500}, {45: 70, 51: 500})

    found = next_exit(case(here, there), replace(RULES, minimum_gain=Decimal("0.0005")))

    assert isinstance(found, Leave)
    assert found.size == 70


@pytest.mark.parametrize(("gain", "taken"), [("0.05", 30), ("0.049999", 100), ("0.01", 100)])
def test_a_level_that_brings_no_more_than_holding_is_left(gain: str, taken: int) -> None:
    """Thirty contracts bring 115 cents, as many as there are 105."""
    here = book(KALSHI, {60: 30, 50: 500}, {62: 500})
    made = with_fees(replace(case(here, THERE), match=SURE))

    found = next_exit(made, replace(DAY, minimum_gain=Decimal(gain)))

    assert isinstance(found, Leave)
    assert found.size == taken


@pytest.mark.parametrize(("contracts", "way"), [("20", Way.REVERSE), ("20.5", None)])
def test_what_is_worth_too_little_for_a_sale_is_left_by_its_opposite_in_whole_lots(
    contracts: str, way: Way | None
) -> None:
    """NO at three cents: a sale on Polymarket is worth a dollar at least."""
    there = book(POLYMARKET, {95: 500}, {97: 500})

    found = out_of_both(case(HERE, there), Decimal(contracts), RULES)

    assert (found.way if isinstance(found, Leave) else None) is way


FAIR = with_fees(
    case(book(KALSHI, {45: 500}, {47: 500}), book(POLYMARKET, {48: 500}, {50: 500}))
)
"""Selling a contract of both legs brings 95 cents, less 0.0000011 for rounding."""
MARK = Decimal("0.9499989")
STOP, PROFIT = Decimal("0.04"), Decimal("0.016")
UNIT = Decimal("0.0000001")


@pytest.mark.parametrize(
    ("born", "now", "reason"),
    [
        (MARK, NOW, None),
        (MARK + STOP, NOW, Why.STOP),
        (MARK + STOP - UNIT, NOW, None),
        (MARK - PROFIT, NOW, Why.PROFIT),
        (MARK - PROFIT + UNIT, NOW, None),
        (MARK, MATCH.resolution_date - timedelta(hours=48), Why.TIME),
        (MARK, MATCH.resolution_date - timedelta(hours=48, seconds=1), None),
        (MARK - PROFIT, MATCH.resolution_date - timedelta(hours=1), Why.PROFIT),
        (None, MATCH.resolution_date - timedelta(hours=1), Why.TIME),
    ],
)
def test_a_classic_exit_takes_its_profit_and_stops_at_its_shares_of_the_edge(
    born: Decimal | None, now: Any, reason: Why | None
) -> None:
    found = next_exit(replace(FAIR, born=born, now=now), CLASSIC)

    if reason is None:
        assert found == Hold(Why.WITHIN_LIMITS)
    else:
        assert isinstance(found, Leave)
        assert (found.reason, found.size) == (reason, size("100"))


def test_the_mark_of_a_pair_is_what_a_contract_of_both_brings_within_the_collar() -> None:
    assert mark_of(FAIR, RULES) == MARK
    assert mark_of(replace(FAIR, untrusted_because={KALSHI: "old"}), RULES) is None
    assert mark_of(case(book(KALSHI, {}, {47: 5}), THERE), RULES) is None


@pytest.mark.parametrize(("collar", "sold"), [("0.10", 100), ("0.09", 30)])
def test_a_classic_exit_reaches_down_to_the_collar(collar: str, sold: int) -> None:
    here = book(KALSHI, {45: 30, 35: 500}, {47: 500})
    made = case(here, THERE, now=MATCH.resolution_date - timedelta(hours=1))

    found = next_exit(made, replace(CLASSIC, collar=Decimal(collar)))

    assert isinstance(found, Leave)
    assert found.size == sold


# Obstacles
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"now": MATCH.kalshi.close_time}, Hold(Why.CLOSED, "kalshi")),
        ({"untrusted_because": {KALSHI: "old"}}, Hold(Why.BOOK, "kalshi: old")),
        ({"untrusted_because": {POLYMARKET: "old"}}, Hold(Why.BOOK, "polymarket: old")),
        ({"position": position(status=_S.CLOSED)}, Hold(Why.NOT_HELD)),
        ({"position": position(status=_S.RECONCILIATION_REQUIRED)}, Hold(Why.STATUS)),
        ({"position": position("100", "0")}, Hold(Why.NOT_HELD)),
        ({"position": position(status=_S.EXIT_PARTIAL)}, Hold(Why.NOT_HELD)),
    ],
)
def test_an_exit_that_is_not_possible_tells_why(facts: dict[str, Any], found: Hold) -> None:
    assert next_exit(replace(RICH, **facts), RULES) == found


@pytest.mark.parametrize(
    "facts",
    [
        {"resolved": True},
        {"untrusted_because": {KALSHI: "old"}},
        {"now": NOW + timedelta(days=6)},
    ],
)
def test_what_cannot_be_left_has_no_value_now(facts: dict[str, Any]) -> None:
    assert left_now(replace(RICH, **facts), RULES) is None


def test_a_rest_that_is_less_than_an_order_stays_locked() -> None:
    """Of 100.005 contracts 0.005 stay, for a dollar each."""
    held = position("100.005", "100.005")
    made = with_fees(case(HERE, THERE, held))

    assert left_now(made, RULES) == Decimal("0.005") + Decimal("114.99989")


# Unhedged contracts
# ---------------------------------------------------------------------------------------------

ALONE = position("100", "60", status=_S.SINGLE_LEG_EXPOSED)
LOSS = with_fees(case(HERE, THERE, ALONE))
"""Selling the 40 that have no counterpart brings 20 cents each."""


def test_unhedged_contracts_are_an_exposure_of_the_longer_leg() -> None:
    rules = replace(RULES, collar=Decimal("0.07"))
    trust = {KALSHI: None, POLYMARKET: "old"}
    made = replace(LOSS, untrusted_because=trust)
    other = replace(made, position=position("60", "75"))

    assert exposure_of(made, rules) == Exposure(
        size("40"), made.places[KALSHI], made.places[POLYMARKET], size("100"), NOW, trust,
        Decimal("0.07"),
    )  # fmt: skip
    assert exposure_of(other, rules) == Exposure(
        size("15"), made.places[POLYMARKET], made.places[KALSHI], size("60"), NOW, trust,
        Decimal("0.07"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("born", "found"),
    [
        (None, Hold(Why.NO_MARK)),
        ("0.20", Hold(Why.WITHIN_LIMITS)),
        ("0.2399999", Hold(Why.WITHIN_LIMITS)),
        ("0.24", Why.STOP),
    ],
)
def test_unhedged_contracts_are_stopped_at_their_share_of_the_edge(
    born: str | None, found: Hold | Why
) -> None:
    decided = next_exit(replace(LOSS, born=None if born is None else Decimal(born)), RULES)

    if isinstance(found, Hold):
        assert decided == found
    else:
        assert decided == Leave(
            found,
            Way.SELL,
            size("40"),
            (leg(KALSHI, YES, SELL, "0.60", "24", "40"),),
            money("24"),
            "sell 40 yes down to 0.6",
        )


def test_a_forced_exit_of_unhedged_contracts_waits_for_no_mark() -> None:
    rules = replace(RULES, unhedged_stop=False)

    found = next_exit(replace(LOSS, forced=Why.WIND_DOWN), rules)

    assert isinstance(found, Leave)
    assert (found.reason, found.net) == (Why.WIND_DOWN, money("24"))
    assert next_exit(LOSS, rules) == Hold(Why.NO_STOP)


def test_unhedged_contracts_are_not_completed_unless_an_exit_is_unfinished() -> None:
    """The missing NO costs 57 cents; nobody buys the YES that is held."""
    bare = case(book(KALSHI, {}, {62: 500}), THERE, position("100", "60"))
    exposed = with_fees(replace(bare, position=ALONE))
    partial = replace(exposed, position=replace(ALONE, status=_S.EXIT_PARTIAL))

    assert next_exit(replace(exposed, forced=Why.WIND_DOWN), RULES) == Hold(Why.THIN)
    assert next_exit(partial, RULES) == Leave(
        Why.UNFINISHED,
        Way.COMPLETE,
        size("40"),
        (leg(POLYMARKET, NO, BUY, "0.57", "17.2", "40"),),
        money("17.2"),
        "buy 40 no up to 0.57",
    )


def test_a_reverse_of_unhedged_contracts_brings_what_their_opposite_saves() -> None:
    made = replace(LOSS, sellable={KALSHI: size("0"), POLYMARKET: size("0")})

    assert next_exit(replace(made, forced=Why.PLATFORM_RISK), RULES) == Leave(
        Why.PLATFORM_RISK,
        Way.REVERSE,
        size("40"),
        (leg(KALSHI, NO, BUY, "0.40", "24", "40"),),
        money("24"),
        "buy 40 no up to 0.4",
    )


@pytest.mark.parametrize(
    ("facts", "mark"),
    [
        ({}, Decimal("0.2")),
        ({"untrusted_because": {KALSHI: "old"}}, None),
        ({"untrusted_because": {KALSHI: None, POLYMARKET: "old"}}, Decimal("0.2")),
        ({"position": replace(ALONE, polymarket=ALONE.kalshi)}, None),
    ],
)
def test_the_mark_of_unhedged_contracts_is_the_profit_of_ending_them(
    facts: dict[str, Any], mark: Decimal | None
) -> None:
    assert mark_of(replace(LOSS, **facts), RULES) == mark

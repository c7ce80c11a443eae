"""How many contracts are bought: by depth, hurdles, caps and steps, to the last contract."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.detection import DEFAULT, KALSHI, POLYMARKET, both, deep_books, dollars, look
from support.pairs import book, contract, pair

from dutchbook.domain.detection.quote import Caps, Opportunity, Reason, Refusal, Room
from dutchbook.domain.market.contract import ContractMatch, Platform, Sizing
from dutchbook.domain.market.fees import FeeRounding, FeeSchedule, kalshi_terms
from dutchbook.domain.values.units import Quantity

AMPLE = Caps(dollars(100_000), dict.fromkeys(Platform, dollars(100_000)))
MILLIONTH = dollars("0.000001")


def size(**facts: Any) -> Decimal | Reason:
    """Return the quantity, or the reason if there is none."""
    found = look(**facts)
    return found.quantity if isinstance(found, Opportunity) else found.reason


def sizing(step: str, minimum: str, notional: str = "0", *, cents: bool = False) -> Sizing:
    return Sizing(
        Quantity(Decimal(step)), Quantity(Decimal(minimum)), dollars(notional), cent_exact=cents
    )


def sized(kalshi: Sizing | None = None, polymarket: Sizing | None = None) -> ContractMatch:
    legs = {
        p.value: contract(p, sizing=each)
        for p, each in zip(Platform, (kalshi, polymarket), strict=True)
        if each is not None
    }
    return pair(**legs)


# Free cash. A contract's worst case is its price, what rebalancing a tenth of it costs, and the
# dearest fee; 100 of them and the amount for rounding are just affordable.

CENT_ROUNDING = pair(
    kalshi=contract(
        KALSHI,
        fees=FeeSchedule((kalshi_terms("quadratic", rounding=FeeRounding.KALSHI_CENT),)),
    )
)
NO_BIDS = both(book(KALSHI, {38: 500}, {40: 100_000}), book(POLYMARKET, {47: 100_000}, {}))
CHEAP_HEDGE = both(
    book(KALSHI, {82: 500}, {83: 100_000}), book(POLYMARKET, {90: 100_000}, {91: 500})
)
TWO_LEVELS = both(
    book(KALSHI, {38: 500}, {40: 60, 42: 100_000}), book(POLYMARKET, {47: 100_000}, {49: 500})
)
WIDE = replace(DEFAULT, rescue_limit=Decimal("0.9"))
FREE: dict[str, tuple[dict[str, Any], Platform, str]] = {
    # 0.40 + 0.049 + 0.07 x 1.1 / 4
    "kalshi first": ({"primary": KALSHI}, KALSHI, "46.835"),
    # 0.62 + 0.03 x 0.62 x 1.1: the most that the hedge may cost and lose two cents
    "polymarket second": ({"primary": KALSHI}, POLYMARKET, "64.056"),
    # 0.53 + 0.062 + 0.03 x 0.62 x 1.1
    "polymarket first": ({"primary": POLYMARKET}, POLYMARKET, "61.256"),
    # 0.49 x 1.1 + 0.07 x 1.1 / 4: the first leg may overfill
    "kalshi second": ({"primary": POLYMARKET}, KALSHI, "55.835"),
    # Fifty fills, each rounded up to a cent, and a tenth of a cent
    "whole cents of fees": ({"match": CENT_ROUNDING}, KALSHI, "47.326"),
    # 0.42 + 0.049 + 0.07 x 1.1 / 4
    "the second price": ({"books": TWO_LEVELS}, KALSHI, "48.835"),
    # 0.18 + 0.03 x 1.1 / 4: below a quarter of a dollar a contract's fee is the highest there
    "a cheap hedge": ({"books": CHEAP_HEDGE}, POLYMARKET, "18.835"),
    # 0.53 + 0.1 + 0.03 x 1.1: no contract costs more than a dollar
    "nothing bids for the first leg": (
        {"books": NO_BIDS, "hurdles": WIDE, "primary": POLYMARKET},
        POLYMARKET,
        "66.31",
    ),
    # 1.1 + 0.07 x 1.1 / 4
    "and the second may cost a dollar": (
        {"books": NO_BIDS, "hurdles": WIDE, "primary": POLYMARKET},
        KALSHI,
        "111.935",
    ),
    # The first leg's spread of two cents is less than the limit: as if it were two cents.
    "a spread below the limit of a rescue": ({"hurdles": WIDE}, POLYMARKET, "64.056"),
}


@pytest.mark.parametrize("case", FREE)
def test_free_cash_bounds_the_quantity_by_the_worst_case_of_a_leg(case: str) -> None:
    facts, platform, enough = FREE[case]
    given: dict[str, Any] = {"books": deep_books()} | facts

    sizes = [
        size(**given, caps=replace(AMPLE, free={**AMPLE.free, platform: dollars(cash)}))
        for cash in (enough, str(Decimal(enough) - MILLIONTH))
    ]

    assert sizes == [100, 99]


def room(number: str, limit: Reason = Reason.PAIR_LIMIT) -> Caps:
    return replace(AMPLE, room=Room(dollars(number), limit))


@pytest.mark.parametrize(("left", "quantity"), [("110.891", 100), ("110.890999", 99)])
def test_room_within_limits_is_taken_by_both_legs_and_their_rounding(
    left: str, quantity: int
) -> None:
    # 0.46825 and 0.64046 dollars for a contract, and a cent for each leg.
    assert size(books=deep_books(), caps=room(left)) == quantity


@pytest.mark.parametrize(("position", "quantity"), [("93", 100), ("92.999999", 99)])
def test_a_position_costs_at_most_its_limit_before_fees(position: str, quantity: int) -> None:
    caps = replace(AMPLE, position=dollars(position))

    assert size(books=deep_books(), caps=caps) == quantity


TINY = sized(polymarket=sizing("0.01", "0.01"))


@pytest.mark.parametrize("platform", list(Platform))
@pytest.mark.parametrize("cash", ["0", "0.01"])
def test_without_more_than_the_rounding_nothing_is_affordable(
    platform: Platform, cash: str
) -> None:
    caps = replace(AMPLE, free={**AMPLE.free, platform: dollars(cash)})

    assert size(match=TINY, books=deep_books(), caps=caps) is Reason.INSUFFICIENT_CAPITAL


@pytest.mark.parametrize("left", ["0", "0.02"])
def test_without_more_than_the_rounding_a_limit_leaves_nothing(left: str) -> None:
    found = size(match=TINY, books=deep_books(), caps=room(left, Reason.CLUSTER_LIMIT))

    assert found is Reason.CLUSTER_LIMIT


# Three contracts cost 2.79 dollars, and 3.34613 in the worst case. Five are the minimum.


@pytest.mark.parametrize(
    ("position", "left", "reason"),
    [
        ("2.79", None, Reason.INSUFFICIENT_CAPITAL),
        ("2.79", "3.346129", Reason.CLUSTER_LIMIT),
        ("2.79", "3.34613", Reason.INSUFFICIENT_CAPITAL),
        ("2.80", "3.34613", Reason.CLUSTER_LIMIT),
    ],
)
def test_the_tightest_cap_is_the_reason_for_no_trade(
    position: str, left: str | None, reason: Reason
) -> None:
    limits = None if left is None else Room(dollars(left), Reason.CLUSTER_LIMIT)
    caps = Caps(dollars(position), AMPLE.free, limits)

    assert size(books=deep_books(), caps=caps) is reason


# Depth and hurdles


def laddered(first: int = 100, second: int = 50) -> dict[str, Any]:
    asks = {40: first, 42: second, 60: 500}
    return {"books": both(book(KALSHI, {38: 500}, asks), deep_books()[POLYMARKET])}


SECOND_MARGIN = Decimal("0.0249877375")
"""Of the contract at 42 cents: 5 cents less fees of 0.024525 and 0.0005 of all that is paid."""


@pytest.mark.parametrize(
    ("minimum", "quantity"), [(SECOND_MARGIN, 150), (SECOND_MARGIN + Decimal("1e-10"), 100)]
)
def test_contracts_are_bought_while_their_margin_is_at_least_the_minimum(
    minimum: Decimal, quantity: int
) -> None:
    hurdles = replace(DEFAULT, minimum_net_edge=minimum)

    assert size(**laddered(), hurdles=hurdles) == quantity


@pytest.mark.parametrize(("yearly", "quantity"), [("1.3", 150), ("1.4", 100), ("2.5", 100)])
def test_contracts_are_bought_while_their_return_is_at_least_the_hurdle(
    yearly: str, quantity: int
) -> None:
    """In a week, 2.499 cents on 95 are 1.372 a year, and 4.525 on 93 are 2.537."""
    hurdles = replace(DEFAULT, yearly_return=Decimal(yearly))

    assert size(**laddered(), hurdles=hurdles) == quantity


def test_contracts_affordable_at_one_price_are_kept_if_a_higher_one_allows_fewer() -> None:
    caps = replace(AMPLE, position=dollars("94"))

    # 94 dollars buy 101 at 93 cents, where there are 100, and 98 at 95 cents.
    assert size(**laddered(), caps=caps) == 100


@pytest.mark.parametrize(("second", "quantity"), [(1, 101), (4, 104), (5, 105), (6, 105)])
def test_depth_of_several_prices_adds_up_to_what_is_affordable(
    second: int, quantity: int
) -> None:
    caps = replace(AMPLE, position=dollars("99.75"))  # 105 at 95 cents

    assert size(**laddered(second=second), caps=caps) == quantity


# Steps and minima


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "depth", "expected"),
    [
        ("1", "30", 30, 30),
        ("1", "30", 29, Reason.BELOW_MINIMUM_SIZE),
        ("30", "1", 30, 30),
        ("30", "1", 29, Reason.BELOW_MINIMUM_SIZE),
    ],
)
def test_the_quantity_is_at_least_the_minimum_of_both_platforms(
    kalshi: str, polymarket: str, depth: int, expected: object
) -> None:
    match = sized(sizing("1", kalshi), sizing("1", polymarket))
    books = both(book(KALSHI, {38: 500}, {40: depth}), deep_books()[POLYMARKET])
    patient = replace(DEFAULT, minimum_fill_share=Decimal(0))

    assert size(match=match, books=books, hurdles=patient) == expected


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "expected"),
    [
        # Twenty dollars are 50 contracts at 40 cents, 37.7 at 53.
        ("20", "0", 50),
        ("20.01", "0", Reason.BELOW_MINIMUM_SIZE),
        ("0", "26.5", 50),
        ("0", "26.51", Reason.BELOW_MINIMUM_SIZE),
    ],
)
def test_a_minimum_in_dollars_is_counted_at_the_price_of_its_leg(
    kalshi: str, polymarket: str, expected: object
) -> None:
    match = sized(sizing("1", "1", kalshi), sizing("1", "1", polymarket))
    books = both(book(KALSHI, {38: 500}, {40: 50}), deep_books()[POLYMARKET])
    patient = replace(DEFAULT, minimum_fill_share=Decimal(0))

    assert size(match=match, books=books, hurdles=patient) == expected


@pytest.mark.parametrize(
    ("depth", "position", "expected"),
    [
        # The minimum is 40; 37.2 dollars buy exactly as many.
        (40, "37.2", 40),
        (40, "37.19", Reason.INSUFFICIENT_CAPITAL),
        (41, "37.19", Reason.INSUFFICIENT_CAPITAL),
        (39, "37.19", Reason.BELOW_MINIMUM_SIZE),
        (39, "37.2", Reason.BELOW_MINIMUM_SIZE),
        (39, "93", Reason.BELOW_MINIMUM_SIZE),
    ],
)
def test_a_size_below_the_minimum_is_for_want_of_capital_only_where_depth_suffices(
    depth: int, position: str, expected: object
) -> None:
    match = sized(sizing("0.01", "40"))
    books = both(book(KALSHI, {38: 500}, {40: depth}), deep_books()[POLYMARKET])
    caps = replace(AMPLE, position=dollars(position))

    assert size(match=match, books=books, caps=caps) == expected


def test_capital_for_a_minimum_that_a_coarser_step_misses_makes_too_small_a_size() -> None:
    match = sized(sizing("1", "150"), sizing("100", "100"))
    caps = replace(AMPLE, position=dollars("139.5"))  # exactly 150

    found = size(match=match, books=deep_books(), caps=caps)

    assert found is Reason.BELOW_MINIMUM_SIZE


@pytest.mark.parametrize(
    ("steps", "quantity"), [(("10", "1"), 90), (("1", "20"), 80), (("1", "1"), 95)]
)
def test_the_quantity_is_a_multiple_of_the_coarser_step(
    steps: tuple[str, str], quantity: int
) -> None:
    match = sized(*(sizing(each, each) for each in steps))
    books = both(book(KALSHI, {38: 500}, {40: 95}), deep_books()[POLYMARKET])

    caps = replace(AMPLE, position=dollars(186))

    assert size(match=match, books=books, caps=caps) == quantity


@pytest.mark.parametrize(("depth", "expected"), [(50, 50), (49, Reason.INSUFFICIENT_DEPTH)])
def test_a_quarter_of_what_is_affordable_is_enough(depth: int, expected: object) -> None:
    books = both(book(KALSHI, {38: 500}, {40: depth}), deep_books()[POLYMARKET])
    caps = replace(AMPLE, position=dollars(186))  # 200 contracts

    assert size(books=books, caps=caps) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [("0.66", 100), ("0.68", Reason.INSUFFICIENT_DEPTH)]
)
def test_the_share_is_of_what_is_affordable_at_the_price_where_depth_reaches_it(
    share: str, expected: object
) -> None:
    """139.5 dollars buy the 150 contracts at 93 cents; at 95 they would buy 146."""
    match = sized(polymarket=sizing("100", "100"))
    caps = replace(AMPLE, position=dollars("139.5"))
    hurdles = replace(DEFAULT, minimum_fill_share=Decimal(share))

    assert size(match=match, **laddered(first=150), hurdles=hurdles, caps=caps) == expected


def test_a_refusal_for_its_size_tells_the_edges_at_the_best_prices() -> None:
    books = both(book(KALSHI, {38: 500}, {40: 4}), deep_books()[POLYMARKET])

    assert look(books=books) == Refusal(
        Reason.BELOW_MINIMUM_SIZE, Decimal("0.07"), Decimal("0.0452498635")
    )

"""What detection tells of an opportunity, to the last millionth, and of each refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.detection import (
    DEFAULT,
    KALSHI,
    POLYMARKET,
    both,
    deep_books,
    dollars,
    look,
    opportunity,
)
from support.pairs import NOW, RICH, book, cheap_books, contract, pair

from dutchbook.domain.detection.quote import LegQuote, Opportunity, Reason, Refusal
from dutchbook.domain.market.book import OrderBook, Walk
from dutchbook.domain.market.contract import Alignment, ContractMatch, Outcome, Platform, Sizing
from dutchbook.domain.market.fees import FeeSchedule, polymarket_terms
from dutchbook.domain.values.units import Price, PriceGrid, Quantity

YES, NO = Outcome
MOMENT = timedelta(microseconds=1)


# Whole opportunities: 60 contracts at 40 cents on Kalshi and more at 41, and on Polymarket
# 70 at 53 cents and more at 54. A position of 93 dollars has 97 of each.

SAME = both(
    book(KALSHI, {38: 500}, {40: 60, 41: 300}), book(POLYMARKET, {47: 70, 46: 400}, {49: 500})
)
TURNED = both(
    book(KALSHI, {60: 60, 59: 300}, {62: 500}), book(POLYMARKET, {51: 500}, {53: 70, 54: 400})
)
INVERSE = both(SAME[KALSHI], TURNED[POLYMARKET])
COSTLY = replace(DEFAULT, gas=dollars("0.5"))
N97 = Quantity(Decimal(97))


def quote(
    platform: Platform, outcome: Outcome, bound: str, even_bound: str, budget: str
) -> LegQuote:
    kalshi = platform is KALSHI
    cost, limit, fee = (
        ("39.17", "0.41", "1.634682") if kalshi else ("51.68", "0.54", "0.724373")
    )
    return LegQuote(
        platform=platform,
        contract_id=f"{platform}-cup",
        outcome=outcome,
        walk=Walk(N97, Decimal(cost), Price(Decimal(limit))),
        limit=Price(Decimal(limit)),
        bound=Price(Decimal(bound)),
        even_bound=Price(Decimal(even_bound)),
        fee=dollars(fee),
        budget=dollars(budget),
    )


@pytest.mark.parametrize(
    ("books", "alignment", "outcomes"),
    [
        (SAME, Alignment.SAME, (YES, NO)),
        (TURNED, Alignment.SAME, (NO, YES)),
        (INVERSE, Alignment.INVERSE, (YES, YES)),
    ],
    ids=["yes and no", "no and yes", "yes and yes"],
)
@pytest.mark.parametrize(
    ("primary", "kalshi", "polymarket"),
    [
        (KALSHI, ("0.41", "0.48", "46.295313"), ("0.61", "0.61", "60.94565")),
        (POLYMARKET, ("0.48", "0.48", "53.085313"), ("0.54", "0.61", "60.25016")),
    ],
)
def test_an_opportunity_states_its_legs_edges_and_returns_exactly(
    books: dict[Platform, OrderBook],
    alignment: Alignment,
    outcomes: tuple[Outcome, Outcome],
    primary: Platform,
    kalshi: tuple[str, str, str],
    polymarket: tuple[str, str, str],
) -> None:
    match = pair(alignment=alignment)
    caps = replace(RICH, position=dollars(93))

    found = look(match, books, outcomes[0], COSTLY, caps, primary=primary)

    paid = Decimal("93.209055")  # 90.85 and the fees
    net = (97 - paid - Decimal("0.5") - Decimal("0.046605")) / 97
    assert found == Opportunity(
        opportunity_id="",
        match=match,
        kalshi=quote(KALSHI, outcomes[0], *kalshi),
        polymarket=quote(POLYMARKET, outcomes[1], *polymarket),
        primary=primary,
        quantity=N97,
        gross_edge=1 - Decimal("39.17") / 97 - Decimal("51.68") / 97,
        net_edge=opportunity(found).net_edge,
        expected_profit=dollars("3.290945"),
        divergence_reserve=dollars("0.046605"),
        yearly_return=opportunity(found).yearly_return,
        rate_per_day=opportunity(found).yearly_return / 365,
        detected_at=NOW,
    )
    assert opportunity(found).net_edge == pytest.approx(net, abs=Decimal("1e-20"))
    assert opportunity(found).yearly_return == pytest.approx(
        net * 97 / paid * 365 / 7, abs=Decimal("1e-20")
    )


@pytest.mark.parametrize(
    ("cash_in", "days"),
    [(timedelta(hours=12), 1), (timedelta(hours=36), Decimal("1.5")), (timedelta(days=10), 10)],
)
def test_a_return_is_per_year_until_the_payout_and_at_least_a_day(
    cash_in: timedelta, days: Decimal
) -> None:
    dates = {"resolution_time": NOW + timedelta(hours=6), "cash_delay": timedelta(0)}
    late = {"resolution_time": NOW, "cash_delay": cash_in}
    match = pair(kalshi=contract(KALSHI, **dates), polymarket=contract(POLYMARKET, **late))

    found = opportunity(look(match))

    paid = found.quantity - found.expected_profit
    expected = found.net_edge * found.quantity / paid * 365 / days
    assert found.yearly_return == pytest.approx(expected, abs=Decimal("1e-20"))


def test_a_return_in_centuries_is_exact_to_the_microsecond() -> None:
    left = 2**53 + 1
    late = {"resolution_time": NOW, "cash_delay": left * MOMENT}
    patient = replace(DEFAULT, yearly_return=Decimal(0))

    found = opportunity(look(pair(kalshi=contract(KALSHI, **late)), hurdles=patient))

    paid = found.quantity - found.expected_profit
    expected = found.net_edge * found.quantity / paid * 365 * 86_400 * 1_000_000 / left
    assert found.yearly_return == pytest.approx(expected, abs=Decimal("1e-25"))


# Prices that an order may have


def banded(platform: Platform) -> ContractMatch:
    """Return a pair in which YES has every cent up to 50 on a platform, then every fifth."""
    ranges = [
        {"start": "0", "end": "0.5", "step": "0.01"},
        {"start": "0.5", "end": "1", "step": "0.05"},
    ]
    return pair(**{platform.value: contract(platform, grid=PriceGrid.of_ranges(ranges))})


@pytest.mark.parametrize(
    ("match", "books", "outcome", "limits", "evens"),
    [
        (pair(), SAME, YES, ("0.41", "0.54"), ("0.48", "0.61")),
        # NO at 54 cents is YES at 46, a whole cent; so is NO at 61.
        (banded(POLYMARKET), SAME, YES, ("0.41", "0.54"), ("0.48", "0.61")),
        # YES at 54 cents is between two prices: 55 is the next above, 60 the next below 61.
        (banded(POLYMARKET), TURNED, NO, ("0.41", "0.55"), ("0.47", "0.60")),
        (banded(KALSHI), SAME, YES, ("0.41", "0.54"), ("0.48", "0.61")),
        # NO at 41 cents is YES at 59; NO at 45 is the next above. It is the next below 48 too.
        (banded(KALSHI), TURNED, NO, ("0.45", "0.54"), ("0.45", "0.57")),
    ],
)
def test_a_leg_is_sent_at_the_next_price_that_its_grid_has(
    match: ContractMatch,
    books: dict[Platform, OrderBook],
    outcome: Outcome,
    limits: tuple[str, str],
    evens: tuple[str, str],
) -> None:
    found = opportunity(look(match, books, outcome, caps=replace(RICH, position=dollars(93))))

    legs = (found.kalshi, found.polymarket)
    assert tuple(leg.limit for leg in legs) == tuple(Decimal(each) for each in limits)
    assert tuple(leg.even_bound for leg in legs) == tuple(Decimal(each) for each in evens)


TENTHS = PriceGrid.of_tick("0.1")
FEW = Sizing(Quantity(Decimal("0.1")), Quantity(Decimal(1)), dollars(0), cent_exact=True)
DEAR_KALSHI = both(
    book(KALSHI, {94: 500}, {95: 5_000}), book(POLYMARKET, {98: 5_000}, {99: 500})
)
DEAR_POLYMARKET = both(
    book(KALSHI, {1: 500}, {2: 5_000}), book(POLYMARKET, {5: 5_000}, {6: 500})
)


@pytest.mark.parametrize(
    ("coarse", "books"),
    [
        (contract(KALSHI, grid=TENTHS), DEAR_KALSHI),
        (contract(POLYMARKET, grid=TENTHS, sizing=FEW), DEAR_POLYMARKET),
    ],
    ids=["kalshi", "polymarket"],
)
def test_a_leg_that_no_valid_price_is_high_enough_for_is_refused(
    coarse: Any, books: dict[Platform, OrderBook]
) -> None:
    found = look(pair(**{coarse.platform.value: coarse}), books)

    assert isinstance(found, Refusal)
    assert found.net_edge is not None
    assert Decimal("0.025") < found.net_edge < Decimal("0.027")
    assert found == Refusal(
        Reason.INSUFFICIENT_DEPTH,
        Decimal("0.03"),
        found.net_edge,
        "no valid price is as high",
    )


def test_a_leg_may_cost_its_limit_where_no_lower_price_is_valid() -> None:
    match = pair(kalshi=contract(KALSHI, grid=TENTHS))

    found = opportunity(look(match, DEAR_POLYMARKET, primary=POLYMARKET))

    # 7 cents at most would complete the pair, and 10 are the lowest price of the grid.
    leg = found.kalshi
    assert (leg.limit, leg.bound, leg.even_bound) == tuple([Decimal("0.1")] * 3)


# Refusals

GROSS, BEST = Decimal("0.07"), Decimal("0.0452498635")
"""Of `cheap_books`: 93 cents for a dollar, fees of 2.4273 cents, 0.0005 of all that is paid."""


def shifted(**facts: Any) -> ContractMatch:
    return pair(**{p.value: contract(p, **facts.get(p.value, {})) for p in Platform})


def test_books_without_a_gross_edge_are_refused_first() -> None:
    even = cheap_books() | {KALSHI: book(KALSHI, {38: 500}, {47: 500})}

    assert look(pair(operator_approved=False), even) == Refusal(Reason.NO_EDGE, Decimal(0))
    assert look(books=even, outcome=NO) == Refusal(Reason.NO_EDGE, Decimal("-0.11"))


@pytest.mark.parametrize("platform", list(Platform))
@pytest.mark.parametrize("early", [timedelta(0), MOMENT])
def test_a_pair_is_refused_from_the_window_before_either_contract_closes(
    platform: Platform, early: timedelta
) -> None:
    closing = NOW + DEFAULT.closing_window - early
    match = shifted(**{platform.value: {"close_time": closing}})

    assert look(match) == Refusal(Reason.CLOSING_SOON, GROSS)


@pytest.mark.parametrize("platform", list(Platform))
def test_a_pair_is_traded_until_the_window_before_it_closes(platform: Platform) -> None:
    closing = NOW + DEFAULT.closing_window + MOMENT

    found = look(shifted(**{platform.value: {"close_time": closing}}))

    assert isinstance(found, Opportunity)


def stale(book: OrderBook) -> None:
    book.touch(NOW - DEFAULT.book_age - MOMENT, 1)


def old_enough(book: OrderBook) -> None:
    book.touch(NOW - DEFAULT.book_age, 1)


def off_grid(book: OrderBook) -> None:
    book.doubt_grid(doubted=True)


@pytest.mark.parametrize("platform", list(Platform))
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (stale, Reason.BOOK_STALE),
        (off_grid, Reason.BOOK_OFF_GRID),
        (old_enough, None),
    ],
)
def test_a_book_that_is_not_trusted_is_not_traded_on(
    platform: Platform, change: Callable[[OrderBook], None], reason: Reason | None
) -> None:
    books = cheap_books()
    change(books[platform])

    found = look(books=books, hurdles=replace(DEFAULT, books_apart=DEFAULT.book_age))

    if reason is None:
        assert isinstance(found, Opportunity)
    else:
        assert found == Refusal(reason, GROSS)


@pytest.mark.parametrize("platform", list(Platform))
@pytest.mark.parametrize(("ms", "trades"), [(0, True), (1_500, True), (1_500.001, False)])
def test_both_books_must_be_of_one_moment(platform: Platform, ms: float, trades: bool) -> None:
    books = cheap_books()
    books[platform].touch(NOW - timedelta(milliseconds=ms), 1)

    found = look(books=books)

    if trades:
        assert isinstance(found, Opportunity)
    else:
        assert found == Refusal(Reason.BOOKS_APART, GROSS)


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "trades"),
    [
        (0, 0, True),
        (0, 1_500, True),
        (1_500, 0, True),
        (0, 1_501, False),
        (600_000, 0, False),
        (None, 600_000, True),
        (600_000, None, True),
    ],
)
def test_both_books_must_be_of_one_moment_by_their_platforms_own_times_too(
    kalshi: int | None, polymarket: int | None, trades: bool
) -> None:
    books = cheap_books()
    for platform, ms in ((KALSHI, kalshi), (POLYMARKET, polymarket)):
        theirs = None if ms is None else NOW - timedelta(milliseconds=ms)
        books[platform].touch(NOW, 1, theirs)

    found = look(books=books)

    assert isinstance(found, Opportunity) == trades
    if not trades:
        assert found == Refusal(Reason.BOOKS_APART, GROSS)


@pytest.mark.parametrize(
    ("used", "slope", "trades"),
    [
        ("0", "0.5", True),
        ("1", "0", True),
        ("1", "0.037", True),
        ("1", "0.038", False),
        ("0.5", "0.148", True),
        ("0.5", "0.152", False),
    ],
)
def test_the_least_edge_rises_with_the_square_of_the_money_in_use(
    used: str, slope: str, trades: bool
) -> None:
    """The edge of a hundred contracts is 4.57 cents, less what divergence may cost."""
    hurdles = replace(DEFAULT, edge_slope=Decimal(slope))

    found = look(hurdles=hurdles, caps=replace(RICH, used=Decimal(used)))

    if trades:
        assert isinstance(found, Opportunity)
    else:
        assert isinstance(found, Refusal)
        assert found.reason is Reason.BELOW_MINIMUM_EDGE


@pytest.mark.parametrize("platform", list(Platform))
def test_without_known_fees_of_both_platforms_there_is_no_trade(platform: Platform) -> None:
    later = FeeSchedule((polymarket_terms(Decimal("0.03"), NOW + MOMENT),))

    for fees in (None, later):
        match = shifted(**{platform.value: {"fees": fees}})
        assert look(match) == Refusal(Reason.FEE_UNKNOWN, GROSS)


def test_an_edge_is_suspicious_above_the_hurdle_and_not_at_it() -> None:
    at, below = (replace(DEFAULT, suspicious_edge=Decimal(each)) for each in ("0.07", "0.069"))

    assert isinstance(look(hurdles=at), Opportunity)
    assert look(hurdles=below) == Refusal(Reason.SUSPICIOUS_EDGE, GROSS, detail="above 0.069")
    assert look(pair(operator_approved=False), hurdles=below) == Refusal(
        Reason.PAIR_NOT_APPROVED, GROSS
    )


def test_a_margin_below_the_minimum_is_refused_before_any_size() -> None:
    above = replace(DEFAULT, minimum_net_edge=BEST + Decimal("1e-10"))
    at = replace(DEFAULT, minimum_net_edge=BEST)

    assert look(hurdles=above) == Refusal(Reason.BELOW_MINIMUM_EDGE, GROSS, BEST)
    # The fees of a whole order are rounded up, so that it is just below.
    found = look(books=deep_books(), hurdles=at)
    assert isinstance(found, Refusal)
    assert found.detail == "for the size that can be sent"


def test_an_edge_that_gas_takes_is_refused_for_the_size() -> None:
    caps = replace(RICH, position=dollars(93))
    costly = replace(DEFAULT, gas=dollars(4))

    found = look(books=deep_books(), hurdles=costly, caps=caps)

    # 100 dollars less 93, fees of 1.68 and 0.7473, gas of 4, and a reserve of 0.047714.
    assert found == Refusal(
        Reason.BELOW_MINIMUM_EDGE,
        GROSS,
        Decimal("0.00524986"),
        "for the size that can be sent",
    )


# The hurdle of a year


def in_a_year() -> ContractMatch:
    """Return a pair without fees that pays in exactly a year."""
    free = polymarket_terms(Decimal(0))
    facts = {
        "fees": FeeSchedule((free,)),
        "close_time": NOW + timedelta(days=365),
        "resolution_time": NOW + timedelta(days=365),
        "cash_delay": timedelta(0),
    }
    legs = {p.value: contract(p, **facts) for p in Platform}
    return pair(**legs, divergence_probability=Decimal(0))


@pytest.mark.parametrize(
    ("interest", "pays"),
    [
        ({}, False),  # 7 cents on 93 are 7.53 % a year
        ({"kalshi_interest": "0.011"}, True),  # on 40 cents: 0.44 cents, and 8 % of 93 are 7.44
        ({"kalshi_interest": "0.0109999999"}, False),
        ({"polymarket_interest": "0.0083"}, False),  # on 53 cents: 0.4399 cents
        ({"polymarket_interest": "0.0084"}, True),
        ({"kalshi_interest": "0.0057", "polymarket_interest": "0.004"}, True),  # 0.228 + 0.212
        ({"kalshi_interest": "0.0057", "polymarket_interest": "0.0039999999"}, False),
    ],
)
def test_interest_on_locked_capital_reduces_the_hurdle(
    interest: dict[str, str], pays: bool
) -> None:
    kalshi, polymarket = (Decimal(interest.get(f"{p}_interest", 0)) for p in Platform)
    demands = replace(DEFAULT, kalshi_interest=kalshi, polymarket_interest=polymarket)

    found = look(match=in_a_year(), hurdles=demands)

    assert isinstance(found, Opportunity) is pays
    if isinstance(found, Refusal):
        assert found.reason is Reason.BELOW_HURDLE_RATE


def test_a_refusal_for_its_return_tells_both_edges() -> None:
    assert look(in_a_year()) == Refusal(Reason.BELOW_HURDLE_RATE, GROSS, GROSS)

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.detection import DEFAULT, look, opportunity
from support.laws import reached, reaches
from support.pairs import NOW, RICH, book, cheap_books, contract, pair

from dutchbook.domain.detection.detect import detect, has_edge, possible
from dutchbook.domain.detection.quote import Caps, Hurdles, Opportunity, Reason, Refusal, Room
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import (
    Alignment,
    ContractMatch,
    Outcome,
    Platform,
    Sizing,
)
from dutchbook.domain.market.fees import FeeRounding, FeeSchedule, FeeTerms
from dutchbook.domain.values.units import E4, ZERO, Money, Quantity
from dutchbook.errors import InvalidInput

HUNDRED = Quantity(Decimal(100))


cents = st.integers(1, 99)
sizes = st.integers(1, 5_000)
sides = st.dictionaries(cents, sizes, min_size=1, max_size=5)


def refusal(found: Opportunity | Refusal) -> Reason:
    assert isinstance(found, Refusal)
    return found.reason


def test_both_legs_have_equal_contracts_and_cost_less_than_they_pay() -> None:
    found = opportunity(look())

    assert found.kalshi.outcome is Outcome.YES
    assert found.polymarket.outcome is Outcome.NO
    assert found.kalshi.walk.size == found.polymarket.walk.size == found.quantity
    paid = sum(leg.walk.cost + leg.fee for leg in (found.kalshi, found.polymarket))
    assert found.expected_profit == found.quantity - paid > 0


def test_the_quantity_stops_where_the_marginal_contract_no_longer_clears_the_hurdle() -> None:
    books = cheap_books()
    books[Platform.KALSHI] = book(Platform.KALSHI, {38: 500}, {40: 100, 45: 1_000})

    found = opportunity(look(books=books))

    assert found.quantity == 100


def test_the_quantity_is_reduced_to_the_position_limit() -> None:
    found = opportunity(look(caps=Caps(Money(Decimal(50)), RICH.free)))

    assert found.kalshi.walk.cost + found.polymarket.walk.cost <= 50
    assert found.quantity == 53


@pytest.mark.parametrize("platform", list(Platform))
def test_the_worst_case_of_each_leg_fits_into_its_platforms_free_cash(
    platform: Platform,
) -> None:
    free = {p: Money(Decimal(5_000)) for p in Platform} | {platform: Money(Decimal(20))}

    found = opportunity(look(caps=Caps(RICH.position, free)))

    assert 0 < found.leg(platform).budget <= 20


@settings(max_examples=200)
@given(
    dollars=st.integers(2_000, 30_000),
    share=st.integers(0, 200_000),
    primary=st.sampled_from(list(Platform)),
    platform=st.sampled_from(list(Platform)),
)
def test_the_budget_of_a_leg_covers_its_worst_case_almost_exactly(
    dollars: int, share: int, primary: Platform, platform: Platform
) -> None:
    hurdles = replace(DEFAULT, true_up_share=Decimal(share).scaleb(-6))
    caps = replace(RICH, position=Money(Decimal(dollars).scaleb(-2)))

    leg = opportunity(look(hurdles=hurdles, caps=caps, primary=primary)).leg(platform)

    # Polymarket spends dollars, so as the first leg it may overfill; then either leg may
    # buy more to rebalance.
    rebalances = primary is Platform.POLYMARKET or platform is primary
    more = Fraction(leg.walk.size) * Fraction(hurdles.true_up_share) * rebalances
    prices = Fraction(leg.bound) * Fraction(leg.walk.size) + Fraction(leg.even_bound) * more
    fees = _worst_fees(platform, leg.even_bound, Fraction(leg.walk.size) + more)
    assert 0 <= Fraction(leg.budget) - prices - fees < Fraction(1, 100_000)


def _worst_fees(platform: Platform, price: Decimal, pieces: Fraction) -> Fraction:
    """Return the fee of contracts at `price` or better in fifty fills, each rounded up."""
    schedule = contract(platform).fees
    assert schedule is not None
    terms = schedule.at(NOW)
    assert terms is not None
    dearest = min(Fraction(price), Fraction(1, 2))
    model = Fraction(terms.taker_rate) * pieces * dearest * (1 - dearest)
    if platform is Platform.POLYMARKET:
        model = max(model, Fraction(terms.taker_rate) * pieces * Fraction(price))
    return model + 50 * (Fraction(terms.rounding.quantum) + Fraction(1, 1_000_000))


def roomy(dollars: str, limit: Reason = Reason.PAIR_LIMIT) -> Caps:
    return replace(RICH, room=Room(Money(Decimal(dollars)), limit))


@reaches(traded=15)
@settings(max_examples=200)
@given(
    dollars=st.integers(0, 400),
    asks=st.dictionaries(st.integers(30, 45), sizes, min_size=1, max_size=5),
    kind=st.sampled_from(list(FeeRounding)),
    primary=st.sampled_from(list(Platform)),
)
def test_the_worst_case_of_both_legs_fits_into_what_limits_leave(
    dollars: int, asks: dict[int, int], kind: FeeRounding, primary: Platform
) -> None:
    books = cheap_books() | {Platform.KALSHI: book(Platform.KALSHI, {28: 500}, asks)}
    terms = tuple(replace(each, rounding=kind) for each in _terms(Platform.KALSHI))
    match = pair(kalshi=contract(Platform.KALSHI, fees=FeeSchedule(terms)))
    caps = roomy(str(dollars))

    found = detect(
        match, books, Outcome.YES, primary=primary, now=NOW, hurdles=DEFAULT, caps=caps
    )

    if isinstance(found, Opportunity):
        reached("traded")
        assert found.budget <= dollars


def _terms(platform: Platform) -> tuple[FeeTerms, ...]:
    schedule = contract(platform).fees
    assert schedule is not None
    return schedule.terms


def test_the_quantity_is_reduced_to_the_room_within_the_limits() -> None:
    whole = opportunity(look())

    cut = opportunity(look(caps=roomy("60")))

    assert 0 < cut.quantity < whole.quantity
    assert 55 < cut.budget <= 60


SHALLOW = {
    Platform.KALSHI: book(Platform.KALSHI, {38: 500}, {40: 100}),
    Platform.POLYMARKET: book(Platform.POLYMARKET, {47: 400}, {49: 500}),
}
COARSE = pair(kalshi=contract(Platform.KALSHI, sizing=Sizing(HUNDRED, HUNDRED, ZERO)))


@pytest.mark.parametrize(
    ("match", "books", "caps"),
    [
        (None, None, replace(RICH, position=Money(Decimal(90)))),
        (None, None, replace(RICH, free=dict.fromkeys(Platform, Money(Decimal(60))))),
        (None, None, roomy("100")),
        (None, SHALLOW, RICH),
        (COARSE, None, replace(RICH, position=Money(Decimal(180)))),
    ],
    ids=["position", "free cash", "limits", "depth", "lots"],
)
def test_the_size_that_is_sent_is_held_against_the_minimum_edge_again(
    match: ContractMatch | None, books: dict[Platform, OrderBook] | None, caps: Caps
) -> None:
    """What both legs pay whatever their size, such as gas, is shared by fewer contracts."""
    costly = replace(DEFAULT, gas=Money(Decimal(2)), minimum_net_edge=Decimal("0.03"))
    free = replace(costly, gas=ZERO)

    whole = opportunity(look(hurdles=costly))
    cut = opportunity(look(match, books, hurdles=free, caps=caps))
    refused = look(match, books, hurdles=costly, caps=caps)

    assert 80 < cut.quantity < 110 < whole.quantity
    assert whole.net_edge > costly.minimum_net_edge
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.BELOW_MINIMUM_EDGE
    assert refused.net_edge is not None
    assert refused.net_edge < costly.minimum_net_edge < cut.net_edge


@pytest.mark.parametrize("limit", [Reason.PAIR_LIMIT, Reason.CLUSTER_LIMIT])
def test_an_exhausted_limit_is_the_reason_for_no_trade(limit: Reason) -> None:
    assert refusal(look(caps=roomy("0", limit))) is limit


def test_without_free_cash_the_reason_is_not_a_limit() -> None:
    poor = {p: Money(Decimal(1)) for p in Platform}

    assert refusal(look(caps=replace(roomy("60"), free=poor))) is Reason.INSUFFICIENT_CAPITAL


@pytest.mark.parametrize("confidence", ["0", "1.000001", "-1", "0.0000001", "NaN"])
def test_the_confidence_of_a_match_is_above_zero_and_at_most_one(confidence: str) -> None:
    with pytest.raises(InvalidInput, match="confidence"):
        pair(confidence=Decimal(confidence))


def test_without_free_cash_there_is_no_trade() -> None:
    free = {p: Money(Decimal(1)) for p in Platform}

    assert refusal(look(caps=Caps(RICH.position, free))) is Reason.INSUFFICIENT_CAPITAL


def test_the_size_is_valid_on_the_grids_of_both_platforms() -> None:
    found = opportunity(look(caps=Caps(Money(Decimal("50.37")), RICH.free)))

    dollars = found.quantity * found.polymarket.limit
    assert dollars % Decimal("0.01") == 0
    assert found.quantity % found.match.polymarket.lot == 0


def test_a_small_part_of_the_ideal_size_is_not_traded() -> None:
    books = cheap_books()
    books[Platform.KALSHI] = book(Platform.KALSHI, {38: 500}, {40: 60})

    assert refusal(look(books=books)) is Reason.INSUFFICIENT_DEPTH
    patient = replace(DEFAULT, minimum_fill_share=Decimal("0.1"))
    assert opportunity(look(books=books, hurdles=patient)).quantity == 60


def test_a_size_below_a_platforms_minimum_is_rejected() -> None:
    books = cheap_books()
    books[Platform.KALSHI] = book(Platform.KALSHI, {38: 500}, {40: 4})

    assert refusal(look(books=books)) is Reason.BELOW_MINIMUM_SIZE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"operator_approved": False}, Reason.PAIR_NOT_APPROVED),
        ({"kalshi": contract(Platform.KALSHI, fees=None)}, Reason.FEE_UNKNOWN),
        (
            {"kalshi": contract(Platform.KALSHI, close_time=NOW + timedelta(minutes=1))},
            Reason.CLOSING_SOON,
        ),
        (
            {"polymarket": contract(Platform.POLYMARKET, cash_delay=timedelta(days=3_000))},
            Reason.BELOW_HURDLE_RATE,
        ),
        ({"divergence_probability": Decimal("0.057")}, Reason.BELOW_MINIMUM_EDGE),
    ],
)
def test_a_pair_that_must_not_be_traded_is_refused_by_name(
    change: dict[str, object], reason: Reason
) -> None:
    assert refusal(look(match=pair(**change))) is reason


rates = st.integers(0, 2_000).map(lambda each: Decimal(each) / 10_000)
low = st.integers(0, 500).map(lambda each: Decimal(each) / 10_000)


@reaches(refused=10, hurdle_met=10)
@settings(max_examples=300)
@given(
    st.integers(30, 46),
    st.integers(82, 96),
    st.one_of(rates, st.integers(1_000, 2_000).map(lambda each: Decimal(each) / 10_000)),
    low,
    low,
    st.one_of(st.integers(1, 2_000), st.integers(500, 2_000)),
)
def test_the_hurdle_is_exact(
    ask: int, both: int, hurdle: Decimal, kalshi: Decimal, polymarket: Decimal, days: int
) -> None:
    """The profit of a pair is compared with the return required of both prices until payout."""
    other = both - ask
    books = {
        Platform.KALSHI: book(Platform.KALSHI, {20: 500}, {ask: 500}),
        Platform.POLYMARKET: book(Platform.POLYMARKET, {100 - other: 500}, {90: 500}),
    }
    legs = {
        p.value: contract(
            p,
            close_time=NOW + timedelta(days=days),
            resolution_time=NOW + timedelta(days=days),
            cash_delay=timedelta(0),
        )
        for p in Platform
    }
    a, b = Fraction(ask, 100), Fraction(other, 100)
    fees = Fraction(7, 100) * a * (1 - a) + Fraction(
        str(_terms(Platform.POLYMARKET)[0].taker_rate)
    ) * b * (1 - b)
    margin = 1 - a - b - fees
    wanted = a * (Fraction(hurdle) - Fraction(kalshi)) + b * (
        Fraction(hurdle) - Fraction(polymarket)
    )
    demands = replace(
        DEFAULT,
        yearly_return=hurdle,
        kalshi_interest=kalshi,
        polymarket_interest=polymarket,
        minimum_net_edge=Decimal(0),
        suspicious_edge=Decimal(1),
    )

    found = look(
        match=pair(**legs, divergence_probability=Decimal(0)), books=books, hurdles=demands
    )

    if margin > 0:
        refused = isinstance(found, Refusal) and found.reason is Reason.BELOW_HURDLE_RATE
        reached("refused" if refused else "hurdle_met")
        assert refused is (margin * 365 < wanted * days)


YEAR = NOW + timedelta(days=365)
NOTHING_TAKEN = replace(_terms(Platform.KALSHI)[0], taker_rate=Decimal(0))
FREE = pair(
    divergence_probability=Decimal(0),
    **{
        p.value: contract(
            p,
            fees=FeeSchedule((NOTHING_TAKEN,)),
            close_time=YEAR,
            resolution_time=YEAR,
            cash_delay=timedelta(0),
        )
        for p in Platform
    },
)
"""A pair without fees that pays in a year."""
SEVEN_CENTS = {
    Platform.KALSHI: book(Platform.KALSHI, {39: 500}, {40: 500}),
    Platform.POLYMARKET: book(Platform.POLYMARKET, {47: 500}, {90: 500}),
}
"""YES for 40 cents on Kalshi and NO for 53 on Polymarket."""


@pytest.mark.parametrize(
    ("floor", "missed", "refused"),
    [
        ("0.02", "0.03", None),
        ("0.07", "0", None),
        ("0.07", "0.000001", Reason.BELOW_MINIMUM_EDGE),
        ("0.02", "0.05", None),
        ("0.02", "0.050001", Reason.BELOW_MINIMUM_EDGE),
    ],
)
def test_costs_that_add_up_ask_for_the_floor_beyond_a_missed_leg(
    floor: str, missed: str, refused: Reason | None
) -> None:
    demands = _free(floor).adding_up(Decimal(missed))

    found = look(match=FREE, books=SEVEN_CENTS, hurdles=demands)

    assert (refusal(found) if isinstance(found, Refusal) else None) is refused


@pytest.mark.parametrize(
    ("floor", "yearly", "refused"),
    [
        # Ninety-three cents for a year at four percent are 3.72 cents.
        ("0.0328", "0.04", None),
        ("0.0329", "0.04", Reason.BELOW_HURDLE_RATE),
        ("0", "0.0752", None),
        ("0", "0.0753", Reason.BELOW_HURDLE_RATE),
    ],
)
def test_costs_that_add_up_ask_for_the_yearly_return_beyond_the_floor(
    floor: str, yearly: str, refused: Reason | None
) -> None:
    apart = replace(_free(floor), yearly_return=Decimal(yearly))

    found = look(match=FREE, books=SEVEN_CENTS, hurdles=apart.adding_up(Decimal(0)))
    alone = look(match=FREE, books=SEVEN_CENTS, hurdles=apart)

    assert (refusal(found) if isinstance(found, Refusal) else None) is refused
    assert isinstance(alone, Opportunity) is (yearly != "0.0753")


def test_a_refusal_says_what_is_asked_for_a_missed_leg() -> None:
    found = look(
        match=FREE, books=SEVEN_CENTS, hurdles=_free("0.02").adding_up(Decimal("0.060001"))
    )

    assert isinstance(found, Refusal)
    assert found.detail == "0.080001 is asked, 0.060001 for a missed leg"


def _free(floor: str) -> Hurdles:
    return replace(DEFAULT, minimum_net_edge=Decimal(floor), yearly_return=Decimal(0))


def test_a_fee_that_is_not_known_yet_means_no_trade() -> None:
    late = pair().polymarket.fees
    assert late is not None
    first = late.terms[0].effective_from

    assert refusal(
        look(now=first - timedelta(days=1), books=_at(first - timedelta(days=1)))
    ) is (Reason.FEE_UNKNOWN)
    assert FeeSchedule(late.terms).at(first) is late.terms[0]


def _at(now: datetime) -> dict[Platform, OrderBook]:
    books = cheap_books()
    for each in books.values():
        each.touch(now, 1)
    return books


def test_changed_rules_end_an_approval() -> None:
    approved = pair()
    changed = replace(approved, kalshi=replace(approved.kalshi, rules="Something else."))

    assert refusal(look(match=changed)) is Reason.PAIR_NOT_APPROVED


def test_an_implausibly_large_edge_is_suspicious() -> None:
    books = cheap_books()
    books[Platform.KALSHI] = book(Platform.KALSHI, {20: 500}, {25: 500})

    assert refusal(look(books=books)) is Reason.SUSPICIOUS_EDGE


def test_a_stale_book_is_not_traded_on() -> None:
    assert refusal(look(now=NOW + timedelta(seconds=6))) is Reason.BOOK_STALE


def test_an_inverse_pair_is_hedged_with_the_same_outcome() -> None:
    books = cheap_books()
    books[Platform.POLYMARKET] = book(Platform.POLYMARKET, {51: 500}, {53: 400})

    found = opportunity(look(match=pair(alignment=Alignment.INVERSE), books=books))

    assert (found.kalshi.outcome, found.polymarket.outcome) == (Outcome.YES, Outcome.YES)


def test_without_a_gross_edge_the_reason_is_no_edge() -> None:
    assert refusal(look(outcome=Outcome.NO)) is Reason.NO_EDGE


Sides = tuple[dict[int, int], dict[int, int]]
"""Bids and asks of one book."""
unordered = st.tuples(sides, sides)
Offered = tuple[Sides, Sides, Alignment]


@st.composite
def near_an_edge(draw: st.DrawFn, alignment: Alignment | None = None) -> Offered:
    """Draw both books of a pair on which an entry costs about a dollar, either way round."""
    alignment = alignment or draw(st.sampled_from(list(Alignment)))
    ask, both = draw(st.integers(30, 60)), draw(st.integers(88, 99))
    kalshi = draw(_above(ask - draw(st.integers(1, 3)), ask))
    hedge = both - ask
    if alignment is Alignment.INVERSE:
        polymarket = draw(_above(hedge - draw(st.integers(1, 3)), hedge))
    else:
        polymarket = draw(_above(100 - hedge, 100 - hedge + draw(st.integers(1, 3))))
    if draw(st.booleans()):  # then NO is the cheap outcome
        return _turned(kalshi), _turned(polymarket), alignment
    return kalshi, polymarket, alignment


@st.composite
def _above(draw: st.DrawFn, bid: int, ask: int) -> Sides:
    """Draw a book with these best prices, and up to three further levels on each side."""
    first, deep = st.integers(20, 2_000), st.lists(sizes, max_size=3)
    bids = [draw(first), *draw(deep)]
    asks = [draw(first), *draw(deep)]
    return {bid - n: each for n, each in enumerate(bids)}, {
        ask + n: each for n, each in enumerate(asks)
    }


def _turned(of: Sides) -> Sides:
    """Return the book of the opposite outcome."""
    bids, asks = ({100 - price: size for price, size in side.items()} for side in of)
    return asks, bids


def _books(kalshi: Sides, polymarket: Sides) -> dict[Platform, OrderBook]:
    return {
        Platform.KALSHI: book(Platform.KALSHI, *kalshi),
        Platform.POLYMARKET: book(Platform.POLYMARKET, *polymarket),
    }


@reaches(accepted=6)
@settings(max_examples=300)
@given(
    st.one_of(st.tuples(unordered, unordered, st.sampled_from(list(Alignment))), near_an_edge())
)
def test_the_integer_filter_never_misses_what_detect_accepts(offered: Offered) -> None:
    alignment = offered[2]
    match, books = pair(alignment=alignment), _books(*offered[:2])
    minimum = int(DEFAULT.minimum_net_edge * E4)

    kalshi, polymarket = (books[platform] for platform in Platform)

    passed = possible(kalshi, polymarket, alignment, minimum)

    assert passed == tuple(
        outcome
        for outcome in Outcome
        if kalshi.ask_e4(outcome) + polymarket.ask_e4(match.hedge(outcome)) <= E4 - minimum
    )
    for outcome in Outcome:
        found = look(match=match, books=books, outcome=outcome)
        if isinstance(found, Opportunity):
            reached("accepted")
            assert outcome in passed
            assert found.net_edge >= DEFAULT.minimum_net_edge
            worst = found.kalshi.walk.worst + found.polymarket.walk.worst
            assert worst < 1


@reaches(accepted=8)
@settings(max_examples=200)
@given(near_an_edge(Alignment.SAME), st.sampled_from(list(Outcome)), st.booleans())
def test_an_accepted_pair_pays_more_than_it_cost_whichever_way_it_resolves(
    offered: Offered, outcome: Outcome, yes_wins: bool
) -> None:
    found = look(books=_books(*offered[:2]), outcome=outcome)
    if not isinstance(found, Opportunity):
        return
    reached("accepted")

    pays = sum(
        found.quantity
        for leg in (found.kalshi, found.polymarket)
        if (leg.outcome is Outcome.YES) == yes_wins
    )

    paid = sum(leg.walk.cost + leg.fee for leg in (found.kalshi, found.polymarket))
    assert pays - paid == found.expected_profit > 0


asks = st.integers(0, E4)
about_a_dollar = st.tuples(asks, st.integers(-100, 500)).map(
    lambda drawn: (drawn[0], min(max(E4 - drawn[0] - drawn[1], 0), E4))
)
"""Prices of both legs that leave up to five cents for fees."""


@reaches(edge=20, none=5)
@given(st.one_of(st.tuples(asks, asks), about_a_dollar))
def test_the_edge_counter_agrees_with_exact_arithmetic(both: tuple[int, int]) -> None:
    ask_a, ask_b = both
    a, b = Decimal(ask_a) / E4, Decimal(ask_b) / E4
    fees = Decimal("0.07") * a * (1 - a) + Decimal("0.03") * b * (1 - b)
    quoted = 0 < ask_a < E4 and 0 < ask_b < E4
    reached("edge" if quoted and 1 - a - b - fees > 0 else "none")

    assert has_edge(ask_a, ask_b, 70_000, 30_000) == (quoted and 1 - a - b - fees > 0)

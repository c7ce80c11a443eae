"""Remedies for an unhedged leg: result, cash, price, part and obstacle, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW, book, contract

from dutchbook.domain.events import Scenario, TopOfBook
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.market.fees import FeeRounding, FeeSchedule, FeeTerms
from dutchbook.domain.positions.exposure import (
    CLOSE,
    COMPLEMENT,
    HOLD,
    OPPOSITE,
    RETRY,
    TOO_SMALL,
    Exposure,
    Place,
    completed_at,
    mark_of_remedies,
    top_of_book,
)
from dutchbook.domain.positions.position import Holding
from dutchbook.domain.values.units import Money, Price, PriceGrid, Quantity

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
YES, NO = Outcome.YES, Outcome.NO


def size(number: str) -> Quantity:
    return Quantity(Decimal(number))


def money(number: str) -> Money:
    return Money(Decimal(number))


def terms(platform: Platform) -> FeeTerms:
    schedule = contract(platform).fees
    found = schedule.at(NOW) if schedule else None
    assert found is not None
    return found


def exposed(
    quantity: str = "10", *, held: OrderBook | None = None, missing: OrderBook | None = None,
    **facts: Any,
) -> Exposure:  # fmt: skip
    """Return YES held on Kalshi for 40 cents each and a dollar of fees; NO is missing."""
    leg = Holding(YES, "k", size("20"), money("8"), money("1"))
    here = held or book(KALSHI, {38: 500}, {42: 500})
    there = missing or book(POLYMARKET, {48: 500}, {50: 500})
    made = Exposure(
        quantity=size(quantity),
        held=Place(contract(KALSHI), here, terms(KALSHI), leg),
        missing=Place(contract(POLYMARKET), there, terms(POLYMARKET), Holding(NO, "m")),
        sellable=size("20"),
        now=NOW,
        untrusted_because={KALSHI: None, POLYMARKET: None},
        collar=Decimal("0.10"),
    )
    return replace(made, **facts)


def remedies(made: Exposure) -> dict[str, Scenario]:
    return {each.name: each for each in made.scenarios()}


def test_each_remedy_has_its_result_its_cash_and_its_order() -> None:
    """NO at 52 cents, YES sold at 38, NO at 62 on the leg's own platform; 4.50 was paid."""
    assert exposed().scenarios() == (
        Scenario(
            RETRY, money("0.22512"), money("5.27488"), "buy 10 no up to 0.52", POLYMARKET,
            size("10"), Price(Decimal("0.52")), None, money("0.07488"),
        ),
        Scenario(
            CLOSE, money("-0.86492"), money("0"), "sell 10 yes down to 0.38", KALSHI,
            size("10"), Price(Decimal("0.38")), None, money("0.16492"),
        ),
        Scenario(
            COMPLEMENT, money("-0.86492"), money("6.36492"), "buy 10 no up to 0.62", KALSHI,
            size("10"), Price(Decimal("0.62")), None, money("0.16492"),
        ),
        Scenario(
            HOLD, None, money("0"), "4.5 dollars at risk, 7 days to the payout",
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("after", "days"),
    [(timedelta(days=6, hours=1), 0), (timedelta(days=5), 2), (timedelta(days=9), 0)],
)
def test_holding_waits_for_the_payout(after: timedelta, days: int) -> None:
    found = remedies(exposed("7", now=NOW + after))[HOLD]

    assert found.detail == f"3.15 dollars at risk, {days} days to the payout"


def test_a_leg_that_holds_nothing_has_cost_nothing() -> None:
    made = exposed()
    bare = replace(made, held=replace(made.held, leg=Holding(YES, fees=money("1"))))

    assert bare.paid == 0


# Parts
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "size_", "pnl", "detail"),
    [
        (10, "10", "-0.86492", "sell 10 yes down to 0.38"),
        (
            6,
            "5",
            "-0.43246",
            "sell 5 yes down to 0.38, as far as the book goes; 5 stay unhedged",
        ),
        (
            4,
            "4",
            "-0.345968",
            "sell 4 yes down to 0.38, as far as the book goes; 6 stay unhedged",
        ),
    ],
)
def test_a_thin_book_takes_a_part_that_leaves_enough_for_an_order(
    bid: int, size_: str, pnl: str, detail: str
) -> None:
    thin = book(KALSHI, {38: bid, 27: 500}, {42: 500})
    dear = book(POLYMARKET, {48: 500}, {50: 500})
    made = exposed(held=thin, missing=dear)
    made = replace(
        made,
        missing=replace(
            made.missing,
            contract=replace(
                made.missing.contract,
                sizing=replace(made.missing.contract.sizing, cent_exact=False),
            ),
        ),
    )

    found = remedies(made)[CLOSE]

    assert (found.size, found.pnl, found.detail) == (size(size_), Decimal(pnl), detail)


@pytest.mark.parametrize(("collar", "taken"), [("0.10", "10"), ("0.09", None), ("0.00", None)])
def test_levels_count_up_to_the_collar_and_no_further(collar: str, taken: str | None) -> None:
    split = book(KALSHI, {38: 0, 28: 500}, {42: 500})
    split.apply(0, 3800, 10_000)  # a hundredth of a contract

    found = remedies(exposed(held=split, collar=Decimal(collar)))[CLOSE]

    assert found.size == (size(taken) if taken else size("0.01"))


def test_a_part_is_sold_while_it_is_settled() -> None:
    thin = book(KALSHI, {38: 4}, {42: 500})

    part = remedies(exposed(held=thin, sellable=size("4")))[CLOSE]
    none = remedies(exposed(held=book(KALSHI, {}, {42: 500}), sellable=size("4")))[CLOSE]

    assert (part.size, part.blocked) == (size("4"), None)
    assert none.blocked == "only 4 of these shares are settled"


def test_no_part_is_sold_whose_rest_no_longer_makes_an_order_elsewhere() -> None:
    """Five contracts are the smallest order for the missing leg."""
    thin = book(KALSHI, {38: 3}, {42: 500})

    assert remedies(exposed("5"))[RETRY].size == 5
    assert remedies(exposed("5", held=thin))[CLOSE].blocked == "the book takes 3 of 5"
    assert remedies(exposed("4.99", held=thin))[CLOSE].size == 3


def on_polymarket(quantity: str, yes: OrderBook, *, cent_exact: bool) -> Exposure:
    """Return YES held on Polymarket, where an order is worth a dollar at least."""
    made = exposed(quantity)
    there = made.missing.contract
    there = replace(there, sizing=replace(there.sizing, cent_exact=cent_exact))
    here = replace(
        made.held.contract, sizing=replace(made.held.contract.sizing, minimum=size("8"))
    )
    return replace(
        made,
        held=Place(there, yes, made.missing.terms, made.held.leg),
        missing=replace(made.missing, contract=here, terms=made.held.terms),
    )


def test_all_may_be_taken_where_no_other_order_was_possible() -> None:
    """Ten contracts at 10 cents make a dollar, and eight are the smallest order elsewhere."""
    cheap = OrderBook(POLYMARKET, "cup")
    cheap.replace(((1_000, 6_500_000),), ((1_200, 500_000_000),))

    found = remedies(on_polymarket("7", cheap, cent_exact=False))

    assert found[CLOSE].blocked == found[RETRY].blocked == TOO_SMALL
    assert found[COMPLEMENT].size == Decimal("6.5")


@pytest.mark.parametrize(
    ("better", "sold", "why"),
    [
        ("6", "6", None),
        ("5.009", "5", None),
        ("4.99", None, TOO_SMALL),
    ],
)
def test_a_sale_goes_no_deeper_than_where_it_is_worth_the_smallest_order(
    better: str, sold: str | None, why: str | None
) -> None:
    """Nine contracts down to 10 cents are worth 90 cents; the least is a dollar, and five."""
    cheap = OrderBook(POLYMARKET, "cup")
    cheap.replace(
        ((2_000, int(Decimal(better) * 1_000_000)), (1_000, 500_000_000)),
        ((2_200, 500_000_000),),
    )

    found = remedies(on_polymarket("9", cheap, cent_exact=False))[CLOSE]

    assert (found.size, found.blocked) == (size(sold or "9"), why)
    assert found.price == (Decimal("0.20") if sold else None)


def test_only_a_purchase_must_cost_whole_cents() -> None:
    made = on_polymarket("9.25", book(POLYMARKET, {38: 500}, {42: 500}), cent_exact=True)

    found = remedies(made)

    sizes = [found[name].size for name in (RETRY, CLOSE, COMPLEMENT)]
    assert sizes == [Decimal("9.25"), Decimal("9.25"), 9]


def test_without_a_price_no_size_is_too_small() -> None:
    found = remedies(exposed("0.5", held=book(KALSHI, {}, {42: 500})))[CLOSE]

    assert found.blocked == "the book takes 0 of 0.5"


@pytest.mark.parametrize(
    ("undone", "size_", "why"),
    [
        (frozenset(), "10", None),
        (frozenset({NO}), "21", OPPOSITE),
        (frozenset({NO}), "20", None),
        (frozenset({YES}), "21", None),
    ],
)
def test_no_purchase_on_kalshi_undoes_the_leg_of_another_position(
    undone: frozenset[Outcome], size_: str, why: str | None
) -> None:
    """Twenty YES are the position's own: as many NO may be bought, which close them."""
    made = exposed(size_, undone=undone, sellable=size(size_))

    found = remedies(made)

    assert found[COMPLEMENT].blocked == why
    thin = remedies(
        replace(made, held=replace(made.held, book=book(KALSHI, {38: 15}, {42: 500})))
    )
    assert thin[COMPLEMENT].size == (10 if size_ == "10" else 15), "a part may be no more"
    assert found[RETRY].blocked is found[CLOSE].blocked is None


def test_what_is_bought_on_polymarket_undoes_nothing() -> None:
    made = on_polymarket("25", book(POLYMARKET, {38: 500}, {42: 500}), cent_exact=True)

    found = remedies(replace(made, undone=frozenset(Outcome), sellable=size("25")))

    assert [found[name].blocked for name in (RETRY, CLOSE, COMPLEMENT)] == [
        OPPOSITE, None, None,
    ]  # fmt: skip


# Obstacles
# ---------------------------------------------------------------------------------------------


def blocked(name: str, platform: Platform, contracts: str | None, why: str) -> Scenario:
    return Scenario(
        name, None, None, why, platform, size(contracts) if contracts else None, None, why
    )


@pytest.mark.parametrize(
    ("made", "name", "found"),
    [
        (exposed("4"), RETRY, blocked(RETRY, POLYMARKET, None, TOO_SMALL)),
        (
            exposed(now=NOW + timedelta(days=6)),
            CLOSE,
            blocked(CLOSE, KALSHI, "10", "the contract is closed"),
        ),
        (
            exposed(order_out="an order is out"),
            COMPLEMENT,
            blocked(COMPLEMENT, KALSHI, "10", "an order is out"),
        ),
        (
            exposed(untrusted_because={KALSHI: "book_stale"}),
            CLOSE,
            blocked(CLOSE, KALSHI, "10", "book_stale"),
        ),
        (
            exposed(untrusted_because={KALSHI: None, POLYMARKET: "book_stale"}),
            RETRY,
            blocked(RETRY, POLYMARKET, "10", "book_stale"),
        ),
        (
            exposed(sellable=size("9.99")),
            CLOSE,
            blocked(CLOSE, KALSHI, "10", "only 9.99 of these shares are settled"),
        ),
        (
            exposed(missing=book(POLYMARKET, {48: 3}, {50: 500})),
            RETRY,
            blocked(RETRY, POLYMARKET, "10", "the book offers 3 of 10"),
        ),
        (
            exposed(held=book(KALSHI, {}, {42: 500})),
            CLOSE,
            blocked(CLOSE, KALSHI, "10", "the book takes 0 of 10"),
        ),
        (
            exposed(held=book(KALSHI, {}, {42: 500})),
            COMPLEMENT,
            blocked(COMPLEMENT, KALSHI, "10", "the book offers 0 of 10"),
        ),
    ],
)
def test_a_remedy_that_is_not_possible_tells_why(
    made: Exposure, name: str, found: Scenario
) -> None:
    assert remedies(made)[name] == found


def test_a_sale_of_all_that_is_settled_is_possible() -> None:
    assert remedies(exposed(sellable=size("10")))[CLOSE].blocked is None
    assert remedies(exposed(sellable=size("0")))[COMPLEMENT].blocked is None


def test_a_remedy_needs_a_price_that_an_order_may_have() -> None:
    made = exposed(held=book(KALSHI, {3: 500}, {42: 500}))
    coarse = replace(made.held.contract, grid=PriceGrid.of_tick("0.1"))

    found = remedies(replace(made, held=replace(made.held, contract=coarse)))[CLOSE]

    assert found == blocked(CLOSE, KALSHI, "10", "the contract has no valid price there")


# The best of them
# ---------------------------------------------------------------------------------------------


def priced(
    name: str, pnl: str | None, contracts: str = "1", why: str | None = None
) -> Scenario:
    amount = None if pnl is None else money(pnl)
    return Scenario(name, amount, None, "", KALSHI, size(contracts), None, why)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        ((priced(CLOSE, "-1"), priced(RETRY, "2")), (RETRY, CLOSE, HOLD)),
        ((priced(COMPLEMENT, "1"), priced(CLOSE, "1")), (CLOSE, COMPLEMENT, HOLD)),
        ((priced(CLOSE, "-3", "10"), priced(RETRY, "-1")), (CLOSE, RETRY, HOLD)),
        ((priced(CLOSE, None), priced(RETRY, "-1")), (CLOSE, RETRY, HOLD)),
        ((priced(CLOSE, "1", why="closed"), priced(HOLD, None)), (HOLD,)),
    ],
)
def test_remedies_are_recommended_by_their_result_per_contract(
    found: tuple[Scenario, ...], names: tuple[str, ...]
) -> None:
    assert exposed().recommended(found) == names


@pytest.mark.parametrize(
    ("found", "mark"),
    [
        ((), None),
        ((priced(RETRY, "5"), priced(CLOSE, "-3", "10"), priced(COMPLEMENT, "-4")), "-0.3"),
        ((priced(CLOSE, "-3", "10", "closed"), priced(COMPLEMENT, "-4")), "-4"),
        ((priced(CLOSE, None), priced(COMPLEMENT, "-4", "0"), priced(HOLD, "1")), None),
    ],
)
def test_the_mark_is_the_result_per_contract_of_the_best_remedy_that_ends_it(
    found: tuple[Scenario, ...], mark: str | None
) -> None:
    assert mark_of_remedies(found) == (None if mark is None else Decimal(mark))


# Beside them
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bids", "asks", "best"),
    [
        ({38: 1}, {42: 1}, ("0.38", "0.42")),
        ({}, {42: 1}, (None, "0.42")),
        ({38: 1}, {}, ("0.38", None)),
    ],
)
def test_the_top_of_a_book_has_no_price_for_an_empty_side(
    bids: dict[int, int], asks: dict[int, int], best: tuple[str | None, str | None]
) -> None:
    bid, ask = (None if each is None else Price(Decimal(each)) for each in best)

    assert top_of_book(book(KALSHI, bids, asks)) == TopOfBook(bid, ask)


def test_a_price_of_a_ten_thousandth_is_a_price() -> None:
    edge = OrderBook(KALSHI, "cup")
    edge.replace(((1, 5),), ((9_999, 5),))

    assert top_of_book(edge) == TopOfBook(Price(Decimal("0.0001")), Price(Decimal("0.9999")))


def test_the_worst_case_of_a_completion_has_fifty_fills_at_its_price() -> None:
    """Three per cent of 19 at 30 cents is 0.1197; each fill may add 0.000011."""
    there = contract(POLYMARKET)

    found = completed_at(there, size("19.5"), Price(Decimal("0.3")), Decimal("9.75"), NOW)

    assert found == Scenario(
        RETRY, money("3.67975"), money("5.82025"), "buy 19 at 0.3", POLYMARKET,
        size("19"), Price(Decimal("0.3")), None, money("0.12025"),
    )  # fmt: skip


def test_a_completion_has_no_worst_case_without_fees_that_are_known() -> None:
    later = FeeTerms(NOW + timedelta(1), Decimal(0), Decimal(0), FeeRounding.POLYMARKET, "")
    price = Price(Decimal("0.3"))

    for fees in (None, FeeSchedule((later,))):
        there = contract(POLYMARKET, fees=fees)
        assert completed_at(there, size("10"), price, Decimal(4), NOW) is None

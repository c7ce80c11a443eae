"""What an execution knows between its commits: trades that it counts, and facts it keeps."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.executing import KALSHI, NamedIds, filled, opportunity
from support.pairs import NOW

from dutchbook.application.execution.attempt import Attempt, Timeouts
from dutchbook.application.orders.send import reported
from dutchbook.domain.execution.decide import Execution, LegFilled, SubmitLeg
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce, Totals
from dutchbook.domain.market.contract import Leg
from dutchbook.domain.pair_trades.facts import OutcomeUnknown, Reported
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.ports.orders import OrderReport

CENT = Decimal("0.01")
HUNDRED, FORTY_CENTS = Quantity(Decimal(100)), Price(Decimal("0.40"))


def attempt() -> tuple[Attempt, Order]:
    """Return an attempt with the order of its first leg, of 100 at 40 cents."""
    found = opportunity(KALSHI)
    execution = Execution.of("e", found, Decimal(0))
    made = Attempt(found, execution, PairTrade.of(found, execution, "position", NOW))
    intent = SubmitLeg(Leg.PRIMARY, HUNDRED, FORTY_CENTS, Purpose.ENTRY)
    order = made.new_order(intent, TimeInForce.IOC, NamedIds(), NOW)
    made.placed(order)
    return made, order


def report(order: Order, *trades: tuple[str, str], stated: str | None = None) -> Reported:
    """Return a report of trades by name and size, and of what is stated at 30 cents."""
    fills = tuple(
        trade for name, size in trades for trade in filled(order, size, name=name).fills
    )
    size = Decimal(stated or 0)
    totals = Totals(Quantity(size), Money(size * Decimal("0.3")), Money(CENT * 5))
    told = OrderReport("p", fills, Quantity(Decimal(0)), stated=totals if stated else None)
    return reported(order, told, NOW)


def step(size: str, cost: str, fee: str) -> LegFilled:
    return LegFilled(
        Leg.PRIMARY, Quantity(Decimal(size)), Money(Decimal(cost)), Money(Decimal(fee))
    )


@pytest.mark.parametrize(
    ("first", "then", "steps"),
    [
        (
            [("a", "10")],
            [("a", "10"), ("b", "5")],
            [step("10", "4", "0.01"), step("5", "2", "0.01")],
        ),
        ([("a", "10")], [("b", "5")], [step("10", "4", "0.01"), step("5", "2", "0.01")]),
        ([("a", "10"), ("b", "5")], [("a", "10"), ("b", "5")], [step("15", "6", "0.02"), None]),
        ([("a", "10")], [], [step("10", "4", "0.01"), None]),
        ([], [("a", "10")], [None, step("10", "4", "0.01")]),
    ],
    ids=["repeated and new", "new alone", "repeated", "nothing then", "nothing first"],
)
def test_each_report_adds_the_trades_that_were_not_listed_before(
    first: list[tuple[str, str]],
    then: list[tuple[str, str]],
    steps: list[LegFilled | None],
) -> None:
    made, order = attempt()
    reports = [report(order, *trades) for trades in (first, then)]

    assert [made.reported(Leg.PRIMARY, each) for each in reports] == steps

    filled_in_all = sum(each.size for each in steps if each)
    assert made.order(Leg.PRIMARY).filled == filled_in_all
    assert made.pending == reports


@pytest.mark.parametrize(
    ("first", "then", "steps"),
    [
        # What is stated counts at once, and its trades do not count again when they are listed.
        (((), "10"), ((("a", "10"),), None), [step("10", "3", "0.05"), None]),
        (((("a", "4"),), "10"), ((("a", "4"),), "10"), [step("10", "3", "0.05"), None]),
        (
            ((("a", "4"),), "4"),
            ((("a", "4"),), "9"),
            [step("4", "1.6", "0.01"), step("5", "1.1", "0.04")],
        ),
    ],
    ids=["stated, then listed", "repeated", "more is stated"],
)
def test_what_is_stated_beyond_the_listed_trades_is_counted_once(
    first: tuple[tuple[tuple[str, str], ...], str | None],
    then: tuple[tuple[tuple[str, str], ...], str | None],
    steps: list[LegFilled | None],
) -> None:
    made, order = attempt()

    told = [
        made.reported(Leg.PRIMARY, report(order, *trades, stated=stated))
        for trades, stated in (first, then)
    ]

    assert told == steps


def test_facts_are_taken_once_and_put_back_before_later_ones() -> None:
    made, _ = attempt()
    one, two, three = (OutcomeUnknown(NOW, "o", name) for name in ("one", "two", "three"))
    made.pending += [one, two]

    taken = made.take()
    assert (taken, made.pending) == ([one, two], [])

    made.pending.append(three)
    made.put_back(taken)
    assert made.take() == [one, two, three]


@pytest.mark.parametrize(("first", "queries", "last"), [(1, 6, 64), (3, 2, 12), (5, 0, 5)])
def test_the_wait_after_the_last_question_goes_on_doubling(
    first: int, queries: int, last: int
) -> None:
    assert Timeouts(queries=queries, first_query_seconds=first).last_wait == last

"""What positions have come to, and the worst and the best that they can still come to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW

from dutchbook.application.views.result import document, line
from dutchbook.domain.market.contract import Outcome
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.positions.result import Result, outcomes, result_of, unhedged_cost
from dutchbook.domain.values.units import Money, Quantity

CENT = Decimal("0.01")


def exact(*amounts: Decimal | int) -> list[Decimal]:
    return [Decimal(each) for each in amounts]


def leg(outcome: Outcome, size: int, cents: int, fees: int = 0) -> Holding:
    """Return contracts bought at a price in cents, with fees in cents."""
    cost = size * cents * CENT
    return Holding(
        outcome=outcome,
        size=Quantity(Decimal(size)),
        cost=Money(cost),
        fees=Money(fees * CENT),
        cash=Money(-cost - fees * CENT),
    )


def position(
    kalshi: Holding, polymarket: Holding, status: PositionStatus = PositionStatus.OPEN
) -> OpenPosition:
    return OpenPosition(
        position_id="p",
        pair_id="cup",
        execution_id="e",
        kalshi=kalshi,
        polymarket=polymarket,
        expected_edge=Money(Decimal(1)),
        divergence_reserve=Money(Decimal("0.5")),
        status=status,
        opened_at=NOW,
    )


HEDGED = position(leg(Outcome.YES, 100, 40, 30), leg(Outcome.NO, 100, 53, 20))
"""100 contracts for 93 dollars and 50 cents of fees: 6.50 are locked."""
ALONE = position(
    leg(Outcome.YES, 100, 40), leg(Outcome.NO, 40, 50), PositionStatus.SINGLE_LEG_EXPOSED
)
"""60 contracts without a counterpart, which have cost 24 dollars."""


def test_a_hedged_position_comes_to_the_same_whichever_way_both_resolve() -> None:
    found = result_of([HEDGED])

    assert outcomes(HEDGED) == (Decimal("6.5"), Decimal("6.5"))
    assert exact(found.locked, found.best) == [Decimal("6.5")] * 2
    assert exact(found.worst, found.fees) == [Decimal(6), Decimal("0.5")]
    assert exact(found.unhedged, found.open_positions) == exact(0, 1)


def test_an_unhedged_leg_shows_what_it_cost_and_the_worst_that_can_come() -> None:
    found = result_of([ALONE])

    assert exact(found.unhedged, found.at_risk, found.locked) == exact(60, 24, 0)
    assert exact(found.worst, found.best) == [Decimal("-20.5"), Decimal(40)]


def test_once_a_contract_has_paid_only_one_way_is_left() -> None:
    paid = replace(
        HEDGED,
        kalshi=replace(HEDGED.kalshi, payout=Decimal(0), settled=Quantity(Decimal(100))),
    )

    assert outcomes(paid) == (Decimal("6.5"),)


def test_what_is_closed_and_what_is_locked_add_up() -> None:
    closed = replace(
        HEDGED,
        status=PositionStatus.CLOSED,
        kalshi=Holding(Outcome.YES, cash=Money(Decimal(-10))),
        polymarket=Holding(Outcome.NO, cash=Money(Decimal(13))),
    )

    found = result_of([closed, HEDGED])

    assert exact(found.closed, found.total) == [Decimal(3), Decimal("9.5")]
    assert found == result_of([closed]) + result_of([HEDGED])
    assert line(document(found)) == (
        "Result +9.50 dollars: 3.00 closed and 6.50 locked in 1 open position, 0.50 of fees in"
        " it; at worst +9.00, at best +9.50"
    )


def money(text: str) -> Money:
    return Money(Decimal(text))


def test_a_closed_position_comes_to_its_profit_and_has_its_fees() -> None:
    closed = replace(
        HEDGED,
        status=PositionStatus.CLOSED,
        kalshi=Holding(Outcome.YES, fees=money("0.30"), cash=money("-10")),
        polymarket=Holding(Outcome.NO, fees=money("0.20"), cash=money("13")),
    )

    assert result_of([closed], {"cup"}) == Result(
        closed=money("3"), fees=money("0.50"), worst=money("3"), best=money("3")
    )


@pytest.mark.parametrize(("pairs", "unsure"), [({"cup"}, "6.50"), ({"final"}, "0"), ((), "0")])
def test_what_is_locked_on_a_pair_in_doubt_is_shown_as_unsure(
    pairs: set[str], unsure: str
) -> None:
    assert result_of([HEDGED], pairs) == Result(
        locked=money("6.50"),
        unsure=money(unsure),
        open_positions=1,
        fees=money("0.50"),
        worst=money("6"),
        best=money("6.50"),
    )


@pytest.mark.parametrize(
    ("more", "unhedged", "at_risk"),
    [("0", "0", "0"), ("0.009999", "0", "0"), ("0.01", "0.01", "0.004030")],
)
def test_less_than_the_smallest_unit_has_no_counterpart_and_is_no_risk(
    more: str, unhedged: str, at_risk: str
) -> None:
    size = 100 + Decimal(more)
    cost, fees = Money(size * Decimal("0.4")), Money(size * Decimal("0.003"))
    longer = replace(HEDGED.kalshi, size=Quantity(size), cost=cost, fees=fees)

    found = result_of([replace(HEDGED, kalshi=longer)])

    assert exact(found.unhedged, found.at_risk) == [Decimal(unhedged), Decimal(at_risk)]


def test_the_cost_of_unhedged_contracts_is_their_share_of_cost_and_fees() -> None:
    exposed = position(leg(Outcome.YES, 9, 40, 50), leg(Outcome.NO, 8, 50, 7))
    reversed_ = position(Holding(Outcome.YES, complement=Quantity(Decimal(5))), ALONE.kalshi)

    assert unhedged_cost(exposed) == Decimal("0.455556"), "4.10 dollars for 9, rounded up"
    assert unhedged_cost(replace(exposed, polymarket=exposed.kalshi)) == 0
    assert unhedged_cost(position(Holding(Outcome.YES), Holding(Outcome.NO))) == 0
    assert unhedged_cost(reversed_) == 42, "105 contracts at 40 cents"


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "ways"),
    [
        (None, None, ["2.7", "3.7"]),
        (None, "0.3", ["1.5"]),
        ("0.3", None, ["-0.2"]),
        ("0.3", "0.7", ["-3.3"]),
    ],
)
def test_a_contract_that_has_paid_leaves_what_the_other_one_pays(
    kalshi: str | None, polymarket: str | None, ways: list[str]
) -> None:
    """YES 6 and NO 2 on Kalshi, NO 4 and YES 1 on Polymarket, for 3.30 dollars."""
    first = Holding(
        Outcome.YES,
        size=Quantity(Decimal(6)),
        complement=Quantity(Decimal(2)),
        cash=money("-3.30"),
        payout=None if kalshi is None else Decimal(kalshi),
    )
    second = Holding(
        Outcome.NO,
        size=Quantity(Decimal(4)),
        complement=Quantity(Decimal(1)),
        payout=None if polymarket is None else Decimal(polymarket),
    )

    assert outcomes(position(first, second)) == tuple(Decimal(way) for way in ways)


def test_what_a_position_comes_to_is_rounded_down() -> None:
    tiny = replace(leg(Outcome.YES, 1, 40), size=Quantity(Decimal("0.5")))
    other = Holding(Outcome.NO, payout=Decimal("0.333333"))

    assert outcomes(position(tiny, other)) == (Decimal("-0.066667"),), "-0.0666665 exactly"


def test_nothing_is_a_result_too() -> None:
    assert result_of([]) == Result()
    assert "0.00 locked in 0 open positions" in line(document(Result()))


@given(st.integers(0, 500), st.integers(1, 99), st.integers(0, 500), st.integers(1, 99))
def test_the_worst_and_the_best_are_those_of_settling_every_way(
    here: int, price: int, there: int, other: int
) -> None:
    held = position(leg(Outcome.YES, here, price), leg(Outcome.NO, there, other))
    spent = (here * price + there * other) * CENT

    assert sorted(outcomes(held)) == sorted((here - spent, there - spent))

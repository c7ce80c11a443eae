"""What positions have come to, and the worst and the best that they can still come to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW

from dutchbook.application.views.result import document, line
from dutchbook.domain.market.contract import Outcome
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.positions.result import Result, outcomes, result_of
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

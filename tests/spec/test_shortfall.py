"""The attribution of an execution's edge: each part exactly, and their sum."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from dutchbook.domain.execution.decide import Execution, LegState
from dutchbook.domain.execution.shortfall import Shortfall, shortfall
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import NOTHING, ZERO, Money, Price, Quantity


def leg(platform: Platform, decided: str, sent: str, paid: str, fees: str) -> LegState:
    """Return a leg of 100 contracts planned, 80 sent and 80 filled, with its costs."""
    bound = Price(Decimal("0.60"))
    return LegState(
        platform=platform,
        planned=Quantity(Decimal(100)),
        bound=bound,
        even_bound=bound,
        step=Decimal("0.01"),
        smallest=Decimal(1),
        decided_cost=Decimal(decided),
        sent=Quantity(Decimal(80)),
        sent_cost=Decimal(sent),
        filled=Quantity(Decimal(80)),
        cost=Money(Decimal(paid)),
        fees=Money(Decimal(fees)),
    )


WHOLE = Execution(
    execution_id="e",
    pair_id="p",
    primary=leg(Platform.KALSHI, "40", "32.8", "33.6", "0.7"),
    secondary=leg(Platform.POLYMARKET, "52", "42.4", "42.8", "0.5"),
)
"""An edge of 8 cents, at sending 6, at the fills 4.5; four fifths of it is hedged."""


def dollars(*amounts: str) -> Shortfall:
    return Shortfall(*(Money(Decimal(each)) for each in amounts))


SECOND = WHOLE.secondary
CASES = {
    "four fifths hedged": (WHOLE, dollars("8", "1.6", "1.2", "1.2", "1.6", "0.05", "2.35")),
    # Only 20 contracts are hedged: a fifth of the planned cost, a quarter of what was paid.
    "the second leg fills a part": (
        replace(
            WHOLE,
            secondary=replace(
                SECOND, filled=Quantity(Decimal(20)), cost=Money(Decimal("10.9"))
            ),
        ),
        dollars("8", "0.4", "0.5", "1.2", "6.4", "0.05", "-0.55"),
    ),
    "the second leg is sent and does not fill": (
        replace(WHOLE, secondary=replace(SECOND, filled=NOTHING, cost=ZERO, fees=ZERO)),
        dollars("8", "0", "0", "0.7", "8", "0.05", "-0.75"),
    ),
    "the second leg fills without a record of sending": (
        replace(WHOLE, secondary=replace(SECOND, sent=NOTHING, sent_cost=Decimal(0))),
        dollars("8", "0.8", "2.0", "1.2", "1.6", "0.05", "2.35"),
    ),
    "nothing is sent": (
        replace(
            WHOLE,
            primary=replace(WHOLE.primary, sent=NOTHING, filled=NOTHING, fees=ZERO),
            secondary=replace(SECOND, sent=NOTHING, filled=NOTHING, fees=ZERO),
        ),
        dollars("8", "0", "0", "0", "8", "0.05", "-0.05"),
    ),
    "one contract is filled of a leg and a third of another": (
        replace(
            WHOLE,
            primary=replace(
                WHOLE.primary, filled=Quantity(Decimal(1)), cost=Money(Decimal("0.43"))
            ),
            secondary=replace(
                SECOND,
                sent=Quantity(Decimal(3)),
                sent_cost=Decimal("1.60"),
                filled=Quantity(Decimal(3)),
                cost=Money(Decimal("1.61")),
            ),
        ),
        # Thirds of a cent are rounded to the nearest millionth.
        dollars("8", "0.023333", "0.023333", "1.2", "7.92", "0.05", "-1.216666"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_edge_of_an_execution_is_attributed_exactly(case: str) -> None:
    execution, expected = CASES[case]

    assert shortfall(execution, Money(Decimal("0.05"))) == expected


def test_a_part_is_known_to_a_millionth() -> None:
    found = shortfall(CASES["one contract is filled of a leg and a third of another"][0], ZERO)

    assert str(found.delay) == "0.023333"
    assert str(found.fees) == "1.200000"

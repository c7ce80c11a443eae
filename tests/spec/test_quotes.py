"""What an opportunity says of itself: its legs, its direction and its worst case."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from support.pairs import NOW, pair

from dutchbook.domain.detection.quote import LegQuote, Opportunity, direction_name
from dutchbook.domain.market.book import Walk
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity

KALSHI, POLYMARKET = Platform
TEN = Quantity(Decimal(10))


def leg(platform: Platform, outcome: Outcome, budget: str) -> LegQuote:
    price = Price(Decimal("0.45"))
    return LegQuote(
        platform=platform,
        contract_id=f"{platform}-cup",
        outcome=outcome,
        walk=Walk(TEN, Decimal("4.5"), price),
        limit=price,
        bound=price,
        even_bound=price,
        fee=ZERO,
        budget=Money(Decimal(budget)),
    )


FOUND = Opportunity(
    opportunity_id="",
    match=pair(),
    kalshi=leg(KALSHI, Outcome.YES, "4.75"),
    polymarket=leg(POLYMARKET, Outcome.NO, "5.5"),
    primary=KALSHI,
    quantity=TEN,
    gross_edge=Decimal("0.1"),
    net_edge=Decimal("0.1"),
    expected_profit=Money(Decimal(1)),
    divergence_reserve=ZERO,
    yearly_return=Decimal("0.5"),
    rate_per_day=Decimal("0.001"),
    detected_at=NOW,
)


@pytest.mark.parametrize(
    ("platform", "expected"), [(KALSHI, FOUND.kalshi), (POLYMARKET, FOUND.polymarket)]
)
def test_a_leg_is_found_by_its_platform(platform: Platform, expected: LegQuote) -> None:
    assert FOUND.leg(platform) is expected


@pytest.mark.parametrize(
    ("outcome", "name"), [(Outcome.YES, "kalshi_yes"), (Outcome.NO, "kalshi_no")]
)
def test_a_direction_is_named_after_the_outcome_bought_on_kalshi(
    outcome: Outcome, name: str
) -> None:
    found = replace(
        FOUND,
        kalshi=replace(FOUND.kalshi, outcome=outcome),
        polymarket=replace(FOUND.polymarket, outcome=outcome.opposite),
    )

    assert (direction_name(outcome), found.direction) == (name, name)


def test_the_worst_case_is_that_of_both_legs_together() -> None:
    assert FOUND.budget == Decimal("10.25")

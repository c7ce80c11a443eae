"""The plan of an execution: what it takes over from its opportunity."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from support.pairs import NOW, contract, pair

from dutchbook.domain.detection.quote import LegQuote, Opportunity
from dutchbook.domain.execution.decide import Execution, LegState, Phase
from dutchbook.domain.market.book import Walk
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import Money, Price, Quantity

KALSHI, POLYMARKET = Platform
KALSHI_BOUND, POLYMARKET_BOUND = Price(Decimal("0.40")), Price(Decimal("0.55"))
EVEN_BOUND = Price(Decimal("0.44"))
SIZE = Quantity(Decimal("12.345678"))


def quoted(platform: Platform, outcome: Outcome, cost: str) -> LegQuote:
    bound = KALSHI_BOUND if platform is KALSHI else POLYMARKET_BOUND
    return LegQuote(
        platform,
        f"{platform}-cup",
        outcome,
        Walk(SIZE, Decimal(cost), bound),
        limit=Price(bound - Decimal("0.02")),
        bound=bound,
        even_bound=Price(bound + Decimal("0.04")),
        fee=Money(Decimal("0.2")),
        budget=Money(Decimal(9)),
    )


def opportunity(primary: Platform, *, delayed: Platform | None = None) -> Opportunity:
    contracts = {
        p.value: contract(p, taker_delay=timedelta(seconds=3 if p is delayed else 0))
        for p in Platform
    }
    return Opportunity(
        "o",
        pair(**contracts),
        kalshi=quoted(KALSHI, Outcome.YES, "4.9"),
        polymarket=quoted(POLYMARKET, Outcome.NO, "6.7"),
        primary=primary,
        quantity=SIZE,
        gross_edge=Decimal("0.07"),
        net_edge=Decimal("0.05"),
        expected_profit=Money(Decimal("0.6")),
        divergence_reserve=Money(Decimal("0.01")),
        yearly_return=Decimal(2),
        rate_per_day=Decimal("0.01"),
        detected_at=NOW,
    )


PLANNED_ON_KALSHI = LegState(
    KALSHI,
    planned=SIZE,
    bound=KALSHI_BOUND,
    even_bound=EVEN_BOUND,
    step=Decimal("0.01"),
    smallest=Decimal("0.01"),
    decided_cost=Decimal("4.9"),
)
PLANNED_ON_POLYMARKET = LegState(
    POLYMARKET,
    planned=SIZE,
    bound=POLYMARKET_BOUND,
    even_bound=Price(Decimal("0.59")),
    step=Decimal(1),
    smallest=Decimal(5),
    decided_cost=Decimal("6.7"),
)


@pytest.mark.parametrize("delayed", [None, *Platform])
@pytest.mark.parametrize("primary", list(Platform))
def test_a_plan_has_both_legs_of_the_opportunity_the_primary_first(
    primary: Platform, delayed: Platform | None
) -> None:
    legs = (PLANNED_ON_KALSHI, PLANNED_ON_POLYMARKET)
    first, second = legs if primary is KALSHI else reversed(legs)

    planned = Execution.of("e", opportunity(primary, delayed=delayed), Decimal("0.10"))

    assert planned == Execution(
        "e",
        "cup",
        first,
        second,
        phase=Phase.DECIDED,
        true_up=Quantity(Decimal("1.234567")),
        evened=False,
        delayed=delayed is primary,
        version=1,
    )

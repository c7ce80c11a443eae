"""An execution in the middle of its steps, and the check of one more."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from dutchbook.domain.execution.decide import Event, Execution, Intent, LegState, decide
from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.values.units import Money, Price, Quantity

FIRST, SECOND = Leg.PRIMARY, Leg.SECONDARY
KALSHI, POLYMARKET = Platform
KALSHI_BOUND, POLYMARKET_BOUND = Price(Decimal("0.40")), Price(Decimal("0.55"))
EVEN_BOUND = Price(Decimal("0.44"))


def q(number: str | int) -> Quantity:
    return Quantity(Decimal(number))


def m(number: str | int) -> Money:
    return Money(Decimal(number))


def execution(
    first: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **facts: Any
) -> Execution:
    """Make an execution of 100 contracts, at version 7; numbers are given as text."""
    primary = LegState(
        KALSHI,
        planned=q(100),
        bound=KALSHI_BOUND,
        even_bound=EVEN_BOUND,
        step=Decimal(1),
        smallest=Decimal(3),
        decided_cost=Decimal(40),
    )
    secondary = LegState(
        POLYMARKET,
        planned=q(100),
        bound=POLYMARKET_BOUND,
        even_bound=Price(Decimal("0.59")),
        step=Decimal("0.5"),
        smallest=Decimal(5),
        decided_cost=Decimal(55),
    )
    return Execution(
        "e",
        "p",
        replace(primary, **_read(first)),
        replace(secondary, **_read(second)),
        **{"true_up": q(8), "version": 7, **_read(facts)},
    )


def _read(facts: dict[str, Any] | None) -> dict[str, Any]:
    numbers = ("sent", "sent_cost", "filled", "cost", "fees", "true_up", "smallest", "step")
    return {
        name: Decimal(value) if name in numbers else value
        for name, value in (facts or {}).items()
    }


def takes(
    before: Execution, event: Event, *intents: Intent, after: Execution | None = None
) -> None:
    """Check one step; without `after` nothing but the version changes."""
    expected = replace(after or before, version=8)
    assert decide(before, event) == (expected, intents)

"""How contracts resolve in the run of a seed: alike, differently on both platforms, or void."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from prove.plan import Plan

HALF = Decimal("0.5")
PAYS_AFTER = 5
"""Kalshi pays so many steps after its result."""
DIFFER, VOID = 31, 32


@dataclass(slots=True)
class Ending:
    """One pair's end.

    Attributes:
        match: The pair.
        step: When both platforms rule.
        fault: What is wrong with it, 0 for nothing.
        pays: What a YES of each platform's contract pays.
    """

    match: ContractMatch
    step: int
    fault: int
    pays: dict[Platform, Decimal]


def endings(plan: Plan, matches: tuple[ContractMatch, ...], steps: int) -> list[Ending]:
    """Return the pairs that resolve before the tape ends, in the order of their results."""
    found = []
    for match in matches:
        key = f"pair.{match.match_id}"
        fault = next((n for n in (DIFFER, VOID) if plan.strikes(n, key)), 0)
        if not fault and not plan.resolves(key):
            continue
        yes = Decimal(plan.draw(DIFFER, f"{key}.yes") % 2)
        alike = match.hedge(Outcome.YES) is Outcome.NO
        other = yes if alike else 1 - yes
        if fault == DIFFER:
            other = 1 - other
        if fault == VOID:
            yes, other = ((HALF, other), (yes, HALF), (HALF, HALF))[
                plan.draw(VOID, f"{key}.which") % 3
            ]
        step = steps * (40 + plan.draw(VOID, f"{key}.step") % 55) // 100
        pays = {Platform.KALSHI: yes, Platform.POLYMARKET: other}
        found.append(Ending(match, step, fault, pays))
    return sorted(found, key=lambda each: (each.step, each.match.match_id))

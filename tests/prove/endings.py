"""How contracts resolve in a seed's run: alike, differently on the two platforms, or void."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from prove.plan import Plan

HALF = Decimal("0.5")
PAYS_AFTER = 5
"""Steps between a result on Kalshi and its payout."""
DIFFER, VOID = 31, 32


@dataclass(slots=True)
class Ending:
    """How one pair resolves.

    Attributes:
        match: The pair.
        step: When both platforms rule.
        fault: Number of the fault, 0 for none.
        pays: What a YES of each platform's contract pays.
    """

    match: ContractMatch
    step: int
    fault: int
    pays: dict[Platform, Decimal]


def endings(plan: Plan, matches: tuple[ContractMatch, ...], steps: int) -> list[Ending]:
    """Return the pairs that resolve before the tape ends, ordered by their results' step."""
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

"""Pairs whose prices disagree for longer than the same question would let them.

An edge is gone once somebody takes it, or shrinks as both platforms learn. One that stands,
look after look, while neither book moves towards the other, says that two questions were
paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.values.units import E4, from_e4


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An edge that stands.

    Attributes:
        widest: The most that it was, in dollars a contract.
        looks: At how many looks in a row it was more than half of that.
    """

    widest: Decimal
    looks: int = 1

    def at(self, edge: Decimal) -> Disagreement | None:
        """Return it after one more look, None if the edge is gone; half of it begins anew."""
        if edge <= 0:
            return None
        if 2 * edge <= self.widest:
            return Disagreement(edge)
        return Disagreement(max(edge, self.widest), self.looks + 1)


def looked(before: Disagreement | None, edge: Decimal) -> Disagreement | None:
    """Return what one more look at an edge adds to what stood before."""
    if before is not None:
        return before.at(edge)
    return Disagreement(edge) if edge > 0 else None


def margin(
    match: ContractMatch,
    books: Mapping[Platform, OrderBook],
    outcome: Outcome,
    now: datetime,
) -> Decimal:
    """Return what a contract of `outcome` on Kalshi and its hedge bring after fees, in dollars.

    At the best prices, exact. Zero if a side is empty or a fee is unknown.
    """
    total = Decimal(1)
    for platform in Platform:
        contract = match.contract(platform)
        terms = contract.fees.at(now) if contract.fees else None
        bought = outcome if platform is Platform.KALSHI else match.hedge(outcome)
        ask_e4 = books[platform].ask_e4(bought)
        if terms is None or ask_e4 >= E4:
            return Decimal(0)
        ask = from_e4(ask_e4)
        total -= ask + terms.taker_rate * ask * (1 - ask)
    return total

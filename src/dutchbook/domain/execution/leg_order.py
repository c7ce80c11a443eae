"""Which leg goes first: the order in which a missed second leg is expected to cost least.

A pair's own setting counts before all else. Where one platform holds takers' orders back longer
than the other, that one goes first, and whole or not at all: sent second, its leg would stand
in the open for as long. Else the cheaper order goes, by what was measured on this very pair:
the chance that the second leg is missed, times what it costs to get out of the first again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.domain.values.units import from_e4


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a first leg was filled, and how often its second was then missed."""

    attempts: int = 0
    missed: int = 0

    def counted(self, *, missed: bool) -> Tally:
        """Return the tally after one more attempt."""
        return Tally(self.attempts + 1, self.missed + missed)


STUDY = {Platform.KALSHI: Tally(76, 4), Platform.POLYMARKET: Tally(76, 15)}
"""By the first leg's platform, how often the second was gone one poll (3.7 s) later.

Counted on recorded books of World Cup winner contracts of both platforms, July 2026: 76
episodes in which a pair cost less than it paid.
"""
ENOUGH = 20
"""Attempts on a pair, in either order, before anything but Kalshi goes first on it.

The study weighs as much: once a pair may deviate, its own figures and the study's count alike,
and a handful of misses, which one bad minute can bring, cannot turn the order around.
"""


def missed(phase: Phase, first: Decimal, second: Decimal) -> bool | None:
    """Tell whether an execution that ended in `phase` missed its second leg.

    None where it tells nothing: no first leg was filled, or it has not ended.

    Args:
        phase: Where it stands.
        first: Contracts that its first leg filled.
        second: Contracts that its second leg filled.
    """
    if not (phase.ended and first):
        return None
    return phase is Phase.EXPOSED and second < first


def chance_of_miss(first: Platform, tally: Tally) -> Fraction:
    """Return how likely the second leg is to be missed after `first`: measured, and the study.

    Exact. The study counts like `ENOUGH` attempts of its own rate.
    """
    study = STUDY[first]
    expected = Fraction(study.missed * ENOUGH, study.attempts)
    return (tally.missed + expected) / (tally.attempts + ENOUGH)


def cost_to_resolve(match: ContractMatch, book: OrderBook, now: datetime) -> Decimal:
    """Return what buying one contract and selling it again costs now, in dollars, exactly.

    The spread, and the unrounded fees of both trades where they are known. It is the same for
    YES and for NO. With nobody to sell to, all that was paid.
    """
    ask, bid = from_e4(book.best_ask), from_e4(book.best_bid)
    schedule = match.contract(book.platform).fees
    terms = schedule.at(now) if schedule else None
    if terms is None:
        return ask - bid
    return ask - bid + terms.model(ask, Decimal(1)) + terms.model(bid, Decimal(1))


def first_leg(
    match: ContractMatch,
    books: Mapping[Platform, OrderBook],
    now: datetime,
    tallies: Mapping[Platform, Tally],
) -> Platform:
    """Return the platform of the first leg.

    Args:
        match: The pair.
        books: Its book on each platform.
        now: When; fees depend on it.
        tallies: What was measured on this pair, by the platform that went first.
    """
    if match.primary_leg is not None:
        return match.primary_leg
    delays = {p: match.contract(p).taker_delay for p in Platform}
    if delays[Platform.KALSHI] != delays[Platform.POLYMARKET]:
        return max(Platform, key=lambda platform: delays[platform])
    if sum(tally.attempts for tally in tallies.values()) < ENOUGH:
        return Platform.KALSHI
    expected = {
        p: chance_of_miss(p, tallies.get(p, Tally()))
        * Fraction(cost_to_resolve(match, books[p], now))
        for p in Platform
    }
    # Kalshi is the first of the enumeration, and so goes first where both cost the same.
    return min(Platform, key=lambda platform: expected[platform])

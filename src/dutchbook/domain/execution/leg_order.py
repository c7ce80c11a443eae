"""Which leg is sent first: the order in which a missed second leg is expected to cost least.

A pair's own setting takes precedence. If one platform holds back takers' orders longer than the
other, its leg goes first, and fills whole or not at all: sent second, it would leave the first
leg unhedged for that time. Otherwise the cheaper order is used, measured on this pair: the
probability that the second leg is missed, times the cost of getting out of the first leg.
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
    """How often a first leg was filled, and how often the second leg was then missed."""

    attempts: int = 0
    missed: int = 0

    def counted(self, *, missed: bool) -> Tally:
        """Return the tally after one more attempt."""
        return Tally(self.attempts + 1, self.missed + missed)


STUDY = {Platform.KALSHI: Tally(76, 4), Platform.POLYMARKET: Tally(76, 15)}
"""By the first leg's platform, how often the second leg was gone one poll (3.7 s) later.

Counted on recorded books of World Cup winner contracts on both platforms, July 2026: 76
episodes in which a pair cost less than it paid.
"""
ENOUGH = 20
"""Attempts on a pair, in either order, before any platform but Kalshi may go first on it.

The study has the same weight: once a pair may deviate, its own figures and the study's count
equally, and a few misses, which one bad minute can cause, cannot reverse the order.
"""


def missed(phase: Phase, first: Decimal, second: Decimal) -> bool | None:
    """Return whether an execution that ended in `phase` missed its second leg.

    None if it does not count: the first leg was not filled, or the execution has not ended.

    Args:
        phase: The execution's phase.
        first: Contracts filled on the first leg.
        second: Contracts filled on the second leg.
    """
    if not (phase.ended and first):
        return None
    return phase is Phase.EXPOSED and second < first


def chance_of_miss(first: Platform, tally: Tally) -> Fraction:
    """Return the probability of missing the second leg after `first`, from tally and study.

    Exact. The study counts as `ENOUGH` attempts at its own rate.
    """
    study = STUDY[first]
    expected = Fraction(study.missed * ENOUGH, study.attempts)
    return (tally.missed + expected) / (tally.attempts + ENOUGH)


def cost_to_resolve(match: ContractMatch, book: OrderBook, now: datetime) -> Decimal:
    """Return the cost of buying one contract and selling it again now, in dollars, exact.

    The spread plus the unrounded fees of both trades if known. The same for YES and NO. Without
    a bid, the whole price paid.
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
        now: The moment, which decides the fee terms.
        tallies: Measurements on this pair, by the platform that went first.
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
    # Kalshi comes first in the enumeration, so it goes first if both cost the same.
    return min(Platform, key=lambda platform: expected[platform])

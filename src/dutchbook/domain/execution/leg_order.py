"""Which leg is sent first: the order in which a missed second leg is expected to cost least.

A pair's own setting takes precedence. If one platform holds back takers' orders longer than the
other, its leg goes first, and fills whole or not at all: sent second, it would leave the first
leg unhedged for that time. Otherwise the cheaper order is used: the probability that the second
leg is missed (`dutchbook.domain.execution.second_leg`), times the cost of getting out of the
first leg.
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
from dutchbook.domain.values.units import MICRO, from_e4


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


@dataclass(frozen=True, slots=True)
class LegOrder:
    """Which leg goes first, and what its missed hedge is expected to cost.

    Attributes:
        first: The platform of the first leg.
        chance: The probability that the second leg is missed.
        cost: What a miss costs, in dollars a contract.
    """

    first: Platform
    chance: Fraction
    cost: Decimal

    @property
    def expected(self) -> Decimal:
        """The expected cost of a miss, in dollars a contract, rounded up to 10⁻⁶."""
        micro = self.chance * Fraction(self.cost) * 1_000_000
        return Decimal(-(-micro.numerator // micro.denominator)) * MICRO


def leg_order(
    match: ContractMatch,
    books: Mapping[Platform, OrderBook],
    now: datetime,
    chances: Mapping[Platform, Fraction],
) -> LegOrder:
    """Return which leg of a pair goes first.

    Args:
        match: The pair.
        books: Its book on each platform.
        now: The moment, which decides the fee terms.
        chances: The probability that the second leg is missed, by the platform of the first.
    """
    orders = {
        p: LegOrder(p, chances[p], cost_to_resolve(match, books[p], now)) for p in Platform
    }
    if match.primary_leg is not None:
        return orders[match.primary_leg]
    delays = {p: match.contract(p).taker_delay for p in Platform}
    if delays[Platform.KALSHI] != delays[Platform.POLYMARKET]:
        return orders[max(Platform, key=lambda platform: delays[platform])]
    # Kalshi comes first in the enumeration, so it goes first if both cost the same.
    return min(orders.values(), key=lambda each: each.chance * Fraction(each.cost))

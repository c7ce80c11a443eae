"""What the paper platforms charge: each platform's published formula, in whole numbers.

Written from the platforms' pages and sharing no code with `domain.market.fees`, so that a fee
which the engine expects wrongly shows as a difference. Only the rates of a contract are shared.

Kalshi (docs.kalshi.com fee rounding, 2026-10): the modelled fee is raised to a millionth of a
dollar; the change of the balance, revenue less fee, is floored to its precision; what that
costs is collected for the order, and whole steps of it are paid back with later fills. Revenue
is what a sale brings, or less what a purchase costs. Polymarket (docs.polymarket.com fees,
2026-09): five decimals for each fill, half to even.
"""

from __future__ import annotations

from decimal import Decimal

from dutchbook.domain.market.contract import Side
from dutchbook.domain.market.fees import FeeRounding, FeeTerms
from dutchbook.domain.values.units import Money

STEPS = {FeeRounding.KALSHI_DIRECT: 10**6, FeeRounding.KALSHI_CENT: 10**8}
"""Precision of a balance on Kalshi in 10⁻¹⁰ dollars: of a direct member, and of others."""
WHOLE = 10_000
"""A dollar in 10⁻⁴ dollars."""
MILLIONTH = 10**14
"""A millionth of a dollar in 10⁻²⁰ dollars, in which the modelled fee is exact."""
POLYMARKET_STEP = 10**15
"""10⁻⁵ dollars in 10⁻²⁰ dollars."""


class Charges:
    """The fees of one order, fill by fill; each fill of ours takes what others offer."""

    def __init__(self, terms: FeeTerms, side: Side) -> None:
        self.terms = terms
        self._sign = 1 if side is Side.SELL else -1
        self._collected = 0

    def charge(self, price_e4: int, size_e6: int) -> Money:
        """Return the fee of a fill in dollars; its price is that of the order's outcome."""
        model = self.terms.taker_rate_e6 * size_e6 * price_e4 * (WHOLE - price_e4)
        if self.terms.rounding is FeeRounding.POLYMARKET:
            return _dollars(_half_to_even(model, POLYMARKET_STEP), 5)
        fee = -(-model // MILLIONTH) * 10**4
        step = STEPS[self.terms.rounding]
        change = self._sign * price_e4 * size_e6 - fee
        lost = change % step
        self._collected += lost
        back = min(self._collected, fee + lost) // step * step
        self._collected -= back
        return _dollars(fee + lost - back, 10)


def _half_to_even(number: int, step: int) -> int:
    """Return how many whole steps are nearest to a number; of two, the even one."""
    steps, rest = divmod(number, step)
    return steps + (2 * rest > step or (2 * rest == step and steps % 2))


def _dollars(number: int, decimals: int) -> Money:
    return Money(Decimal(number).scaleb(-decimals))

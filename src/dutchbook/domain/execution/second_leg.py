"""How likely a second leg is missed: a study's figure, then what is seen of the pair itself.

The study saw the onset of 62 edges of 0.4 cents or more in recorded books of World Cup winner
contracts on both platforms (July 2026, both books of one poll, up to 300 dollars): one poll of
3.7 seconds later the second leg was gone 3 of 31 times on Polymarket and 17 of 31 on Kalshi. At
other lags its figure is scaled as quotes of that age and share of the touch were seen to go;
Polymarket's are assumed to go as Kalshi's. See `dutchbook.domain.market.survival`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.survival import relative

STUDY: Mapping[Platform, Fraction] = {
    Platform.KALSHI: Fraction(17, 31),
    Platform.POLYMARKET: Fraction(3, 31),
}
"""By the second leg's platform, how often it was gone after one poll."""
WEIGHT = 20
"""So many looks does the study weigh: a few of one bad minute do not outweigh it."""
HALF_LIFE = timedelta(hours=1)
"""After this time what was seen counts half: who quotes a pair changes within hours."""
MICROSECOND = timedelta(microseconds=1)
CONTEXT = Context(prec=28)
PARTS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a second leg would take, and how long after it was seen.

    Attributes:
        platform: Where it stands.
        lag: From the decision until the second leg's order meets it.
        age: How long its price and size had been as they were.
        share: The share of the contracts at the best price that is wanted; all above 1.
    """

    platform: Platform
    lag: timedelta
    age: timedelta
    share: Decimal


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a pair's second legs on one platform, fading by half in an hour.

    Looks and missed are counts that have faded until `at`, to 10⁻⁶.
    """

    looks: Decimal = Decimal(0)
    missed: Decimal = Decimal(0)
    at: datetime | None = None

    def faded(self, now: datetime) -> Evidence:
        """Return what counts of it now; a clock that was put back fades nothing."""
        if self.at is None or now <= self.at:
            return self
        lives = Decimal((now - self.at) // MICROSECOND) / (HALF_LIFE // MICROSECOND)
        left = CONTEXT.power(Decimal(2), -lives)
        looks, missed = ((each * left).quantize(PARTS) for each in (self.looks, self.missed))
        return Evidence(looks, missed, now)

    def seen(self, now: datetime, *, missed: bool) -> Evidence:
        """Return the evidence after one more look."""
        known = self.faded(now)
        at = now if known.at is None else max(now, known.at)
        return Evidence(known.looks + 1, known.missed + missed, at)


def prior(quote: Quote) -> Fraction:
    """Return the probability of a miss before anything was seen of the pair.

    Below 1: the study's share is scaled by 1.4 at the most.
    """
    return STUDY[quote.platform] * relative(quote.lag, quote.age, quote.share)


def chance_of_miss(quote: Quote, seen: Evidence) -> Fraction:
    """Return the probability of a miss: the mean of a Beta distribution, exact.

    The study counts as `WEIGHT` looks at its own rate; `seen` has faded until now.
    """
    return (WEIGHT * prior(quote) + Fraction(seen.missed)) / (WEIGHT + Fraction(seen.looks))

"""Contracts and approved pairs of contracts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.market.fees import FeeSchedule
from dutchbook.domain.values.units import (
    MICRO,
    PAYOUT,
    Money,
    Price,
    PriceGrid,
    Quantity,
    ceil_to,
)
from dutchbook.errors import InvalidInput

CENT = Decimal("0.01")


class Platform(StrEnum):
    """A place that matches orders."""

    KALSHI = "kalshi"
    POLYMARKET = "polymarket"

    @property
    def other(self) -> Platform:
        """The platform on which the other leg trades."""
        return Platform.POLYMARKET if self is Platform.KALSHI else Platform.KALSHI

    @property
    def fills_are_final(self) -> bool:
        """Whether a fill can never be taken back; Polymarket's are until they are confirmed.

        Sources: docs.kalshi.com market_settlement (2026-10); docs.polymarket.com
        realtime-order-updates (2026-09).
        """
        return self is Platform.KALSHI


class Outcome(StrEnum):
    """The outcome on which a contract pays."""

    YES = "yes"
    NO = "no"

    @property
    def opposite(self) -> Outcome:
        """NO for YES and YES for NO."""
        return Outcome.NO if self is Outcome.YES else Outcome.YES


class Side(StrEnum):
    """What an order does with an outcome."""

    BUY = "buy"
    SELL = "sell"


class Leg(StrEnum):
    """One platform's half of an execution; the primary leg is sent first."""

    PRIMARY = "primary"
    SECONDARY = "secondary"

    @property
    def other(self) -> Leg:
        """The leg on the other platform."""
        return Leg.SECONDARY if self is Leg.PRIMARY else Leg.PRIMARY


class Alignment(StrEnum):
    """How the questions of a pair relate: same YES, or one's YES is the other's NO."""

    SAME = "same"
    INVERSE = "inverse"


class DivergenceClass(StrEnum):
    """How likely the two contracts of a pair are to resolve differently; see `DIVERGENCE`."""

    IDENTICAL = "identical"
    SAME_SOURCE = "same_source"
    DIFFERENT_SOURCES = "different_sources"
    UNCLASSIFIED = "unclassified"
    SHORT_CRYPTO = "short_crypto"


DIVERGENCE: Mapping[DivergenceClass, Decimal] = {
    DivergenceClass.IDENTICAL: Decimal("0.0005"),
    DivergenceClass.SAME_SOURCE: Decimal("0.002"),
    DivergenceClass.DIFFERENT_SOURCES: Decimal("0.01"),
    DivergenceClass.UNCLASSIFIED: Decimal("0.01"),
    DivergenceClass.SHORT_CRYPTO: Decimal("0.057"),
}
"""Default probability of each class, as of 2026-10. The first four are our cautious guesses;
that of short crypto windows was measured on 2,781 windows of fifteen minutes that both
platforms resolved (2026)."""


ALIKE = (DivergenceClass.IDENTICAL, DivergenceClass.SAME_SOURCE)
"""Classes whose contracts resolve alike as far as anybody can tell beforehand."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a platform counts the size of a marketable order.

    `cent_exact`: Polymarket rejects a FOK or FAK buy whose dollars are not whole cents
    (observed through 2026-09), and spends those dollars, so that a better price buys more
    shares than ordered. Kalshi counts contracts.
    """

    step: Quantity
    minimum: Quantity
    minimum_notional: Money
    cent_exact: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """One question on one platform, with a YES and a NO; prices are in YES dollars.

    `cash_delay` is the time from resolution until the payout can be spent: settlement timers on
    Kalshi, the oracle's challenge period on Polymarket. `taker_delay` is how long the platform
    holds back a marketable order before it meets the book (Polymarket's `secondsDelay` of
    sports markets, docs.polymarket.com, 2026-06). `fees` is None if the schedule is unknown,
    and then nothing is traded. `assumed` names the facts that were assumed, not observed.
    """

    platform: Platform
    contract_id: str
    title: str
    rules: str
    grid: PriceGrid
    sizing: Sizing
    fees: FeeSchedule | None
    close_time: datetime
    resolution_time: datetime
    cash_delay: timedelta
    tokens: tuple[str, str] | None = None
    assumed: tuple[str, ...] = ()
    taker_delay: timedelta = timedelta(0)

    @property
    def cash_time(self) -> datetime:
        """When the payout is expected to be spendable."""
        return self.resolution_time + self.cash_delay

    @property
    def lot(self) -> Decimal:
        """The step between sizes that can be ordered at any price.

        If dollars must be whole cents, this is a cent divided by the tick: 10 shares at a tick
        of 0.001. A multiple of it stays orderable when the book moves between legs.
        """
        if not self.sizing.cent_exact:
            return self.sizing.step
        return max(self.sizing.step, (CENT / self.grid.finest).quantize(CENT))

    def smallest(self, limit: Decimal) -> Decimal:
        """Return the smallest multiple of `lot` that is accepted at `limit` dollars."""
        floor = max(self.sizing.minimum, self.sizing.minimum_notional / limit)
        return ceil_to(floor, self.lot)

    def on_grid(self, limit: Decimal, outcome: Outcome) -> bool:
        """Return whether `outcome` can be quoted at `limit` dollars."""
        return self.grid.contains(limit if outcome is Outcome.YES else 1 - limit)

    def floor_price(self, limit: Decimal, outcome: Outcome) -> Price | None:
        """Return the highest quotable price of `outcome` not above `limit`, if any."""
        finest = self.grid.finest
        for steps in range(int(min(limit, PAYOUT) / finest), 0, -1):
            if self.on_grid(steps * finest, outcome):
                return Price(steps * finest)
        return None

    def next_price(self, limit: Decimal, outcome: Outcome, side: Side) -> Price | None:
        """Return the valid limit at which an order for `limit` still fills, if any.

        The next quotable price of `outcome`: not below `limit` for a purchase, not above it for
        a sale. A book may show prices between those that an order may have.
        """
        if side is Side.SELL:
            return self.floor_price(limit, outcome)
        # Who quotes an outcome at p quotes its opposite at 1 - p.
        mirrored = self.floor_price(1 - limit, outcome.opposite)
        return None if mirrored is None else Price(1 - mirrored)

    def limit_of(
        self, size: Decimal, outcome: Outcome, side: Side, *, worst: Price, bound: Price
    ) -> Price:
        """Return the limit of an order that must fill now and may go as far as `bound`.

        As far as it may go, so that it fills if the book moves on its way. An order that spends
        dollars goes no further than it must, or it would buy more than is wanted; none goes so
        low that it is worth less than the platform's minimum, which counts at the limit.

        Args:
            size: Contracts of the order, above 0.
            outcome: What is traded.
            side: Whether it is bought or sold.
            worst: The quotable price up or down to which the book fills the order now.
            bound: The quotable price that it must not pass.
        """
        amount = self.sizing.minimum_notional / size
        least = self.next_price(amount, outcome, Side.BUY) or bound
        if side is Side.SELL:
            return max(bound, least)
        return min(bound, max(worst, least)) if self.sizing.cent_exact else bound


@dataclass(frozen=True, slots=True)
class ContractMatch:
    """Two contracts approved by a person as the same question.

    The approval is bound to `digest`: if the rules, the alignment or a date of either contract
    changes, the digest differs and the approval has lapsed. Pairs of one `cluster` depend on
    the same event. `confidence`, above 0 and at most 1, is how certain it is that both ask the
    same question; it scales what a position may cost.
    """

    match_id: str
    kalshi: Contract
    polymarket: Contract
    alignment: Alignment = Alignment.SAME
    divergence_class: DivergenceClass = DivergenceClass.UNCLASSIFIED
    divergence_probability: Decimal = DIVERGENCE[DivergenceClass.UNCLASSIFIED]
    primary_leg: Platform | None = None
    cluster: str | None = None
    confidence: Decimal = Decimal(1)
    operator_approved: bool = False
    approved_digest: str | None = None

    def __post_init__(self) -> None:
        if (self.kalshi.platform, self.polymarket.platform) != tuple(Platform):
            raise InvalidInput("pair", self.match_id, "one Kalshi and one Polymarket contract")
        sure = self.confidence
        if not sure.is_finite() or not 0 < sure <= 1 or sure % MICRO:
            wanted = "above 0, at most 1, in whole millionths"
            raise InvalidInput("confidence", str(sure), wanted)

    def contract(self, platform: Platform) -> Contract:
        """Return the contract of this pair on `platform`."""
        return self.kalshi if platform is Platform.KALSHI else self.polymarket

    def hedge(self, outcome: Outcome) -> Outcome:
        """Return the outcome to hold on the other platform so that exactly one leg pays."""
        return outcome.opposite if self.alignment is Alignment.SAME else outcome

    @property
    def resolution_date(self) -> datetime:
        """When both contracts are expected to be resolved."""
        return max(self.kalshi.resolution_time, self.polymarket.resolution_time)

    @property
    def cash_time(self) -> datetime:
        """When the payout of either leg is spendable, whichever leg pays."""
        return max(self.kalshi.cash_time, self.polymarket.cash_time)

    @property
    def digest(self) -> str:
        """Fingerprint of everything that the approval depends on."""
        facts = [self.alignment.value]
        for contract in (self.kalshi, self.polymarket):
            facts += [
                contract.contract_id,
                contract.rules,
                contract.close_time.isoformat(),
                contract.resolution_time.isoformat(),
            ]
        return hashlib.sha256("\x1f".join(facts).encode()).hexdigest()

    @property
    def tradable(self) -> bool:
        """Whether a person approved the pair and nothing covered by the approval changed."""
        return self.operator_approved and self.approved_digest == self.digest

"""Risk limits, halts, and the risk state that they are checked against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, Generic, TypeVar

from dutchbook.domain.detection.quote import Caps, Reason, Room
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money, Quantity, owed

T = TypeVar("T")


BANKROLL = Money(Decimal(10_000))


class Grade(IntEnum):
    """What may be sent during a halt: everything, no entries, or only cancels."""

    TRADING = 0
    NO_ENTRIES = 1
    CANCELS_ONLY = 2


class HaltReason(StrEnum):
    """Why no new execution may start. Reasons form a set and are cleared one by one.

    `UNREADABLE` represents a reason that this program does not know: an unreadable halt still
    halts trading.
    """

    DAILY_LOSS_LIMIT = "daily_loss_limit"
    RECONCILIATION_DISCREPANCY = "reconciliation_discrepancy"
    OPERATOR = "operator"
    TIME_DRIFT = "time_drift"
    CAPABILITY_CHANGED = "capability_changed"
    AUDIT_FAILURE = "audit_failure"
    INVARIANT_BROKEN = "invariant_broken"
    EXPOSURE_LIMIT = "exposure_limit"
    WINDING_DOWN = "winding_down"
    DATABASE_OUTAGE = "database_outage"
    DATABASE_LOST = "database_lost"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits on capital at risk. Shares are of the bankroll.

    The bankroll is what our accounts hold, and `cap` at most if there is one; see `holding`.
    `order_share` bounds a single order. `platform_share`, `pair_share` and `cluster_share`
    bound the sum of reserved and committed capital on one platform, on one pair over all its
    positions, and on all pairs of a cluster.
    `count_unhedged`: an unhedged leg counts towards the day's loss with its worst mark.
    """

    bankroll: Money = BANKROLL
    cap: Money | None = None
    position_share: Decimal = Decimal("0.03")
    max_open_pairs: int = 10
    daily_loss_share: Decimal = Decimal("0.05")
    platform_share: Decimal = Decimal("0.5")
    pair_share: Decimal = Decimal("0.3")
    cluster_share: Decimal = Decimal("0.15")
    approach_share: Decimal = Decimal("0.8")
    reset_hour_utc: int = 0
    count_unhedged: bool = True
    order_share: Decimal = Decimal("0.05")

    def holding(self, held: Money) -> RiskLimits:
        """Return the limits where the accounts hold `held` dollars.

        That is deposits less withdrawals, plus what was realised; at least 0.
        """
        bankroll = max(held if self.cap is None else min(held, self.cap), ZERO)
        return self if bankroll == self.bankroll else replace(self, bankroll=bankroll)

    def to_text(self) -> str:
        """Return the shares and the cap as JSON, for `of_text`."""
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        return json.dumps({name: str(value) for name, value in kept.items() if name in _KEPT})

    @classmethod
    def of_text(cls, text: str) -> RiskLimits:
        """Return limits with the shares that `to_text` has written."""
        known = json.loads(text).items()
        kept: dict[str, Any] = {
            name: None if value == "None" else Decimal(value)
            for name, value in known
            if name in _KEPT
        }
        return cls(**kept)

    @property
    def dollars(self) -> dict[str, Money]:
        """Every limit in dollars, by name."""
        return {
            "bankroll": self.bankroll,
            "position": self.position,
            "pair": self.pair,
            "cluster": self.cluster,
            "platform": self.platform,
            "order": self.order,
            "daily_loss": self.daily_loss,
        }

    @property
    def order(self) -> Money:
        """The most that one order may be worth at its limit."""
        return Money(self.bankroll * self.order_share)

    @property
    def position(self) -> Money:
        """The most that one position may cost."""
        return Money(self.bankroll * self.position_share)

    @property
    def daily_loss(self) -> Money:
        """The loss in one trading day that halts trading."""
        return Money(self.bankroll * self.daily_loss_share)

    @property
    def platform(self) -> Money:
        """The maximum capital at risk on one platform."""
        return Money(self.bankroll * self.platform_share)

    @property
    def pair(self) -> Money:
        """The maximum capital at risk on one pair."""
        return Money(self.bankroll * self.pair_share)

    @property
    def cluster(self) -> Money:
        """The maximum capital at risk on the pairs of one cluster."""
        return Money(self.bankroll * self.cluster_share)

    def room(self, pair: Decimal, cluster: Decimal | None) -> Room:
        """Return the room left for a pair.

        Args:
            pair: Capital at risk on the pair, in dollars.
            cluster: Capital at risk on its cluster, the pair included; None without a cluster.
        """
        left = Room(Money(max(self.pair - pair, ZERO)), Reason.PAIR_LIMIT)
        if cluster is None or self.cluster - cluster >= left.dollars:
            return left
        return Room(Money(max(self.cluster - cluster, ZERO)), Reason.CLUSTER_LIMIT)


_KEPT = frozenset({"cap", *(each.name for each in fields(RiskLimits) if "share" in each.name)})


@dataclass(frozen=True, slots=True)
class RiskState:
    """The state that every limit is checked against; always equals the fold of the ledger."""

    daily_pnl: Money = ZERO
    open_position_count: int = 0
    total_capital_deployed: Money = ZERO
    reserved_capital: Money = ZERO
    reserved_position_slots: int = 0
    halt_reasons: frozenset[HaltReason] = frozenset()
    last_reset: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC))
    epoch: int = 1

    @property
    def trading_halted(self) -> bool:
        """Whether any halt reason is set."""
        return bool(self.halt_reasons)

    def halted(self, reason: HaltReason) -> RiskState:
        """Return the state with `reason` added."""
        return replace(self, halt_reasons=self.halt_reasons | {reason}, epoch=self.epoch + 1)

    def resumed(self, reason: HaltReason) -> RiskState:
        """Return the state with `reason` removed."""
        return replace(self, halt_reasons=self.halt_reasons - {reason}, epoch=self.epoch + 1)


@dataclass(frozen=True, slots=True)
class OpenPairs:
    """The pairs with a position open or about to be, as an entry on one pair sees them.

    A pair counts once, however many positions it has: what they may cost is `RiskLimits.pair`.

    Attributes:
        count: How many these are.
        among: Whether the pair that is to be entered is one of them.
    """

    count: int = 0
    among: bool = False

    @property
    def entered(self) -> int:
        """How many they are after the entry."""
        return self.count + (not self.among)


@dataclass(frozen=True, slots=True)
class Unhedged:
    """An unhedged leg and its marks: what a contract of it would bring or cost to be rid of.

    A mark is in dollars of profit per contract of the best remedy; see `mark_of_remedies`.
    """

    quantity: Quantity
    worst: Decimal
    last: Decimal

    @property
    def loss(self) -> Money:
        """What the leg would have lost at its worst, 0 if nothing."""
        return owed(max(-self.worst * self.quantity, ZERO))

    def marked(self, mark: Decimal) -> Unhedged:
        """Return the leg with another mark."""
        return replace(self, worst=min(self.worst, mark), last=mark)


@dataclass(frozen=True, slots=True)
class Override:
    """Limits that a person lifted for the next execution of a pair, up to `amount` dollars."""

    opportunity_id: str
    pair_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Approved(Generic[T]):
    """An order intent or request that passed every check of the current risk epoch."""

    subject: T
    epoch: int


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of `validate_position`."""

    approved: bool
    reason: str | None
    maximum_size: Money
    open_pairs: int
    daily_pnl: Money


@dataclass(frozen=True, slots=True)
class Crossing:
    """A limit whose warning share or bound was just crossed upwards."""

    limit: str
    value: Decimal
    bound: Decimal
    breached: bool


def validate(
    state: RiskState,
    limits: RiskLimits,
    pairs: OpenPairs,
    caps: Caps,
    amounts: Mapping[Platform, Decimal],
    size: Decimal = ZERO,
    override: Override | None = None,
) -> Validation:
    """Check a request to spend `amounts`: halts first, then pairs, then capital, then size.

    Args:
        state: The risk state, in-flight reservations included.
        limits: The limits on capital at risk.
        pairs: The pairs that are open or about to be, in-flight reservations included.
        caps: What the position may cost, and what platforms, pair and cluster have left.
        amounts: The worst case that the request would reserve, by platform.
        size: Dollars that both legs together are to cost.
        override: Lifts the limits of open pairs and of the platform, and sets the size; never
            lifts a halt or the limit of free cash.
    """
    room = caps.room
    most = caps.position if room is None else min(caps.position, room.dollars)

    def answer(reason: str | None, maximum: Decimal) -> Validation:
        return Validation(reason is None, reason, Money(maximum), pairs.count, state.daily_pnl)

    if state.trading_halted:
        return answer("trading_halted", ZERO)
    if pairs.entered > limits.max_open_pairs and not override:
        return answer("max_open_pairs", ZERO)
    if any(caps.free[p] <= 0 for p in Platform):
        return answer(Reason.INSUFFICIENT_CAPITAL, ZERO)
    if any(amounts[p] > caps.free[p] for p in Platform):
        return answer(Reason.INSUFFICIENT_CAPITAL, most)
    if room is not None and sum(amounts.values()) > room.dollars:
        return answer(room.limit, most)
    if size > most:
        return answer(Reason.POSITION_SIZE, most)
    return answer(None, most)


def crossings(
    before: Mapping[str, Decimal],
    after: Mapping[str, Decimal],
    bounds: Mapping[str, Decimal],
    approach: Decimal,
) -> tuple[Crossing, ...]:
    """Return the limits whose warning or bound was crossed upwards between two measurements."""
    found = []
    for name in sorted(bounds):
        bound = bounds[name]
        was, now = before.get(name, Decimal(0)), after.get(name, Decimal(0))
        if was < bound <= now:
            found.append(Crossing(name, now, bound, breached=True))
        elif was < bound * approach <= now:
            found.append(Crossing(name, now, bound, breached=False))
    return tuple(found)

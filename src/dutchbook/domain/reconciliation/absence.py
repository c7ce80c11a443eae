"""The bounded proof that an order was never placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.domain.execution.order import Order, OrderStatus
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.platform_state import Answer, NotFound, Stale
from dutchbook.domain.values.units import Money


@dataclass(frozen=True, slots=True)
class Window:
    """How long a sent order can still be accepted.

    Attributes:
        length: Counted from the send: the validity of the signature or the order's own expiry,
            plus the largest clock difference. None if nothing ends it, and then absence is
            never proven (a Polymarket order's signature has no expiry; py-clob-client-v2
            1.2.1).
        sent_by: For an order whose process died around the send: when that process was
            certainly dead, as it may have paused between writing the intent and sending it.
    """

    length: timedelta | None
    sent_by: datetime | None = None

    def closes(self, order: Order) -> datetime | None:
        """Return the instant after which the order can no longer be accepted."""
        if self.length is None:
            return None
        return max(sent_at_latest(order), self.sent_by or order.created_at) + self.length


CENT = Money(Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of a comparison.

    Attributes:
        windows: By platform; without one, absence is never proven on that platform.
        grace: How long after it was first seen a difference may be a delay, so that the
            platform is asked again. After that, a person is asked.
        again: The wait before the same question is repeated.
        dust: Legs that differ by less count as balanced.
        cash_tolerance: Dollars by which a platform's rounding may differ from ours.
    """

    windows: Mapping[Platform, Window] = field(default_factory=dict)
    grace: timedelta = timedelta(seconds=60)
    again: timedelta = timedelta(seconds=5)
    dust: Decimal = Decimal("0.01")
    cash_tolerance: Money = CENT

    def window(self, platform: Platform) -> Window:
        """Return the platform's window."""
        return self.windows.get(platform, Window(None))


def sent_at_latest(order: Order) -> datetime:
    """Return the last instant at which the order is known to have been in flight."""
    return max(order.created_at, order.outcome_unknown_since or order.created_at)


def seen(order: Order, answer: Answer) -> Answer:
    """Return the answer, or `Stale` for "not found" from data older than the send."""
    if isinstance(answer, NotFound) and (
        answer.as_of is None or answer.as_of < sent_at_latest(order)
    ):
        return Stale(answer.as_of)
    return answer


def proven_absent(order: Order, answer: Answer, window: Window) -> bool:
    """Return whether an answer proves that the order was not placed and never will be.

    Only a complete "not found" does, for an order that the platform never acknowledged and
    that has no fill, from data that the platform says is newer than the end of its window.
    """
    closes = window.closes(order)
    return (
        isinstance(answer, NotFound)
        and answer.complete
        and answer.as_of is not None
        and closes is not None
        and answer.as_of > closes
        and order.status is OrderStatus.PENDING
        and not order.reported
        and not order.filled
    )

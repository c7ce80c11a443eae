"""The bounded proof that an order was never placed."""

from __future__ import annotations

from datetime import datetime

from dutchbook.domain.execution.order import Order, OrderStatus
from dutchbook.domain.reconciliation.platform_state import Answer, NotFound, Stale


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


def proven_absent(order: Order, answer: NotFound) -> bool:
    """Return whether an answer proves that the order was not placed and never will be.

    Only a "not found" from data that the platform says is newer than the last instant at which
    it could accept the order does, for an order that the platform never acknowledged and that
    has no fill. That instant is later by as long as the order is known to have been in flight.
    """
    if answer.as_of is None or answer.arrives_until is None:
        return False
    in_flight = sent_at_latest(order) - order.created_at
    return (
        answer.as_of > answer.arrives_until + in_flight
        and order.status is OrderStatus.PENDING
        and not order.reported
        and not order.filled
    )

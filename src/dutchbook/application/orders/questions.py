"""Orders whose outcome is unknown: who is asked about which, and when next."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dutchbook.application.orders.schedule import Schedule
from dutchbook.domain.execution.order import Order
from dutchbook.ports.time import Clock


@dataclass(frozen=True, slots=True)
class Question:
    """One order that is asked about.

    `since` are monotonic seconds: a clock that is set back must not delay a person's notice.
    """

    order: Order
    since: float
    person_asked: bool = False


class Questions:
    """The orders that are asked about until their outcome is known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Question] = {}
        self._schedule = Schedule(clock)

    @property
    def count(self) -> int:
        """Number of orders whose outcome is unknown."""
        return len(self._open)

    def notice(self, order: Order, wait: int = 1) -> None:
        """Add an order whose outcome is unknown; it is asked about in `wait` seconds."""
        question = Question(order, self._clock.monotonic())
        self._open.setdefault(order.order_id, question)
        self._schedule.add(order.order_id, wait)

    def known(self, order_id: str) -> None:
        """Stop asking about an order: its outcome is known."""
        self._open.pop(order_id, None)
        self._schedule.drop(order_id)

    def stands(self, question: Question) -> bool:
        """Return whether a question is still open."""
        known = self._open.get(question.order.order_id)
        return known is not None and known.since == question.since

    def asks_on(self, pair_id: str) -> bool:
        """Return whether the outcome of an order on a pair is unknown."""
        return any(each.order.pair_id == pair_id for each in self._open.values())

    def put_off(self, question: Question) -> None:
        """Ask again later, after twice the wait of the last time."""
        self._schedule.put_off(question.order.order_id)

    def asked_person(self, question: Question) -> None:
        """Record that a person was asked, too."""
        self._open[question.order.order_id] = replace(question, person_asked=True)

    async def due(self) -> list[Question]:
        """Wait until a question is due, and return those that are."""
        return [self._open[key] for key in await self._schedule.due()]

"""Orders whose outcome is unknown: who is asked about which, and when next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from dutchbook.domain.execution.order import Order
from dutchbook.ports.time import Clock

LONGEST_WAIT = 60


@dataclass(frozen=True, slots=True)
class Question:
    """One order that is asked about.

    `since` and `due` are monotonic seconds: a clock that is set back must not stop the asking.
    `wait` are the seconds between the last two times, `person_asked` tells of a person.
    """

    order: Order
    since: float
    due: float
    wait: int
    person_asked: bool = False


class Questions:
    """The orders that are asked about until their outcome is known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Question] = {}
        self._wake = asyncio.Event()

    @property
    def count(self) -> int:
        """Orders whose outcome nobody knows yet."""
        return len(self._open)

    def notice(self, order: Order, wait: int = 1) -> None:
        """Take up an order whose outcome is unknown; it is asked about in `wait` seconds."""
        now = self._clock.monotonic()
        self._open.setdefault(order.order_id, Question(order, now, now + wait, wait))
        self._wake.set()

    def known(self, order_id: str) -> None:
        """Ask no longer about an order: its outcome is known."""
        self._open.pop(order_id, None)

    def stands(self, question: Question) -> bool:
        """Tell whether a question is still open."""
        known = self._open.get(question.order.order_id)
        return known is not None and known.since == question.since

    def asks_on(self, pair_id: str) -> bool:
        """Tell whether the outcome of an order on a pair is unknown."""
        return any(each.order.pair_id == pair_id for each in self._open.values())

    def put_off(self, question: Question) -> Question:
        """Ask again later, after twice the wait of the last time; returns the question."""
        wait = min(question.wait * 2, LONGEST_WAIT)
        later = replace(question, wait=wait, due=self._clock.monotonic() + wait)
        self._open[question.order.order_id] = later
        return later

    def asked_person(self, question: Question) -> None:
        """Note that a person was asked, too."""
        self._open[question.order.order_id] = replace(question, person_asked=True)

    async def due(self) -> list[Question]:
        """Wait until a question is due, and return those that are."""
        if not self._open:
            self._wake.clear()
            await self._wake.wait()
        first = min(question.due for question in self._open.values())
        await self._clock.sleep(max(first - self._clock.monotonic(), 0))
        return self.now_due()

    def now_due(self) -> list[Question]:
        """Return the questions whose time has come."""
        now = self._clock.monotonic()
        return [question for question in self._open.values() if question.due <= now]

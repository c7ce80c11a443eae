"""Inquiries: every order whose outcome is unknown is asked about until it is known.

With growing waits, for as long as it takes, and never sent again. After a while a person is
asked too. Not being found proves nothing, unless the platform's own reads are newer than the
last moment at which the order could still have arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dutchbook.application.orders.send import NOT_FOUND, ask
from dutchbook.application.pair_trades.adjustments import Adjustments
from dutchbook.application.pair_trades.store import Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.application.recovery.recovery import Recovery
from dutchbook.domain.events import OrderNeedsPerson
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.ports.gateway import OrderReport, PlatformGateway
from dutchbook.ports.journal import Batch
from dutchbook.ports.time import Clock

LONGEST_WAIT = 60


@dataclass(slots=True)
class Question:
    """One order that is asked about.

    `since` and `due` are monotonic seconds: a clock that is set back must not stop the asking.
    """

    order: Order
    since: float
    due: float
    wait: int
    person_asked: bool = False


class Inquiries:
    """Asks, and passes the answers on to whoever books them."""

    def __init__(
        self,
        bus: EventBus,
        holdings: Holdings,
        adjustments: Adjustments,
        recovery: Recovery,
        gateways: Mapping[Platform, PlatformGateway],
        clock: Clock,
        exposed: Callable[[str], None],
        *,
        answer_seconds: int,
        person_after: timedelta,
    ) -> None:
        self._bus = bus
        self._holdings = holdings
        self._adjustments = adjustments
        self._recovery = recovery
        self._gateways = gateways
        self._clock = clock
        self._exposed = exposed
        self._answer_seconds = answer_seconds
        self._person_after = person_after
        self._questions: dict[str, Question] = {}
        self._wake = asyncio.Event()

    @property
    def open(self) -> int:
        """Orders whose outcome nobody knows yet."""
        return len(self._questions)

    def notice(self, order: Order, wait: int = 1) -> None:
        """Take up an order whose outcome is unknown."""
        now = self._clock.monotonic()
        self._questions.setdefault(order.order_id, Question(order, now, now + wait, wait))
        self._wake.set()

    def known(self, order_id: str) -> None:
        """Ask no longer about an order: somebody else has learnt what became of it."""
        self._questions.pop(order_id, None)

    def asks_on(self, pair_id: str) -> bool:
        """Tell whether the outcome of an order on a pair is unknown."""
        return any(each.order.pair_id == pair_id for each in self._questions.values())

    async def drained(self, patience: timedelta) -> None:
        """Wait until every outcome is known, but no longer than `patience`."""
        until = self._clock.now() + patience
        while self._questions and self._clock.now() < until:
            await self._clock.sleep(1)

    async def run(self) -> None:
        """Ask whatever is due, until cancelled."""
        while True:
            if not self._questions:
                self._wake.clear()
                await self._wake.wait()
            due = min(question.due for question in self._questions.values())
            await self._clock.sleep(max(due - self._clock.monotonic(), 0))
            await self.ask_due()

    async def ask_due(self) -> None:
        """Ask about every order whose time has come."""
        now = self._clock.monotonic()
        for question in [q for q in self._questions.values() if q.due <= now]:
            await self._ask(question)

    async def _ask(self, question: Question) -> None:
        order = question.order
        gateway = self._gateways[order.platform]
        # How new the answers are is asked first: what is not found afterwards is no older.
        newest = await self._newest(gateway)
        report = await ask(gateway, order.client_order_id, self._answer_seconds)
        if self._questions.get(order.order_id) is not question:
            return
        closes = gateway.arrives_until(order)
        if isinstance(report, OrderReport) and not report.working:
            del self._questions[order.order_id]
            await self._book(order, report)
        elif report is NOT_FOUND and closes and newest and newest > closes:
            del self._questions[order.order_id]
            await self._book(order, None)
        else:
            question.wait = min(question.wait * 2, LONGEST_WAIT)
            question.due = self._clock.monotonic() + question.wait
            await self._person(question)

    async def _newest(self, gateway: PlatformGateway) -> datetime | None:
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await gateway.reads_as_of()
        except (OutcomeUnknown, NotSent, TimeoutError):
            return None

    async def _book(self, order: Order, report: OrderReport | None) -> None:
        held = next((h for h in self._holdings.all() if order.order_id in h.orders), None)
        if held is not None and not await self._waits(order.execution_id):
            async with self._holdings.lock(held.position.position_id):
                if not self._out(held.position.position_id, order):
                    return
                if report is not None:
                    done = await self._adjustments.answered(order.order_id, report)
                else:
                    reason = "it never arrived"
                    done = await self._adjustments.gave_up(order.order_id, reason)
            if done.position.uneven():
                self._exposed(done.position.position_id)
            return
        async with self._recovery.lock(order.execution_id):
            case = await self._recovery.case(order.execution_id)
            if case.ended or not case.orders[order.order_id].working_size:
                return
            if report is not None:
                await self._recovery.heard(case, order.order_id, report)
            else:
                await self._recovery.gave_up(case, order.order_id)

    async def _waits(self, execution_id: str) -> bool:
        """Tell whether an execution has not ended: then its case is concluded."""
        return not (await self._recovery.case(execution_id)).ended

    def _out(self, position_id: str, order: Order) -> bool:
        """Tell whether it is still not known what became of an order of a position."""
        held = self._holdings.known(position_id)
        return held is not None and held.orders[order.order_id].working_size > 0

    async def _person(self, question: Question) -> None:
        order = question.order
        since = order.outcome_unknown_since or order.created_at
        waited = timedelta(seconds=self._clock.monotonic() - question.since)
        waited = max(waited, self._clock.now() - since)
        if question.person_asked or waited < self._person_after:
            return
        question.person_asked = True
        event = OrderNeedsPerson(
            self._bus.stamp(order.execution_id),
            order_id=order.order_id,
            pair_id=order.pair_id,
            platform=order.platform,
            unknown_since=since,
            detail="look for it on the platform; then: dutchbook resolve",
        )
        await self._bus.commit(Batch(events=(event,)))

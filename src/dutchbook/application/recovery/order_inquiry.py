"""Inquiries: every order whose outcome is unknown is queried until it is known.

Queries have growing waits and no limit; the order is never sent again. After a while a person
is notified too. "Not found" proves nothing, unless the platform's reads are newer than the last
moment at which the order could still have arrived.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.questions import Question, Questions
from dutchbook.application.orders.send import NOT_FOUND, ask
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import answered
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.domain.events import OrderNeedsPerson
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import Unfit
from dutchbook.ports.journal import Batch
from dutchbook.ports.orders import OrderGateway, OrderReport
from dutchbook.ports.time import Clock


class Inquiries:
    """Queries orders, and passes each answer on to the service that books it.

    It takes ten parts because an answer concerns the gate, the pair trade and its exposure, and
    because it queries the platforms itself, with a timeout, and a deadline after which a person
    is notified.
    """

    def __init__(
        self,
        committer: Committer,
        questions: Questions,
        trades: PairTrades,
        gate: Gate,
        recovery: Recovery,
        single_leg: SingleLegResolutionService,
        gateways: Mapping[Platform, OrderGateway],
        clock: Clock,
        *,
        answer_seconds: int,
        person_after: timedelta,
    ) -> None:
        self._committer = committer
        self._questions = questions
        self._trades = trades
        self._gate = gate
        self._recovery = recovery
        self._single_leg = single_leg
        self._gateways = gateways
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._person_after = person_after

    async def drained(self, at_most: timedelta) -> None:
        """Wait until every outcome is known, but no longer than `at_most`."""
        until = self._clock.now() + at_most
        while self._questions.count and self._clock.now() < until:
            await self._clock.sleep(1)

    async def run(self) -> None:
        """Send the queries that are due, until cancelled."""
        while True:
            for question in await self._questions.due():
                await self._ask(question)

    async def _ask(self, question: Question) -> None:
        order = question.order
        trade = self._trades.find(order.execution_id)
        if trade is None or not trade.orders[order.order_id].working_size:
            self._questions.known(order.order_id)  # another answer, or a person, was first
            return
        gateway = self._gateways[order.platform]
        # The age of the reads is queried first: a "not found" afterwards is no older.
        newest = await answered(gateway.reads_as_of(), self._answer_seconds, None)
        report = await ask(gateway, order, self._answer_seconds)
        if not self._questions.stands(question):
            return
        closes = gateway.arrives_until(order)
        if isinstance(report, OrderReport) and not report.working:
            self._questions.known(order.order_id)
            await self._book(order, report)
        elif report is NOT_FOUND and closes and newest and newest > closes:
            self._questions.known(order.order_id)
            await self._book(order, None)
        else:
            self._questions.put_off(question)
            await self._notify_person(question)

    async def _book(self, order: Order, report: OrderReport | None) -> None:
        """Book an answer; None means that the order never arrived.

        An answer that no column holds is not kept: the order is asked about again.
        """
        try:
            await self._learn(order, report)
        except Unfit:
            self._questions.notice(order)
            raise

    async def _learn(self, order: Order, report: OrderReport | None) -> None:
        trade = self._trades.find(order.execution_id)
        if trade is None:
            return
        async with self._trades.lock(trade.position_id):
            trade = self._trades.find(order.execution_id)
            if trade is None or not trade.orders[order.order_id].working_size:
                return
            if trade.ended:
                self._gate.answered(order.order_id)
            after = await self._recovery.answered(trade, order.order_id, report)
        if trade.ended and after.position.imbalanced():
            self._single_leg.exposed(after.position_id)

    async def _notify_person(self, question: Question) -> None:
        order = question.order
        since = order.outcome_unknown_since or order.created_at
        waited = timedelta(seconds=self._clock.monotonic() - question.since)
        waited = max(waited, self._clock.now() - since)
        if question.person_asked or waited < self._person_after:
            return
        self._questions.asked_person(question)
        event = OrderNeedsPerson(
            self._committer.stamp(order.execution_id),
            order_id=order.order_id,
            pair_id=order.pair_id,
            platform=order.platform,
            unknown_since=since,
            detail="look for it there; if it is not there: dutchbook resolve"
            f" {order.order_id[:8]} --choice adopt-platform",
        )
        await self._committer.commit(Batch(events=(event,)))

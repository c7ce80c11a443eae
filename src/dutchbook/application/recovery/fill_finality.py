"""Books the trades that platforms report, and their end: settled, or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.orders.send import ask
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.application.recovery.unsettled import Unsettled
from dutchbook.domain.events import Event, OrderFilled
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.facts import Final, Listed, Moved
from dutchbook.domain.pair_trades.trade import PairTrade, TradeKey
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.platform_state import fill_of
from dutchbook.domain.reconciliation.resolution import agreed, fill_failed, misstated
from dutchbook.ports.journal import Batch
from dutchbook.ports.orders import FillReport, OrderGateway, OrderReport
from dutchbook.ports.time import Clock


class SettlementFollower:
    """Applies each report once its fill is durable; the rest wait for their execution."""

    def __init__(
        self,
        trades: PairTrades,
        recovery: Recovery,
        disputes: Disputes,
        single_leg: SingleLegResolutionService,
        unsettled: Unsettled,
        gateways: Mapping[Platform, OrderGateway],
        clock: Clock,
        answer_seconds: int,
    ) -> None:
        self._trades = trades
        self._recovery = recovery
        self._disputes = disputes
        self._single_leg = single_leg
        self._unsettled = unsettled
        self._gateways = gateways
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._early: dict[TradeKey, FillReport] = {}
        self._waiting: dict[TradeKey, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._over = False
        self._lock = asyncio.Lock()

    def on_event(self, event: Event, sequence: int) -> None:
        """Expect the trades of an order that has filled."""
        if isinstance(event, OrderFilled) and sequence:
            self._unsettled.expect(event.order_id)

    def missed(self, platform: Platform) -> None:
        """Query the orders of a platform of which a report may have been missed."""
        for trade in self._trades.all():
            self._unsettled.notice(trade, platform)

    async def drained(self) -> None:
        """Wait until the received reports are booked."""
        async with self._lock:
            waiting = tuple(self._waiting.values())
        if waiting:
            await asyncio.wait(waiting)

    async def catch_up(self) -> None:
        """Query the fills that no stream has reported, until cancelled."""
        for trade in self._trades.all():
            self._unsettled.notice(trade)
        async with asyncio.TaskGroup() as self._tasks:
            try:
                while True:
                    for order_id in await self._unsettled.due():
                        await self.settle_known()  # reports that arrived before the position
                        self._unsettled.answered(order_id, whole=await self._query(order_id))
            finally:
                self._over = True

    async def _query(self, order_id: str) -> bool:
        """Query the fills of an order once; return whether nothing of it is left open."""
        trade = self._trades.find_order(order_id)
        if trade is None or not self._unsettled.open(trade, trade.orders[order_id]):
            return True
        order = trade.orders[order_id]
        gateway = self._gateways[order.platform]
        report = await ask(gateway, order, self._answer_seconds)
        if not isinstance(report, OrderReport):
            return False
        for fill in report.fills:
            await self.received(fill)
        if any((fill.platform, fill.trade_id) in self._early for fill in report.fills):
            return False  # one waits to be booked: what is stated of it still stands for it
        return await self._listed_whole(order_id, report)

    async def _listed_whole(self, order_id: str, report: OrderReport) -> bool:
        """Drop what is stated of an order beyond its trades, once all of them are listed.

        Polymarket's figures of an order may be off by a hundredth of a share
        (nautilus_trader documentation, 2026-07).
        """
        trade = self._trades.find_order(order_id)
        if trade is None or not trade.orders[order_id].stated:
            return True
        if not report.whole:
            return False
        await self._list(trade, trade.orders[order_id], (), whole=True)
        return True

    async def received(self, report: FillReport) -> None:
        """Book a reported trade and its end, now or once its order allows it."""
        key = (report.platform, report.trade_id)
        known = self._early.get(key)
        if known is None or known.finality is Finality.PROVISIONAL:
            self._early[key] = report
        await self.settle_known()

    async def settle_known(self) -> None:
        """Book the reports whose orders allow it by now; the others wait for their execution.

        A trade that has failed also waits for a service that acts for its position, since it
        decides what becomes of that. Nothing else does: the answer to an order may take long. A
        report of a trade that nothing has stated is left to the next comparison.
        """
        async with self._lock:
            for key in list(self._early):
                report = self._early.get(key)  # one that waited may be booked by now
                if report is None or key in self._waiting:
                    continue
                if await self._settled(key, report):
                    self._done(key, report)

    async def _settled(self, key: TradeKey, report: FillReport) -> bool:
        """Return whether a report needs no more attention; a failed trade may wait."""
        found = self._trades.order_of(report)
        if found is None:
            return True
        if report.finality is not Finality.FAILED:
            return await self._book(key, report)
        position_id = found[0].position_id
        if self._trades.attended(position_id) and self._over:
            return False  # the platform tells the next engine
        if self._trades.attended(position_id) and self._tasks is not None:
            self._waiting[key] = self._tasks.create_task(self._book_later(key, position_id))
            return False
        async with self._trades.lock(position_id):
            return await self._book(key, report)

    async def _book_later(self, key: TradeKey, position_id: str) -> None:
        """Book a failed trade once no service acts for its position."""
        try:
            async with self._trades.lock(position_id):
                report = self._early[key]
                if await self._book(key, report):
                    self._done(key, report)
        finally:
            del self._waiting[key]

    def _done(self, key: TradeKey, report: FillReport) -> None:
        """Forget a report that is booked, unless a newer one came while it was booked."""
        if self._early[key] is report:
            del self._early[key]

    async def _book(self, key: TradeKey, report: FillReport) -> bool:
        """Book a reported trade, and its end; the position's lock is held if it has failed.

        Returns whether that is done; else the trade waits for its execution, or for the answer
        to its order.
        """
        found = self._trades.order_of(report)
        if found is None:
            return True
        trade, order = found
        if key not in trade.fills and order.reported and (order.stated or order.working_size):
            fill = fill_of(order, report)
            if fill.finality is Finality.FAILED:
                fill = replace(fill, finality=Finality.PROVISIONAL)
            await self._list(trade, order, (fill,))
            trade = self._trades.trade(trade.execution_id)
        order = trade.orders[order.order_id]
        running = not trade.opened and not trade.ended
        if key not in trade.fills:
            unanswered = order.working_size > 0 and not order.reported
            return not (running or unanswered)
        known = trade.fills[key].finality
        if known is not Finality.PROVISIONAL or report.finality is Finality.PROVISIONAL:
            return True
        if running:
            return False
        await self.finalise(key, report.finality)
        return True

    async def _list(
        self, trade: PairTrade, order: Order, fills: tuple[Fill, ...], *, whole: bool = False
    ) -> None:
        """Book listed trades; a difference from what was stated becomes a discrepancy."""
        found = misstated(trade.position_id, order, fills, whole=whole)
        with self._disputes.opening([self._disputes.of(each) for each in found]) as opening:
            fact = Listed(self._clock.now(), order.order_id, fills, opening.events, whole=whole)
            if trade.waiting:
                await self._recovery.learnt(trade, fact, alongside=Batch(opening.writes))
                return
            rows = Batch(opening.writes)
            after = await self._trades.book(trade.execution_id, fact, alongside=rows)
        if after.position.imbalanced() and not trade.position.imbalanced():
            self._single_leg.exposed(after.position_id)
        if found:
            await self._disputes.enforce()

    async def finalise(self, key: TradeKey, finality: Finality) -> None:
        """Book that a fill has settled or failed; the caller holds the position's lock."""
        trade = self._trades.by_fill(key)
        if trade is None or trade.fills[key].finality is not Finality.PROVISIONAL:
            return
        fill = replace(trade.fills[key], finality=finality)
        final = Final(self._clock.now(), fill)
        if trade.waiting or finality is Finality.SETTLED:
            await self._recovery.learnt(trade, final)
        else:
            await self._failed(trade, fill)

    async def _failed(self, trade: PairTrade, fill: Fill) -> None:
        """Book that a fill failed: its cost is returned, and one leg may be unhedged.

        Its pair is stopped until the position is hedged again (I-25). A closed position is open
        again: its platform has proven the failure, so no person needs to decide.
        """
        dispute = self._disputes.of(fill_failed(trade.position, fill))
        with self._disputes.opening([dispute]) as opening:
            final = Final(self._clock.now(), fill, opening.events)
            rows = Batch(opening.writes)
            after = await self._trades.book(trade.execution_id, final, alongside=rows)
        if trade.position.status is PositionStatus.CLOSED:
            after = await self.proven(after, fill)
        if after.position.imbalanced():
            self._single_leg.exposed(after.position_id)

    async def proven(self, trade: PairTrade, fill: Fill) -> PairTrade:
        """Resolve a position by its fills, since its platform has proven that one failed.

        The caller holds its lock; only a failed fill has made it RECONCILIATION_REQUIRED. If it
        is empty and an order is open, the next comparison resolves it.
        """
        position = trade.position
        disputed = position.status is PositionStatus.RECONCILIATION_REQUIRED
        if not disputed or (position.flat and trade.working):
            return trade
        moved = Moved(self._clock.now(), agreed(position), failed=fill)
        return await self._trades.book(trade.execution_id, moved)

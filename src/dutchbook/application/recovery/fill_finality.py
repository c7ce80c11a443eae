"""Applies platforms' reports on provisional fills: settled, or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.orders.send import ask
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.recovery.reported_fills import ReportedFills
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.application.recovery.unsettled import Unsettled
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.facts import Final, Moved
from dutchbook.domain.pair_trades.trade import PairTrade, TradeKey
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.resolution import agreed, fill_failed
from dutchbook.ports.gateway import FillReport, OrderReport, PlatformGateway
from dutchbook.ports.journal import Batch
from dutchbook.ports.time import Clock

LONGEST_WAIT = 60


class SettlementFollower:
    """Applies each report once its fill is durable; the rest wait for their execution.

    It takes nine parts because a fill's end is booked by another service in each state of its
    pair trade, and because a fill that no report settles is queried at its platform.
    """

    def __init__(
        self,
        trades: PairTrades,
        recovery: Recovery,
        disputes: Disputes,
        single_leg: SingleLegResolutionService,
        unsettled: Unsettled,
        reported: ReportedFills,
        gateways: Mapping[Platform, PlatformGateway],
        clock: Clock,
        answer_seconds: int,
    ) -> None:
        self._trades = trades
        self._recovery = recovery
        self._disputes = disputes
        self._single_leg = single_leg
        self._unsettled = unsettled
        self._reported = reported
        self._gateways = gateways
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._early: dict[TradeKey, FillReport] = {}
        self._lock = asyncio.Lock()

    async def follow(self, gateway: PlatformGateway) -> None:
        """Receive settlement reports from a platform, until cancelled."""
        async for report in gateway.reports():
            await self._received(report)
            self._reported.note(report)

    async def drained(self) -> None:
        """Wait until the received reports are booked."""
        async with self._lock:
            pass

    async def catch_up(self) -> None:
        """Query the provisional fills that no task followed, until cancelled."""
        for trade in self._trades.all():
            self._unsettled.notice(trade)
        while True:
            await self._unsettled.noticed()
            await self.settle_known()  # reports that arrived before the position
            wait = 1
            while self._unsettled.waiting:
                waiting = self._unsettled.take()
                self._unsettled.put_back([o for o in waiting if not await self._query(o)])
                if self._unsettled.waiting:
                    await self._clock.sleep(wait)
                    wait = min(wait * 2, LONGEST_WAIT)

    async def _query(self, order: Order) -> bool:
        """Query the fills of an order once; return whether there was an answer."""
        gateway = self._gateways[order.platform]
        report = await ask(gateway, order, self._answer_seconds)
        if not isinstance(report, OrderReport):
            return False
        for fill in report.fills:
            await self._received(fill)
        return True

    async def _received(self, report: FillReport) -> None:
        if report.finality is not Finality.PROVISIONAL:
            self._early[report.platform, report.trade_id] = report
            await self.settle_known()

    async def settle_known(self) -> None:
        """Apply the reports whose fills are part of a position by now."""
        async with self._lock:
            for key in list(self._early):
                trade = self._trades.by_fill(key)
                if trade is None or not trade.opened:
                    continue
                report = self._early.pop(key)
                async with self._trades.lock(trade.position_id):
                    await self.finalise(key, report.finality)

    async def finalise(self, key: TradeKey, finality: Finality) -> None:
        """Book that a fill has settled or failed; the caller holds the position's lock."""
        trade = self._trades.by_fill(key)
        if trade is None or trade.fills[key].finality is not Finality.PROVISIONAL:
            return
        fill = replace(trade.fills[key], finality=finality)
        final = Final(self._clock.now(), fill)
        if trade.waiting:
            await self._recovery.learnt(trade, final)
        elif finality is Finality.SETTLED:
            await self._trades.book(trade.execution_id, final)
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

"""Unfinished pair trades: executions that no task runs any more end from their facts.

Their orders were unanswered for too long, or their process crashed. Once all its orders are
answered, such an execution ends like any other: nothing bought, hedged, or one leg unhedged.
Nothing is sent for it; an unhedged leg is treated like every exposure.
"""

from __future__ import annotations

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.market.second_legs import SecondLegs
from dutchbook.application.orders.send import reported
from dutchbook.application.pair_trades.store import NONE, PairTrades
from dutchbook.application.recovery.unsettled import Unsettled
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.pair_trades.ending import waiting
from dutchbook.domain.pair_trades.facts import (
    Concluded,
    NeverArrived,
    OutcomeUnknown,
    TradeFact,
)
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.ports.journal import Batch
from dutchbook.ports.orders import OrderReport
from dutchbook.ports.time import Clock

DIED = "the engine that sent it crashed"


class Recovery:
    """Books answers for unfinished pair trades, and ends their executions."""

    def __init__(
        self,
        trades: PairTrades,
        single_leg: SingleLegResolutionService,
        second_legs: SecondLegs,
        unsettled: Unsettled,
        clock: Clock,
    ) -> None:
        self._trades = trades
        self._single_leg = single_leg
        self._second_legs = second_legs
        self._unsettled = unsettled
        self._clock = clock

    def unfinished(self) -> list[PairTrade]:
        """Return every pair trade whose execution has not ended, oldest first."""
        found = [
            t for t in self._trades.trades if not t.ended and t.pair_id in self._trades.pairs
        ]
        return sorted(found, key=lambda trade: trade.plan.started_at)

    async def unanswered(self, trade: PairTrade) -> PairTrade:
        """Commit that the outcomes of its open orders are unknown.

        What it holds so far becomes a position, whose exposure is reported at once. Without an
        open order, its execution ends. One that has ended may have an open order too: of an
        exit, or of a remedy.
        """
        now = self._clock.now()
        facts: list[TradeFact] = [
            OutcomeUnknown(now, order.order_id, DIED)
            for order in trade.open_orders
            if order.outcome_unknown_since is None
        ]
        if trade.open_orders and not trade.ended and trade.execution.phase is not Phase.WAITING:
            facts.append(waiting(trade, now))
        if facts:
            trade = await self._trades.book(trade.execution_id, *facts)
        if not trade.open_orders and not trade.ended:
            trade = await self.learnt(trade)
        return trade

    async def answered(
        self, trade: PairTrade, order_id: str, report: OrderReport | None
    ) -> PairTrade:
        """Book a platform's report on an order, and end the execution if it was the last one.

        A report of None means: proven that the order never arrived, and no longer can. If the
        execution has not ended, the caller holds the pair trade's lock, so answers are serial.
        """
        now = self._clock.now()
        if report is None:
            return await self.learnt(trade, NeverArrived(now, order_id))
        fact = reported(trade.orders[order_id], report, now)
        return await self.learnt(trade, fact)

    def late(self, trade: PairTrade) -> None:
        """Follow a pair trade that had ended with nothing, and has a late fill."""
        self._unsettled.notice(trade)

    async def learnt(
        self, trade: PairTrade, *facts: TradeFact, alongside: Batch = NONE
    ) -> PairTrade:
        """Book facts about orders; the last open order ends the execution, if it has not ended.

        The caller holds the lock of a pair trade whose execution has not ended. No task may run
        it. `alongside` belongs in the same commit.
        """
        before, concluded = self._trades.trade(trade.execution_id), Concluded(self._clock.now())
        after = await self._trades.book(
            trade.execution_id, *facts, concluded, alongside=alongside
        )
        if after.ended and not before.ended and after.execution.phase is not Phase.FAILED:
            self._second_legs.ended(after.execution)
            self._unsettled.notice(after)
            if after.execution.phase is Phase.EXPOSED:
                self._single_leg.exposed(after.position_id)
        return after

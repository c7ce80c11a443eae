"""Follow-up of an execution: inquiries, settlement, and the remedies of an exposure."""

from __future__ import annotations

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.market.leg_order import FirstLegs
from dutchbook.application.orders.questions import Questions
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.pair_trades.trade import PairTrade


class FollowUp:
    """Hands a pair trade on once its execution has ended, or waits for an answer."""

    def __init__(
        self,
        questions: Questions,
        settling: SettlementFollower,
        single_leg: SingleLegResolutionService,
        first_legs: FirstLegs,
        wait: int,
    ) -> None:
        self._questions = questions
        self._settling = settling
        self._single_leg = single_leg
        self._first_legs = first_legs
        self._wait = wait

    async def ended(self, trade: PairTrade) -> None:
        """Query orders without an answer, apply early settlements, and report an exposure.

        An inquiry starts `wait` seconds after the execution's own last query.
        """
        for order in trade.orders.values():
            if order.outcome_unknown_since is not None:
                self._questions.notice(order, self._wait)
        phase = trade.execution.phase
        if phase in (Phase.HEDGED, Phase.EXPOSED):
            self._first_legs.ended(trade.execution)
        # Settlement can be reported before the execution that it belongs to has ended.
        await self._settling.settle_known()
        if phase is Phase.EXPOSED:
            self._single_leg.exposed(trade.position_id)

"""ExecutionQueueService: lock, rank, reserve, execute, commit or release."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from dutchbook.application.capital.risk import NOT_APPROVED, RiskManager
from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.market.pair_breaker import PairBreaker
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.orders.questions import Questions
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.domain.capital.reservation import BudgetRequest
from dutchbook.domain.detection.quote import Opportunity, Reason
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.values.units import Money
from dutchbook.errors import ReservationFailed
from dutchbook.ports.time import Clock


class ExecutionQueueService:
    """Bounded queue: one execution at a time per pair, best return per dollar and day first.

    A pair's lock belongs to the execution that runs on it and is released only when that ends,
    never by a timer. After an execution its pair cools down before it is considered again.

    It takes eleven parts because an execution is admitted here: by results, pair trades,
    discrepancies and open questions, then by capital; its result is counted by the breaker;
    the rest are limits. `least_unhedged` are the dollars of an unhedged leg that keep a pair
    from being entered; None if none does.
    """

    def __init__(
        self,
        executions: ExecutionService,
        risk: RiskManager,
        trades: PairTrades,
        watchlist: Watchlist,
        disputes: Disputes,
        questions: Questions,
        breaker: PairBreaker,
        clock: Clock,
        *,
        cool_down: timedelta,
        bound: int,
        at_once: int = 16,
        least_unhedged: Money | None = None,
    ) -> None:
        self._executions = executions
        self._risk = risk
        self._trades = trades
        self._watchlist = watchlist
        self._disputes = disputes
        self._questions = questions
        self._breaker = breaker
        self._clock = clock
        self._cool_down = cool_down
        self._bound = bound
        self._least_unhedged = least_unhedged
        self._slots = asyncio.Semaphore(at_once)
        self._waiting: dict[str, Opportunity] = {}
        self._locked: set[str] = set()
        self._cool_until: dict[str, datetime] = {}
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._accepting = True
        self.degraded: tuple[Platform, ...] = ()
        self.refused: Counter[str] = Counter()

    def degrade(self, platforms: tuple[Platform, ...]) -> None:
        """Start nothing while `platforms` are degraded; an empty tuple allows it again."""
        self.degraded = platforms

    @property
    def running(self) -> int:
        """Number of running executions."""
        return len(self._locked)

    def refusal(
        self, match: ContractMatch, kalshi_outcome: Outcome, *, locked: bool = False
    ) -> Reason | None:
        """Return why no execution may start on a pair in a direction, whatever its prices are.

        Args:
            match: The pair.
            kalshi_outcome: What would be bought on Kalshi.
            locked: Whether the caller holds the pair's lock.
        """
        pair_id = match.match_id
        if self._risk.capital.state.trading_halted:
            return Reason.TRADING_HALTED
        if (closed := self._watchlist.refusal(match, self._clock.now())) is not None:
            return closed
        if self.degraded:  # a pair has a leg on every platform
            return Reason.PLATFORM_DEGRADED
        if (pair_id in self._locked and not locked) or self._trades.claims.in_use(match):
            return Reason.IN_EXECUTION
        cool = self._cool_until.get(pair_id)
        if cool is not None and self._clock.now() < cool:
            return Reason.COOLING_DOWN
        return self._obstacle(match, kalshi_outcome) or self._full(pair_id)

    def _obstacle(self, match: ContractMatch, kalshi_outcome: Outcome) -> Reason | None:
        """Return what of a pair must be dealt with before anything is entered on it."""
        pair_id = match.match_id
        if self._questions.asks_on(pair_id):
            return Reason.OUTCOME_UNKNOWN
        if self._disputes.on(pair_id):
            return Reason.DISCREPANCY_OPEN
        least = self._least_unhedged
        if least is not None and self._trades.claims.unhedged(pair_id, least):
            return Reason.UNHEDGED_LEG
        if self._trades.claims.opposes(match, kalshi_outcome):
            return Reason.OPPOSITE_POSITION
        return None

    def _full(self, pair_id: str) -> Reason | None:
        capital = self._risk.capital
        full = capital.open_pairs(pair_id).entered > capital.limits.max_open_pairs
        if full and self._risk.overrides.override(pair_id) is None:
            return Reason.MAX_OPEN_PAIRS
        return None

    def offer(self, opportunity: Opportunity) -> Reason | None:
        """Queue an opportunity, in place of one of no higher rank on the same pair.

        Returns:
            The reason if it was not queued: the queue is draining, or full of better ones.
        """
        pair = opportunity.match.match_id
        if not self._accepting:
            return Reason.TRADING_HALTED
        if pair not in self._waiting and len(self._waiting) >= self._bound:
            worst = min(self._waiting.values(), key=_rank)
            if _rank(worst) >= _rank(opportunity):
                return Reason.QUEUE_FULL
            del self._waiting[worst.match.match_id]
            self.refused[Reason.QUEUE_FULL.value] += 1
        held = self._waiting.get(pair)
        if held is None or _rank(held) <= _rank(opportunity):
            self._waiting[pair] = opportunity
        self._wake.set()
        return None

    async def run(self) -> None:
        """Start an execution for each offered opportunity, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                offered, self._waiting = self._waiting, {}
                for opportunity in _ranked(offered.values()):
                    task = group.create_task(self._process(opportunity))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)

    async def process_opportunities(self, opportunities: Iterable[Opportunity]) -> None:
        """Execute the given opportunities, best first, and return when all have ended."""
        async with asyncio.TaskGroup() as group:
            for opportunity in _ranked(opportunities):
                group.create_task(self._process(opportunity))

    async def drained(self) -> None:
        """Accept nothing more and wait for running executions."""
        self._accepting = False
        self._waiting.clear()
        while self._running:
            await asyncio.wait(self._running)

    async def _process(self, opportunity: Opportunity) -> None:
        pair = opportunity.match.match_id
        if self._refused(opportunity):
            return
        self._locked.add(pair)
        try:
            async with self._slots:
                # The wait for a slot may be long: the pair may have a discrepancy after it.
                if not self._refused(opportunity, locked=True):
                    await self._reserve_and_execute(opportunity)
        finally:
            self._locked.discard(pair)
            self._cool_until[pair] = self._clock.now() + self._cool_down

    def _refused(self, opportunity: Opportunity, *, locked: bool = False) -> bool:
        outcome = opportunity.kalshi.outcome
        reason = self.refusal(opportunity.match, outcome, locked=locked)
        if reason is not None:
            self.refused[reason.value] += 1
        return reason is not None

    async def _reserve_and_execute(self, opportunity: Opportunity) -> None:
        execution_id = self._executions.prepare(opportunity)
        amounts = {p: opportunity.leg(p).budget for p in Platform}
        size = Money(opportunity.kalshi.walk.cost + opportunity.polymarket.walk.cost)
        request = BudgetRequest(execution_id, opportunity.match.match_id, amounts, size)
        try:
            reservation = self._risk.reserve_budget(request)
            done = await self._executions.execute(opportunity, reservation)
        except ReservationFailed as failed:
            self._executions.forget(execution_id)
            self.refused[failed.reason] += 1
            if failed.reason == NOT_APPROVED:
                await self._breaker.reload(request.pair_id)
            return
        if done.phase.ended:
            hedged = done.phase is Phase.HEDGED
            await self._breaker.concluded(opportunity.match.match_id, hedged=hedged)


def _rank(opportunity: Opportunity) -> tuple[object, ...]:
    """Return the sort key: net edge per dollar and day until cash, then the profit.

    The id comes last, as a tie-breaker.
    """
    return (opportunity.rate_per_day, opportunity.expected_profit, opportunity.opportunity_id)


def _ranked(opportunities: Iterable[Opportunity]) -> list[Opportunity]:
    return sorted(opportunities, key=_rank, reverse=True)

"""An execution queue by itself: all that can refuse an execution is set by a test."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.domain.capital.reservation import BudgetRequest
from dutchbook.domain.detection.quote import Opportunity, Reason
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.market.contract import ContractMatch, Outcome
from dutchbook.domain.values.units import Money
from dutchbook.errors import ReservationFailed
from dutchbook.runtime.virtual_time import run_virtual
from support.clocks import Hand
from support.executing import opportunity

FOUND = opportunity()
DUST = Money(Decimal(2))
MOST, COOL = 4, timedelta(seconds=30)


def on(pair_id: str, rate: str = "1", profit: int = 1, name: str = "q") -> Opportunity:
    """Return an opportunity on a pair of this name that earns `rate` a day."""
    return replace(
        FOUND,
        match=replace(FOUND.match, match_id=pair_id),
        rate_per_day=Decimal(rate),
        expected_profit=Money(Decimal(profit)),
        opportunity_id=name,
    )


@dataclass
class Queueing:
    """A queue, with everything that can refuse an execution as a field.

    Attributes:
        seconds: How long an execution runs.
        phase: The phase in which it ends.
        no_capital: Why its budget cannot be reserved.
        rejected: Why its first commit is rejected.
        did: What executions and the breaker were told, in order.
    """

    halted: bool = False
    closed: Reason | None = None
    used: bool = False
    opposed: bool = False
    unhedged: bool = False
    minds: bool = True
    asked: bool = False
    disputed: bool = False
    entered: int = MOST
    lifted: bool = False
    seconds: float = 1
    phase: Phase = Phase.HEDGED
    no_capital: str = ""
    rejected: str = ""
    bound: int = 2
    at_once: dict[str, Any] = field(default_factory=dict)
    did: list[Any] = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.clock = Hand()
        self.requests: list[BudgetRequest] = []
        capital = SimpleNamespace(
            state=SimpleNamespace(trading_halted=False),
            limits=SimpleNamespace(max_open_pairs=MOST),
            open_pairs=lambda _: SimpleNamespace(entered=self.entered),
        )
        self.capital = capital
        risk = SimpleNamespace(
            capital=capital,
            overrides=SimpleNamespace(override=lambda _: object() if self.lifted else None),
            reserve_budget=self._reserve,
        )
        parts = SimpleNamespace(
            claims=SimpleNamespace(
                in_use=lambda _: self.used,
                unhedged=lambda _, least: self.unhedged and least == DUST,
                opposes=lambda _, outcome: self.opposed and outcome is Outcome.YES,
            ),
            refusal=lambda _, now: self.closed if now == self.clock.now() else None,
            on=lambda _: self.disputed,
            asks_on=lambda _: self.asked,
            reload=self._reload,
            concluded=self._concluded,
        )
        self.queue = ExecutionQueueService(
            cast("Any", self),
            cast("Any", risk),
            cast("Any", parts),
            cast("Any", parts),
            cast("Any", parts),
            cast("Any", parts),
            cast("Any", parts),
            self.clock,
            cool_down=COOL,
            bound=self.bound,
            least_unhedged=DUST if self.minds else None,
            **self.at_once,
        )

    def refusal(self, match: ContractMatch = FOUND.match, **facts: bool) -> Reason | None:
        """Return why nothing may start on the pair that buys YES on Kalshi."""
        self.capital.state.trading_halted = self.halted
        return self.queue.refusal(match, Outcome.YES, **facts)

    def process(self, *offered: Opportunity) -> None:
        """Execute opportunities until all have ended."""
        run_virtual(self.queue.process_opportunities(offered))

    # What the queue calls
    # --------------------------------------------------------------------------------

    def prepare(self, one: Opportunity) -> str:
        self.did.append(("prepared", one.match.match_id))
        return f"execution on {one.match.match_id}"

    def forget(self, execution_id: str) -> None:
        self.did.append(("forgot", execution_id))

    async def execute(self, one: Opportunity, reservation: Any) -> Any:
        assert reservation == f"for execution on {one.match.match_id}"
        self.most_at_once = max(self.most_at_once, self._running())
        await asyncio.sleep(self.seconds)
        if self.rejected:
            raise ReservationFailed(self.rejected, "the database")
        self.did.append(("executed", one.match.match_id))
        return SimpleNamespace(phase=self.phase)

    def _running(self) -> int:
        counts = Counter(each[0] for each in self.did)
        return counts["prepared"] - counts["executed"] - counts["forgot"]

    def _reserve(self, request: BudgetRequest) -> str:
        self.requests.append(request)
        if self.no_capital:
            raise ReservationFailed(self.no_capital, "too little")
        return f"for {request.execution_id}"

    async def _reload(self, pair_id: str) -> None:
        self.did.append(("reloaded", pair_id))

    async def _concluded(self, pair_id: str, *, hedged: bool) -> None:
        self.did.append(("concluded", pair_id, hedged))

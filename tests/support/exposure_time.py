"""How long the legs of a run were unhedged, and what stood in the way meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import ACTIONS, OPPOSITE, TOO_SMALL
from dutchbook.domain.positions.position import UNHEDGED

PERMITTED = "a remedy was permitted"
UNDER_WAY = "an order was under way"
UNKNOWN = "an outcome was unknown"
UNSETTLED = "the shares were not settled"
UNTRUSTED = "a book was not live"
THIN = "no book took anything within the collar"


@dataclass(slots=True)
class ExposureTime:
    """Seconds by position and by what stood in the way, looked at every second.

    The engine may act on its own in time that counts as `PERMITTED`, and in no other.
    """

    seconds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _task: asyncio.Task[None] | None = None

    def watch(self, paper: PaperRun) -> None:
        """Look at the engine of a run every second, until the run ends."""
        self._task = asyncio.get_running_loop().create_task(self._looks(paper.engine))

    async def _looks(self, engine: Engine) -> None:
        while True:
            await asyncio.sleep(1)
            for trade in engine.trading.trades.all():
                if trade.position.status in UNHEDGED and trade.position.imbalanced():
                    self.seconds[trade.position_id][_cause(engine, trade)] += 1

    def by_cause(self) -> Counter[str]:
        """Return the seconds of all positions together."""
        return sum(self.seconds.values(), start=Counter())

    def longest(self) -> int:
        """Return the most seconds for which something could be done for one position."""
        return max((each[PERMITTED] for each in self.seconds.values()), default=0)


def _cause(engine: Engine, trade: PairTrade) -> str:
    if trade.unknown:
        return UNKNOWN
    if trade.working:
        return UNDER_WAY
    ways = engine.trading.single_leg.scenarios(trade.position_id)
    obstacles = [each.blocked for each in ways if each.name in ACTIONS]
    if None in obstacles:
        return PERMITTED
    told = " ".join(each or "" for each in obstacles)
    for part, cause in (
        ("the book", THIN),
        (OPPOSITE, OPPOSITE),
        ("settled", UNSETTLED),
        (TOO_SMALL, TOO_SMALL),
    ):
        if part in told:
            return cause
    return UNTRUSTED

"""A complete engine, on whatever platforms and market data it was built for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dutchbook import __version__
from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.detection.service import DetectionService
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.lifecycle import EngineLifecycleService, PairTradeServices, Work
from dutchbook.application.market.feed import MarketFeed
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.monitoring.log_anchors import LogAnchors
from dutchbook.application.operator.reconciliation import ReconciliationCommands
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.recorder import Recorder
from dutchbook.application.views.summary import summary
from dutchbook.bootstrap.exits import ExitServices
from dutchbook.bootstrap.monitoring import MonitoringServices
from dutchbook.bootstrap.surroundings import Surroundings
from dutchbook.config import Settings
from dutchbook.domain.market.contract import ContractMatch
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock


@dataclass(frozen=True, slots=True)
class Engine:
    """A complete engine, not yet started.

    It has so many fields because it is the one place that holds every part of a run.
    """

    settings: Settings
    surroundings: Surroundings
    journal: Journal
    clock: Clock
    committer: Committer
    risk: RiskManager
    watchlist: Watchlist
    queue: ExecutionQueueService
    detection: DetectionService
    trading: PairTradeServices
    recorder: Recorder
    lifecycle: EngineLifecycleService
    feed: MarketFeed
    monitoring: MonitoringServices
    exiting: ExitServices
    anchoring: LogAnchors | None
    reconciling: ReconciliationCommands
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def trades(self) -> PairTrades:
        """Every position that can still change."""
        return self.trading.trades

    @property
    def pairs(self) -> tuple[ContractMatch, ...]:
        """The pairs that the engine follows."""
        return tuple(self.watchlist.matches.values())

    async def trade(
        self, run: int, *, checks: Sequence[Work] = (), ends: Sequence[Work] = ()
    ) -> dict[str, Any]:
        """Follow the market data until they end, break or `stopping` is set; drain, and stop.

        Args:
            run: The number of this run.
            checks: Run to completion, in this order, before the first comparison with the
                platforms.
            ends: Awaited in this order while the engine drains.

        Returns:
            The summary of the run.

        Raises:
            MarketDataBroken: The market data could not be read on; all else is done first.
        """
        around = self.surroundings
        await self.lifecycle.start(
            around.contracts,
            self.pairs,
            around.opening,
            mode=around.mode,
            run=run,
            version=__version__,
            checks=(*checks, self.reconciling.service.reconcile, self.trading.take_up),
        )
        following = partial(self.feed.run, self.stopping)
        await self.lifecycle.run(following, ends, self.stopping)
        broken, stopped = self.feed.broken, self.stopping.is_set()
        reason = str(broken) if broken else "asked to stop" if stopped else around.ended
        await self.lifecycle.stop(reason)
        if self.anchoring is not None:
            await self.anchoring.keep()
        if broken is not None:
            raise broken
        return await summary(
            self.journal,
            self.detection,
            self.queue,
            self.recorder,
            self.committer.receipt.head,
            run,
        )

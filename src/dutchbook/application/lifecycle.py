"""EngineLifecycleService: recover, become ready, run the tasks, drain, stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from dutchbook.application.bus import EventBus
from dutchbook.application.execution_queue import ExecutionQueueService
from dutchbook.application.holdings import Holdings
from dutchbook.application.loading import held
from dutchbook.application.pairs import know_contracts
from dutchbook.application.recorder import Recorder
from dutchbook.application.records import match_row
from dutchbook.application.risk import RiskManager
from dutchbook.application.watch import Watchlist
from dutchbook.domain.contract import Contract, ContractMatch, Platform
from dutchbook.domain.events import PairDecided, SystemStarted, SystemStopped
from dutchbook.domain.units import Money
from dutchbook.ports import Batch, Clock, Insert, Journal, PlatformGateway, Update

Work = Callable[[], Awaitable[None]]


class EngineLifecycleService:
    """Owns the engine's tasks: none outlives it, and the death of one ends the run."""

    def __init__(
        self,
        journal: Journal,
        bus: EventBus,
        risk: RiskManager,
        watchlist: Watchlist,
        queue: ExecutionQueueService,
        holdings: Holdings,
        recorder: Recorder,
        gateways: Mapping[Platform, PlatformGateway],
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._bus = bus
        self._risk = risk
        self._watchlist = watchlist
        self._queue = queue
        self._holdings = holdings
        self._recorder = recorder
        self._gateways = gateways
        self._clock = clock

    async def start(
        self,
        contracts: Iterable[Contract],
        pairs: Iterable[ContractMatch],
        opening: Mapping[Platform, Money],
        *,
        mode: str,
        run: int,
        version: str,
    ) -> None:
        """Load what the database holds, take up contracts and pairs, pay opening balances once.

        Args:
            contracts: What the platforms say of them now.
            pairs: Those to follow; whoever the database does not know is approved as it stands.
            opening: Dollars, for a platform that was never funded.
            mode: What the database is bound to.
            run: The number of this run.
            version: The program's.
        """
        await self._risk.load()
        await know_contracts(self._journal, self._bus, contracts)
        known = {row["match_id"]: row for row in await self._journal.rows("contract_matches")}
        for match in pairs:
            if row := known.get(match.match_id):
                self._watchlist.decided(
                    match.match_id,
                    approved=row["operator_approved"],
                    digest=row["approved_digest"],
                )
            else:
                await self._take_up(match)
        entries = await self._journal.rows("ledger_entries")
        funded = {row["account_id"] for row in entries}
        for platform, amount in opening.items():
            if amount and str(self._risk.accounts[platform]) not in funded:
                await self._risk.deposit(platform, amount, "opening balance on paper")
        for position, orders, fills in await held(self._journal):
            self._holdings.opened(position, orders, fills)
        stamp = self._bus.stamp("engine")
        started = SystemStarted(stamp, mode, run, version, len(self._holdings.positions))
        await self._bus.commit(Batch(events=(started,)))
        await self._risk.start_day()

    async def _take_up(self, match: ContractMatch) -> None:
        rationale = "approved by the tape, on paper"
        pair = match_row(match, at=self._clock.now(), rationale=rationale)
        decided = PairDecided(
            self._bus.stamp(match.match_id), match.match_id, "approved", rationale, match.digest
        )
        await self._bus.commit(Batch((Insert("contract_matches", pair),), (decided,)))

    async def run(self, feed: Work, settled: Iterable[Work]) -> None:
        """Run until `feed` ends, then drain.

        What is in flight ends, what is provisional settles.

        Args:
            feed: Brings the book updates; its end is the end of trading.
            settled: Each waits until one platform has nothing provisional left.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._queue.run()),
                group.create_task(self._recorder.run()),
                *(group.create_task(self._holdings.follow(g)) for g in self._gateways.values()),
            ]
            await feed()
            await self._queue.drained()
            for each in settled:
                await each()
            await self._recorder.drained()
            for task in tasks:
                task.cancel()

    async def stop(self, reason: str) -> None:
        """Write the last event."""
        await self._bus.commit(
            Batch(events=(SystemStopped(self._bus.stamp("engine"), reason),))
        )


async def count_run(journal: Journal) -> int:
    """Count a run of this database, from 1; ids are made of the number."""
    runs = await journal.rows("system_metadata", {"key": "runs"})
    if not runs:
        await journal.commit(Batch((Insert("system_metadata", {"key": "runs", "value": "1"}),)))
        return 1
    number = int(runs[0]["value"]) + 1
    change = Update("system_metadata", {"key": "runs"}, put={"value": str(number)})
    await journal.commit(Batch((change,)))
    return number

"""EngineLifecycleService: recover, become ready, run the tasks, drain, stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from dutchbook.application.bus import EventBus
from dutchbook.application.carrying import Carrying
from dutchbook.application.execution_queue import ExecutionQueueService
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

PATIENCE = timedelta(seconds=180)
"""How long a stop waits for outcomes that nobody knows."""
Work = Callable[[], Awaitable[None]]


class Service(Protocol):
    """What works beside trading, from the recovery to the last event."""

    async def start(self) -> None:
        """Take up what the database holds; trading has not begun yet."""
        ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...

    async def drained(self) -> None:
        """Wait until nothing is left to commit; trading is over."""
        ...


class EngineLifecycleService:
    """Owns the engine's tasks: none outlives it, and the death of one ends the run."""

    def __init__(
        self,
        journal: Journal,
        bus: EventBus,
        risk: RiskManager,
        watchlist: Watchlist,
        queue: ExecutionQueueService,
        carrying: Carrying,
        recorder: Recorder,
        gateways: Mapping[Platform, PlatformGateway],
        services: Sequence[Service],
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._bus = bus
        self._risk = risk
        self._watchlist = watchlist
        self._queue = queue
        self._carrying = carrying
        self._recorder = recorder
        self._gateways = gateways
        self._services = services
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

        Before everything else, what an earlier run committed and did not tell is told.

        Args:
            contracts: What the platforms say of them now.
            pairs: Those to follow; whoever the database does not know is approved as it stands.
            opening: Dollars, for a platform that was never funded.
            mode: What the database is bound to.
            run: The number of this run.
            version: The program's.
        """
        await self._bus.redeliver()
        await self._risk.load()
        await self._carrying.first_legs.load()
        await know_contracts(self._journal, self._bus, contracts)
        await self._take_up_all(pairs)
        entries = await self._journal.rows("ledger_entries")
        funded = {row["account_id"] for row in entries}
        for platform, amount in opening.items():
            if amount and str(self._risk.accounts[platform]) not in funded:
                await self._risk.deposit(platform, amount, "opening balance on paper")
        for each in await held(self._journal, self._risk.accounts):
            self._carrying.holdings.put(each)
        stamp = self._bus.stamp("engine")
        started = SystemStarted(
            stamp, mode, run, version, len(self._carrying.holdings.positions)
        )
        await self._bus.commit(Batch(events=(started,)))
        await self._risk.start_day()
        for service in self._services:
            await service.start()

    async def _take_up_all(self, pairs: Iterable[ContractMatch]) -> None:
        """Follow pairs: a person's word in the database counts more than a tape's."""
        known = {row["match_id"]: row for row in await self._journal.rows("contract_matches")}
        for match in pairs:
            self._risk.stakes.know(match.match_id, match.cluster, match.confidence)
            if row := known.get(match.match_id):
                self._watchlist.decided(
                    match.match_id,
                    approved=row["operator_approved"],
                    digest=row["approved_digest"],
                )
                await self._told(match, row)
            else:
                await self._take_up(match)

    async def _told(self, match: ContractMatch, row: Mapping[str, Any]) -> None:
        """Keep what is said now of a known pair's relatives and of how sure the match is."""
        told = {"cluster": match.cluster, "confidence": match.confidence}
        if all(row[name] == value for name, value in told.items()):
            return
        change = Update(
            "contract_matches",
            key={"match_id": match.match_id},
            guard={"version": row["version"]},
            put=told | {"version": row["version"] + 1},
        )
        await self._bus.commit(Batch((change,)))

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
        carrying = self._carrying
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._queue.run()),
                group.create_task(self._recorder.run()),
                group.create_task(carrying.single_leg.run()),
                group.create_task(carrying.inquiries.run()),
                *(
                    group.create_task(carrying.settling.follow(g))
                    for g in self._gateways.values()
                ),
                *(group.create_task(service.run()) for service in self._services),
            ]
            await feed()
            await self._queue.drained()
            await carrying.single_leg.drained()
            await carrying.inquiries.drained(PATIENCE)
            for each in settled:
                await each()
            await carrying.single_leg.drained()
            for service in self._services:
                await service.drained()
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

"""EngineLifecycleService: recover, become ready, run the tasks, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dutchbook.application.bus import EventBus
from dutchbook.application.cancelling import Cancelling
from dutchbook.application.commands import Commands
from dutchbook.application.execution_queue import ExecutionQueueService
from dutchbook.application.holdings import Holdings
from dutchbook.application.lease import Fence
from dutchbook.application.loading import held
from dutchbook.application.pair_throttle import PairThrottle
from dutchbook.application.recorder import Recorder
from dutchbook.application.records import contract_row, match_row
from dutchbook.application.risk import RiskManager
from dutchbook.application.watch import Watchlist
from dutchbook.domain.contract import ContractMatch, Platform
from dutchbook.domain.events import PairDecided, SystemStarted, SystemStopped
from dutchbook.domain.units import Money
from dutchbook.ports import Batch, Clock, Insert, Journal, PlatformGateway, Update, Write

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How often commands are looked for, and how long draining may take, in seconds."""

    poll_seconds: float
    drain_seconds: int


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
        *,
        throttle: PairThrottle,
        commands: Commands,
        cancelling: Cancelling,
        limits: Limits,
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
        self._throttle = throttle
        self._commands = commands
        self._cancelling = cancelling
        self._limits = limits

    async def start(
        self,
        pairs: Iterable[ContractMatch],
        opening: Mapping[Platform, Money],
        *,
        mode: str,
        run: int,
        version: str,
        checks: Sequence[Work] = (),
    ) -> None:
        """Load what the database holds, do what people asked for meanwhile, and check.

        Nothing trades before it returns.

        Args:
            pairs: What is traded; pairs that are new are taken up as approved.
            opening: Cash that is paid in once, on paper.
            mode: Paper, shadow or live.
            run: Which run of this database it is.
            version: Of this program.
            checks: What must have ended before trading, in this order: the clock, the
                platforms, reconciliation.
        """
        await self._risk.load()
        await self._take_up_all(pairs)
        await self._pay_in(opening)
        for position, orders, fills in await held(self._journal):
            self._holdings.opened(position, orders, fills)
        unclean = self._bus.fence is not None and self._bus.fence.unclean
        count, stamp = len(self._holdings.positions), self._bus.stamp("engine")
        started = SystemStarted(stamp, mode, run, version, count, unclean)
        await self._bus.commit(Batch(events=(started,)))
        await self._throttle.load()
        await self._commands.fold()
        await self._risk.start_day()
        for check in checks:
            await check()

    async def _take_up_all(self, pairs: Iterable[ContractMatch]) -> None:
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

    async def _pay_in(self, opening: Mapping[Platform, Money]) -> None:
        entries = await self._journal.rows("ledger_entries")
        funded = {row["account_id"] for row in entries}
        for platform, amount in opening.items():
            if amount and str(self._risk.accounts[platform]) not in funded:
                await self._risk.deposit(platform, amount, "opening balance on paper")

    async def _take_up(self, match: ContractMatch) -> None:
        rows = [
            Insert("contracts", contract_row(match.contract(platform))) for platform in Platform
        ]
        seen = {
            (row["platform"], row["contract_id"])
            for row in await self._journal.rows("contracts")
        }
        fresh = [
            row for row in rows if (row.row["platform"], row.row["contract_id"]) not in seen
        ]
        rationale = "approved by the tape, on paper"
        pair = match_row(match, at=self._clock.now(), rationale=rationale)
        decided = PairDecided(
            self._bus.stamp(match.match_id), match.match_id, "approved", rationale, match.digest
        )
        await self._bus.commit(Batch((*fresh, Insert("contract_matches", pair)), (decided,)))

    async def run(
        self, feed: Work, settled: Iterable[Work], stopping: asyncio.Event | None = None
    ) -> None:
        """Run until `feed` ends, then drain.

        What is in flight ends, what is provisional settles. Once a person has asked to stop,
        draining has a bound: what is still in flight then is left to the next start, which asks
        the platforms about it.

        Args:
            feed: Brings the book updates; its end is the end of trading.
            settled: Each waits until one platform has nothing provisional left.
            stopping: A person asks to stop.
        """
        stopping = stopping or asyncio.Event()

        def wound_down() -> None:
            if self._risk.winding_down and not self._holdings.positions:
                stopping.set()

        seconds = self._limits.poll_seconds
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._queue.run()),
                group.create_task(self._recorder.run()),
                *(group.create_task(self._holdings.follow(g)) for g in self._gateways.values()),
                group.create_task(self._risk.follow_days()),
                group.create_task(self.follow_commands(seconds, wound_down)),
            ]
            await feed()
            await self._drain(settled, stopping)
            await self._recorder.drained()
            for task in tasks:
                task.cancel()

    async def follow_commands(
        self, seconds: float, folded: Callable[[], None] | None = None
    ) -> None:
        """Do what people ask for, looked for every so many seconds, until cancelled."""
        await self._commands.follow(seconds, folded)

    async def _drain(self, settled: Iterable[Work], stopping: asyncio.Event) -> None:
        draining = asyncio.ensure_future(self._in_flight(settled))
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({draining, stopped}, return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.drain_seconds):
                    await draining
        finally:
            draining.cancel()
            stopped.cancel()
        if stopping.is_set():
            await self._cancelling.cancel_all()

    async def _in_flight(self, settled: Iterable[Work]) -> None:
        await self._queue.drained()
        for each in settled:
            await each()

    async def stop(self, reason: str) -> None:
        """Write the last event."""
        await self._bus.commit(
            Batch(events=(SystemStopped(self._bus.stamp("engine"), reason),))
        )


async def count_run(journal: Journal, fence: Fence | None = None) -> int:
    """Count a run of this database, from 1; ids are made of the number."""
    runs = await journal.rows("system_metadata", {"key": "runs"})
    number = int(runs[0]["value"]) + 1 if runs else 1
    change: Write = Insert("system_metadata", {"key": "runs", "value": "1"})
    if runs:
        change = Update("system_metadata", {"key": "runs"}, put={"value": str(number)})
    if fence is None:
        await journal.commit(Batch((change,)))
    else:
        await fence.commit(journal, Batch((change,)))
    return number

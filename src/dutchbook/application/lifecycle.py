"""EngineLifecycleService: recover, become ready, run the tasks, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.execution.cancel_all import OrderCanceller
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.market.pair_breaker import PairBreaker
from dutchbook.application.market.pairs import know_contracts
from dutchbook.application.market.second_legs import SecondLegs
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.monitoring.crash_report import report_crash
from dutchbook.application.operator.commands import Commands
from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.questions import Questions
from dutchbook.application.pair_trades.adjustments import Adjustments
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.loading import Loader
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.recorder import Recorder
from dutchbook.application.records.rows import match_row
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.application.recovery.order_inquiry import Inquiries
from dutchbook.application.recovery.reported_fills import ReportedFills
from dutchbook.application.recovery.trade_streams import TradeStreams
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import PairDecided, SystemStarted, SystemStopped
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.values.units import Money
from dutchbook.errors import DatabaseLost, Unfit
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Batch, Insert, Journal, Update
from dutchbook.ports.time import Clock

INQUIRY_TIMEOUT = timedelta(seconds=180)
"""How long a stop waits for unknown outcomes."""
LISTING_TIMEOUT, LISTING_SECONDS = timedelta(seconds=120), 1
"""How long a stop waits for trades that are stated, not listed, and seconds between looks."""
UNFIT_SECONDS, UNFIT_TRIES = 1, 3
"""Rest of a task after a value that no column holds, and tries of one that drains."""
Work = Callable[[], Awaitable[object]]


class Service(Protocol):
    """A service that runs next to trading, from recovery to the last event."""

    async def start(self) -> None:
        """Load what the database holds; trading has not begun yet."""
        ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...

    async def drained(self) -> None:
        """Wait until nothing is left to commit; trading is over."""
        ...


@dataclass(frozen=True, slots=True)
class PairTradeServices:
    """The services for existing positions.

    It has fifteen fields because it is a list of services that `bootstrap` builds together and
    the engine passes on whole; only `take_up` and `follow_up` use them, and only seven.
    """

    journal: Journal
    second_legs: SecondLegs
    announce: Announcements
    trades: PairTrades
    loader: Loader
    gate: Gate
    questions: Questions
    adjustments: Adjustments
    settling: SettlementFollower
    streams: TradeStreams
    single_leg: SingleLegResolutionService
    recovery: Recovery
    inquiries: Inquiries
    disputes: Disputes
    reported: ReportedFills

    async def take_up(self) -> None:
        """Resume the work that the last run left.

        That is open orders, executions that never ended, and exposures without a remedy so far.
        """
        for trade in self.trades.all():
            known = await self.recovery.unanswered(trade) if trade.ended else trade
            for order in known.open_orders:
                self.questions.notice(order)
        for trade in self.recovery.unfinished():
            known = await self.recovery.unanswered(trade)
            for order in known.open_orders:
                self.questions.notice(order)
        await self.single_leg.start(self.journal)

    async def follow_up(self, trade: PairTrade, wait: int) -> None:
        """Hand on a pair trade whose execution has ended, or waits for an answer.

        Orders without an answer are queried, early settlements applied, and an exposure
        reported. An inquiry starts `wait` seconds after the execution's own last query. One
        that broke off is taken up as a start would.
        """
        if not trade.ended and trade.execution.phase is not Phase.WAITING:
            trade = await self.recovery.unanswered(trade)
        for order in trade.orders.values():
            if order.outcome_unknown_since is not None:
                self.questions.notice(order, wait)
        self.second_legs.ended(trade.execution)
        # Settlement can be reported before the execution that it belongs to has ended.
        await self.settling.settle_known()
        if trade.execution.phase is Phase.EXPOSED:
            self.single_leg.exposed(trade.position_id)


class EngineLifecycleService:
    """Owns the engine's tasks: none outlives it, and if one dies the run ends.

    It takes fourteen parts because every task of a run starts and stops here, in one order:
    everything that has a task, or is drained or recorded at the end, is passed in. Commands are
    read every `poll_seconds`, and draining takes at most `drain_seconds` after a stop.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        risk: RiskManager,
        watchlist: Watchlist,
        queue: ExecutionQueueService,
        trading: PairTradeServices,
        recorder: Recorder,
        gateways: Mapping[Platform, PlatformGateway],
        services: Sequence[Service],
        exits: Service,
        clock: Clock,
        *,
        breaker: PairBreaker,
        commands: Commands,
        cancelling: OrderCanceller,
        poll_seconds: float,
        drain_seconds: int,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._risk = risk
        self._watchlist = watchlist
        self._queue = queue
        self._trading = trading
        self._recorder = recorder
        self._gateways = gateways
        self._services = services
        self._exits = exits
        self._clock = clock
        self._breaker = breaker
        self.commands = commands
        self._cancelling = cancelling
        self._poll_seconds = poll_seconds
        self._drain_seconds = drain_seconds

    async def start(
        self,
        contracts: Iterable[Contract],
        pairs: Iterable[ContractMatch],
        opening: Mapping[Platform, Money],
        *,
        mode: str,
        run: int,
        version: str,
        checks: Sequence[Work] = (),
    ) -> None:
        """Load what the database holds, carry out waiting commands, and run the checks.

        Events that an earlier run committed but did not deliver are delivered first. Nothing
        trades before it returns.

        Args:
            contracts: The platforms' current contract facts.
            pairs: Those to follow; a pair that the database does not have is approved as it
                stands.
            opening: Dollars, for a platform that was never funded.
            mode: The mode that the database is bound to.
            run: The number of this run.
            version: The program's version.
            checks: Run to completion before trading, in this order.
        """
        await self._committer.redeliver()
        await self._risk.capital.load()
        await know_contracts(self._journal, self._committer, contracts)
        await self._take_up_all(pairs)
        await self._pay_in(opening)
        trades = self._trading.trades
        trades.take_up(await self._trading.loader.load())
        unclean = self._committer.fence is not None and self._committer.fence.unclean
        count, stamp = len(trades.positions), self._committer.stamp("engine")
        started = SystemStarted(stamp, mode, run, version, count, unclean)
        await self._committer.commit(Batch(events=(started,)))
        await self._breaker.load()
        await self.commands.fold()
        await self._risk.halts.start_day()
        await self._risk.halts.enforce()
        for service in self._services:
            await service.start()
        for check in checks:
            await check()

    async def _take_up_all(self, pairs: Iterable[ContractMatch]) -> None:
        """Follow pairs; a person's decision in the database takes precedence over a tape's."""
        known = {row["match_id"]: row for row in await self._journal.rows("contract_matches")}
        for match in pairs:
            self._risk.capital.at_risk.know(match.match_id, match.cluster, match.confidence)
            if row := known.get(match.match_id):
                self._watchlist.decided(
                    match.match_id,
                    approved=row["operator_approved"],
                    digest=row["approved_digest"],
                )
                await self._update_match(match, row)
            else:
                await self._take_up(match)

    async def _update_match(self, match: ContractMatch, row: Mapping[str, Any]) -> None:
        """Record the current cluster and match confidence of a known pair."""
        current = {"cluster": match.cluster, "confidence": match.confidence}
        if all(row[name] == value for name, value in current.items()):
            return
        change = Update(
            "contract_matches",
            key={"match_id": match.match_id},
            guard={"version": row["version"]},
            put=current | {"version": row["version"] + 1},
        )
        await self._committer.commit(Batch((change,)))

    async def _pay_in(self, opening: Mapping[Platform, Money]) -> None:
        entries = await self._journal.rows("ledger_entries")
        funded = {row["account_id"] for row in entries}
        for platform, amount in opening.items():
            if amount and str(self._risk.capital.accounts[platform]) not in funded:
                await self._risk.cash.deposit(platform, amount, "opening balance on paper")

    async def _take_up(self, match: ContractMatch) -> None:
        rationale = "approved by the tape, on paper"
        pair = match_row(match, at=self._clock.now(), rationale=rationale)
        decided = PairDecided(
            self._committer.stamp(match.match_id),
            match.match_id,
            "approved",
            rationale,
            match.digest,
        )
        await self._committer.commit(Batch((Insert("contract_matches", pair),), (decided,)))

    async def run(
        self, feed: Work, settled: Iterable[Work], stopping: asyncio.Event | None = None
    ) -> None:
        """Run until `feed` ends, then drain.

        Orders in flight end and provisional fills settle. Once a person has asked to stop,
        draining has a time limit: what is still in flight then is left to the next start, which
        queries the platforms about it.

        Args:
            feed: Delivers the book updates; trading ends when it ends.
            settled: Each waits until one platform has nothing provisional left.
            stopping: Set when a person asks to stop.
        """
        try:
            await self._trade(feed, settled, stopping or asyncio.Event())
        except BaseExceptionGroup as died:
            await report_crash(self._committer, died)
            if died.subgroup(DatabaseLost) is not None:
                await self._cancelling.cancel_unrecorded()
            raise

    async def _trade(
        self, feed: Work, settled: Iterable[Work], stopping: asyncio.Event
    ) -> None:
        trading = self._trading

        def wound_down() -> None:
            if self._risk.halts.winding_down and not trading.trades.positions:
                stopping.set()

        work: list[Work] = [
            self._queue.run,
            self._recorder.run,
            trading.single_leg.run,
            trading.inquiries.run,
            trading.settling.catch_up,
            trading.streams.run,
            *(each.run for each in self._gateways.values()),
            *(service.run for service in self._services),
            self._risk.halts.follow_days,
            partial(self.commands.follow, self._poll_seconds, wound_down),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._kept_up(each)) for each in work]
            await feed()
            await self._drain(settled, stopping)
            await self._recorder.drained()
            for task in tasks:
                task.cancel()

    async def _kept_up(self, work: Work, *, tries: int | None = None) -> None:
        """Do the work of a task, again after a value that no column holds, or up to `tries`.

        Its batch is not stored; entries are halted, since what it recorded is not known.
        """
        for _ in range(tries) if tries else itertools.repeat(None):
            try:
                await work()
            except (Unfit, BaseExceptionGroup) as error:
                if (unfit := _unfit(error)) is None:
                    raise
                await self._risk.halts.halt_trading(HaltReason.INVARIANT_BROKEN, str(unfit))
                await self._clock.sleep(UNFIT_SECONDS)
            else:
                return

    async def _drain(self, settled: Iterable[Work], stopping: asyncio.Event) -> None:
        draining = asyncio.ensure_future(self._in_flight(tuple(settled)))
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({draining, stopped}, return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    await draining
        finally:
            draining.cancel()
            stopped.cancel()
        if stopping.is_set():
            await self._cancelling.cancel_all()

    async def _in_flight(self, settled: Sequence[Work]) -> None:
        """Wait for what is in flight, again if an order that this sent has trades to come."""
        until = self._clock.now() + LISTING_TIMEOUT
        await self._ended(settled)
        while self._trading.trades.unlisted and self._clock.now() < until:
            await self._clock.sleep(LISTING_SECONDS)
            await self._ended(settled)

    async def _ended(self, settled: Sequence[Work]) -> None:
        """Wait once for everything that may be in flight, in the order in which it arises."""
        trading = self._trading
        work: list[Work] = [
            self.commands.drained,
            self._queue.drained,
            trading.single_leg.drained,
            self._exits.drained,
            partial(trading.inquiries.drained, INQUIRY_TIMEOUT),
            *settled,
            trading.settling.drained,
            trading.single_leg.drained,
            *(service.drained for service in self._services),
            # The last comparison may have found an exposure, whose remedy is being sent.
            trading.single_leg.drained,
        ]
        for each in work:
            await self._kept_up(each, tries=UNFIT_TRIES)

    async def stop(self, reason: str) -> None:
        """Write the last event, and close the connections to the platforms."""
        await self._committer.commit(
            Batch(events=(SystemStopped(self._committer.stamp("engine"), reason),))
        )
        for gateway in self._gateways.values():
            await gateway.close()


def _unfit(error: BaseException) -> Unfit | None:
    """Return the unfit value that a task failed with, None if anything else failed as well."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, Unfit) else None
    found = [_unfit(each) for each in error.exceptions]
    return found[0] if all(found) else None

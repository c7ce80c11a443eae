"""A complete paper engine: it plays its tape, and the platforms receive each message first."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from dutchbook import __version__
from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.detection.service import DetectionService
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.lifecycle import EngineLifecycleService, PairTradeServices
from dutchbook.application.market.watchlist import Key, Watchlist
from dutchbook.application.monitoring.log_anchors import LogAnchors
from dutchbook.application.operator.reconciliation import ReconciliationCommands
from dutchbook.application.orders.send import report_of
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.loading import grouped
from dutchbook.application.records.recorder import Recorder
from dutchbook.application.views.summary import summary
from dutchbook.bootstrap.exits import ExitServices
from dutchbook.bootstrap.monitoring import MonitoringServices
from dutchbook.config import Settings
from dutchbook.domain.execution.order import Finality, Order
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.positions.settlement import Ruling
from dutchbook.domain.values.units import Money, Quantity, owed
from dutchbook.platforms.paper.exchange import PaperExchange, Taken
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.server import StepLag
from dutchbook.ports.gateway import FillReport
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import FILLS, OPEN_POSITIONS, ORDERS
from dutchbook.ports.time import Clock
from dutchbook.tape.message import Kind, Tape, TapeMessage
from dutchbook.tape.player import Listener, play


@dataclass(frozen=True, slots=True)
class Engine:
    """A complete paper engine, not yet started.

    It has so many fields because it is the one place that holds every part of a run.
    """

    settings: Settings
    tape: Tape
    pairs: tuple[ContractMatch, ...]
    journal: Journal
    clock: Clock
    committer: Committer
    risk: RiskManager
    watchlist: Watchlist
    offered: Watchlist
    queue: ExecutionQueueService
    detection: DetectionService
    trading: PairTradeServices
    recorder: Recorder
    lifecycle: EngineLifecycleService
    exchanges: Mapping[Platform, PaperExchange]
    gateways: Mapping[Platform, PaperGateway]
    lag: StepLag
    monitoring: MonitoringServices
    exiting: ExitServices
    anchoring: LogAnchors | None
    reconciling: ReconciliationCommands
    results: dict[Key, Ruling] = field(default_factory=dict)
    missed: set[Key] = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def trades(self) -> PairTrades:
        """Every position that can still change."""
        return self.trading.trades

    async def trade(self, run: int) -> dict[str, Any]:
        """Play the tape to its end, or until `stopping` is set; drain, stop, and summarise."""
        paper = self.settings.paper
        opening = {
            Platform.KALSHI: Money(paper.kalshi_cash),
            Platform.POLYMARKET: Money(paper.polymarket_cash),
        }
        await self.lifecycle.start(
            self.tape.meta.contracts,
            self.pairs,
            opening,
            mode="paper",
            run=run,
            version=__version__,
            checks=(
                self._fund_platforms,
                self.reconciling.service.reconcile,
                self.trading.take_up,
            ),
        )
        settled = [gateway.settled for gateway in self.gateways.values()]
        ends = (*settled, self.exiting.merging.drained, self._resolve)
        await self.lifecycle.run(self._feed, ends, self.stopping)
        stopped = self.stopping.is_set()
        await self.lifecycle.stop("asked to stop" if stopped else "the tape ended")
        if self.anchoring is not None:
            await self.anchoring.keep()
        return await summary(
            self.journal, self.detection, self.queue, self.committer.receipt.head
        )

    async def _fund_platforms(self) -> None:
        """Fund each paper platform with what it holds for us by our record.

        Contracts are those of positions, less what was sold, merged and paid, and those of
        fills whose execution has no position yet. Cash is what is free and reserved, less what
        unfinished executions have spent of their reservations.
        """
        orders = {row["order_id"]: row for row in await self.journal.rows("orders")}
        live = {
            row["execution_id"]
            for row in await self.journal.rows("executions")
            if row["ended_at"] is None
        }
        held = [OPEN_POSITIONS.value(row) for row in await self.journal.rows("open_positions")]
        known = {position.execution_id for position in held}
        for position in held:
            self._hand_over(position)
        pending: dict[Platform, Decimal] = defaultdict(Decimal)
        for row in await self.journal.rows("fills"):
            if row["finality"] == Finality.FAILED or row["execution_id"] not in live:
                continue
            platform = Platform(row["platform"])
            pending[platform] += owed(row["price"] * row["size"]) + row["fee"]
            if row["execution_id"] not in known:
                key = (orders[row["order_id"]]["contract_id"], Outcome(row["outcome"]))
                self.exchanges[platform].wallet.add(*key, row["size"])
        for platform, exchange in self.exchanges.items():
            balance = self.risk.capital.balance(platform)
            borrowed = sum((p.holding(platform).borrowed for p in held), start=Decimal(0))
            cash = balance.free + balance.reserved - pending[platform] + borrowed
            exchange.wallet.fund(Money(cash))
            exchange.wallet.net()
        await self._remind_platforms()

    async def _remind_platforms(self) -> None:
        """Restore our unfinished orders and their fills on each paper platform."""
        made = grouped(await self.journal.rows("fills"), "order_id")
        known: dict[Platform, list[tuple[Order, list[FillReport]]]] = defaultdict(list)
        for row in await self.journal.rows("orders", order_by=("created_at", "order_id")):
            order = ORDERS.value(row)
            fills = [FILLS.value(each) for each in made.get(order.order_id, [])]
            open_ended = any(fill.finality is Finality.PROVISIONAL for fill in fills)
            works = order.working_size > 0 and order.platform_order_id is not None
            if works or open_ended:
                reports = [report_of(order, fill) for fill in fills]
                known[order.platform].append((order, reports))
        for platform, gateway in self.gateways.items():
            gateway.restore(known[platform])

    def _hand_over(self, position: OpenPosition) -> None:
        """Give the platforms their holdings of one position."""
        match = self.watchlist.matches.get(position.pair_id)
        for platform in Platform:
            leg = position.holding(platform)
            if match is not None and leg.unpaid:
                contract_id = match.contract(platform).contract_id
                wallet = self.exchanges[platform].wallet
                other = leg.outcome.opposite
                wallet.add(contract_id, leg.outcome, Quantity(leg.size - leg.borrowed))
                wallet.add(contract_id, other, Quantity(leg.complement - leg.borrowed))

    async def _resolve(self) -> None:
        """Resolve the contracts after the end of the tape, and wait for their cash."""
        if not self.results or self.stopping.is_set():
            return
        for key, ruling in sorted(self.results.items(), key=lambda each: _due(each[1])):
            if ruling.at is not None and not await self._until(ruling.at):
                return
            platform, contract_id = key
            self.exchanges[platform].resolve(contract_id, ruling.yes_pays, self.clock.now())
        if await self._until(self.clock.now() + timedelta(milliseconds=self._timer)):
            for platform, contract_id in self.results:
                if platform is Platform.KALSHI:
                    self.exchanges[platform].settle(contract_id)
            await self.exiting.settlement.finish(self.results, PATIENCE)

    @property
    def _timer(self) -> int:
        """Delay of Kalshi's cash on paper, in milliseconds."""
        return self.settings.paper.settle_ms

    async def _until(self, instant: datetime) -> bool:
        """Wait until `instant`; return False if the engine was asked to stop meanwhile."""
        waiting = asyncio.ensure_future(self.clock.sleep_until(instant))
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        waiting.cancel()
        return not self.stopping.is_set()

    async def _feed(self) -> None:
        listener = Listener(
            session_began=self._session_began,
            step_began=self.lag.began,
            message=self.on_message,
            step_ended=self.lag.ended,
            session_ended=self._session_ended,
        )
        playing = asyncio.ensure_future(play(self.tape, self.clock, listener))
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not playing.done():
            playing.cancel()
            self._session_ended()
            return
        await playing

    def _session_began(self) -> None:
        for exchange in self.exchanges.values():
            exchange.clear_books()
        self.watchlist.clear()
        self.offered.clear()
        self.monitoring.sessions.began(self.clock.now())

    def _session_ended(self) -> None:
        self.lag.release()
        self.monitoring.sessions.ended()

    def on_message(self, message: TapeMessage) -> None:
        """Pass one message to the platform it came from, then to the engine."""
        whole = message.kind is Kind.SNAPSHOT
        self.exchanges[message.platform].update(
            message.contract_id, message.bids, message.asks, whole=whole, now=self.clock.now()
        )
        self.on_stream(message)

    def on_stream(self, message: TapeMessage) -> None:
        """Apply a message of a platform's stream to our book; the platform already has it."""
        now, key = self.clock.now(), (message.platform, message.contract_id)
        if key not in self.watchlist.books:
            return
        message.apply_to(self.offered.books[key])
        if self.gateways[message.platform].silent:
            self.missed.add(key)
            return
        self._show(key, message)
        self.watchlist.books[key].touch(now, message.sequence)
        self.detection.book_changed(key)
        self.exiting.exits.book_changed(key)

    def _show(self, key: Key, message: TapeMessage) -> None:
        """Update the engine's book to what the platform shows: less what we took from it."""
        book, liquidity = self.watchlist.books[key], self.exchanges[key[0]].liquidity[key[1]]
        if message.kind is Kind.SNAPSHOT or key in self.missed:
            self.missed.discard(key)  # a stream that comes back begins with a snapshot
            book.replace(liquidity.available(BID), liquidity.available(ASK))
            return
        for side, levels in ((BID, message.bids), (ASK, message.asks)):
            for price, _ in levels:
                book.apply(side, price, liquidity.left(side, price))

    def taken(self, platform: Platform) -> Taken:
        """Return a callback that applies our own trades on a platform to our book of it."""

        def on_event(contract_id: str, side: int, price_e4: int, left_e6: int) -> None:
            self.watchlist.books[platform, contract_id].apply(side, price_e4, left_e6)

        return on_event


PATIENCE = timedelta(minutes=10)
"""Maximum time that a run waits for the cash of results."""


def _due(ruling: Ruling) -> tuple[bool, datetime]:
    """Sort contracts that resolve at the tape's end before those that resolve later."""
    return ruling.at is not None, ruling.at or datetime.min.replace(tzinfo=UTC)

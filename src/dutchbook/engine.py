"""A whole engine on paper, joined: it plays its tape, and the platforms hear it first."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from dutchbook import __version__
from dutchbook.application.beside import Beside
from dutchbook.application.bus import EventBus
from dutchbook.application.carrying import Carrying
from dutchbook.application.detection import DetectionService
from dutchbook.application.execution_queue import ExecutionQueueService
from dutchbook.application.holdings import Holdings
from dutchbook.application.lifecycle import EngineLifecycleService
from dutchbook.application.loading import fill_of, grouped, order_of
from dutchbook.application.queries import summary
from dutchbook.application.reconciling import Reconciling
from dutchbook.application.recorder import Recorder
from dutchbook.application.risk import RiskManager
from dutchbook.application.sending import report_of
from dutchbook.application.watch import Key, Watchlist
from dutchbook.config import Settings
from dutchbook.domain.book import ASK, BID, OrderBook
from dutchbook.domain.contract import ContractMatch, Outcome, Platform, Side
from dutchbook.domain.order import Finality, Order
from dutchbook.domain.units import Money, Quantity, owed
from dutchbook.platforms.paper.exchange import PaperExchange, Taken
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.server import StepLag
from dutchbook.ports import Clock, FillReport, Journal
from dutchbook.tape.message import Kind, Tape, TapeMessage
from dutchbook.tape.player import Listener, play


@dataclass(frozen=True, slots=True)
class Engine:
    """A whole engine on paper, joined and not yet started."""

    settings: Settings
    tape: Tape
    pairs: tuple[ContractMatch, ...]
    journal: Journal
    clock: Clock
    bus: EventBus
    risk: RiskManager
    watchlist: Watchlist
    offered: Watchlist
    queue: ExecutionQueueService
    detection: DetectionService
    carrying: Carrying
    recorder: Recorder
    lifecycle: EngineLifecycleService
    exchanges: Mapping[Platform, PaperExchange]
    gateways: Mapping[Platform, PaperGateway]
    lag: StepLag
    beside: Beside
    reconciling: Reconciling
    missed: set[Key] = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def holdings(self) -> Holdings:
        """Every position that can still change."""
        return self.carrying.holdings

    async def trade(self, run: int) -> dict[str, Any]:
        """Play the tape to its end, or until `stopping` is set; drain, stop, and sum up."""
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
        )
        await self._fund_platforms()
        await self.reconciling.service.reconcile()
        await self.carrying.take_up()
        settled = [gateway.settled for gateway in self.gateways.values()]
        await self.lifecycle.run(self._feed, settled, self.stopping)
        asked = self.stopping.is_set()
        await self.lifecycle.stop("asked to stop" if asked else "the tape ended")
        return await summary(self.journal, self.detection, self.queue, self.bus.receipt.head)

    async def _fund_platforms(self) -> None:
        """Give each paper platform what our books say that it holds for us."""
        pending: dict[Platform, Decimal] = defaultdict(Decimal)
        orders = {row["order_id"]: row for row in await self.journal.rows("orders")}
        live = {
            row["execution_id"]
            for row in await self.journal.rows("executions")
            if row["ended_at"] is None
        }
        for row in await self.journal.rows("fills"):
            if row["finality"] == Finality.FAILED:
                continue
            platform, order = Platform(row["platform"]), orders[row["order_id"]]
            wallet = self.exchanges[platform].wallet
            key = (order["contract_id"], Outcome(row["outcome"]))
            sign = 1 if row["side"] == Side.BUY else -1
            wallet.contracts[key] = Quantity(wallet.of(*key) + sign * row["size"])
            if row["execution_id"] in live:
                pending[platform] += owed(row["price"] * row["size"]) + row["fee"]
        for platform, exchange in self.exchanges.items():
            balance = self.risk.balance(platform)
            cash = balance.free + balance.reserved - pending[platform]
            exchange.wallet.cash = Money(cash)
        await self._remind_platforms()

    async def _remind_platforms(self) -> None:
        """Let each paper platform remember what it had not finished of our orders."""
        made = grouped(await self.journal.rows("fills"), "order_id")
        known: dict[Platform, list[tuple[Order, list[FillReport]]]] = defaultdict(list)
        for row in await self.journal.rows("orders", order_by=("created_at", "order_id")):
            order = order_of(row)
            fills = [fill_of(each) for each in made.get(order.order_id, [])]
            open_ended = any(fill.finality is Finality.PROVISIONAL for fill in fills)
            works = order.working_size > 0 and order.platform_order_id is not None
            if works or open_ended:
                reports = [report_of(order, fill) for fill in fills]
                known[order.platform].append((order, reports))
        for platform, gateway in self.gateways.items():
            gateway.restore(known[platform])

    async def _feed(self) -> None:
        listener = Listener(
            session_began=self._session_began,
            step_began=self.lag.began,
            message=self.hear,
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
        self.beside.sessions.began(self.clock.now())

    def _session_ended(self) -> None:
        self.lag.release()
        self.beside.sessions.ended()

    def hear(self, message: TapeMessage) -> None:
        """Give one message to the platform it came from, then to the engine that watches it."""
        now = self.clock.now()
        whole = message.kind is Kind.SNAPSHOT
        self.exchanges[message.platform].update(
            message.contract_id, message.bids, message.asks, whole=whole, now=now
        )
        key = (message.platform, message.contract_id)
        if key not in self.watchlist.books:
            return
        _apply(self.offered.books[key], message)
        if self.gateways[message.platform].silent:
            self.missed.add(key)
            return
        self._show(key, message)
        self.watchlist.books[key].touch(now, message.sequence)
        self.detection.book_changed(key)

    def _show(self, key: Key, message: TapeMessage) -> None:
        """Bring the engine's book to what the platform shows: less what we took of it."""
        book, liquidity = self.watchlist.books[key], self.exchanges[key[0]].liquidity[key[1]]
        if message.kind is Kind.SNAPSHOT or key in self.missed:
            self.missed.discard(key)  # a stream that comes back begins with a snapshot
            book.replace(liquidity.available(BID), liquidity.available(ASK))
            return
        for side, levels in ((BID, message.bids), (ASK, message.asks)):
            for price, _ in levels:
                book.apply(side, price, liquidity.left(side, price))

    def taken(self, platform: Platform) -> Taken:
        """Return what hears of our own trades on a platform and shows them in its book."""

        def hear(contract_id: str, side: int, price_e4: int, left_e6: int) -> None:
            self.watchlist.books[platform, contract_id].apply(side, price_e4, left_e6)

        return hear


def _apply(book: OrderBook, message: TapeMessage) -> None:
    if message.kind is Kind.SNAPSHOT:
        book.replace(message.bids, message.asks)
        return
    for side, levels in ((BID, message.bids), (ASK, message.asks)):
        for price, size in levels:
            book.apply(side, price, size)

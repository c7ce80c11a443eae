"""The composition root: the one place that names concrete classes and joins them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook import __version__
from dutchbook.application.announcements import Announcements
from dutchbook.application.bus import EventBus
from dutchbook.application.cancelling import Cancelling
from dutchbook.application.commands import Commands
from dutchbook.application.conclusion import Conclusion
from dutchbook.application.detection import DetectionService
from dutchbook.application.execution import ExecutionService, Patience
from dutchbook.application.execution_queue import ExecutionQueueService
from dutchbook.application.gate import Gate
from dutchbook.application.holdings import Holdings
from dutchbook.application.lease import Fence
from dutchbook.application.lifecycle import EngineLifecycleService, Limits
from dutchbook.application.pair_throttle import PairThrottle
from dutchbook.application.queries import summary
from dutchbook.application.recorder import Recorder
from dutchbook.application.risk import RiskManager
from dutchbook.application.watch import Key, PairWatch, Watchlist
from dutchbook.config import Settings
from dutchbook.domain.book import ASK, BID, OrderBook
from dutchbook.domain.contract import Outcome, Platform
from dutchbook.domain.ledger import AccountKey
from dutchbook.domain.order import Finality
from dutchbook.domain.units import Money, Quantity, owed
from dutchbook.platforms.paper.exchange import PaperExchange, Taken
from dutchbook.platforms.paper.faults import Fault, FaultPlan
from dutchbook.platforms.paper.gateway import PaperGateway, StepLag
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.ports import Clock, Ids, Journal
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.generate import generate
from dutchbook.tape.message import Kind, MemoryTape, Tape, TapeMessage
from dutchbook.tape.player import Listener, play

ACCOUNTS = {
    Platform.KALSHI: AccountKey(Platform.KALSHI, "shard-0", "USD"),
    Platform.POLYMARKET: AccountKey(Platform.POLYMARKET, "paper-wallet", "pUSD"),
}


POLL_SECONDS = 60.0
"""How often commands are looked for where time is the tape's alone.

A halt is met before that, at the first entry that it refuses."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A whole engine on paper, joined and not yet started."""

    settings: Settings
    tape: Tape
    journal: Journal
    clock: Clock
    bus: EventBus
    risk: RiskManager
    watchlist: Watchlist
    offered: Watchlist
    queue: ExecutionQueueService
    detection: DetectionService
    holdings: Holdings
    recorder: Recorder
    lifecycle: EngineLifecycleService
    exchanges: Mapping[Platform, PaperExchange]
    gateways: Mapping[Platform, PaperGateway]
    lag: StepLag
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def trade(self, run: int) -> dict[str, Any]:
        """Play the tape to its end, or until `stopping` is set; drain, stop, and sum up."""
        paper = self.settings.paper
        opening = {
            Platform.KALSHI: Money(paper.kalshi_cash),
            Platform.POLYMARKET: Money(paper.polymarket_cash),
        }
        pairs = self.tape.meta.pairs
        await self.lifecycle.start(pairs, opening, mode="paper", run=run, version=__version__)
        await self._fund_platforms()
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
            wallet.contracts[key] = Quantity(wallet.of(*key) + row["size"])
            if row["execution_id"] in live:
                pending[platform] += owed(row["price"] * row["size"]) + row["fee"]
        for platform, exchange in self.exchanges.items():
            balance = self.risk.balance(platform)
            cash = balance.free + balance.reserved - pending[platform]
            exchange.wallet.cash = Money(cash)

    async def _feed(self) -> None:
        listener = Listener(
            session_began=self._session_began,
            step_began=self.lag.began,
            message=self.hear,
            step_ended=self.lag.ended,
            session_ended=self.lag.release,
        )
        playing = asyncio.ensure_future(play(self.tape, self.clock, listener))
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not playing.done():
            playing.cancel()
            self.lag.release()
            return
        await playing

    def _session_began(self) -> None:
        for exchange in self.exchanges.values():
            exchange.clear_books()
        self.watchlist.clear()
        self.offered.clear()

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
        self._show(key, message)
        self.watchlist.books[key].touch(now, message.sequence)
        self.detection.book_changed(key)

    def _show(self, key: Key, message: TapeMessage) -> None:
        """Bring the engine's book to what the platform shows: less what we took of it."""
        book, liquidity = self.watchlist.books[key], self.exchanges[key[0]].liquidity[key[1]]
        if message.kind is Kind.SNAPSHOT:
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


@dataclass(frozen=True, slots=True)
class _Base:
    """What nearly every part stands on."""

    settings: Settings
    journal: Journal
    bus: EventBus
    risk: RiskManager
    watchlist: Watchlist
    gateways: Mapping[Platform, PaperGateway]
    clock: Clock
    ids: Ids


def generated_tape(seed: int, *, minutes: int = 20, pairs: int = 2) -> MemoryTape:
    """Make up a tape; see `dutchbook.tape.generate`."""
    return generate(Seeded(seed), seed, minutes=minutes, pairs=pairs)


def build(
    settings: Settings,
    tape: Tape,
    journal: Journal,
    clock: Clock,
    *,
    seed: int,
    run: int = 1,
    ids: Ids | None = None,
    fence: Fence | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> Engine:
    """Join an engine that trades `tape` on paper.

    With a `fence` every commit is held against its lease, and with its file of halts every
    send; see `dutchbook.application.lease`.
    """
    ids = ids or SeededIds(seed, run)
    bus = EventBus(journal, clock, ids, fence)
    risk = RiskManager(journal, bus, clock, ids, settings.limits(), ACCOUNTS)
    watchlist, offered = Watchlist(tape.meta.pairs), Watchlist(tape.meta.pairs)
    lag = StepLag(settings.paper.lag_steps)
    exchanges, gateways = _platforms(settings, tape, clock, lag, seed)
    base = _Base(settings, journal, bus, risk, watchlist, gateways, clock, ids)
    recorder = Recorder(bus)
    holdings, queue, lifecycle = _execution(base, recorder, poll_seconds)
    judged = (queue, risk, recorder, bus, clock, ids, settings.hurdles())
    detection = DetectionService(watchlist, *judged, offered, first_leg)
    engine = Engine(
        settings,
        tape,
        journal,
        clock,
        bus,
        risk,
        watchlist,
        offered,
        queue,
        detection,
        holdings,
        recorder,
        lifecycle,
        exchanges,
        gateways,
        lag,
    )
    for platform, exchange in exchanges.items():
        exchange.on_taken = engine.taken(platform)
    return engine


def _platforms(
    settings: Settings, tape: Tape, clock: Clock, lag: StepLag, seed: int
) -> tuple[dict[Platform, PaperExchange], dict[Platform, PaperGateway]]:
    """Make both paper platforms and their gateways."""
    exchanges = {platform: _exchange(platform, settings, tape) for platform in Platform}
    plan = _fault_plan(settings, seed)
    gateways = {
        platform: PaperGateway(exchange, clock, lag, plan)
        for platform, exchange in exchanges.items()
    }
    return exchanges, gateways


def _execution(
    base: _Base, recorder: Recorder, poll_seconds: float
) -> tuple[Holdings, ExecutionQueueService, EngineLifecycleService]:
    """Join what carries opportunities through, and what owns it."""
    settings, bus, clock = base.settings, base.bus, base.clock
    announce = Announcements(bus, base.watchlist, clock)
    holdings = Holdings(bus, base.risk, announce, base.watchlist.matches)
    failures = settings.controls().failures_before_disable
    throttle = PairThrottle(base.journal, bus, base.watchlist, clock, failures)
    executions = ExecutionService(
        bus,
        base.risk,
        base.gateways,
        base.watchlist,
        holdings,
        announce,
        Conclusion(bus, base.risk, holdings, announce, clock),
        _gate(base, holdings),
        clock,
        base.ids,
        settings.hurdles(),
        Patience(settings.execution.answer_seconds, settings.execution.queries),
    )
    queue = ExecutionQueueService(
        executions,
        base.risk,
        holdings,
        throttle,
        clock,
        cool_down=timedelta(seconds=settings.execution.cool_down_seconds),
        bound=settings.execution.queue_bound,
    )
    lifecycle = _lifecycle(base, executions, queue, holdings, throttle, recorder, poll_seconds)
    return holdings, queue, lifecycle


def _gate(base: _Base, holdings: Holdings) -> Gate:
    """Join the last look at an order, which counts the fills that it hears of."""
    gate = Gate(
        lambda: base.risk.state,
        base.watchlist.books,
        base.settings.controls(),
        base.settings.hurdles().book_age,
        holdings.held,
        base.clock,
        journal=base.journal,
        fence=base.bus.fence,
    )
    base.bus.subscribe(gate.hear)
    return gate


def _lifecycle(
    base: _Base,
    executions: ExecutionService,
    queue: ExecutionQueueService,
    holdings: Holdings,
    throttle: PairThrottle,
    recorder: Recorder,
    poll_seconds: float,
) -> EngineLifecycleService:
    """Join what starts, runs and stops the engine, and does what people ask of it."""
    wait = base.settings.execution
    cancelling = Cancelling(
        base.journal, base.bus, executions, base.gateways, wait.answer_seconds
    )
    commands = Commands(base.journal, base.bus, base.risk, throttle, cancelling, base.clock)
    return EngineLifecycleService(
        base.journal,
        base.bus,
        base.risk,
        base.watchlist,
        queue,
        holdings,
        recorder,
        base.gateways,
        base.clock,
        throttle=throttle,
        commands=commands,
        cancelling=cancelling,
        limits=Limits(poll_seconds, wait.drain_seconds),
    )


def first_leg(watch: PairWatch) -> Platform:
    """Choose the platform of the first leg: the pair's own setting, else Kalshi."""
    return watch.match.primary_leg or Platform.KALSHI


def _exchange(platform: Platform, settings: Settings, tape: Tape) -> PaperExchange:
    paper = settings.paper
    cash = {
        Platform.KALSHI: paper.kalshi_cash,
        Platform.POLYMARKET: paper.polymarket_cash,
    }
    return PaperExchange(
        platform,
        (each for each in tape.meta.contracts if each.platform is platform),
        Replenishment(paper.replenishment),
        Money(cash[platform]),
    )


def _fault_plan(settings: Settings, seed: int) -> FaultPlan:
    paper = settings.paper
    rates = {fault: getattr(paper, f"fault_{fault.value}") for fault in Fault}
    return FaultPlan(
        seed=seed,
        rates=tuple((fault, rate) for fault, rate in rates.items() if rate),
        latency_ms=paper.latency_ms,
        jitter_ms=paper.jitter_ms,
        settle_ms=paper.settle_ms,
    )

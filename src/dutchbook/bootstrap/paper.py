"""An engine on paper: paper platforms, and the tape that moves their books."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.records.lease import Fence
from dutchbook.application.records.outages import Outages
from dutchbook.bootstrap.build import build
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper_world import Funding, Resolution
from dutchbook.bootstrap.surroundings import Surroundings
from dutchbook.config import Settings
from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.domain.positions.settlement import Key, Ruling
from dutchbook.domain.values.units import Money
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import Fault, FaultPlan, Window
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.platforms.paper.market import PaperMarket
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.platforms.paper.time_source import PaperTime
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.anchors import Anchors
from dutchbook.ports.hooks import Programs
from dutchbook.ports.journal import Journal
from dutchbook.ports.market_data import MarketData
from dutchbook.ports.time import Clock, Ids
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.feed import TapeFeed
from dutchbook.tape.generate import generate
from dutchbook.tape.message import MemoryTape, Tape

LATER_MS = 5_000
"""Delay in milliseconds of a late answer after the engine has stopped waiting for it."""
POLL_SECONDS = 60.0
"""Polling interval for commands when time is only the tape's.

A halt takes effect earlier, at the first entry that it rejects."""


@dataclass(frozen=True, slots=True)
class Platforms:
    """Both paper platforms, the gateways to them, and what their secondary legs wait for."""

    exchanges: Mapping[Platform, PaperExchange]
    gateways: Mapping[Platform, PaperGateway]
    lag: StepLag


@dataclass(frozen=True, slots=True)
class PaperRun:
    """An engine on paper platforms, not yet started.

    Attributes:
        engine: The engine, which knows neither the tape nor the platforms' insides.
        tape: What moves the platforms' books.
        platforms: The paper platforms.
        market: The books that the platforms show.
        funding: Gives the platforms what they hold for us by our record.
        resolution: Resolves the contracts after the end of the tape.
        results: The results of the tape's contracts, at their time or the tape's end.
    """

    engine: Engine
    tape: Tape
    platforms: Platforms
    market: PaperMarket
    funding: Funding
    resolution: Resolution
    results: dict[Key, Ruling]

    async def trade(self, run: int) -> dict[str, Any]:
        """Play the tape to its end; see `Engine.trade`."""
        settled = [gateway.settled for gateway in self.platforms.gateways.values()]
        resolving = asyncio.ensure_future(self.resolution.follow())
        try:
            return await self.engine.trade(
                run,
                checks=(self.funding.fund,),
                ends=(*settled, self.engine.exiting.merging.drained, self.resolution.resolve),
            )
        finally:
            resolving.cancel()
            await asyncio.wait({resolving})


def generated_tape(seed: int, *, minutes: int = 20, pairs: int = 2) -> MemoryTape:
    """Generate a tape; see `dutchbook.tape.generate`."""
    return generate(Seeded(seed), seed, minutes=minutes, pairs=pairs)


def build_paper(
    settings: Settings,
    tape: Tape,
    journal: Journal,
    clock: Clock,
    *,
    seed: int,
    run: int = 1,
    ids: Ids | None = None,
    pairs: Iterable[ContractMatch] | None = None,
    results: Mapping[Key, Ruling] | None = None,
    fence: Fence | None = None,
    poll_seconds: float = POLL_SECONDS,
    anchors: Anchors | None = None,
    lease_reader: Journal | None = None,
    outages: Outages | None = None,
    platforms: Platforms | None = None,
    feed: MarketData | None = None,
    programs: Programs | None = None,
    bought_until: Mapping[str, datetime] | None = None,
) -> PaperRun:
    """Build an engine that trades `pairs` on paper (see `traded_pairs`), or else the tape's.

    `results` are those of its contracts, `bought_until` is that of `Watchlist`. `platforms`
    outlive the engine, and `feed` moves their books; else they are new, and the tape moves
    them. For the rest, see `build`.
    """
    pairs = tape.meta.pairs if pairs is None else tuple(pairs)
    watchlist, offered = Watchlist(pairs, bought_until), Watchlist(pairs)
    on = platforms or _platforms(settings, tape, clock, seed)
    moving = feed or TapeFeed(tape, clock, on.lag)
    market = _market(moving, on, offered, watchlist, clock)
    around = _surroundings(settings, tape, on, market, watchlist, offered)
    engine = build(
        settings,
        around,
        journal,
        clock,
        ids or SeededIds(seed, run),
        poll_seconds=poll_seconds,
        fence=fence,
        anchors=anchors,
        lease_reader=lease_reader,
        programs=programs,
        outages=outages,
    )
    return _paper_run(engine, tape, on, market, dict(results or {}))


def _market(
    moving: MarketData, on: Platforms, offered: Watchlist, watchlist: Watchlist, clock: Clock
) -> PaperMarket:
    books = (offered.books, watchlist.books)
    return PaperMarket(moving, on.exchanges, on.gateways, on.lag, *books, clock)


def _surroundings(
    settings: Settings,
    tape: Tape,
    on: Platforms,
    market: PaperMarket,
    watchlist: Watchlist,
    offered: Watchlist,
) -> Surroundings:
    """Return what an engine on paper is built into."""
    return Surroundings(
        mode="paper",
        gateways=on.gateways,
        accounts=ACCOUNTS,
        data=market,
        polled=tape.meta.polled,
        ended="the tape ended",
        times=(PaperTime(settings.paper.clock_offset_ms),),
        contracts=tape.meta.contracts,
        watchlist=watchlist,
        offered=offered,
        opening=_opening(settings),
    )


def _paper_run(
    engine: Engine,
    tape: Tape,
    on: Platforms,
    market: PaperMarket,
    results: dict[Key, Ruling],
) -> PaperRun:
    """Join the engine with what its platforms need at a start and at an end."""
    capital, watchlist = engine.risk.capital, engine.watchlist
    resolution = Resolution(
        results,
        on.exchanges,
        market,
        engine.exiting.settlement,
        engine.clock,
        timedelta(milliseconds=engine.settings.paper.settle_ms),
        engine.stopping,
    )
    funding = Funding(engine.journal, capital, watchlist, on.exchanges, on.gateways)
    return PaperRun(engine, tape, on, market, funding, resolution, results)


def _opening(settings: Settings) -> dict[Platform, Money]:
    """Return the dollars that each paper platform begins with."""
    paper = settings.paper
    return {
        Platform.KALSHI: Money(paper.kalshi_cash),
        Platform.POLYMARKET: Money(paper.polymarket_cash),
    }


def _platforms(settings: Settings, tape: Tape, clock: Clock, seed: int) -> Platforms:
    """Create both paper platforms for the contracts of a tape, and their gateways."""
    cash, lag = _opening(settings), StepLag(settings.paper.lag_steps)
    exchanges = {
        platform: PaperExchange(
            platform,
            (each for each in tape.meta.contracts if each.platform is platform),
            Replenishment(settings.paper.replenishment),
            cash[platform],
            top_only=tape.meta.top_only,
        )
        for platform in Platform
    }
    gateways = {
        platform: PaperGateway(
            exchange, clock, lag, _fault_plan(platform, settings, tape, seed)
        )
        for platform, exchange in exchanges.items()
    }
    return Platforms(exchanges, gateways, lag)


def _fault_plan(platform: Platform, settings: Settings, tape: Tape, seed: int) -> FaultPlan:
    """Return the plan of faults on a paper platform; only Kalshi's reads lag."""
    paper = settings.paper
    lag = (paper.kalshi_lag_least_ms, paper.kalshi_lag_most_ms)
    rates = {fault: getattr(paper, f"fault_{fault.value}") for fault in Fault}
    return FaultPlan(
        seed=seed,
        rates=tuple((fault, rate) for fault, rate in rates.items() if rate),
        latency_ms=paper.latency_ms,
        jitter_ms=paper.jitter_ms,
        lag_ms=lag if platform is Platform.KALSHI else (0, 0),
        settle_ms=paper.settle_ms,
        match_ms=paper.lag_ms,
        polled=tape.meta.polled,
        late_ms=1000 * settings.execution.answer_seconds + LATER_MS,
        windows=tuple(
            Window(platform, tape.meta.first + begins, tape.meta.first + ends, outage=outage)
            for name, outage in (("silences", False), ("outages", True))
            for platform, begins, ends in paper.windows(name)
        ),
    )

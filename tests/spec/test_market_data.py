"""Market data on its way: the tape's feed, what paper platforms show, the engine's books."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from support.pairs import NOW, contract, pair
from support.tapes import CHEAP, CUP, FAIR, RICH, polls

from dutchbook.application.market.contract_facts import ContractFacts
from dutchbook.application.market.feed import MarketFeed
from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.domain.market.book import ASK, Trust
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Key
from dutchbook.domain.values.units import ZERO, PriceGrid
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import FaultPlan, Window
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.platforms.paper.market import PaperMarket
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.ports.market_data import BookUpdate, GridChange, MarketListener
from dutchbook.ports.time import Clock
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.feed import TapeFeed
from dutchbook.tape.message import MemoryTape

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
KEYS: tuple[Key, ...] = tuple(CUP.items())
Heard = list[tuple[Any, ...]]


class Ear:
    """Notes every call of a feed, and those of a tape's steps."""

    def __init__(self) -> None:
        self.heard: Heard = []
        self.updates: list[BookUpdate] = []

    def session_began(self) -> None:
        self.heard.append(("session",))

    def connected(self, platform: Platform) -> None:
        self.heard.append(("connected", platform))

    def updated(self, update: BookUpdate) -> None:
        self.heard.append(("update", update.platform))
        self.updates.append(update)

    def grid_changed(self, change: GridChange) -> None:
        self.heard.append(("grid", change.platform, change.grid.finest))

    def resolved(self, platform: Platform, contract_id: str) -> None:
        self.heard.append(("resolved", platform, contract_id))

    def gap(self, platform: Platform) -> None:
        self.heard.append(("gap", platform))

    def session_ended(self) -> None:
        self.heard.append(("over",))

    def began(self, step: int) -> None:
        self.heard.append(("step", step))

    def ended(self, step: int) -> None:
        self.heard.append(("step over", step))


class Pushed:
    """`MarketData` that does a test's work."""

    def __init__(self, work: Callable[[MarketListener], Awaitable[None]]) -> None:
        self._work = work
        self.keys: set[Key] = set()

    def subscribe(self, keys: Iterable[Key]) -> None:
        self.keys.update(keys)

    async def run(self, listener: MarketListener) -> None:
        await self._work(listener)


def cup(platform: Platform, bid: int, ask: int, *, whole: bool = True) -> BookUpdate:
    """Return an update with a hundred contracts at each price, in cents of YES."""
    hundred = 100_000_000
    bids, asks = ((bid * 100, hundred),), ((ask * 100, hundred),)
    return BookUpdate(platform, CUP[platform], whole, bids, asks, sequence=7)


# The tape's feed ------------------------------------------------------------------------------


def played(tape: MemoryTape, keys: Iterable[Key], seconds: float | None = None) -> Heard:
    """Play a tape, at most for some seconds, and return what was heard."""

    async def main() -> Heard:
        ear = Ear()
        feed = TapeFeed(tape, TapeClock(NOW), ear)
        feed.subscribe(keys)
        playing = asyncio.ensure_future(feed.run(ear))
        await asyncio.wait({playing}, timeout=seconds)
        playing.cancel()
        await asyncio.wait({playing})
        assert playing.cancelled() is (seconds is not None)
        return ear.heard

    return run_virtual(main())


BEGINS: Heard = [
    ("gap", KALSHI),
    ("gap", POLYMARKET),
    ("session",),
    ("connected", KALSHI),
    ("connected", POLYMARKET),
]


def step(number: int) -> Heard:
    updates: Heard = [("update", KALSHI), ("update", POLYMARKET)]
    return [("step", number), *updates, ("step over", number)]


def test_a_tape_pushes_each_session_from_its_gap_to_its_end() -> None:
    once = polls(CHEAP, FAIR)
    hour = timedelta(hours=1)
    later = [replace(m, at=m.at + hour, step=m.step + 2, session=1) for m in once.rows]

    heard = played(MemoryTape(once.meta, [*once.rows, *later]), KEYS)

    first = [*BEGINS, *step(0), *step(1), ("over",)]
    assert heard == [*first, *BEGINS, *step(2), *step(3), ("over",)]


def test_a_gap_on_a_tape_is_told_before_the_message_that_follows_it() -> None:
    once = polls(CHEAP, FAIR)
    rows = [replace(m, gaps=(KALSHI,)) if m.step == 1 else m for m in once.rows[:3]]

    heard = played(MemoryTape(once.meta, rows), KEYS)

    told = [each for each in heard[len(BEGINS) :] if each[0] in ("gap", "update")]
    assert told == [("update", KALSHI), ("update", POLYMARKET), ("gap", KALSHI), told[-1]]


def test_another_grid_on_a_tape_is_pushed_before_the_update_and_only_if_subscribed() -> None:
    once = polls(CHEAP)
    grid = PriceGrid.of_tick("0.001")
    changes = tuple(GridChange(each, CUP[each], grid) for each in Platform)
    rows = [replace(once.rows[0], grids=changes)]

    heard = played(MemoryTape(once.meta, rows), [(KALSHI, CUP[KALSHI])])

    told = [each for each in heard[len(BEGINS) :] if each[0] in ("grid", "update")]
    assert [each[0] for each in told] == ["grid", "update"]


def test_only_the_books_of_subscribed_contracts_are_pushed() -> None:
    heard = played(polls(CHEAP), [(KALSHI, CUP[KALSHI])])

    assert [each for each in heard if each[0] == "update"] == [("update", KALSHI)]


def test_a_tape_that_is_cancelled_ends_its_session_first() -> None:
    heard = played(polls(CHEAP, FAIR), KEYS, seconds=2)

    assert heard == [*BEGINS, *step(0), ("over",)]


def test_a_contract_can_be_subscribed_while_the_tape_plays() -> None:
    async def main() -> list[Platform]:
        ear = Ear()
        feed = TapeFeed(polls(CHEAP, FAIR), TapeClock(NOW), ear)
        feed.subscribe(KEYS[:1])
        playing = asyncio.ensure_future(feed.run(ear))
        await asyncio.sleep(2)
        feed.subscribe(KEYS[1:])
        await playing
        return [each.platform for each in ear.updates]

    assert run_virtual(main()) == [KALSHI, KALSHI, POLYMARKET]


# What paper platforms show --------------------------------------------------------------------


class Paper:
    """Paper platforms over what a test pushes, and an ear in the engine's place."""

    def __init__(self, *silences: Window) -> None:
        self.clock, self.ear, self.lag = TapeClock(NOW), Ear(), StepLag(1)
        self.exchanges = {
            platform: PaperExchange(platform, [contract(platform)], Replenishment.NEVER, ZERO)
            for platform in Platform
        }
        gateways = {
            platform: PaperGateway(each, self.clock, self.lag, FaultPlan(windows=silences))
            for platform, each in self.exchanges.items()
        }
        self.offered, self.shown = Watchlist([pair()]), Watchlist([pair()])
        self.feed = Pushed(self._push)
        self.market = PaperMarket(
            self.feed,
            self.exchanges,
            gateways,
            self.lag,
            self.offered.books,
            self.shown.books,
            self.clock,
        )
        self.market.subscribe(KEYS)
        self.work: Callable[[MarketListener], Awaitable[None]]

    async def _push(self, listener: MarketListener) -> None:
        await self.work(listener)

    @property
    def updates(self) -> list[BookUpdate]:
        """What the engine received."""
        return self.ear.updates

    def take(self, cents: int, contracts: int) -> None:
        """Take contracts that Kalshi offers, as a trade of ours does."""
        exchange, size = self.exchanges[KALSHI], contracts * 1_000_000
        liquidity = exchange.liquidity[CUP[KALSHI]]
        liquidity.take(ASK, cents * 100, size)
        left = liquidity.left(ASK, cents * 100)
        exchange.on_taken(CUP[KALSHI], ASK, cents * 100, left)


def on_paper(
    work: Callable[[Paper, MarketListener], Awaitable[None]], *silences: Window
) -> Paper:
    """Let `work` push to paper platforms, and return them."""

    async def main() -> Paper:
        paper = Paper(*silences)
        paper.work = partial(work, paper)
        await paper.market.run(paper.ear)
        return paper

    return run_virtual(main())


def test_the_engine_sees_a_book_less_what_it_took_and_offers_are_counted_whole() -> None:
    async def work(paper: Paper, listener: MarketListener) -> None:
        listener.updated(cup(KALSHI, 38, 40))
        paper.take(40, 30)
        listener.updated(cup(KALSHI, 38, 40))
        listener.updated(cup(KALSHI, 37, 40, whole=False))

    paper = on_paper(work)

    _, whole, change = paper.updates
    assert (whole.whole, whole.asks) == (True, ((4_000, 70_000_000),))
    assert (change.whole, change.asks) == (False, ((4_000, 70_000_000),))
    assert (change.sequence, change.bids) == (7, ((3_700, 100_000_000),))
    assert paper.offered.books[KALSHI, CUP[KALSHI]].asks == {4_000: 100_000_000}
    assert paper.feed.keys == set(KEYS)


def test_a_trade_of_ours_changes_the_shown_book_and_is_no_update() -> None:
    async def work(paper: Paper, listener: MarketListener) -> None:
        listener.updated(cup(KALSHI, 38, 40))
        cup(KALSHI, 38, 40).apply_to(paper.shown.books[KALSHI, CUP[KALSHI]])
        paper.take(40, 30)

    paper = on_paper(work)

    assert len(paper.updates) == 1
    assert paper.shown.books[KALSHI, CUP[KALSHI]].asks == {4_000: 70_000_000}


def test_the_first_update_after_a_silence_is_a_whole_book() -> None:
    second = timedelta(seconds=1)
    silence = Window(KALSHI, NOW + second, NOW + 3 * second, outage=False)

    async def work(_: Paper, listener: MarketListener) -> None:
        for bid in (38, 37, 36, 35):
            listener.updated(cup(KALSHI, bid, 40, whole=bid == 38))
            await asyncio.sleep(1)

    paper = on_paper(work, silence)

    before, back = paper.updates
    assert (before.whole, [price for price, _ in before.bids]) == (True, [3_800])
    assert (back.whole, [p for p, _ in back.bids]) == (True, [3_800, 3_700, 3_600, 3_500])
    assert paper.market.missed == set()


def test_a_gap_empties_a_platforms_offers_too_and_only_there() -> None:
    async def work(_: Paper, listener: MarketListener) -> None:
        for platform in Platform:
            listener.updated(cup(platform, 38, 40))
        listener.gap(KALSHI)

    paper = on_paper(work)

    left = {p: each.liquidity[CUP[p]].available(ASK) for p, each in paper.exchanges.items()}
    assert left == {KALSHI: (), POLYMARKET: ((4_000, 100_000_000),)}
    asks = {p: paper.offered.books[p, CUP[p]].asks for p in Platform}
    assert asks == {KALSHI: {}, POLYMARKET: {4_000: 100_000_000}}
    assert paper.ear.heard[-1] == ("gap", KALSHI)


def test_a_new_grid_holds_on_its_platform_and_is_told_unless_the_stream_is_silent() -> None:
    second, fine = timedelta(seconds=1), PriceGrid.of_tick("0.001")
    silence = Window(KALSHI, NOW, NOW + second, outage=False)

    async def work(_: Paper, listener: MarketListener) -> None:
        for platform in Platform:
            listener.updated(cup(platform, 38, 40))
            listener.grid_changed(GridChange(platform, CUP[platform], fine))
            listener.updated(cup(platform, 38, 40, whole=False))

    paper = on_paper(work, silence)

    grids = {p: each.contracts[CUP[p]].grid for p, each in paper.exchanges.items()}
    assert grids == dict.fromkeys(Platform, fine)
    grid = ("grid", POLYMARKET, fine.finest)
    assert paper.ear.heard == [("update", POLYMARKET), grid, ("update", POLYMARKET)]
    assert paper.updates[-1].whole, "a whole book comes after a new grid"


def test_a_session_of_paper_is_one_of_the_engine_and_its_end_releases_waiting_orders() -> None:
    async def work(paper: Paper, listener: MarketListener) -> None:
        listener.session_began()
        listener.connected(KALSHI)
        waiting = asyncio.ensure_future(paper.lag.wait())
        await asyncio.sleep(1)
        assert not waiting.done()
        listener.session_ended()
        await waiting

    paper = on_paper(work)

    assert paper.ear.heard == [("session",), ("connected", KALSHI), ("over",)]


# The engine's books ---------------------------------------------------------------------------


THEIRS = NOW - timedelta(milliseconds=40)
"""A platform's own time of a message."""


class Follower:
    """Notes the changed books, as they are by then."""

    def __init__(self, watchlist: Watchlist) -> None:
        self.watchlist = watchlist
        self.seen: list[tuple[Key, int, Trust]] = []

    def book_changed(self, key: Key) -> None:
        book = self.watchlist.books[key]
        self.seen.append((key, book.best_bid, book.trust))


def facts_of(watchlist: Watchlist, clock: Clock) -> ContractFacts:
    """Return the facts of contracts, with nobody who reads them again or records them."""
    nobody: Any = None
    return ContractFacts(watchlist, {}, nobody, clock, timedelta(seconds=1))


class Engine:
    """The engine's end of the market data, over what a test pushes."""

    def __init__(self, work: Callable[[MarketListener], Awaitable[None]]) -> None:
        self.clock, self.watchlist, self.sessions = (
            TapeClock(NOW),
            Watchlist([pair()]),
            Sessions(),
        )
        self.follower, self.data = Follower(self.watchlist), Pushed(work)
        self.stopping = asyncio.Event()
        self.feed = MarketFeed(
            self.data,
            self.watchlist,
            facts_of(self.watchlist, self.clock),
            self.sessions,
            (self.follower,),
            self.clock,
        )

    async def run(self) -> Engine:
        await self.feed.run(self.stopping)
        return self


def test_a_book_is_changed_and_trusted_before_anyone_acts_on_it() -> None:
    async def work(listener: MarketListener) -> None:
        listener.session_began()
        listener.updated(cup(KALSHI, 38, 40))
        listener.updated(replace(cup(KALSHI, 41, 40), platform_time=THEIRS))
        listener.session_ended()

    async def main() -> Engine:
        return await Engine(work).run()

    engine = run_virtual(main())

    key, book = KEYS[0], engine.watchlist.books[KEYS[0]]
    assert engine.follower.seen == [(key, 3_800, Trust.LIVE), (key, 4_100, Trust.SUSPECT)]
    assert (book.updated_at, book.platform_time, book.sequence) == (NOW, THEIRS, 7)
    assert engine.data.keys == set(KEYS)
    assert not engine.sessions.running


def test_after_a_gap_no_book_of_the_platform_is_trusted_and_the_others_are() -> None:
    async def work(listener: MarketListener) -> None:
        for platform in Platform:
            listener.updated(replace(cup(platform, 38, 40), platform_time=THEIRS))
        listener.gap(KALSHI)

    async def main() -> Engine:
        return await Engine(work).run()

    books = run_virtual(main()).watchlist.books

    assert {key: book.trust for key, book in books.items()} == {
        KEYS[0]: Trust.SYNCING,
        KEYS[1]: Trust.LIVE,
    }
    assert [books[key].platform_time for key in KEYS] == [None, THEIRS]


def test_a_book_is_live_only_once_it_was_whole() -> None:
    async def main() -> Engine:
        return await Engine(work).run()

    async def work(listener: MarketListener) -> None:
        for update in (
            cup(KALSHI, 38, 40, whole=False),
            cup(KALSHI, 38, 40),
            cup(KALSHI, 37, 41, whole=False),
        ):
            listener.updated(update)
        listener.gap(KALSHI)
        listener.updated(cup(KALSHI, 38, 40, whole=False))

    seen = [trust for _, _, trust in run_virtual(main()).follower.seen]

    assert seen == [Trust.SYNCING, Trust.LIVE, Trust.LIVE, Trust.SYNCING]


@pytest.mark.parametrize("signal", ["gap", "connected"])
def test_silence_counts_from_a_gap_or_a_connection_and_not_from_before(signal: str) -> None:
    async def work(listener: MarketListener) -> None:
        listener.session_began()
        listener.updated(cup(POLYMARKET, 38, 40))
        await asyncio.sleep(3_600)
        getattr(listener, signal)(KALSHI)
        await asyncio.sleep(5)

    async def main() -> list[timedelta]:
        engine = await Engine(work).run()
        streams = Streams(engine.watchlist, engine.sessions, heartbeat=False)
        found = (streams.of(p, engine.clock.now(), timedelta(minutes=1)) for p in Platform)
        return [each.silent_for for each in found if each is not None]

    assert run_virtual(main()) == [timedelta(seconds=5), timedelta(seconds=3_605)]


def test_a_new_session_forgets_the_connections_of_the_last() -> None:
    sessions = Sessions()
    sessions.began(NOW)
    sessions.stream_changed(KALSHI, NOW + timedelta(seconds=5))

    sessions.began(NOW + timedelta(hours=1))

    assert sessions.stream_since(KALSHI) == NOW + timedelta(hours=1)
    assert Sessions().stream_since(KALSHI) is None


def test_a_feed_without_an_end_is_left_when_a_person_asks_to_stop() -> None:
    left: list[str] = []

    async def work(listener: MarketListener) -> None:
        listener.session_began()
        try:
            await asyncio.Event().wait()
        finally:
            left.append("closed")

    async def main() -> None:
        engine = Engine(work)
        following = asyncio.ensure_future(engine.run())
        await asyncio.sleep(60)
        assert not following.done()
        engine.stopping.set()
        await following

    run_virtual(main())

    assert left == ["closed"]


def test_an_error_of_a_feed_ends_the_run() -> None:
    async def work(listener: MarketListener) -> None:
        listener.session_began()
        raise ArithmeticError("a bug")

    async def main() -> None:
        await Engine(work).run()

    with pytest.raises(ArithmeticError, match="a bug"):
        run_virtual(main())


def test_a_cancelled_engine_leaves_no_feed_behind() -> None:
    left: list[str] = []

    async def work(listener: MarketListener) -> None:
        listener.updated(cup(KALSHI, 38, 40))
        try:
            await asyncio.Event().wait()
        finally:
            left.append("closed")

    async def main() -> None:
        following = asyncio.ensure_future(Engine(work).run())
        await asyncio.sleep(1)
        following.cancel()
        await asyncio.wait({following})
        await asyncio.sleep(0)

    run_virtual(main())

    assert left == ["closed"]


@pytest.mark.parametrize(
    ("tick", "kept"), [("0.001", True), ("0.02", False)], ids=["finer", "off it"]
)
def test_a_new_grid_holds_at_once_and_a_book_off_it_waits_for_a_whole_one(
    tick: str, kept: bool
) -> None:
    grid = PriceGrid.of_tick(tick)

    async def work(listener: MarketListener) -> None:
        listener.updated(cup(KALSHI, 38, 41))
        listener.grid_changed(GridChange(KALSHI, CUP[KALSHI], grid))

    async def main() -> Engine:
        return await Engine(work).run()

    watchlist = run_virtual(main()).watchlist
    book = watchlist.books[KALSHI, CUP[KALSHI]]
    assert (book.trust is Trust.LIVE, bool(book.bids)) == (kept, kept)
    match = watchlist.pairs["cup"].match
    assert (match.kalshi.grid, watchlist.matches["cup"]) == (grid, match)
    assert watchlist.contracts[KALSHI, CUP[KALSHI]] == match.kalshi


@pytest.mark.parametrize(
    ("price", "size", "off"),
    [(3_850, 5, True), (3_800, 5, False), (3_850, 0, False)],
    ids=["between", "on", "a level that goes"],
)
def test_a_book_with_a_price_off_its_grid_is_untrusted(
    price: int, size: int, off: bool
) -> None:
    async def work(listener: MarketListener) -> None:
        listener.updated(cup(KALSHI, 38, 41))
        listener.updated(BookUpdate(KALSHI, CUP[KALSHI], False, ((price, size),), ()))

    async def main() -> Engine:
        return await Engine(work).run()

    book = run_virtual(main()).watchlist.books[KALSHI, CUP[KALSHI]]
    reason = book.untrusted_because(NOW, timedelta(seconds=5))
    assert reason == ("book_off_grid" if off else None)


def test_books_pushed_by_a_tape_reach_the_engine_through_paper() -> None:
    """The whole chain: the tape's feed, the platforms, the engine's books."""

    async def main() -> dict[Platform, tuple[int, int]]:
        paper, watchlist, sessions = Paper(), Watchlist([pair()]), Sessions()
        tape = TapeFeed(polls(CHEAP, FAIR, RICH), paper.clock, paper.lag)
        tape.subscribe(KEYS)
        paper.work = tape.run
        facts = facts_of(watchlist, paper.clock)
        feed = MarketFeed(paper.market, watchlist, facts, sessions, (), paper.clock)
        await feed.run(asyncio.Event())
        books = watchlist.books
        return {p: (books[p, CUP[p]].best_bid, books[p, CUP[p]].best_ask) for p in Platform}

    assert run_virtual(main()) == {KALSHI: (6_000, 6_200), POLYMARKET: (4_300, 4_500)}

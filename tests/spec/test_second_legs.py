"""Probes of second legs: quotes of edges, looked at again when a leg would meet them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from support.memory_journal import MemoryJournal
from support.pairs import NOW, RICH, cheap_books, pair
from support.trades import EXECUTION, leg_state

from dutchbook.application.market.second_legs import EVERY, SecondLegs
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.records.second_legs import NAME, Known, read
from dutchbook.application.views.second_legs import second_legs
from dutchbook.domain.detection.quote import Hurdles
from dutchbook.domain.events import OrderFilled, OrderPlaced
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.second_leg import Evidence
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Price, Quantity
from dutchbook.errors import StorageError
from dutchbook.ports.journal import Batch
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

KALSHI, POLYMARKET = Platform
CUP = pair()
FEES = Decimal("0.07") * (Decimal("0.40") * Decimal("0.60") + Decimal("0.38") * Decimal("0.62"))
LAG = 2.0
"""Seconds: one for each leg, as long as nothing was measured."""


@dataclass
class At:
    """A service on the books of one pair."""

    legs: SecondLegs
    watchlist: Watchlist
    clock: TapeClock
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def change(self, platform: Platform, *levels: tuple[int, int, int]) -> None:
        """Change levels of a book: a side, a price in cents, whole contracts."""
        key = platform, f"{platform}-cup"
        book = self.watchlist.books[key]
        for side, cents, size in levels:
            book.apply(side, cents * 100, size * 1_000_000)
        for each in self.watchlist.books.values():
            each.touch(self.clock.now(), 1)
        self.legs.book_changed(key)

    def edge(self) -> None:
        """Show an edge: both books of one moment, with what `cheap_books` holds."""
        for platform, book in cheap_books().items():
            shown = self.watchlist.books[platform, f"{platform}-cup"]
            shown.replace(book.bids.items(), book.asks.items())
            shown.touch(self.clock.now(), 1)
        for platform in Platform:
            self.legs.book_changed((platform, f"{platform}-cup"))

    def seen(self, second: Platform) -> tuple[int, int]:
        """Return the looks at a platform's quotes and how many were gone, nothing faded."""
        known = self.legs.evidence.get(("cup", second), Evidence())
        return round(known.looks), round(known.missed)


def beside(work: Callable[[At], Awaitable[Any]], journal: MemoryJournal | None = None) -> Any:
    """Do something with a service that runs, and stop it."""

    async def main() -> Any:
        clock, kept = TapeClock(NOW), journal or MemoryJournal()
        watchlist = Watchlist([CUP])
        committer: Any = SimpleNamespace(commit=kept.commit)
        legs = SecondLegs(kept, watchlist, committer, clock, Hurdles(), lambda _: RICH)
        await legs.start()
        running = asyncio.ensure_future(legs.run())
        found = await work(At(legs, watchlist, clock, kept))
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return found

    return run_virtual(main())


def placed(name: str, pair_id: str = "cup", platform: Platform = KALSHI) -> OrderPlaced:
    stamp: Any = None
    terms = (Side.BUY, Outcome.YES, Price(Decimal("0.4")), Quantity(Decimal(10)))
    return OrderPlaced(stamp, name, "e", pair_id, platform, *terms)


def filled(name: str, platform: Platform = KALSHI) -> OrderFilled:
    told: Any = dict.fromkeys(OrderFilled.__slots__)
    return OrderFilled(**told | {"stamp": None, "order_id": name, "platform": platform})


# Probes --------------------------------------------------------------------------------------


def test_quotes_that_still_stand_when_a_leg_would_meet_them_are_no_misses() -> None:
    async def work(at: At) -> Any:
        at.edge()
        await at.clock.sleep(LAG - 0.1)
        early = at.seen(KALSHI)
        await at.clock.sleep(0.2)
        return early, at.seen(KALSHI), at.seen(POLYMARKET)

    assert beside(work) == ((0, 0), (1, 0), (1, 0))


def test_a_quote_that_is_gone_by_then_is_a_miss_of_its_platform_alone() -> None:
    async def work(at: At) -> Any:
        at.edge()
        await at.clock.sleep(LAG / 2)
        at.change(POLYMARKET, (BID, 47, 0))
        await at.clock.sleep(LAG)
        return at.seen(KALSHI), at.seen(POLYMARKET)

    assert beside(work) == ((1, 0), (1, 1))


@pytest.mark.parametrize(("left", "missed"), [(200, 0), (199, 1)])
def test_it_is_gone_if_less_is_offered_at_its_price_or_better(left: int, missed: int) -> None:
    """A hundred at 40 and as many at 39 are the two hundred that were there."""

    async def work(at: At) -> Any:
        at.edge()
        at.change(KALSHI, (ASK, 40, 100), (ASK, 39, left - 100))
        await at.clock.sleep(LAG + 0.1)
        return at.seen(KALSHI)

    assert beside(work) == (1, missed)


def test_no_more_is_looked_for_than_an_entry_could_buy() -> None:
    """A position costs at most 300 dollars, and a pair about one."""

    async def work(at: At) -> Any:
        at.edge()
        at.change(POLYMARKET, (BID, 47, 300))
        await at.clock.sleep(LAG + 0.1)
        return at.seen(POLYMARKET)

    assert beside(work) == (1, 0)


def test_a_quote_is_tried_once_and_tried_again_once_it_has_changed() -> None:
    async def work(at: At) -> Any:
        at.edge()
        for _ in range(5):
            await at.clock.sleep(EVERY.total_seconds() + 0.1)
            at.edge()
        await at.clock.sleep(LAG)
        once = at.seen(KALSHI)
        at.change(KALSHI, (ASK, 40, 150))
        await at.clock.sleep(LAG + 0.1)
        return once, at.seen(KALSHI), at.seen(POLYMARKET)

    assert beside(work) == ((1, 0), (2, 0), (1, 0))


def test_a_pair_is_probed_once_a_second_at_most() -> None:
    async def work(at: At) -> Any:
        at.edge()
        for number in range(8):
            await at.clock.sleep(0.1)
            at.change(KALSHI, (ASK, 40, 150 + number))
        await at.clock.sleep(LAG)
        return at.seen(KALSHI)

    assert beside(work) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(((ASK, 40, 0), (ASK, 41, 0), (ASK, 47, 100)), id="no edge after fees"),
        pytest.param(((ASK, 40, 0), (ASK, 41, 0)), id="no offer"),
    ],
)
def test_what_is_no_edge_is_not_probed(change: tuple[tuple[int, int, int], ...]) -> None:
    async def work(at: At) -> Any:
        for platform, book in cheap_books().items():
            shown = at.watchlist.books[platform, f"{platform}-cup"]
            shown.replace(book.bids.items(), book.asks.items())
        at.change(KALSHI, *change)
        await at.clock.sleep(LAG + 1)
        return at.seen(KALSHI), at.seen(POLYMARKET)

    assert beside(work) == ((0, 0), (0, 0))


def test_books_of_two_moments_are_not_probed() -> None:
    async def work(at: At) -> Any:
        at.edge()
        at.legs._probes.clear()
        await at.clock.sleep(4)
        book = at.watchlist.books[KALSHI, "kalshi-cup"]
        book.apply(ASK, 4_000, 150_000_000)
        book.touch(at.clock.now(), 2)
        at.legs.book_changed((KALSHI, "kalshi-cup"))
        await at.clock.sleep(LAG + 0.1)
        return at.seen(KALSHI)

    assert beside(work) == (0, 0)


def test_a_book_that_is_not_trusted_by_then_says_nothing() -> None:
    async def work(at: At) -> Any:
        at.edge()
        at.watchlist.books[POLYMARKET, "polymarket-cup"].clear()
        await at.clock.sleep(LAG + 0.1)
        return at.seen(KALSHI), at.seen(POLYMARKET)

    assert beside(work) == ((1, 0), (0, 0))


@pytest.mark.parametrize(("pair_id", "looks"), [("cup", 0), ("another", 1)])
def test_what_an_order_of_ours_may_take_is_not_looked_at(pair_id: str, looks: int) -> None:
    async def work(at: At) -> Any:
        at.edge()
        at.legs.on_event(placed("o", pair_id), 1)
        await at.clock.sleep(LAG + 0.1)
        return at.seen(KALSHI)

    assert beside(work) == (looks, 0)


@pytest.mark.parametrize(("later", "looks"), [(LAG - 0.2, 0), (LAG + 0.2, 1)])
def test_after_an_order_of_ours_a_pair_is_probed_once_both_legs_had_their_time(
    later: float, looks: int
) -> None:
    async def work(at: At) -> Any:
        at.legs.on_event(placed("o"), 1)
        await at.clock.sleep(later)
        at.edge()
        await at.clock.sleep(LAG + 0.1)
        return at.seen(KALSHI)

    assert beside(work) == (looks, 0)


# Executions of our own -----------------------------------------------------------------------


@pytest.mark.parametrize("first", list(Platform))
@pytest.mark.parametrize(
    ("phase", "filled", "seen"),
    [
        (Phase.HEDGED, ("10", "10"), (1, 0)),
        (Phase.EXPOSED, ("10", "4"), (1, 1)),
        (Phase.FAILED, ("0", "0"), (0, 0)),
    ],
)
def test_an_execution_that_ends_is_a_look_at_its_second_leg(
    first: Platform, phase: Phase, filled: tuple[str, str], seen: tuple[int, int]
) -> None:
    legs = [
        replace(leg_state(p), filled=Quantity(Decimal(each)))
        for p, each in zip((first, first.other), filled, strict=True)
    ]

    async def work(at: At) -> Any:
        at.legs.ended(replace(EXECUTION, primary=legs[0], secondary=legs[1], phase=phase))
        return at.seen(first.other), at.seen(first)

    assert beside(work) == (seen, (0, 0))


# How long a leg takes ------------------------------------------------------------------------


def test_a_leg_takes_a_second_until_orders_were_measured() -> None:
    """Four orders of five seconds weigh as much as the second that was assumed."""

    async def work(at: At) -> Any:
        before = at.legs.lag(POLYMARKET)
        for number in range(4):
            at.legs.on_event(placed(f"o{number}"), 1)
            await at.clock.sleep(5)
            at.legs.on_event(filled(f"o{number}"), 1)
        return before, at.legs.lag(POLYMARKET), at.legs.lag(KALSHI)

    four = timedelta(seconds=4)
    assert beside(work) == (timedelta(seconds=2), four, four)


@pytest.mark.parametrize(("took", "lag"), [(30, 1 + 34 / 5), (31, 2)])
def test_what_an_inquiry_answered_is_no_measurement(took: int, lag: float) -> None:
    async def work(at: At) -> Any:
        at.legs.on_event(placed("o"), 1)
        await at.clock.sleep(took)
        at.legs.on_event(filled("o"), 1)
        at.legs.on_event(filled("o"), 1)
        at.legs.on_event(filled("of an earlier run"), 1)
        return at.legs.lag(KALSHI).total_seconds()

    assert beside(work) == lag


def test_events_that_are_delivered_again_measure_nothing() -> None:
    async def work(at: At) -> Any:
        at.legs.on_event(placed("o"), 0)
        await at.clock.sleep(5)
        at.legs.on_event(filled("o"), 1)
        return at.legs.lag(KALSHI).total_seconds()

    assert beside(work) == LAG


# What is kept --------------------------------------------------------------------------------


def test_what_was_seen_is_written_once_a_minute_and_read_by_the_next_engine() -> None:
    journal = MemoryJournal()

    async def work(at: At) -> Any:
        at.edge()
        await at.clock.sleep(50)
        early = await journal.rows("system_metadata", {"key": NAME})
        await at.clock.sleep(20)
        first = (await journal.rows("system_metadata", {"key": NAME}))[0]["value"]
        at.change(KALSHI, (ASK, 40, 150))
        await at.clock.sleep(LAG + 1)
        await at.legs.drained()
        return early, first, at.legs.evidence

    early, first, last = beside(work, journal)

    async def next_engine(at: At) -> Any:
        return at.legs.evidence, await second_legs(at.journal)

    kept, shown = beside(next_engine, journal)
    assert early == []
    assert {key: round(each.looks) for key, each in read(first).evidence.items()} == {
        ("cup", KALSHI): 1, ("cup", POLYMARKET): 1,
    }  # fmt: skip
    assert {key: round(each.looks) for key, each in kept.items()} == {
        key: round(each.looks) for key, each in last.items()
    }
    assert [(each["first"], round(each["looks"])) for each in shown] == [
        ("kalshi", 1), ("polymarket", 2),
    ]  # fmt: skip
    assert [each["chance"] for each in shown] == [Decimal("0.082"), Decimal("0.446")]


def test_nothing_new_is_not_written() -> None:
    async def work(at: At) -> Any:
        commits: list[Batch] = []

        async def counted(batch: Batch) -> None:
            commits.append(batch)

        at.legs._committer.commit = counted  # type: ignore[assignment, method-assign]
        await at.clock.sleep(200)
        await at.legs.drained()
        return commits

    assert beside(work) == []


def test_what_has_faded_is_forgotten() -> None:
    seen = Evidence(Decimal(1), Decimal(1), NOW)
    known = Known({("cup", KALSHI): seen, ("old", KALSHI): seen})

    text = known.written(NOW + timedelta(hours=4))
    assert read(text).evidence.keys() == {("cup", KALSHI), ("old", KALSHI)}
    assert read(known.written(NOW + timedelta(hours=5))).evidence == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"seen": 1, "lags_us": {}}', '{"seen": [["cup"]], "lags_us": {}}',
        '{"seen": [["cup", "moon", "1", "1", "2026-07-05"]], "lags_us": {}}',
        '{"seen": [["cup", "kalshi", "x", "1", "2026-07-05"]], "lags_us": {}}',
        '{"seen": [], "lags_us": []}', '{"seen": [], "lags_us": {"kalshi": "x"}}',
    ],
)  # fmt: skip
def test_a_damaged_row_is_named(text: str) -> None:
    with pytest.raises(StorageError, match="system_metadata: second_legs is damaged"):
        read(text)


def test_without_a_row_nothing_is_shown() -> None:
    async def work(at: At) -> Any:
        return await second_legs(at.journal)

    assert beside(work) == []


# What goes first -----------------------------------------------------------------------------


def test_the_order_follows_what_was_seen_of_the_pair() -> None:
    async def work(at: At) -> Any:
        at.edge()
        (watch,) = at.watchlist.pairs.values()
        gone = Evidence(Decimal(10_000), Decimal(10_000), NOW)
        stands = Evidence(Decimal(10_000), Decimal(0), NOW)
        at.legs.evidence = {("cup", POLYMARKET): gone, ("cup", KALSHI): stands}
        changed = at.legs.order(watch, Outcome.YES, NOW)
        at.legs.evidence = {("cup", POLYMARKET): stands, ("cup", KALSHI): gone}
        return changed, at.legs.order(watch, Outcome.YES, NOW)

    after_kalshi, after_polymarket = beside(work)
    assert (after_kalshi.first, after_polymarket.first) == (POLYMARKET, KALSHI)
    assert after_kalshi.chance < Fraction(1, 400)
    assert after_polymarket.cost == Decimal("0.02") + FEES


def test_a_chance_is_that_of_the_book_as_it_is_now() -> None:
    """A book is shown whole again after it was lost, and nobody has told of it yet."""

    async def work(at: At) -> Any:
        at.edge()
        (watch,) = at.watchlist.pairs.values()
        before = at.legs.order(watch, Outcome.YES, NOW)
        book = at.watchlist.books[POLYMARKET, "polymarket-cup"]
        book.clear()
        at.legs.book_changed((POLYMARKET, "polymarket-cup"))
        lost = at.legs.order(watch, Outcome.YES, NOW)
        shown = cheap_books()[POLYMARKET]
        book.replace(shown.bids.items(), shown.asks.items())
        book.touch(at.clock.now(), 1)
        return before, lost, at.legs.order(watch, Outcome.YES, NOW)

    before, lost, after = beside(work)
    assert after == before
    assert lost.chance <= 1


def test_a_quote_ages_and_a_small_part_of_it_is_missed_less_often() -> None:
    async def work(at: At) -> Any:
        at.edge()
        (watch,) = at.watchlist.pairs.values()
        young = at.legs.order(watch, Outcome.YES, NOW).chance
        old = at.legs.order(watch, Outcome.YES, NOW + timedelta(minutes=1)).chance
        at.change(POLYMARKET, (BID, 47, 5_000))
        small = at.legs.order(watch, Outcome.YES, NOW).chance
        return young, old, small

    young, old, small = beside(work)
    assert old < young
    assert small < young

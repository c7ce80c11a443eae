"""SecondLegs: how likely a second leg is missed on each pair, and which leg goes first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from dutchbook.application.market.watchlist import Key, PairWatch, Watchlist
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.second_legs import NAME, Known, read
from dutchbook.domain.detection.detect import possible
from dutchbook.domain.detection.disagreement import margin
from dutchbook.domain.detection.quote import Caps, Hurdles
from dutchbook.domain.events import Event, OrderFilled, OrderPlaced
from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.execution.leg_order import LegOrder, leg_order, missed
from dutchbook.domain.execution.second_leg import Evidence, Quote, chance_of_miss
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import E4, Price, from_e4, from_e6
from dutchbook.ports.journal import Batch, Insert, Journal, Update
from dutchbook.ports.time import Clock

EVERY = timedelta(seconds=1)
"""Least time between two probes of a pair."""
SAVED = timedelta(minutes=1)
"""How often what was seen is written down, if it has changed."""
TYPICAL = Decimal(1)
"""Seconds from a send to its match, until one was measured on the platform."""
WEIGHT = 4
"""So many measured orders does `TYPICAL` weigh."""
LONGEST = Decimal(30)
"""Seconds; what takes longer was answered by an inquiry, and says nothing of a match."""


class Side(NamedTuple):
    """The offers of an outcome in one book: what a leg buys."""

    key: Key
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Touch:
    """The best offer of a side, and since when it has been as it is."""

    price_e4: int
    size_e6: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Probe:
    """A quote to look at again: is so much still offered at its price?"""

    pair_id: str
    side: Side
    price_e4: int
    size_e6: int
    due: datetime


class SecondLegs:
    """Evidence of each pair and platform: shadow probes, and the executions themselves.

    A probe notes the best offers of both legs of an edge that clears the minimum, and looks
    again once a second leg would have met them. Each quote is tried once, and none of a pair
    until an order of ours has had the time of both legs: it is ours that would be seen.
    """

    def __init__(
        self,
        journal: Journal,
        watchlist: Watchlist,
        committer: Committer,
        clock: Clock,
        hurdles: Hurdles,
        caps_for: Callable[[str], Caps],
    ) -> None:
        self._journal = journal
        self._watchlist = watchlist
        self._committer = committer
        self._clock = clock
        self._hurdles = hurdles
        self._caps_for = caps_for
        self._minimum_e4 = int(hurdles.minimum_net_edge * E4)
        self.evidence: dict[tuple[str, Platform], Evidence] = {}
        self._times: dict[Platform, tuple[int, Decimal]] = {}
        self._sent: dict[str, float] = {}
        self._touches: dict[Side, Touch] = {}
        self._probed: dict[Side, Touch] = {}
        self._probes: list[Probe] = []
        self._next: dict[str, datetime] = {}
        self._wake = asyncio.Event()
        self._changed = False

    # What goes first
    # -------------------------------------------------------------------------------

    def order(self, watch: PairWatch, outcome: Outcome, now: datetime) -> LegOrder:
        """Return which leg goes first for `outcome` on Kalshi, and what that risks."""
        chances = {p: self._chance(watch, outcome, p.other, now) for p in Platform}
        return leg_order(watch.match, watch.books, now, chances)

    def _chance(
        self, watch: PairWatch, outcome: Outcome, second: Platform, now: datetime
    ) -> Fraction:
        touch = self._touch(watch, _side(watch, outcome, second), now)
        wanted = Decimal(self._caps_for(watch.match.match_id).position)
        offered = from_e6(touch.size_e6)
        share = wanted / offered if wanted < offered else Decimal(1)
        quote = Quote(second, self.lag(second), now - touch.since, share)
        known = self.evidence.get((watch.match.match_id, second), Evidence())
        return chance_of_miss(quote, known.faded(now))

    def lag(self, second: Platform) -> timedelta:
        """Return how long after the decision a second leg meets its quote: both legs' times."""
        seconds = sum((self._seconds(p) for p in (second.other, second)), start=Decimal(0))
        return timedelta(microseconds=int(seconds * 1_000_000))

    def _seconds(self, platform: Platform) -> Decimal:
        count, total = self._times.get(platform, (0, Decimal(0)))
        return (total + WEIGHT * TYPICAL) / (count + WEIGHT)

    # What is seen
    # -------------------------------------------------------------------------

    def on_event(self, event: Event, sequence: int) -> None:
        """Measure how long our orders take, and leave the quotes that they meet alone."""
        if not sequence:
            return
        match event:
            case OrderPlaced():
                self._placed(event)
            case OrderFilled() if event.order_id in self._sent:
                took = Decimal(str(self._clock.monotonic() - self._sent.pop(event.order_id)))
                if took <= LONGEST:
                    count, total = self._times.get(event.platform, (0, Decimal(0)))
                    self._times[event.platform] = (count + 1, total + took)

    def _placed(self, event: OrderPlaced) -> None:
        now, latest = self._clock.now(), max(self.lag(platform) for platform in Platform)
        self._probes = [p for p in self._probes if p.pair_id != event.pair_id]
        self._next[event.pair_id] = now + latest
        sent = self._clock.monotonic()
        self._sent = {o: at for o, at in self._sent.items() if sent - at <= float(LONGEST)}
        self._sent[event.order_id] = sent

    def ended(self, execution: Execution) -> None:
        """Count an execution that has just ended."""
        first, second = execution.primary, execution.secondary
        found = missed(execution.phase, first.filled, second.filled)
        if found is not None:
            self._saw(execution.pair_id, second.platform, self._clock.now(), missed=found)

    def _saw(self, pair_id: str, second: Platform, at: datetime, *, missed: bool) -> None:
        known = self.evidence.get((pair_id, second), Evidence())
        self.evidence[pair_id, second] = known.seen(at, missed=missed)
        self._changed = True

    def book_changed(self, key: Key) -> None:
        """Note since when a quote stands, and probe the edges of the pairs of a book."""
        now = self._clock.now()
        self._note(key, self._watchlist.books[key], now)
        for watch in self._watchlist.of(key):
            if now >= self._next.get(watch.match.match_id, now):
                self._look(watch, now)

    def _touch(self, watch: PairWatch, side: Side, now: datetime) -> Touch:
        """Return the best offer of a side as its book has it now."""
        self._note(side.key, watch.books[side.key[0]], now)
        return self._touches[side]

    def _note(self, key: Key, book: OrderBook, now: datetime) -> None:
        for outcome in Outcome:
            price, side = book.ask_e4(outcome), Side(key, outcome)
            buys_yes = outcome is Outcome.YES
            levels, at = (book.asks, price) if buys_yes else (book.bids, E4 - price)
            size, known = levels.get(at, 0), self._touches.get(side)
            if known is None or (known.price_e4, known.size_e6) != (price, size):
                self._touches[side] = Touch(price, size, now)

    def _look(self, watch: PairWatch, now: datetime) -> None:
        match = watch.match
        passed = possible(watch.kalshi, watch.polymarket, match.alignment, self._minimum_e4)
        if not passed or not watch.comparable(now, self._hurdles):
            return
        self._next[match.match_id] = now + EVERY
        for outcome in passed:
            if margin(match, watch.books, outcome, now) < self._hurdles.minimum_net_edge:
                continue
            for platform in Platform:
                self._probe(watch, _side(watch, outcome, platform), now)

    def _probe(self, watch: PairWatch, side: Side, now: datetime) -> None:
        touch = self._touch(watch, side, now)
        if self._probed.get(side) is touch:
            return
        self._probed[side] = touch
        pair_id = watch.match.match_id
        wanted = min(touch.size_e6, int(self._caps_for(pair_id).position * 1_000_000))
        due = now + self.lag(side.key[0])
        self._probes.append(Probe(pair_id, side, touch.price_e4, wanted, due))
        self._wake.set()

    # In the background
    # -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load what earlier runs have seen.

        Raises:
            StorageError: It is damaged.
        """
        rows = await self._journal.rows("system_metadata", {"key": NAME})
        if rows:
            self.evidence = read(rows[0]["value"]).evidence

    async def run(self) -> None:
        """Look at the quotes again when it is time, and write down what was seen."""
        save = self._clock.now() + SAVED
        while True:
            due = min([save, *(each.due for each in self._probes)])
            waiting = asyncio.ensure_future(self._clock.sleep_until(due))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({waiting, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                woken.cancel()
            self._wake.clear()
            now = self._clock.now()
            self._again(now)
            if now >= save:
                await self._save()
                save = now + SAVED

    def _again(self, now: datetime) -> None:
        over = [each for each in self._probes if each.due <= now]
        self._probes = [each for each in self._probes if each.due > now]
        for each in over:
            book = self._watchlist.books[each.side.key]
            if not book.untrusted_because(now, self._hurdles.book_age):
                left = book.depth(each.side.outcome, Price(from_e4(each.price_e4)))
                platform, wanted = each.side.key[0], from_e6(each.size_e6)
                self._saw(each.pair_id, platform, now, missed=left < wanted)

    async def drained(self) -> None:
        """Write down what was seen."""
        await self._save()

    async def _save(self) -> None:
        if not self._changed:
            return
        self._changed = False
        known = Known(self.evidence, {p: self.lag(p) for p in Platform})
        key, value = {"key": NAME}, {"value": known.written(self._clock.now())}
        write: Insert | Update = Insert("system_metadata", key | value)
        if await self._journal.rows("system_metadata", key):
            write = Update("system_metadata", key, put=value)
        await self._committer.commit(Batch((write,)))


def _side(watch: PairWatch, outcome: Outcome, platform: Platform) -> Side:
    """Return what a leg buys for `outcome` on Kalshi."""
    bought = outcome if platform is Platform.KALSHI else watch.match.hedge(outcome)
    return Side((platform, watch.match.contract(platform).contract_id), bought)

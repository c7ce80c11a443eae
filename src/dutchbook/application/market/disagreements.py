"""Disagreements: suspends pairs whose prices disagree for too long to be one question."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.application.market.pair_breaker import PairBreaker
from dutchbook.application.market.watchlist import Key, PairWatch, Watchlist
from dutchbook.domain.detection.disagreement import Disagreement, looked, margin
from dutchbook.domain.detection.quote import Hurdles
from dutchbook.domain.market.contract import Outcome
from dutchbook.domain.values.units import plain
from dutchbook.ports.time import Clock

EVERY = timedelta(seconds=1)
"""Least time between two looks at a pair: on a polled tape each poll is one."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long an edge may stand.

    Attributes:
        edge: Dollars a contract after fees; less is no disagreement.
        looks: So many in a row suspend the pair; 0: none is.
    """

    edge: Decimal
    looks: int


class Disagreements:
    """Looks at each approved pair once a second, if both books are live and of one moment."""

    def __init__(
        self,
        watchlist: Watchlist,
        breaker: PairBreaker,
        clock: Clock,
        hurdles: Hurdles,
        rules: Persistence,
    ) -> None:
        self._watchlist = watchlist
        self._breaker = breaker
        self._clock = clock
        self._hurdles = hurdles
        self._rules = rules
        self._standing: dict[tuple[str, Outcome], Disagreement] = {}
        self._next: dict[str, datetime] = {}
        self._found: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    def book_changed(self, key: Key) -> None:
        """Look at the pairs that the book of a contract belongs to, if it is time."""
        if not self._rules.looks:
            return
        now = self._clock.now()
        for watch in self._watchlist.of(key):
            pair_id = watch.match.match_id
            if now >= self._next.get(pair_id, now) and watch.comparable(now, self._hurdles):
                self._next[pair_id] = now + EVERY
                self._look(watch, now)

    def _look(self, watch: PairWatch, now: datetime) -> None:
        pair_id = watch.match.match_id
        for outcome in Outcome:
            edge = margin(watch.match, watch.books, outcome, now) - self._rules.edge
            stands = looked(self._standing.pop((pair_id, outcome), None), edge)
            if stands is None:
                continue
            if stands.looks < self._rules.looks:
                self._standing[pair_id, outcome] = stands
            elif pair_id not in self._found:
                widest = plain(stands.widest + self._rules.edge)
                self._found[pair_id] = (
                    f"its prices disagree: up to {widest} dollars a contract at"
                    f" {stands.looks} looks in a row, and neither book moved towards the other;"
                    " is it one question?"
                )
                self._wake.set()

    async def start(self) -> None:
        """Nothing: what stands is counted anew in each run."""

    async def run(self) -> None:
        """Suspend the pairs that were found, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.drained()

    async def drained(self) -> None:
        """Suspend what was found and is not suspended yet."""
        async with self._lock:
            while self._found:
                pair_id, why = next(iter(self._found.items()))
                await self._breaker.disable(pair_id, why)
                del self._found[pair_id]

"""Questions of a generated tape: how their price moves, who quotes it, and who is late.

`generate` describes the recording behind the figures. Prices are in 10⁻⁴ YES dollars, sizes in
10⁻⁶ contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from dutchbook.domain.market.contract import (
    Contract,
    ContractMatch,
    DivergenceClass,
    Outcome,
    Platform,
    Sizing,
)
from dutchbook.domain.market.fees import FeeSchedule, kalshi_terms, polymarket_schedule
from dutchbook.domain.values.units import E4, Money, PriceGrid, Quantity, to_e4
from dutchbook.ports.time import Chance
from dutchbook.tape.metadata import approved

Ladder = tuple[tuple[int, int], ...]
Quantiles = Sequence[tuple[int, int]]
"""Share in thousandths and value, ascending."""

PEAKS: Quantiles = (
    *((0, 0), (100, 1), (250, 8), (500, 19), (750, 46), (900, 100), (950, 141)),
    *((990, 204), (1_000, 210)),
)
"""Best edge of an episode in 10⁻⁴ dollars."""
POLLS: Quantiles = (
    *((0, 1), (100, 1), (250, 2), (500, 3), (750, 8), (900, 34), (950, 122), (1_000, 122)),
)
CONTRACTS: Quantiles = (
    *((0, 5), (100, 12), (250, 38), (500, 166), (750, 500), (900, 1_139), (1_000, 5_000)),
)
PAIR_POLLS = 167
"""Polls of a pair per episode in the recording: 973 polls and 5.8 episodes an hour."""
POLYMARKET_LATE = 5
"""Polymarket is late in one episode out of this many. In the recording the second leg was gone
one poll later in 4 of 76 cases with Kalshi first, and in 15 with Polymarket first."""
RATE_TO_EDGE = 10**10
"""A price in 10⁻⁴ dollars, in units of an edge.

That is 10⁻¹⁴ dollars: a rate in 10⁻⁶ times two prices.
"""
HUNDREDTH = 10_000
"""A hundredth of a contract, in millionths."""
LOWEST, HIGHEST = 300, E4 - 300
QUESTIONS = (
    ("Northern Rovers win the cup", 2_700, "0.01", "0.001"),
    ("Southern Albion win the cup", 1_100, "0.001", "0.001"),
    ("More than 2.5 goals in the final", 5_200, "0.01", "0.01"),
    ("The final goes to extra time", 2_400, "0.001", "0.01"),
)
"""Title, price in ten-thousandths, and the ticks on Kalshi and on Polymarket."""


def draw(quantiles: Quantiles, chance: Chance) -> int:
    """Draw a value that follows `quantiles`, with linear interpolation."""
    share = chance.between(0, 999)
    for (low, first), (high, last) in pairwise(quantiles):
        if share < high:
            return first + (last - first) * (share - low) // (high - low)
    raise AssertionError("the last share is a thousand")


@dataclass(slots=True)
class Book:
    """One platform's quotes."""

    tick: int
    bids: Ladder = ()
    asks: Ladder = ()

    def quote(self, price: int, chance: Chance, bid: int = 0, ask: int = 0) -> None:
        """Quote around `price`, which then lies within the spread, or at a given best price."""
        gap = chance.between(0, 3) * min(self.tick, 10)
        bid = bid or (price - gap) // self.tick * self.tick
        ask = ask or -(-(price + gap) // self.tick) * self.tick
        if ask <= bid:
            ask = bid + self.tick
        self.bids = self._ladder(bid, -self.tick, chance)
        self.asks = self._ladder(ask, self.tick, chance)

    def refresh(self, chance: Chance) -> None:
        """Change some sizes."""
        self.bids = _resized(self.bids, chance)
        self.asks = _resized(self.asks, chance)

    def offer(self, size: int, *, bid: bool) -> None:
        """Change the size at the best bid, or at the best ask."""
        if bid:
            self.bids = _topped(self.bids, size)
        else:
            self.asks = _topped(self.asks, size)

    def holds(self, price: int) -> bool:
        """Return whether `price` lies within the spread."""
        return bool(self.bids and self.asks) and self.bids[0][0] <= price <= self.asks[0][0]

    def _ladder(self, price: int, tick: int, chance: Chance) -> Ladder:
        levels: list[tuple[int, int]] = []
        count = chance.between(5, 10)
        while 0 < price < E4 and len(levels) < count:
            levels.append((price, _size(chance) * (len(levels) + 1)))
            price += tick * chance.between(1, 3)
        return tuple(levels)


@dataclass(slots=True)
class _Lag:
    """A running episode: who is late, whether the price rises, best edge and polls left."""

    late: Platform
    rises: bool
    peak: int
    polls: int

    def pass_poll(self) -> bool:
        """Count one poll and return whether the episode goes on."""
        self.polls -= 1
        return self.polls > 0


@dataclass(slots=True)
class Question:
    """A pair, its price, and what each platform quotes."""

    match: ContractMatch
    price: int
    mean: int
    books: dict[Platform, Book]
    lag: _Lag | None = field(default=None)

    def move(self, chance: Chance, pace: int, at: datetime) -> None:
        """Advance by one poll."""
        if self.lag is not None:
            self._linger(self.lag, chance)
        elif chance.between(1, PAIR_POLLS) <= pace:
            self._news(chance, at)
        else:
            step = chance.bell(6) + (self.mean - self.price) // 100
            self.price = min(max(self.price + step, LOWEST), HIGHEST)
            for book in self.books.values():
                if not book.holds(self.price) or chance.one_in(12):
                    book.quote(self.price, chance)
                elif chance.one_in(3):
                    book.refresh(chance)

    def _news(self, chance: Chance, at: datetime) -> None:
        """Move the price on one platform and leave the other behind."""
        late = Platform.POLYMARKET if chance.one_in(POLYMARKET_LATE) else Platform.KALSHI
        toward = self.price < self.mean
        rises = toward if chance.between(1, 4) > 1 else not toward
        lag = _Lag(late, rises, draw(PEAKS, chance), draw(POLLS, chance))
        best = self._best(lag, lag.peak, at)
        if not LOWEST <= best <= HIGHEST:
            return
        self.lag = lag
        self._lead(lag, best, chance)
        size = draw(CONTRACTS, chance) * 100 * HUNDREDTH
        sizes = [size, size * chance.between(1, 8)]
        first = chance.between(0, 1)
        ahead, behind = self.books[late.other], self.books[late]
        ahead.offer(sizes[first], bid=rises)
        behind.offer(sizes[1 - first], bid=not rises)

    def _linger(self, lag: _Lag, chance: Chance) -> None:
        """Advance an episode by one poll; at its end the late platform catches up."""
        if not lag.pass_poll():
            self.lag = None
            self.books[lag.late].quote(self.price, chance)
            return
        for book in self.books.values():
            if chance.one_in(3):
                book.refresh(chance)

    def _lead(self, lag: _Lag, best: int, chance: Chance) -> None:
        """Quote `best` on the platform ahead: as bid if the price rises, else as ask."""
        ahead = self.books[lag.late.other]
        self.price = best
        if lag.rises:
            ahead.quote(best, chance, bid=best)
        else:
            ahead.quote(best, chance, ask=best)

    def _best(self, lag: _Lag, edge: int, at: datetime) -> int:
        """Return the price ahead that brings the edge as close to `edge` as its tick allows."""
        ahead, behind = self.books[lag.late.other], self.books[lag.late]
        stale = behind.asks[0][0] if lag.rises else behind.bids[0][0]
        direction = ahead.tick if lag.rises else -ahead.tick
        best = stale // ahead.tick * ahead.tick
        while 0 < best < E4 and self._edge(lag, stale, best, at) <= 0:
            best += direction
        while 0 < best < E4 and self._closer(lag, stale, best, direction, edge, at):
            best += direction
        return best

    def _closer(
        self, lag: _Lag, stale: int, best: int, direction: int, edge: int, at: datetime
    ) -> bool:
        wanted = edge * RATE_TO_EDGE
        here = self._edge(lag, stale, best, at)
        there = self._edge(lag, stale, best + direction, at)
        return abs(there - wanted) < abs(here - wanted)

    def _edge(self, lag: _Lag, stale: int, best: int, at: datetime) -> int:
        """Return the edge, in 10⁻¹⁴ dollars, of taking `stale` behind and `best` ahead."""
        late, ahead = self.match.contract(lag.late), self.match.contract(lag.late.other)
        gross = best - stale if lag.rises else stale - best
        fees = fee_e14(late, stale, at) + fee_e14(ahead, best, at)
        return gross * RATE_TO_EDGE - fees


def _size(chance: Chance) -> int:
    return draw(CONTRACTS, chance) * chance.between(60, 140) * HUNDREDTH


def _resized(ladder: Ladder, chance: Chance) -> Ladder:
    return tuple(
        (price, _size(chance) * (number + 1) if chance.one_in(4) else size)
        for number, (price, size) in enumerate(ladder)
    )


def _topped(ladder: Ladder, size: int) -> Ladder:
    return ((ladder[0][0], size), *ladder[1:])


def question(index: int, end: datetime, chance: Chance) -> Question:
    """Return question number `index` of a tape that ends at `end`, quoted on both platforms."""
    title, price, kalshi_tick, polymarket_tick = QUESTIONS[index % len(QUESTIONS)]
    series = index // len(QUESTIONS)
    name = f"{title} ({series + 1})" if series else title
    kalshi = _kalshi(index, name, kalshi_tick, end)
    match = ContractMatch(
        match_id=f"demo-pair-{index:02d}",
        kalshi=kalshi,
        polymarket=_polymarket(index, kalshi, polymarket_tick),
        divergence_class=DivergenceClass.IDENTICAL,
        divergence_probability=Decimal("0.0005"),
    )
    ticks = {Platform.KALSHI: kalshi_tick, Platform.POLYMARKET: polymarket_tick}
    books = {platform: Book(to_e4(Decimal(tick))) for platform, tick in ticks.items()}
    for book in books.values():
        book.quote(price, chance)
    return Question(approved(match), price, price, books)


def _kalshi(index: int, name: str, tick: str, end: datetime) -> Contract:
    resolution = end + timedelta(days=6)
    return Contract(
        platform=Platform.KALSHI,
        contract_id=f"KXDEMO-26-{index:02d}",
        title=name,
        rules=f"Resolves to {Outcome.YES.name} if the organiser's final record says: {name}.",
        grid=PriceGrid.of_tick(tick),
        sizing=Sizing(Quantity(Decimal("0.01")), Quantity(Decimal("0.01")), Money(Decimal(0))),
        fees=FeeSchedule((kalshi_terms("quadratic"),)),
        close_time=resolution,
        resolution_time=resolution,
        cash_delay=timedelta(days=1),
    )


def _polymarket(index: int, kalshi: Contract, tick: str) -> Contract:
    token = f"demo-token-{index:02d}"
    return replace(
        kalshi,
        platform=Platform.POLYMARKET,
        contract_id=token,
        grid=PriceGrid.of_tick(tick),
        sizing=Sizing(
            Quantity(Decimal("0.01")), Quantity(Decimal(5)), Money(Decimal(1)), cent_exact=True
        ),
        fees=polymarket_schedule("sports"),
        cash_delay=timedelta(days=2),
        tokens=(token, f"{token}-no"),
    )


def fee_e14(contract: Contract, price_e4: int, at: datetime) -> int:
    """Return the unrounded taker fee of one contract bought at `price_e4`, in 10⁻¹⁴ dollars."""
    terms = contract.fees and contract.fees.at(at)
    assert terms, f"the fees of {contract.contract_id} are not known at {at}"
    return terms.taker_rate_e6 * price_e4 * (E4 - price_e4)

"""How well the survival of quotes on half of a recording predicts that on the other half.

Each second, for each contract and side, the best price is noted with how long it had been as it
was; after each lag the book shows whether an order would still find its size at that price.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from math import sqrt

from dutchbook.domain.market import survival
from dutchbook.domain.market.book import ASK, BID
from dutchbook.ports.market_data import BookUpdate
from dutchbook.tape.message import Tape, TapeMessage

LAGS = tuple(timedelta(milliseconds=ms) for ms in (100, 300, 1_000, 3_700))
EVERY = timedelta(seconds=1)
HUNDRED = 100_000_000
"""The size of the orders that are judged by the age of a quote, in 10⁻⁶ contracts."""
AGES = ("under 0.1 s", "0.1 to 1 s", "1 to 10 s", "over 10 s")
SHARES = {"a quarter of the touch": 4, "half of the touch": 2, "all of the touch": 1}
Side = dict[int, int]


@dataclass(slots=True)
class Gone:
    """How many quotes were looked at, and how many were gone."""

    looked: int = 0
    gone: int = 0

    @property
    def share(self) -> float:
        """The share of quotes that was gone."""
        return self.gone / self.looked if self.looked else 0.0

    @property
    def error(self) -> float:
        """The standard error of the share, if each look is one of its own."""
        return sqrt(self.share * (1 - self.share) / self.looked) if self.looked else 0.0


Counts = dict[tuple[str, timedelta], Gone]


@dataclass(slots=True)
class Book:
    """One contract's levels by side, and since when the best of each is as it is."""

    sides: tuple[Side, Side] = field(default_factory=lambda: ({}, {}))
    since: dict[int, datetime] = field(default_factory=dict)
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)
    next_look: datetime | None = None

    def apply(self, update: BookUpdate, at: datetime) -> None:
        """Take a message, and note what it did to the best prices."""
        for side, levels in ((BID, update.bids), (ASK, update.asks)):
            mine = self.sides[side]
            if update.whole:
                mine.clear()
            for price, size in levels:
                if size > 0:
                    mine[price] = size
                else:
                    mine.pop(price, None)
            best = self.best(side)
            if self.seen.get(side) != best:
                self.seen[side], self.since[side] = best, at

    def best(self, side: int) -> tuple[int, int]:
        """Return the best price of a side and its size; zeros if it is empty."""
        mine = self.sides[side]
        price = (max if side == BID else min)(mine, default=0)
        return price, mine.get(price, 0)

    def there(self, side: int, price: int) -> int:
        """Return how much there is at a price or a better one."""
        mine = self.sides[side]
        return sum(n for p, n in mine.items() if (p >= price if side == BID else p <= price))


def halves(tape: Tape) -> tuple[Counts, Counts]:
    """Return what became of the quotes of every other contract, and of those between."""
    names = sorted({m.update.contract_id for m in tape.messages()})
    return (
        _counts(_of(tape, set(names[::2]))),
        _counts(_of(tape, set(names[1::2]))),
    )


def _of(tape: Tape, names: set[str]) -> Iterator[TapeMessage]:
    return (m for m in tape.messages() if m.update.contract_id in names)


def _counts(messages: Iterator[TapeMessage]) -> Counts:
    found: Counts = defaultdict(Gone)
    books: dict[str, Book] = defaultdict(Book)
    due: list[tuple[datetime, int, str, int, int, int, str, timedelta]] = []
    number = count()
    for message in messages:
        update = message.update
        now = update.platform_time or message.at
        while due and due[0][0] <= now:
            _, _, name, side, price, size, kind, lag = heapq.heappop(due)
            each = found[kind, lag]
            each.looked += 1
            each.gone += books[name].there(side, price) < size
        book = books[update.contract_id]
        book.apply(update, now)
        if book.next_look is not None and now < book.next_look:
            continue
        book.next_look = now + EVERY
        for side in (BID, ASK):
            price, size = book.best(side)
            for kind, wanted in _kinds(size, now - book.since[side]):
                for lag in LAGS:
                    look = (now + lag, next(number), update.contract_id, side, price, wanted)
                    heapq.heappush(due, (*look, kind, lag))
    return found


def _kinds(size: int, age: timedelta) -> Iterator[tuple[str, int]]:
    """Yield what a quote of a size and an age is judged as, and the size of each order."""
    if size >= HUNDRED:
        bounds = [most for most, _ in survival.AGED]
        yield AGES[next(i for i, most in enumerate(bounds) if age < most)], HUNDRED
    if size:
        for kind, parts in SHARES.items():
            yield kind, size // parts


def table(tape: Tape) -> list[str]:
    """Return the table: what one half predicts, what the other met, and what the paper uses."""
    fitted, met = halves(tape)
    lines = [
        "| quote | lag, ms | one half, gone | looks | the other half, gone | error | paper |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind in (*AGES, *SHARES):
        for lag in LAGS:
            one, other = fitted[kind, lag], met[kind, lag]
            ms, off = lag // timedelta(milliseconds=1), other.share - one.share
            both = sqrt(one.error**2 + other.error**2)
            lines.append(
                f"| {kind} | {ms:,} | {one.share:.3f} | {other.looked:,} | {other.share:.3f}"
                f" | {off:+.3f} ± {both:.3f} | {_paper(kind, lag)} |"
            )
    return lines


def _paper(kind: str, lag: timedelta) -> str:
    """Return what the paper platforms use for an age."""
    if kind not in AGES:
        return "-"
    bounds = [timedelta(0), *(most for most, _ in survival.AGED)]
    return f"{float(survival.gone(lag, bounds[AGES.index(kind)])):.3f}"

"""One contract's order book in integers, and whether it can be trusted.

Prices are ten-thousandths of a YES dollar, sizes millionths of a contract. A book is kept in
YES terms only: buying NO at ``q`` is hitting a YES bid at ``1 - q``, and only this module
contains that inversion. An empty side has a price at which nothing can be gained: bid 0, ask
10,000, so that a filter on the sum of two asks needs no special case for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import E4, Price, Quantity, from_e4, from_e6

BID, ASK = 0, 1
Levels = tuple[tuple[int, int], ...]
"""Price in 10⁻⁴ dollars and size in 10⁻⁶ contracts, best first."""
_USED_UP = (0, 0)


class Trust(StrEnum):
    """Whether a book may be traded on: only a `LIVE` one may."""

    SYNCING = "syncing"
    LIVE = "live"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Walk:
    """Cost or proceeds of taking a size from one side of a book.

    `cost` is in dollars, exact. `worst` is the price of the last contract.
    """

    size: Quantity
    cost: Decimal
    worst: Price

    @property
    def average(self) -> Decimal:
        """Dollars per contract over the whole size."""
        return self.cost / self.size


class OrderBook:
    """Levels by price for both sides, updated one level at a time and without allocation."""

    __slots__ = (
        "asks",
        "best_ask",
        "best_bid",
        "bids",
        "contract_id",
        "off_grid",
        "platform",
        "platform_time",
        "sequence",
        "trust",
        "updated_at",
        "whole",
    )

    def __init__(self, platform: Platform, contract_id: str) -> None:
        self.platform = platform
        self.contract_id = contract_id
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.best_bid = 0
        self.best_ask = E4
        self.trust = Trust.SYNCING
        self.updated_at: datetime | None = None
        self.platform_time: datetime | None = None
        self.sequence = 0
        self.whole = False
        self.off_grid = False

    def apply(self, side: int, price_e4: int, size_e6: int) -> None:
        """Set the size at one price; zero removes the level."""
        if side == BID:
            if size_e6 > 0:
                self.bids[price_e4] = size_e6
                if price_e4 > self.best_bid:  # noqa: PLR1730 - max takes a tenth longer
                    self.best_bid = price_e4
            else:
                self.bids.pop(price_e4, None)
                if price_e4 == self.best_bid:
                    self.best_bid = max(self.bids, default=0)
        elif size_e6 > 0:
            self.asks[price_e4] = size_e6
            if price_e4 < self.best_ask:  # noqa: PLR1730 - as above
                self.best_ask = price_e4
        else:
            self.asks.pop(price_e4, None)
            if price_e4 == self.best_ask:
                self.best_ask = min(self.asks, default=E4)

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Replace the whole book with a snapshot."""
        self.bids = {price: size for price, size in bids if size > 0}
        self.asks = {price: size for price, size in asks if size > 0}
        self.best_bid = max(self.bids, default=0)
        self.best_ask = min(self.asks, default=E4)
        self.whole = True

    def clear(self) -> None:
        """Empty the book after a stream break or at a session start; await a snapshot."""
        self.replace((), ())
        self.whole = False
        self.trust = Trust.SYNCING
        self.updated_at = self.platform_time = None

    def doubt_grid(self, *, doubted: bool) -> None:
        """Record whether the book shows prices that its contract, as last read, cannot have."""
        self.off_grid = doubted

    def on(self, prices: frozenset[int]) -> bool:
        """Return whether every level stands at one of these prices, in 10⁻⁴ dollars."""
        return prices.issuperset(self.bids) and prices.issuperset(self.asks)

    def number(self, sequence: int) -> None:
        """Record the platform's number of the last message."""
        self.sequence = sequence

    def touch(self, at: datetime, sequence: int, theirs: datetime | None = None) -> None:
        """Finish one message: record its time, and its platform's if it gives one, and trust.

        Changes of a book that was never whole are not the book. A crossed one is suspect, since
        no platform leaves a book crossed; the next message that uncrosses it makes it live.
        """
        self.updated_at, self.platform_time = at, theirs
        self.sequence = sequence
        if self.whole:
            self.trust = Trust.SUSPECT if self.crossed else Trust.LIVE

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        return self.best_bid >= self.best_ask

    def untrusted_because(self, now: datetime, oldest: timedelta) -> str | None:
        """Return why this book must not be traded on at `now`, or None if it may be."""
        if self.trust is not Trust.LIVE:
            return f"book_{self.trust.value}"
        if self.updated_at is None or now - self.updated_at > oldest:
            return "book_stale"
        return "book_off_grid" if self.off_grid else None

    def offers(self, outcome: Outcome, side: Side = Side.BUY) -> Levels:
        """Return the levels that an order for `outcome` would take, best first.

        Prices are in dollars of `outcome`.
        """
        buys_yes = (outcome is Outcome.YES) == (side is Side.BUY)
        levels = (
            sorted(self.asks.items()) if buys_yes else sorted(self.bids.items(), reverse=True)
        )
        if outcome is Outcome.YES:
            return tuple(levels)
        return tuple((E4 - price, size) for price, size in levels)

    def ask_e4(self, outcome: Outcome) -> int:
        """Return the best ask of `outcome`, or 10,000 if there is none."""
        return self.best_ask if outcome is Outcome.YES else E4 - self.best_bid

    def best(self, outcome: Outcome, side: Side) -> Price | None:
        """Return the best price that an order of `side` for `outcome` would meet, if any."""
        levels = self.offers(outcome, side)
        return Price(from_e4(levels[0][0])) if levels else None

    def depth(self, outcome: Outcome, limit: Price, side: Side = Side.BUY) -> Quantity:
        """Return how many contracts an order at `limit` would meet."""
        bound = limit * E4
        return Quantity(
            from_e6(
                sum(
                    size
                    for price, size in self.offers(outcome, side)
                    if (price <= bound if side is Side.BUY else price >= bound)
                )
            )
        )

    def top(self, levels: int = 10) -> dict[str, list[list[str]]]:
        """Return the best levels of both sides as text, for human-readable snapshots."""
        return {
            "bids": _texts(sorted(self.bids.items(), reverse=True)[:levels]),
            "asks": _texts(sorted(self.asks.items())[:levels]),
        }


def _texts(levels: Iterable[tuple[int, int]]) -> list[list[str]]:
    return [[str(from_e4(price)), str(from_e6(size))] for price, size in levels]


def walk(levels: Levels, size: Quantity) -> Walk | None:
    """Take `size` contracts from `levels`, best first; None if they hold fewer.

    The only place where depth becomes an average price: detection, sizing, rescue, exits and
    display all use it.
    """
    missing = int(size * 1_000_000)
    cost = worst = 0
    for price, available in levels:
        taken = min(missing, available)
        cost += taken * price
        worst = price
        missing -= taken
        if not missing:
            return Walk(size, Decimal(cost).scaleb(-10), Price(from_e4(worst)))
    return None


def reach(levels: Levels, size: Quantity, limit: Price, side: Side = Side.BUY) -> Price:
    """Return the worst price of taking up to `size` contracts from `levels` within `limit`.

    If there are none within the limit, this is the limit itself.
    """
    missing, worst = int(size * 1_000_000), limit
    for price, available in levels:
        at = Price(from_e4(price))
        if missing <= 0 or (at > limit if side is Side.BUY else at < limit):
            break
        worst, missing = at, missing - available
    return worst


def segments(first: Levels, second: Levels) -> Iterator[tuple[int, int, int]]:
    """Pair two ladders: yield both prices and the size available at that pair of prices.

    Neither price falls from one segment to the next, so the margin of a pair only shrinks.
    """
    left, right = iter(first), iter(second)
    price_a, size_a = next(left, _USED_UP)
    price_b, size_b = next(right, _USED_UP)
    while size_a and size_b:
        size = min(size_a, size_b)
        yield price_a, price_b, size
        size_a -= size
        size_b -= size
        if not size_a:
            price_a, size_a = next(left, _USED_UP)
        if not size_b:
            price_b, size_b = next(right, _USED_UP)

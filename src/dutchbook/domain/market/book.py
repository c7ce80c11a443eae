"""One contract's order book in integers, and how far it may be trusted.

Prices are ten-thousandths of a YES dollar, sizes millionths of a contract. A book is kept in
YES terms only: buying NO at ``q`` is hitting a YES bid at ``1 - q``, and that inversion is
written here and nowhere else. An empty side reads as the price at which nothing is gained: bid
0, ask 10,000, so that a filter on the sum of two asks needs no case for it.
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


class Trust(StrEnum):
    """May this book be traded on? Only `LIVE` may."""

    SYNCING = "syncing"
    LIVE = "live"
    SUSPECT = "suspect"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Walk:
    """What taking a size from one side of a book costs or brings.

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
        "platform",
        "sequence",
        "trust",
        "updated_at",
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
        self.sequence = 0

    def apply(self, side: int, price_e4: int, size_e6: int) -> None:
        """Set the size at one price; zero removes the level."""
        if side == BID:
            if size_e6 > 0:
                self.bids[price_e4] = size_e6
                self.best_bid = max(self.best_bid, price_e4)
            else:
                self.bids.pop(price_e4, None)
                if price_e4 == self.best_bid:
                    self.best_bid = max(self.bids, default=0)
        elif size_e6 > 0:
            self.asks[price_e4] = size_e6
            self.best_ask = min(self.best_ask, price_e4)
        else:
            self.asks.pop(price_e4, None)
            if price_e4 == self.best_ask:
                self.best_ask = min(self.asks, default=E4)

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Take a whole snapshot: the book is what it says and nothing else."""
        self.bids = {price: size for price, size in bids if size > 0}
        self.asks = {price: size for price, size in asks if size > 0}
        self.best_bid = max(self.bids, default=0)
        self.best_ask = min(self.asks, default=E4)

    def clear(self) -> None:
        """Forget everything: the stream broke or a session began; wait for a snapshot."""
        self.replace((), ())
        self.trust = Trust.SYNCING
        self.updated_at = None

    def touch(self, at: datetime, sequence: int) -> None:
        """Close one message: note its time and judge the book again.

        A crossed book is suspect, since no platform leaves one standing; the next message that
        uncrosses it makes it live again. A frozen book stays so until `clear`.
        """
        self.updated_at = at
        self.sequence = sequence
        if self.trust is not Trust.FROZEN:
            self.trust = Trust.SUSPECT if self.crossed else Trust.LIVE

    @property
    def crossed(self) -> bool:
        """Whether somebody bids at least what somebody asks."""
        return self.best_bid >= self.best_ask

    def distrust(self, now: datetime, oldest: timedelta) -> str | None:
        """Return why this book must not be traded on at `now`, or None when it may be."""
        if self.trust is not Trust.LIVE:
            return f"book_{self.trust.value}"
        if self.updated_at is None or now - self.updated_at > oldest:
            return "book_stale"
        return None

    def offers(self, outcome: Outcome, side: Side = Side.BUY) -> Levels:
        """Return the levels that an order for `outcome` would take, best first.

        In its dollars.
        """
        buys_yes = (outcome is Outcome.YES) == (side is Side.BUY)
        levels = (
            sorted(self.asks.items()) if buys_yes else sorted(self.bids.items(), reverse=True)
        )
        if outcome is Outcome.YES:
            return tuple(levels)
        return tuple((E4 - price, size) for price, size in levels)

    def ask_e4(self, outcome: Outcome) -> int:
        """What buying `outcome` costs at best; 10,000 when nobody sells it."""
        return self.best_ask if outcome is Outcome.YES else E4 - self.best_bid

    def best(self, outcome: Outcome, side: Side) -> Price | None:
        """The best price that an order of `side` for `outcome` would meet.

        None when there is none.
        """
        levels = self.offers(outcome, side)
        return Price(from_e4(levels[0][0])) if levels else None

    def depth(self, outcome: Outcome, limit: Price, side: Side = Side.BUY) -> Quantity:
        """Return how many contracts an order at `limit` would find."""
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
        """Return the best levels of both sides as text, for a snapshot that people read."""
        return {
            "bids": _texts(sorted(self.bids.items(), reverse=True)[:levels]),
            "asks": _texts(sorted(self.asks.items())[:levels]),
        }


def _texts(levels: Iterable[tuple[int, int]]) -> list[list[str]]:
    return [[str(from_e4(price)), str(from_e6(size))] for price, size in levels]


def walk(levels: Levels, size: Quantity) -> Walk | None:
    """Take `size` contracts from `levels`, best first; None when they do not hold that many.

    The one place where depth becomes an average price: detection, sizing, rescue, exits and
    display all ask here.
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


def reach(levels: Levels, size: Quantity, limit: Price) -> Price:
    """Return the worst price at which `levels` give up to `size` contracts within `limit`.

    Where they give none, that is the limit itself.
    """
    missing, worst = int(size * 1_000_000), limit
    for price, available in levels:
        at = Price(from_e4(price))
        if at > limit or missing <= 0:
            break
        worst, missing = at, missing - available
    return worst


def segments(first: Levels, second: Levels) -> Iterator[tuple[int, int, int]]:
    """Pair off two ladders: prices on both and the size that is offered at that pair of prices.

    Both prices never fall from one segment to the next, so the margin of a pair only shrinks.
    """
    left, right = iter(first), iter(second)
    price_a, size_a = next(left, (0, 0))
    price_b, size_b = next(right, (0, 0))
    while size_a and size_b:
        size = min(size_a, size_b)
        yield price_a, price_b, size
        size_a -= size
        size_b -= size
        if not size_a:
            price_a, size_a = next(left, (0, 0))
        if not size_b:
            price_b, size_b = next(right, (0, 0))

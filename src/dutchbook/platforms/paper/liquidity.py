"""Recorded books as liquidity: what is on offer, less what we already took.

When the liquidity that we took returns is the setting that affects a paper result most.
`ADDED`: only what is added to the level afterwards is available, as on a real platform.
`NEVER`: it stays gone until the recorded size of that level changes in any way. `NEW`: the
level must grow beyond what it was when we took of it. `EVERY`: each row of the recording offers
it again.

A recording of best prices alone hides the rest of a ladder behind a new, better level. What is
hidden is there until a best price shows that it is not: orders meet it, and nobody sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from dutchbook.domain.market.book import ASK, BID, Levels


class Replenishment(StrEnum):
    """When liquidity that we took returns."""

    ADDED = "added"
    NEVER = "never"
    NEW = "new"
    EVERY = "every"


class Liquidity:
    """One contract's recorded levels in YES terms, and how much of each we took.

    Prices in 10⁻⁴ dollars, sizes in 10⁻⁶ contracts. `top_only`: the recording has best prices
    alone.
    """

    def __init__(self, replenishment: Replenishment, *, top_only: bool = False) -> None:
        self._policy = replenishment
        self._top_only = top_only
        self._recorded: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._hidden: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._taken: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._best: dict[int, tuple[tuple[int, int], datetime]] = {}

    def snapshot(
        self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
    ) -> None:
        """Replace the book with these levels; see `top_only` for what they may hide."""
        for side, levels in ((BID, dict(bids)), (ASK, dict(asks))):
            if self._top_only:
                self._hide(side, levels)
            for price in [*self._recorded[side], *levels]:
                self.set(side, price, levels.get(price, 0))

    def _hide(self, side: int, levels: dict[int, int]) -> None:
        """Keep what a best price hides, and drop what it rules out."""
        recorded, hidden, taken = self._recorded[side], self._hidden[side], self._taken[side]
        known = hidden | recorded
        hidden.clear()
        if levels:
            best = max(levels) if side == BID else min(levels)
            worse = {p: n for p, n in known.items() if (p < best if side == BID else p > best)}
            hidden.update(worse)
        for price in known:
            if price in hidden:
                recorded.pop(price, None)
            elif price not in levels:
                recorded.pop(price, None)
                taken.pop(price, None)
            else:
                recorded[price] = known[price]

    def set(self, side: int, price: int, size: int) -> None:
        """Set the recorded size at `price`; zero or less removes the level."""
        recorded, taken = self._recorded[side], self._taken[side]
        before = recorded.get(price, 0)
        match self._policy:
            case Replenishment.EVERY:
                taken.pop(price, None)
            case Replenishment.NEVER if size != before:
                taken.pop(price, None)
            case Replenishment.ADDED if price in taken:
                # Others can have taken no more than we had left.
                taken[price] = min(taken[price], size)
        if size > 0:
            recorded[price] = size
        else:
            recorded.pop(price, None)
            taken.pop(price, None)

    def clear(self) -> None:
        """Empty the book and forget what was taken, because a session begins."""
        for each in (*self._recorded, *self._hidden, *self._taken):
            each.clear()
        self._best.clear()

    def seen(self, at: datetime) -> None:
        """Note since when the best prices and their sizes are as they are, after a message."""
        for side in (BID, ASK):
            best = self.best(side)
            if side not in self._best or self._best[side][0] != best:
                self._best[side] = (best, at)

    def since(self, side: int) -> datetime | None:
        """Return since when the best price of a side and its size are as they are."""
        known = self._best.get(side)
        return known[1] if known is not None else None

    def available(self, side: int) -> Levels:
        """Return what is left of what one side shows, best price first."""
        return self._left_of(self._recorded[side], side)

    def offered(self, side: int) -> Levels:
        """Return what an order meets on one side, best price first: what is hidden too."""
        return self._left_of(self._recorded[side] | self._hidden[side], side)

    def _left_of(self, levels: dict[int, int], side: int) -> Levels:
        taken = self._taken[side]
        ordered = sorted(levels.items(), reverse=side == BID)
        left = ((price, size - taken.get(price, 0)) for price, size in ordered)
        return tuple((price, size) for price, size in left if size > 0)

    def best(self, side: int) -> tuple[int, int]:
        """Return the best recorded price of a side and its size; zeros if it is empty."""
        recorded = self._recorded[side]
        price = (max if side == BID else min)(recorded, default=0)
        return price, recorded.get(price, 0)

    def left(self, side: int, price: int) -> int:
        """Return what is left of what is shown at one price; 0 or less if nothing is."""
        return self._recorded[side].get(price, 0) - self._taken[side].get(price, 0)

    def take(self, side: int, price: int, size: int) -> None:
        """Record that we took `size` of the level at `price`."""
        taken = self._taken[side]
        taken[price] = taken.get(price, 0) + size
        there = self._recorded[side].get(price) or self._hidden[side].get(price, 0)
        assert taken[price] <= there, "more was taken than offered"

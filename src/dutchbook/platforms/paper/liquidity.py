"""Recorded books as liquidity: what is on offer, less what we took of it already.

What becomes of the part that we took is the setting that decides a paper result more than any
other. `NEVER`: it stays gone until the recorded size of that level changes. `NEW`: only what is
added to the level afterwards is there for us. `EVERY`: each row of the recording offers it
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from dutchbook.domain.market.book import ASK, BID, Levels


class Replenishment(StrEnum):
    """When liquidity that we took comes back."""

    NEVER = "never"
    NEW = "new"
    EVERY = "every"


class Liquidity:
    """One contract's recorded levels in YES terms, and how much of each we have taken.

    Prices in 10⁻⁴ dollars, sizes in 10⁻⁶ contracts.
    """

    def __init__(self, replenishment: Replenishment) -> None:
        self._policy = replenishment
        self._recorded: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._taken: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def snapshot(
        self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
    ) -> None:
        """The book is exactly these levels."""
        for side, levels in ((BID, dict(bids)), (ASK, dict(asks))):
            for price in [*self._recorded[side], *levels]:
                self.set(side, price, levels.get(price, 0))

    def set(self, side: int, price: int, size: int) -> None:
        """The recording shows `size` at `price` now; zero or less: nothing."""
        recorded, taken = self._recorded[side], self._taken[side]
        before = recorded.get(price, 0)
        match self._policy:
            case Replenishment.EVERY:
                taken.pop(price, None)
            case Replenishment.NEVER if size != before:
                taken.pop(price, None)
        if size > 0:
            recorded[price] = size
        else:
            recorded.pop(price, None)
            taken.pop(price, None)

    def clear(self) -> None:
        """A session begins: nothing is on offer, and nothing was taken."""
        for each in (*self._recorded, *self._taken):
            each.clear()

    def available(self, side: int) -> Levels:
        """Return what is left to take of one side, best first."""
        taken = self._taken[side]
        levels = sorted(self._recorded[side].items(), reverse=side == BID)
        left = ((price, size - taken.get(price, 0)) for price, size in levels)
        return tuple((price, size) for price, size in left if size > 0)

    def left(self, side: int, price: int) -> int:
        """Return what is left to take at one price."""
        return self._recorded[side].get(price, 0) - self._taken[side].get(price, 0)

    def take(self, side: int, price: int, size: int) -> None:
        """Remember that `size` of the level at `price` is ours now."""
        taken = self._taken[side]
        taken[price] = taken.get(price, 0) + size
        assert taken[price] <= self._recorded[side].get(price, 0), "more was taken than offered"

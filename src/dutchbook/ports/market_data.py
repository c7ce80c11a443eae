"""Books of the platforms as the engine receives them: live, from a tape, or on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dutchbook.domain.market.book import ASK, BID, Levels, OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Key
from dutchbook.domain.values.units import PriceGrid

Changes = tuple[tuple[int, int], ...]
"""Prices in 10⁻⁴ dollars and sizes in 10⁻⁶ contracts, in any order; size zero: no level."""


@dataclass(frozen=True, slots=True)
class BookUpdate:
    """One update of one book, in YES terms.

    Attributes:
        platform: The book's platform.
        contract_id: The book's contract.
        whole: Whether the levels replace the book or change it.
        bids: The whole side, or its changed levels with their new sizes.
        asks: The same for the other side.
        sequence: The platform's own number of the message, 0 if it has none.
        platform_time: The platform's own time of the message, UTC, if it gives one.
    """

    platform: Platform
    contract_id: str
    whole: bool
    bids: Changes
    asks: Changes
    sequence: int = 0
    platform_time: datetime | None = None

    def apply_to(self, book: OrderBook) -> None:
        """Change a book as the update says."""
        if self.whole:
            book.replace(self.bids, self.asks)
            return
        for side, levels in ((BID, self.bids), (ASK, self.asks)):
            for price, size in levels:
                book.apply(side, price, size)


@dataclass(frozen=True, slots=True)
class GridChange:
    """From now on, a contract is quoted on another grid.

    Kalshi announces it as `price_level_structure_updated` with the new bands, Polymarket as
    `tick_size_change` (docs.kalshi.com, docs.polymarket.com, 2026-10).
    """

    platform: Platform
    contract_id: str
    grid: PriceGrid


class MarketListener(Protocol):
    """Receives market data in order. Every call is synchronous and must not block."""

    def session_began(self) -> None:
        """A session begins: from now on, monitoring notices a silent platform.

        A live stream has one session. The unrecorded time between two of a tape is in none.
        """
        ...

    def connected(self, platform: Platform) -> None:
        """A platform's stream is up; a whole book precedes the changes of each contract."""
        ...

    def updated(self, update: BookUpdate) -> None:
        """A book of a subscribed contract has changed."""
        ...

    def grid_changed(self, change: GridChange) -> None:
        """A subscribed contract's prices have another grid from now on."""
        ...

    def resolved(self, platform: Platform, contract_id: str) -> None:
        """A subscribed contract has a final result: it trades no more."""
        ...

    def gap(self, platform: Platform) -> None:
        """Updates of a platform may be missing: its books are unknown until whole ones come."""
        ...

    def session_ended(self) -> None:
        """The session ends; no update comes until another one begins."""
        ...


class MarketData(Protocol):
    """Pushes the books of subscribed contracts to a listener.

    An implementation may wrap another one: it is then the listener of that one, and forwards
    (a recorder) or changes (a paper platform) what it receives.
    """

    def subscribe(self, keys: Iterable[Key]) -> None:
        """Push the books of these contracts too, before `run` or during it."""
        ...

    async def run(self, listener: MarketListener) -> None:
        """Push until there is nothing more: a tape ends, a live stream only if cancelled.

        A lost connection is a gap, not an end. If cancelled or broken, the session ends first.

        Raises:
            MarketDataBroken: Nothing more can be read, though there is more.
        """
        ...


@dataclass(frozen=True, slots=True)
class BookReport:
    """One complete order book as the platform reports it, in YES terms.

    Prices in 10⁻⁴ dollars, sizes in 10⁻⁶ contracts, best first.
    """

    contract_id: str
    bids: Levels
    asks: Levels


class BookReader(Protocol):
    """Reads books by a request, where streams have fallen silent."""

    async def books(self, contract_ids: Sequence[str]) -> Sequence[BookReport]:
        """Return complete books in one request, so that all of them show the same time.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

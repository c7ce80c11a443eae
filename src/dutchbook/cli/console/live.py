"""The live view.

Books, running executions, capital and the latest events, redrawn a few times a second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from dutchbook.cli.console.lines import QUIET, line
from dutchbook.domain.events import Event
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import E4, from_e4, plain


class Book(Protocol):
    """What the view needs of a book."""

    best_bid: int
    best_ask: int

    def ask_e4(self, outcome: Outcome) -> int:
        """Return the best price of buying an outcome, in 10⁻⁴ dollars."""
        ...


@dataclass(frozen=True, slots=True)
class PairLine:
    """A pair and its two books."""

    title: str
    kalshi: Book
    polymarket: Book
    hedge: dict[Outcome, Outcome]


@dataclass(frozen=True, slots=True)
class Standing:
    """State of the engine; amounts are dollars as text."""

    now: str
    mode: str
    halted: tuple[str, ...]
    opportunities: int
    edges_seen: int
    running: int
    positions: dict[str, int]
    capital: dict[Platform, tuple[str, str, str]]


class LiveView:
    """Collects events and draws the view."""

    def __init__(self, pairs: list[PairLine]) -> None:
        self._pairs = pairs
        self._tail: deque[str] = deque(maxlen=10)

    def __call__(self, event: Event, sequence: int) -> None:
        """Add an event to the tail, unless its kind only repeats another."""
        if sequence and event.wire not in QUIET:
            self._tail.append(line(event))

    def draw(self, standing: Standing) -> RenderableType:
        """Return the current view."""
        state = f"halted: {', '.join(standing.halted)}" if standing.halted else "trading"
        positions = ", ".join(f"{n} {name}" for name, n in standing.positions.items()) or "none"
        head = (
            f"{standing.now}   {standing.mode}, {state}\n"
            f"edges seen {standing.edges_seen}   opportunities {standing.opportunities}   "
            f"executions under way {standing.running}   positions: {positions}"
        )
        return Group(
            Panel(head, title="Dutchbook", title_align="left"),
            self._books(),
            self._capital(standing),
            Panel("\n".join(self._tail) or "no events yet", title="Events", title_align="left"),
        )

    def _books(self) -> Table:
        table = Table(title="Books, YES in dollars", title_justify="left", expand=True)
        for name in ("pair", "Kalshi bid", "ask", "Polymarket bid", "ask", "cheapest pair"):
            table.add_column(name, justify="left" if name == "pair" else "right")
        for pair in self._pairs:
            cost = min(
                pair.kalshi.ask_e4(outcome) + pair.polymarket.ask_e4(hedge)
                for outcome, hedge in pair.hedge.items()
            )
            style = "bold green" if cost < E4 else ""
            table.add_row(
                pair.title,
                *_quotes(pair.kalshi),
                *_quotes(pair.polymarket),
                plain(from_e4(cost)) if cost < 2 * E4 else "-",
                style=style,
            )
        return table

    def _capital(self, standing: Standing) -> Table:
        table = Table(title="Capital in dollars", title_justify="left", expand=True)
        for name in ("platform", "free", "reserved", "committed"):
            table.add_column(name, justify="left" if name == "platform" else "right")
        for platform, amounts in standing.capital.items():
            table.add_row(platform.value, *amounts)
        return table


def _quotes(book: Book) -> tuple[str, str]:
    bid = plain(from_e4(book.best_bid)) if book.best_bid > 0 else "-"
    ask = plain(from_e4(book.best_ask)) if book.best_ask < E4 else "-"
    return bid, ask

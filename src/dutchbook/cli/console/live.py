"""The live view.

Books, running executions, capital and the latest events, redrawn a few times a second.
"""

from __future__ import annotations

from collections import Counter, deque

from rich.console import Group, RenderableType
from rich.table import Table

from dutchbook.application.views.result import document, line
from dutchbook.bootstrap.engine import Engine
from dutchbook.cli.console.literal import panel
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import E4, from_e4, plain


class LiveView:
    """Draws an engine; `tail` holds its latest events as lines."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.tail: deque[str] = deque(maxlen=10)

    def draw(self) -> RenderableType:
        """Return the current view."""
        return Group(
            panel("Dutchbook", line(document(self._engine.trades.result)), *self._head()),
            self._books(),
            self._capital(),
            panel("Events", *(self.tail or ("no events yet",))),
        )

    def _head(self) -> tuple[str, str]:
        engine = self._engine
        halted = ", ".join(sorted(engine.risk.capital.state.halt_reasons))
        state = f"halted: {halted}" if halted else "trading"
        counts = Counter(p.status.value for p in engine.trades.positions.values())
        positions = ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "none"
        detection = engine.detection
        now = engine.clock.now().isoformat(sep=" ", timespec="seconds")
        seen = (
            f"edges seen {detection.edges_seen}   opportunities {detection.opportunities}   "
            f"executions under way {engine.queue.running}   positions: {positions}"
        )
        return f"{now}   paper, {state}", seen

    def _books(self) -> Table:
        table = Table(title="Books, YES in dollars", title_justify="left", expand=True)
        for name in ("pair", "Kalshi bid", "ask", "Polymarket bid", "ask", "cheapest pair"):
            table.add_column(name, justify="left" if name == "pair" else "right")
        for pair in self._engine.watchlist.pairs.values():
            cost = min(
                pair.kalshi.ask_e4(outcome) + pair.polymarket.ask_e4(pair.match.hedge(outcome))
                for outcome in Outcome
            )
            style = "bold green" if cost < E4 else ""
            table.add_row(
                pair.match.kalshi.title,
                *_quotes(pair.kalshi),
                *_quotes(pair.polymarket),
                plain(from_e4(cost)) if cost < 2 * E4 else "-",
                style=style,
            )
        return table

    def _capital(self) -> Table:
        table = Table(title="Capital in dollars", title_justify="left", expand=True)
        for name in ("platform", "free", "reserved", "committed"):
            table.add_column(name, justify="left" if name == "platform" else "right")
        for platform in Platform:
            balance = self._engine.risk.capital.balance(platform)
            amounts = (balance.free, balance.reserved, balance.committed)
            table.add_row(platform.value, *(plain(each) for each in amounts))
        return table


def _quotes(book: OrderBook) -> tuple[str, str]:
    bid = plain(from_e4(book.best_bid)) if book.best_bid > 0 else "-"
    ask = plain(from_e4(book.best_ask)) if book.best_ask < E4 else "-"
    return bid, ask

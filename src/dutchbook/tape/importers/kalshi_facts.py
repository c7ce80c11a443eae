"""What a Kalshi recording contains about its markets, and what must be assumed.

The gold recording comes with Kalshi's own description of each event (``metadata/*.json``:
rules, price ranges, dates); the bitcoin recorder notes when a market closes. Neither has fees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from dutchbook.domain.market.contract import Platform, Sizing
from dutchbook.domain.market.fees import FeeSchedule, kalshi_terms
from dutchbook.domain.values.units import Money, PriceGrid, Quantity
from dutchbook.errors import InvalidInput, TapeError
from dutchbook.tape.importers.facts import Facts
from dutchbook.tape.stored import EPOCH, Level, instant

WINDOW = timedelta(minutes=15)
SIZING = Sizing(Quantity(Decimal("0.01")), Quantity(Decimal("0.01")), Money(Decimal(0)))
TICKS = {100: "0.01", 10: "0.001", 1: "0.0001"}
"""Ticks of Kalshi's markets, in 10⁻⁴ dollars and in dollars, coarsest first."""


class _Market(msgspec.Struct):
    ticker: str
    title: str
    rules_primary: str
    close_time: datetime
    price_ranges: list[dict[str, str]]
    rules_secondary: str = ""
    expected_expiration_time: datetime | None = None
    settlement_timer_seconds: int = 0


class _Event(msgspec.Struct):
    markets: list[_Market]


class _Document(msgspec.Struct):
    response: _Event


@dataclass(slots=True)
class _Seen:
    last_us: int = 0
    tick: int = max(TICKS)
    announced: bool = False
    """Whether another grid was announced: later prices say nothing of the first one."""

    def announce(self) -> None:
        """Record that another grid was announced."""
        self.announced = True

    def add(self, at_us: int, levels: Iterable[Level]) -> None:
        """Record a message: its time, and the coarsest tick that its prices allow."""
        self.last_us = at_us
        for _, price, _ in () if self.announced else levels:
            while price % self.tick:
                self.tick //= 10


@dataclass(slots=True)
class Markets:
    """The markets of a recording, in order of appearance."""

    described: dict[str, _Market]
    closing: dict[str, datetime] = field(default_factory=dict)
    grids: dict[str, PriceGrid] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> Markets:
        """Read the descriptions that came with the recording at `path`.

        Raises:
            TapeError: A description is malformed.
        """
        found = {}
        for file in _descriptions(path):
            try:
                document = msgspec.json.decode(file.read_bytes(), type=_Document)
            except (OSError, msgspec.DecodeError) as error:
                raise TapeError(
                    f"{file}: not an event as Kalshi describes it: {error}"
                ) from error
            for market in document.response.markets:
                found[market.ticker] = market
        return cls(found)

    def seen(self, ticker: str, at_us: int, levels: Iterable[Level]) -> None:
        """Record a book or trade message of a market."""
        seen = self._seen.get(ticker)
        if seen is None:
            seen = self._seen[ticker] = _Seen()
        seen.add(at_us, levels)

    def grid(self, ticker: str) -> Facts:
        """Return what is known of a market before any of its prices."""
        facts = Facts(Platform.KALSHI, ticker)
        if market := self.described.get(ticker):
            facts.know(**_known(market))
        if ticker in self.grids:
            facts.know(grid=self.grids[ticker])
        facts.assume("sizing", SIZING, "steps of 0.01 contracts")
        return facts

    def announced(self, ticker: str, grid: PriceGrid) -> bool:
        """Note that a market has another grid; return whether it has had a message before.

        If not, this is the grid that it begins with.
        """
        seen = self._seen.get(ticker)
        if seen is None:
            self.grids[ticker] = grid
            return False
        seen.announce()
        return True

    def watch(self, event: Mapping[str, Any]) -> None:
        """Record when a market closes, if the recorder's message says so."""
        payload = event.get("msg")
        if event.get("type") != "watch_market" or not isinstance(payload, dict):
            return
        ticker, closing = payload.get("market_ticker"), payload.get("close_time")
        if isinstance(ticker, str) and isinstance(closing, str):
            try:
                when = datetime.fromisoformat(closing)
            except ValueError:
                return
            if when.tzinfo is not None:
                self.closing[ticker] = when.astimezone(UTC)

    def facts(self) -> list[Facts]:
        """Return the known and assumed facts of each market that has a book or a trade."""
        return [self._facts(ticker, seen) for ticker, seen in self._seen.items()]

    def _facts(self, ticker: str, seen: _Seen) -> Facts:
        facts = Facts(Platform.KALSHI, ticker)
        if market := self.described.get(ticker):
            facts.know(**_known(market))
        if ticker in self.grids:
            facts.know(grid=self.grids[ticker])
        if ticker in self.closing:
            facts.know(close_time=self.closing[ticker])
        tick = TICKS[seen.tick]
        facts.assume("title", ticker, "its ticker")
        facts.assume("rules", "", "not recorded")
        facts.assume("grid", PriceGrid.of_tick(tick), f"tick {tick}, from the prices seen")
        facts.assume("sizing", SIZING, "steps of 0.01 contracts")
        facts.assume("fees", FeeSchedule((kalshi_terms("quadratic"),)), "taker 7 %")
        nearest = _nearest_quarter(instant(seen.last_us))
        facts.assume("close_time", nearest, "the quarter hour nearest to its last message")
        closing = facts.values["close_time"]
        facts.assume("resolution_time", closing, "when it closes")
        facts.assume("cash_delay", timedelta(days=1), "one day after resolution")
        return facts


def _known(market: _Market) -> dict[str, Any]:
    rules = "\n".join(text for text in (market.rules_primary, market.rules_secondary) if text)
    try:
        grid = PriceGrid.of_ranges(market.price_ranges)
    except InvalidInput as error:
        raise TapeError(f"{market.ticker}: {error}") from error
    return {
        "title": market.title,
        "rules": rules,
        "grid": grid,
        "close_time": market.close_time,
        "resolution_time": market.expected_expiration_time or market.close_time,
        "cash_delay": timedelta(seconds=market.settlement_timer_seconds),
    }


def _nearest_quarter(when: datetime) -> datetime:
    quarters = round((when - EPOCH) / WINDOW)
    return EPOCH + quarters * WINDOW


def _descriptions(path: Path) -> Iterator[Path]:
    """Find ``metadata/*.json`` in the folder of the recording's files, or in its parent."""
    folders = [path, path.parent] if path.is_dir() else [path.parent, path.parent.parent]
    for folder in folders:
        files = sorted((folder / "metadata").glob("*.json"))
        if files:
            yield from files
            return

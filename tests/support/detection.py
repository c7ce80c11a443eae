"""Detection on the pair and the books of `support.pairs`, with any of them replaced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.detection.detect import detect
from dutchbook.domain.detection.quote import Caps, Hurdles, Opportunity, Refusal
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.values.units import Money
from support.pairs import NOW, RICH, book, cheap_books, pair

KALSHI, POLYMARKET = Platform
DEFAULT = Hurdles()


def look(
    match: ContractMatch | None = None,
    books: Mapping[Platform, OrderBook] | None = None,
    outcome: Outcome = Outcome.YES,
    hurdles: Hurdles = DEFAULT,
    caps: Caps = RICH,
    now: datetime = NOW,
    primary: Platform = KALSHI,
) -> Opportunity | Refusal:
    return detect(
        match or pair(),
        books or cheap_books(),
        outcome,
        primary=primary,
        now=now,
        hurdles=hurdles,
        caps=caps,
    )


def opportunity(found: Opportunity | Refusal) -> Opportunity:
    assert isinstance(found, Opportunity), found
    return found


def dollars(number: str | int) -> Money:
    return Money(Decimal(number))


def both(kalshi: OrderBook, polymarket: OrderBook) -> dict[Platform, OrderBook]:
    return {KALSHI: kalshi, POLYMARKET: polymarket}


def deep_books() -> dict[Platform, OrderBook]:
    """Return `cheap_books` with far more than any test buys at the best prices."""
    return both(
        book(KALSHI, {38: 500}, {40: 100_000}),
        book(POLYMARKET, {47: 100_000}, {49: 500}),
    )

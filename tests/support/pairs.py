"""A pair of contracts approved for trading, and books for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from dutchbook.domain.detection.quote import Caps
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Contract, ContractMatch, Platform, Sizing
from dutchbook.domain.market.fees import FeeSchedule, kalshi_terms, polymarket_schedule
from dutchbook.domain.values.units import Money, PriceGrid, Quantity

NOW = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
RICH = Caps(Money(Decimal(300)), {p: Money(Decimal(5_000)) for p in Platform})


def contract(platform: Platform, **facts: object) -> Contract:
    kalshi = platform is Platform.KALSHI
    step = Quantity(Decimal("0.01"))
    made = Contract(
        platform=platform,
        contract_id=f"{platform}-cup",
        title="Northern Rovers win the cup",
        rules="Resolves to YES if they do.",
        grid=PriceGrid.of_tick("0.01"),
        sizing=Sizing(step, step, Money(Decimal(0)))
        if kalshi
        else Sizing(step, Quantity(Decimal(5)), Money(Decimal(1)), cent_exact=True),
        fees=FeeSchedule((kalshi_terms("quadratic"),))
        if kalshi
        else polymarket_schedule("sports"),
        close_time=NOW + timedelta(days=6),
        resolution_time=NOW + timedelta(days=6),
        cash_delay=timedelta(days=1),
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def pair(**facts: object) -> ContractMatch:
    made = ContractMatch(
        match_id="cup",
        kalshi=contract(Platform.KALSHI),
        polymarket=contract(Platform.POLYMARKET),
        divergence_probability=Decimal("0.0005"),
        operator_approved=True,
    )
    made = replace(made, **facts)  # type: ignore[arg-type]
    return replace(made, approved_digest=made.digest)


def book(
    platform: Platform,
    bids: dict[int, int],
    asks: dict[int, int],
    at: datetime = NOW,
) -> OrderBook:
    """Make a live book: prices in cents, sizes in whole contracts."""
    made = OrderBook(platform, f"{platform}-cup")
    made.replace(
        ((price * 100, size * 1_000_000) for price, size in bids.items()),
        ((price * 100, size * 1_000_000) for price, size in asks.items()),
    )
    made.touch(at, 1)
    return made


def cheap_books() -> dict[Platform, OrderBook]:
    """Return books at 93 cents for a dollar: YES at 40 on Kalshi, NO at 53 on Polymarket."""
    return {
        Platform.KALSHI: book(Platform.KALSHI, {38: 500}, {40: 200, 41: 300}),
        Platform.POLYMARKET: book(Platform.POLYMARKET, {47: 400, 46: 400}, {49: 500}),
    }

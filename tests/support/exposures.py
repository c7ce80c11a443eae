"""Exposure events with a chosen time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from dutchbook.domain.events import FailedLeg, FilledLeg, SingleLegExposure, Stamp, TopOfBook
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity

TEN = Quantity(Decimal(10))
PRICE = Price(Decimal("0.40"))
UNKNOWN = TopOfBook(None, None)


def exposure(name: str, at: datetime, position_id: str = "held") -> SingleLegExposure:
    """Return an exposure of ten contracts on Kalshi, stamped with `at`."""
    filled = FilledLeg(
        Platform.KALSHI, "o", Side.BUY, Outcome.YES, PRICE, TEN, Decimal("0.4"), TEN
    )
    failed = FailedLeg(Platform.POLYMARKET, "rejected", 2004, PRICE, TEN)
    return SingleLegExposure(
        Stamp(name, at, "e"),
        position_id=position_id,
        pair_id="p",
        expected_edge=Money(Decimal("0.1")),
        exposed_quantity=TEN,
        filled_leg=filled,
        failed_leg=failed,
        kalshi_book=UNKNOWN,
        polymarket_book=UNKNOWN,
        scenarios=(),
        recommended_actions=(),
    )

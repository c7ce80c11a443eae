"""Fills that a platform states as a total before, or instead of, listing their trades.

The fill that stands for them is a function of the facts (I-7): the same totals give the same
id, and when trades appear that explain the total, it gives way to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from dutchbook.domain.execution.order import Fill
from dutchbook.domain.market.contract import Side
from dutchbook.domain.reconciliation.our_state import SYNTHETIC, OurOrder, is_synthetic, live
from dutchbook.domain.reconciliation.platform_state import Found, Stated
from dutchbook.domain.values.units import MICRO, Money, Price, Quantity, owed, plain


@dataclass(frozen=True, slots=True)
class Remainder:
    """What the platform has filled beyond its known trades.

    Attributes:
        size: Contracts; zero when the trades explain the total.
        fill: What stands for it, or for that part of it which has a price.
    """

    size: Decimal
    fill: Fill | None

    @property
    def unpriced(self) -> bool:
        """Whether a part of it has no price yet and cannot be entered."""
        return self.size > (self.fill.size if self.fill else 0)


def current(ours: OurOrder) -> Fill | None:
    """Return the synthetic fill that counts, if any; there is at most one an order."""
    return next((fill for fill in live(ours.fills) if is_synthetic(fill)), None)


def remainder(ours: OurOrder, trades: Iterable[Fill], found: Found | None) -> Remainder:
    """Return what is stated of an order beyond its trades.

    Args:
        ours: The order before this pass.
        trades: Every trade known to either side, failed ones too: a stated total counts them.
        found: The platform's record, None where it did not answer; then what it stated before
            still stands.
    """
    held = current(ours)
    trades = tuple(trades)
    explained = sum((fill.size for fill in trades), start=Decimal(0))
    real = (fill.size for fill in ours.fills if not is_synthetic(fill))
    before = sum(real, start=held.size if held else Decimal(0))
    stated = found.stated if found else None
    total = max(before, stated.filled if stated else before)
    size = total - explained
    if size <= 0:
        return Remainder(Decimal(0), None)
    if found and stated and stated.filled == total:
        priced = _priced(ours, trades, found.platform_order_id, stated, size)
        if priced is not None:
            return Remainder(size, priced)
    left = before - explained
    if held is None or left <= 0:
        return Remainder(size, None)
    return Remainder(size, _shrunk(held, left, explained, before))


def trade_id(platform_order_id: str, explained: Decimal, total: Decimal) -> str:
    """Return the id of the fill between what trades explain and what is stated."""
    facts = "\x1f".join((platform_order_id, plain(explained), plain(total)))
    digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return f"{SYNTHETIC}{platform_order_id}:{digest}"


def _priced(
    ours: OurOrder,
    trades: tuple[Fill, ...],
    platform_order_id: str,
    stated: Stated,
    size: Decimal,
) -> Fill | None:
    """Price the remainder by the platform's own totals; without a cost there is no price."""
    if stated.cost is None:
        return None
    order = ours.order
    cost = stated.cost - sum((fill.price * fill.size for fill in trades), start=Decimal(0))
    fees = stated.fees - sum((fill.fee for fill in trades), start=Decimal(0))
    rounding = ROUND_CEILING if order.side is Side.BUY else ROUND_FLOOR
    price = (cost / size).quantize(MICRO, rounding)
    if not 0 < price < 1:
        return None
    return Fill(
        trade_id=trade_id(platform_order_id, stated.filled - size, stated.filled),
        platform=order.platform,
        order_id=order.order_id,
        outcome=order.outcome,
        side=order.side,
        price=Price(price),
        size=Quantity(size),
        fee=Money(fees),
        finality=stated.finality,
        matched_at=order.created_at,
    )


def _shrunk(held: Fill, size: Decimal, explained: Decimal, total: Decimal) -> Fill:
    """Return the held remainder, smaller by the trades that have appeared since."""
    if size == held.size:
        return held
    platform_order_id = held.trade_id.removeprefix(SYNTHETIC).rsplit(":", 1)[0]
    return Fill(
        trade_id=trade_id(platform_order_id, explained, total),
        platform=held.platform,
        order_id=held.order_id,
        outcome=held.outcome,
        side=held.side,
        price=held.price,
        size=Quantity(size),
        fee=owed(held.fee * size / held.size),
        finality=held.finality,
        matched_at=held.matched_at,
    )

"""Synthetic fills: a platform states a total before, or instead of, listing trades.

The synthetic fill is a function of the facts (I-7): the same totals give the same id, and
trades that explain the total replace it when they appear.
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
    """The part of a stated total that known trades do not explain.

    Attributes:
        size: Contracts; zero if the trades explain the total.
        fill: The synthetic fill for it, or for the part of it that has a price.
    """

    size: Decimal
    fill: Fill | None

    @property
    def unpriced(self) -> bool:
        """Whether a part has no price yet and cannot be booked."""
        return self.size > (self.fill.size if self.fill else 0)


def current(ours: OurOrder) -> Fill | None:
    """Return the live synthetic fill, if any; an order has at most one."""
    return next((fill for fill in live(ours.fills) if is_synthetic(fill)), None)


def remainder(ours: OurOrder, trades: Iterable[Fill], found: Found | None) -> Remainder:
    """Return the part of an order's stated total that its trades do not explain.

    Args:
        ours: The order before this pass.
        trades: Every known trade, ours or the platform's; stated totals count failed ones too.
        found: The platform's record; None if it did not answer, and then the previous stated
            total stays valid.
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
    """Return the id of the synthetic fill between the explained and the stated total."""
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
    """Price the remainder from the platform's totals; return None without a usable cost."""
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
    """Return the recorded synthetic fill, reduced by the trades that have appeared since."""
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

"""Kalshi's answers to an order, encoded as the platform does, for the paper platform.

Sources: those of `order_codec`, which decodes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Outcome, Side
from dutchbook.domain.values.units import plain
from dutchbook.platforms.kalshi.order_codec import TABLE
from dutchbook.platforms.order_answers import Answer
from dutchbook.ports.orders import OrderReport

MORE = "CgwI"
"""A cursor that another page follows; real ones are opaque too."""


def encode_placed(order: Order, report: OrderReport) -> Answer:
    """Encode the answer to a create order: flat, with averages only if something filled."""
    filled = sum((fill.size for fill in report.fills), start=Decimal(0))
    body: dict[str, Any] = {
        "order_id": report.platform_order_id,
        "client_order_id": order.client_order_id,
        "fill_count": _fp(filled),
        "remaining_count": _fp(report.working),
        "ts_ms": int(order.created_at.timestamp() * 1000),
    }
    if filled:
        paid = sum((_yes(order, f.price) * f.size for f in report.fills), start=Decimal(0))
        fees = sum((fill.fee for fill in report.fills), start=Decimal(0))
        body["average_fill_price"] = f"{paid / filled:.4f}"
        body["average_fee_paid"] = f"{fees / filled:.4f}"
    return Answer(201, msgspec.json.encode(body))


def encode_refused(reason: str, order: Order) -> Answer:
    """Encode the rejection with our `reason`, in the shape that its status has."""
    del order
    row = TABLE.row(reason)
    if row.text is not None:
        return Answer(row.statuses[0], msgspec.json.encode({"error": row.text}))
    code = row.code or "forbidden"
    body = {"error": {"code": code, "message": code.replace("_", " ")}}
    return Answer(row.statuses[-1], msgspec.json.encode(body))


def encode_orders(known: Iterable[tuple[Order, OrderReport]], *, last: bool = True) -> Answer:
    """Encode a page of orders; a cursor follows unless it is the `last`."""
    rows = [_order_row(order, report) for order, report in known]
    return Answer(200, msgspec.json.encode({"orders": rows, "cursor": "" if last else MORE}))


def _order_row(order: Order, report: OrderReport) -> dict[str, str]:
    filled = sum((fill.size for fill in report.fills), start=Decimal(0))
    paid = sum((fill.price * fill.size for fill in report.fills), start=Decimal(0))
    fees = sum((fill.fee for fill in report.fills), start=Decimal(0))
    cost = paid if order.side is Side.BUY else filled - paid
    ended = "executed" if filled >= order.size else "canceled"
    return {
        "order_id": report.platform_order_id,
        "client_order_id": order.client_order_id,
        "ticker": order.contract_id,
        "type": "limit",
        **_direction(order),
        "status": "resting" if report.working else ended,
        **_prices(order, order.price),
        "initial_count_fp": _fp(order.size),
        "fill_count_fp": _fp(filled),
        "remaining_count_fp": _fp(report.working),
        "taker_fill_cost_dollars": f"{cost:.6f}",
        "maker_fill_cost_dollars": "0.000000",
        "taker_fees_dollars": f"{fees:.6f}",
        "maker_fees_dollars": "0.000000",
    }


def encode_fills(order: Order, report: OrderReport, *, last: bool = True) -> Answer:
    """Encode a page of one order's fills; a cursor follows unless it is the `last`."""
    rows = [
        {
            "fill_id": fill.trade_id,
            "trade_id": fill.trade_id,
            "order_id": fill.platform_order_id,
            "ticker": order.contract_id,
            **_direction(order),
            "count_fp": _fp(fill.size),
            **_prices(order, fill.price),
            "fee_cost": f"{fill.fee:.6f}",
            "created_time": fill.matched_at,
        }
        for fill in report.fills
    ]
    return Answer(200, msgspec.json.encode({"fills": rows, "cursor": "" if last else MORE}))


def _direction(order: Order) -> dict[str, str]:
    """Return the direction: buying YES and selling NO are bids (docs, order_direction)."""
    bids = (order.outcome is Outcome.YES) == (order.side is Side.BUY)
    return {
        "outcome_side": "yes" if bids else "no",
        "book_side": "bid" if bids else "ask",
    }


def _prices(order: Order, own: Decimal) -> dict[str, str]:
    yes = _yes(order, own)
    return {"yes_price_dollars": f"{yes:.4f}", "no_price_dollars": f"{1 - yes:.4f}"}


def _yes(order: Order, own: Decimal) -> Decimal:
    return own if order.outcome is Outcome.YES else 1 - own


def _fp(count: Decimal) -> str:
    """Format contracts with two decimals, as Kalshi does, or more to stay exact."""
    return f"{count:.2f}" if not count % Decimal("0.01") else plain(count)

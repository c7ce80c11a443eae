"""Polymarket's answers to an order, encoded as the platform does, for the paper platform.

Sources: those of `order_codec`, which decodes them.
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from dutchbook.domain.execution.order import Finality, Order, TimeInForce
from dutchbook.domain.market.contract import Side
from dutchbook.domain.values.units import due, owed, plain, to_e6
from dutchbook.platforms.order_answers import NO_MATCH, Answer
from dutchbook.platforms.polymarket.order_codec import LAST, TABLE
from dutchbook.platforms.polymarket.refusals import DELAYED, LIVE, MATCHED
from dutchbook.ports.orders import OrderReport

MORE = "MTAw"
"""A cursor that another page follows: an offset in base64."""


def encode_placed(order: Order, report: OrderReport) -> Answer:
    """Encode the answer to `POST /order`.

    Polymarket rejects an order that matched nothing and may not rest.
    """
    if not report.fills and not report.working:
        return encode_refused(NO_MATCH, order)
    shares = sum((fill.size for fill in report.fills), start=Decimal(0))
    dollars = sum((fill.price * fill.size for fill in report.fills), start=Decimal(0))
    buys = order.side is Side.BUY
    dollars = owed(dollars) if buys else due(dollars)
    given, got = (dollars, shares) if buys else (shares, dollars)
    body = {
        "success": True,
        "errorMsg": "",
        "orderID": report.platform_order_id,
        "status": MATCHED if report.fills else LIVE,
        "makingAmount": plain(given) if report.fills else "",
        "takingAmount": plain(got) if report.fills else "",
        "tradeIDs": [fill.trade_id for fill in report.fills],
    }
    return Answer(200, msgspec.json.encode(body))


def encode_delayed(platform_order_id: str) -> Answer:
    """Encode the answer to an order that is held back."""
    body = {
        "success": True,
        "errorMsg": "",
        "orderID": platform_order_id,
        "status": DELAYED,
        "makingAmount": "",
        "takingAmount": "",
        "tradeIDs": [],
    }
    return Answer(200, msgspec.json.encode(body))


def encode_refused(reason: str, order: Order) -> Answer:
    """Encode the rejection with our `reason`, its placeholders filled in."""
    row = TABLE.row(reason)
    blanks = {
        "id": order.client_order_id,
        "price": plain(order.price),
        "size": plain(order.size),
        "side": order.side.name,
        "dollars": plain(order.size * order.price),
        "tail": "",
    }
    text = re.sub(r"\{(\w+)\}", lambda blank: blanks.get(blank[1], "5"), row.text or "")
    body = {"error": text, **({"code": row.code} if row.code else {})}
    return Answer(row.statuses[0], msgspec.json.encode(body))


def encode_order(order: Order, report: OrderReport | None) -> Answer:
    """Encode the answer to `GET /data/order/{id}`: the order, or that there is none."""
    if report is None:
        return Answer(404, msgspec.json.encode({"error": "order not found"}))
    matched = sum((fill.size for fill in report.fills), start=Decimal(0))
    ended = "MATCHED" if matched else "CANCELED"
    body = {
        "id": report.platform_order_id,
        "status": "LIVE" if report.working else ended,
        "asset_id": order.contract_id,
        "side": order.side.name,
        "outcome": order.outcome.value.capitalize(),
        "price": plain(order.price),
        "original_size": plain(order.size),
        "size_matched": plain(matched),
        "order_type": "FAK"
        if order.time_in_force is TimeInForce.IOC
        else order.time_in_force.name,
        "associate_trades": [fill.trade_id for fill in report.fills],
    }
    return Answer(200, msgspec.json.encode(body))


def encode_fills(order: Order, report: OrderReport, *, last: bool = True) -> Answer:
    """Encode a page of one order's trades, all as taker; more follow unless it is the `last`.

    Paper charges taker fees for orders that rested too, so it reports them as taker trades.
    """
    words = {Finality.PROVISIONAL: "MATCHED", Finality.SETTLED: "CONFIRMED"}
    rows = [
        {
            "id": fill.trade_id,
            "taker_order_id": fill.platform_order_id,
            "asset_id": order.contract_id,
            "side": order.side.name,
            "size": plain(fill.size),
            "price": plain(fill.price),
            "status": words.get(fill.finality, "FAILED"),
            "match_time": fill.matched_at.isoformat(),
            "outcome": order.outcome.value.capitalize(),
            "trader_side": "TAKER",
            "maker_orders": [],
        }
        for fill in report.fills
    ]
    return Answer(
        200, msgspec.json.encode({"data": rows, "next_cursor": LAST[-1] if last else MORE})
    )


def encode_request(order: Order, salt: int) -> str:
    """Encode the signed part of `POST /order`, unsigned: amounts in millionths, as text.

    A buy gives dollars and gets shares, a sale the reverse; `timestamp` are milliseconds
    (docs.polymarket.com place-orders; py-clob-client-v2 1.2.1).
    """
    dollars, shares = to_e6(owed(order.price * order.size)), to_e6(order.size)
    given, got = (dollars, shares) if order.side is Side.BUY else (shares, dollars)
    body = {
        "salt": salt,
        "tokenId": order.contract_id,
        "makerAmount": str(given),
        "takerAmount": str(got),
        "side": order.side.name,
        "timestamp": str(int(order.created_at.timestamp() * 1000)),
        "expiration": "0",
        "outcome": order.outcome.value,
    }
    return msgspec.json.encode(body).decode()

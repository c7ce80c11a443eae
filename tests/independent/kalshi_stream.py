"""A second reader of Kalshi's stream: json and decimals, written for clearness and not speed.

It shares no code with the program. It reads one numbered stream without faults: whole books and
changes by contract, and trades of ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

ONE = Decimal(1)
Side = dict[Decimal, Decimal]


@dataclass
class SlowBook:
    """One book in YES dollars and contracts; `clock` is that of its last whole book."""

    bids: Side = field(default_factory=dict)
    asks: Side = field(default_factory=dict)
    clock: int = 0

    def integers(self) -> tuple[dict[int, int], dict[int, int]]:
        bids, asks = (
            {int(price * 10_000): int(size * 1_000_000) for price, size in side.items()}
            for side in (self.bids, self.asks)
        )
        return bids, asks


class SlowReader:
    """The books of a stream."""

    def __init__(self, *, yes_price: bool) -> None:
        self.yes_price = yes_price
        self.books: dict[str, SlowBook] = {}

    def read(self, raw: bytes | str) -> None:
        message = json.loads(raw, parse_float=Decimal)
        if message["type"] == "orderbook_snapshot":
            self._whole(message["msg"])
        elif message["type"] == "orderbook_delta":
            self._changed(message["msg"])

    def _whole(self, body: dict[str, Any]) -> None:
        book = SlowBook(clock=body.get("clock", 0))
        for price, size in body.get("yes_dollars_fp") or []:
            book.bids[Decimal(price)] = Decimal(size)
        for price, size in body.get("no_dollars_fp") or []:
            book.asks[self._ask(price)] = Decimal(size)
        self.books[body["market_ticker"]] = book

    def _changed(self, body: dict[str, Any]) -> None:
        book = self.books.get(body["market_ticker"])
        if book is None or ("clock" in body and body["clock"] <= book.clock):
            return
        if body["side"] == "yes":
            side, price = book.bids, Decimal(body["price_dollars"])
        else:
            side, price = book.asks, self._ask(body["price_dollars"])
        size = side.get(price, Decimal(0)) + Decimal(body["delta_fp"])
        if size > 0:
            side[price] = size
        else:
            side.pop(price, None)

    def _ask(self, text: str) -> Decimal:
        return Decimal(text) if self.yes_price else ONE - Decimal(text)


@dataclass(frozen=True)
class SlowFill:
    """A trade of ours in dollars and contracts, with the price of the order's outcome."""

    trade_id: str
    order_id: str
    price: Decimal
    size: Decimal
    fee: Decimal
    at: datetime


def slow_fill(raw: bytes | str, outcome: str) -> SlowFill:
    """Read a trade of an order for `outcome`, which is "yes" or "no"."""
    body = json.loads(raw)["msg"]
    price = Decimal(body["yes_price_dollars"])
    since = datetime(1970, 1, 1, tzinfo=UTC)
    return SlowFill(
        body["trade_id"],
        body["order_id"],
        price if outcome == "yes" else ONE - price,
        Decimal(body["count_fp"]),
        Decimal(body["fee_cost"]),
        since + timedelta(milliseconds=body["ts_ms"]),
    )

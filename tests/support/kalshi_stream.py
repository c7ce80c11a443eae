"""Frames of Kalshi's stream as its pages show them, and an engine that follows them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.platforms.kalshi.stream.connection import KalshiStream, StreamSettings
from dutchbook.platforms.kalshi.stream.outputs import Output, Send, tell
from dutchbook.ports.market_data import BookUpdate, GridChange

T0 = datetime(2026, 11, 30, 12, tzinfo=UTC)
SENT_MS = 1_669_149_841_234
MARKET_ID = "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1"
LIFE = "market_lifecycle_v2"


def _life(event_type: str, seq: int, **more: Any) -> dict[str, Any]:
    body = {"market_ticker": "INXD-23SEP14-B4487", "event_type": event_type, **more}
    return {"type": LIFE, "sending_ts_ms": SENT_MS, "sid": 13, "seq": seq, "msg": body}


BANDS = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
SAMPLES: dict[str, dict[str, Any]] = {
    "subscribed": {
        "id": 1,
        "type": "subscribed",
        "sending_ts_ms": SENT_MS,
        "msg": {"channel": "orderbook_delta", "sid": 1},
    },
    "ok": {
        "id": 123,
        "sid": 456,
        "seq": 222,
        "type": "ok",
        "sending_ts_ms": SENT_MS,
        "msg": {"market_tickers": ["MARKET-1", "MARKET-2", "MARKET-3"]},
    },
    "list": {
        "id": 3,
        "type": "ok",
        "sending_ts_ms": SENT_MS,
        "msg": [
            {"channel": "orderbook_delta", "sid": 1},
            {"channel": "ticker", "sid": 2},
            {"channel": "fill", "sid": 3},
        ],
    },
    "unsubscribed": {
        "id": 102,
        "sid": 2,
        "seq": 7,
        "type": "unsubscribed",
        "sending_ts_ms": SENT_MS,
    },
    "error": {
        "id": 123,
        "type": "error",
        "sending_ts_ms": SENT_MS,
        "msg": {"code": 7, "msg": "Unknown subscription ID"},
    },
    "orderbook_snapshot": {
        "type": "orderbook_snapshot",
        "sending_ts_ms": SENT_MS,
        "sid": 2,
        "seq": 2,
        "msg": {
            "market_ticker": "FED-23DEC-T3.00",
            "market_id": MARKET_ID,
            "clock": 4182057,
            "yes_dollars_fp": [["0.0800", "300.00"], ["0.2200", "333.00"]],
            "no_dollars_fp": [["0.5400", "20.00"], ["0.5600", "146.00"]],
        },
    },
    "orderbook_delta": {
        "type": "orderbook_delta",
        "sending_ts_ms": 1_669_149_841_123,
        "sid": 2,
        "seq": 3,
        "msg": {
            "market_ticker": "FED-23DEC-T3.00",
            "market_id": MARKET_ID,
            "clock": 4182061,
            "price_dollars": "0.9600",
            "delta_fp": "-54.00",
            "side": "yes",
            "ts": "2022-11-22T20:44:01Z",
            "ts_ms": 1_669_149_841_000,
        },
    },
    "ticker": {
        "type": "ticker",
        "sending_ts_ms": 1_669_149_841_123,
        "sid": 11,
        "msg": {
            "market_id": MARKET_ID,
            "market_ticker": "FED-23DEC-T3.00",
            "price_dollars": "0.4800",
            "yes_bid_dollars": "0.4500",
            "yes_ask_dollars": "0.5300",
            "volume_fp": "33896.00",
            "open_interest_fp": "20422.00",
            "dollar_volume": 16948,
            "dollar_open_interest": 10211,
            "yes_bid_size_fp": "300.00",
            "yes_ask_size_fp": "150.00",
            "last_trade_size_fp": "25.00",
            "ts": 1_669_149_841,
            "ts_ms": 1_669_149_841_000,
            "time": "2022-11-22T20:44:01Z",
        },
    },
    "trade": {
        "type": "trade",
        "sending_ts_ms": 1_669_149_841_123,
        "sid": 11,
        "seq": 2,
        "msg": {
            "trade_id": "d91bc706-ee49-470d-82d8-11418bda6fed",
            "market_ticker": "HIGHNY-22DEC23-B53.5",
            "yes_price_dollars": "0.3600",
            "no_price_dollars": "0.6400",
            "count_fp": "136.00",
            "taker_side": "no",
            "taker_outcome_side": "no",
            "taker_book_side": "ask",
            "is_block_trade": False,
            "ts": 1_669_149_841,
            "ts_ms": 1_669_149_841_000,
        },
    },
    "fill": {
        "type": "fill",
        "sending_ts_ms": 1_671_899_397_123,
        "sid": 13,
        "msg": {
            "trade_id": "d91bc706-ee49-470d-82d8-11418bda6fed",
            "order_id": "ee587a1c-8b87-4dcf-b721-9f6f790619fa",
            "client_order_id": "my-order-1",
            "market_ticker": "HIGHNY-22DEC23-B53.5",
            "exchange_index": 2,
            "is_taker": True,
            "side": "yes",
            "yes_price_dollars": "0.7500",
            "count_fp": "278.00",
            "fee_cost": "0.010000",
            "action": "buy",
            "ts": 1_671_899_397,
            "ts_ms": 1_671_899_397_000,
            "post_position_fp": "500.00",
            "purchased_side": "yes",
            "outcome_side": "yes",
            "book_side": "bid",
            "subaccount": 3,
        },
    },
    "user_order": {
        "type": "user_order",
        "sending_ts_ms": SENT_MS,
        "sid": 22,
        "msg": {
            "order_id": "ee587a1c-8b87-4dcf-b721-9f6f790619fa",
            "user_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "ticker": "FED-23DEC-T3.00",
            "exchange_index": 2,
            "status": "resting",
            "side": "yes",
            "is_yes": True,
            "outcome_side": "yes",
            "book_side": "bid",
            "yes_price_dollars": "0.3500",
            "fill_count_fp": "0.00",
            "remaining_count_fp": "10.00",
            "initial_count_fp": "10.00",
            "taker_fill_cost_dollars": "0.000000",
            "maker_fill_cost_dollars": "0.000000",
            "taker_fees_dollars": "0.000000",
            "maker_fees_dollars": "0.000000",
            "client_order_id": "my-order-1",
            "order_group_id": "og_123",
            "self_trade_prevention_type": "taker_at_cross",
            "created_time": "2024-12-01T10:00:00Z",
            "created_ts_ms": 1_733_047_200_000,
            "expiration_time": "2024-12-01T11:00:00Z",
            "expiration_ts_ms": 1_733_050_800_000,
            "subaccount_number": 0,
        },
    },
    "market_position": {
        "type": "market_position",
        "sending_ts_ms": SENT_MS,
        "sid": 14,
        "msg": {
            "user_id": "user123",
            "market_ticker": "FED-23DEC-T3.00",
            "position_fp": "-100.00",
            "position_cost_dollars": "50.0000",
            "realized_pnl_dollars": "10.0000",
            "fees_paid_dollars": "1.0000",
            "position_fee_cost_dollars": "0.5000",
            "volume_fp": "15.00",
        },
    },
    "order_group_updates": {
        "type": "order_group_updates",
        "sending_ts_ms": 1_733_047_200_123,
        "sid": 21,
        "seq": 7,
        "msg": {
            "event_type": "limit_updated",
            "order_group_id": "og_123",
            "contracts_limit_fp": "150.00",
            "ts_ms": 1_733_047_200_000,
        },
    },
    "created": _life(
        "created",
        3,
        exchange_index=0,
        open_ts=1_694_635_200,
        close_ts=1_694_721_600,
        additional_metadata={
            "name": "S&P 500 daily return on Sep 14",
            "title": "S&P 500 closes up by 0.02% or more",
            "yes_sub_title": "S&P 500 closes up 0.02%+",
            "no_sub_title": "S&P 500 closes up <0.02%",
            "rules_primary": "The S&P 500 index level at 4:00 PM ET...",
            "rules_secondary": "",
            "can_close_early": True,
            "event_ticker": "INXD-23SEP14",
            "expected_expiration_ts": 1_694_721_600,
            "strike_type": "greater",
            "floor_strike": 4487,
        },
        price_level_structure="linear_cent",
    ),
    "activated": _life("activated", 4, is_deactivated=False),
    "deactivated": _life("deactivated", 5, is_deactivated=True),
    "close_date_updated": _life("close_date_updated", 6, close_ts=1_694_721_000),
    "determined": _life(
        "determined",
        7,
        result="scalar",
        settlement_value="0.5000",
        determination_ts=1_694_721_700,
    ),
    "settled": _life("settled", 8, settled_ts=1_694_722_000),
    "price_level_structure_updated": _life(
        "price_level_structure_updated",
        9,
        price_level_structure="deci_cent",
        price_ranges=BANDS,
    ),
    "metadata_updated": _life(
        "metadata_updated", 10, strike_type="between", floor_strike=95000, cap_strike=95250
    ),
    "event_lifecycle": {
        "type": "event_lifecycle",
        "sending_ts_ms": SENT_MS,
        "sid": 5,
        "seq": 8,
        "msg": {
            "event_ticker": "KXQUICKSETTLE-26JAN25H2150",
            "exchange_index": 0,
            "title": "What will 1+1 equal on Jan 25 at 21:50?",
            "subtitle": "Jan 25 at 21:50",
            "collateral_return_type": "MECNET",
            "series_ticker": "KXQUICKSETTLE",
        },
    },
    "event_fee_update": {
        "type": "event_fee_update",
        "sending_ts_ms": SENT_MS,
        "sid": 5,
        "seq": 9,
        "msg": {
            "event_ticker": "KXBTCD-26MAY2018",
            "fee_type_override": "quadratic",
            "fee_multiplier_override": 0.07,
        },
    },
    "event_fee_cleared": {
        "type": "event_fee_update",
        "sending_ts_ms": SENT_MS,
        "sid": 5,
        "seq": 10,
        "msg": {
            "event_ticker": "KXBTCD-26MAY2018",
            "fee_type_override": None,
            "fee_multiplier_override": None,
        },
    },
}
"""One message of each kind, after docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26."""


def raw(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def sample(name: str, **changes: Any) -> bytes:
    """Return a sample with some fields of its `msg` changed; None leaves a field out."""
    made = copy.deepcopy(SAMPLES[name])
    for key, value in changes.items():
        if value is None:
            del made["msg"][key]
        else:
            made["msg"][key] = value
    return raw(made)


class Orders:
    """`OrderLookup` over a list."""

    def __init__(self, *orders: Order) -> None:
        self.orders = orders

    def find(self, client_order_id: str | None, platform_order_id: str) -> Order | None:
        for each in self.orders:
            if client_order_id == each.client_order_id:
                return each
            if platform_order_id == each.platform_order_id:
                return each
        return None


class Engine:
    """A stream under test, and what an engine that follows its outputs knows."""

    def __init__(
        self,
        settings: StreamSettings | None = None,
        *orders: Order,
        now: datetime = T0,
    ) -> None:
        self.stream = KalshiStream(
            settings or StreamSettings(tickers=False, account=False), Orders(*orders)
        )
        self.now = now
        self.books: dict[str, OrderBook] = {}
        self.outputs: list[Output] = []
        self.sent: list[dict[str, Any]] = []
        self.told: list[str] = []

    def take(self, outputs: Iterable[Output]) -> list[Output]:
        made = list(outputs)
        self.outputs += made
        self.sent += [json.loads(each.frame) for each in made if isinstance(each, Send)]
        tell(made, self)
        return made

    def follow(self, *names: str) -> list[Output]:
        return self.take(self.stream.follow(names, self.now))

    def open(self) -> list[Output]:
        return self.take(self.stream.opened(self.now))

    def close(self) -> list[Output]:
        return self.take(self.stream.closed())

    def receive(self, frame: bytes | dict[str, Any]) -> list[Output]:
        data = frame if isinstance(frame, bytes) else raw(frame)
        return self.take(self.stream.received(data, self.now))

    def wait(self, seconds: float = 1) -> list[Output]:
        self.now += timedelta(seconds=seconds)
        return self.take(self.stream.tick(self.now))

    def book(self, name: str) -> OrderBook:
        return self.books.setdefault(name, OrderBook(Platform.KALSHI, name))

    # MarketListener

    def session_began(self) -> None:
        raise AssertionError

    def session_ended(self) -> None:
        raise AssertionError

    def connected(self, platform: Platform) -> None:
        self.told.append(f"connected {platform.value}")

    def updated(self, update: BookUpdate) -> None:
        book = self.book(update.contract_id)
        assert update.whole or book.whole, "a change before the whole book"
        update.apply_to(book)
        book.touch(self.now, update.sequence, update.platform_time)
        self.told.append(f"{'book' if update.whole else 'change'} {update.contract_id}")

    def grid_changed(self, change: GridChange) -> None:
        self.told.append(f"grid {change.contract_id}")

    def resolved(self, platform: Platform, contract_id: str) -> None:
        assert platform is Platform.KALSHI
        self.told.append(f"resolved {contract_id}")

    def gap(self, platform: Platform) -> None:
        assert platform is Platform.KALSHI
        for book in self.books.values():
            book.clear()
        self.told.append("gap")

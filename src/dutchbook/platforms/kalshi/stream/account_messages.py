"""Messages of Kalshi's stream about our own trades, orders and positions.

Source: docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dutchbook.errors import InvalidInput
from dutchbook.platforms.kalshi.book_codec import PRICES, SIZES
from dutchbook.platforms.kalshi.stream.fields import (
    MICROS,
    BookSide,
    Millis,
    Number,
    Text,
    Way,
    above_zero,
    one_way,
)


class FillBody(msgspec.Struct):
    """A trade of ours, in YES prices; `fee_cost` is in dollars, of this trade alone."""

    trade_id: Text
    order_id: Text
    market_ticker: Text
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    book_side: BookSide
    outcome_side: Way
    ts_ms: Millis
    client_order_id: str | None = None

    def __post_init__(self) -> None:
        _ = PRICES[self.yes_price_dollars], MICROS[self.fee_cost]
        above_zero(self.count_fp, "count_fp")
        one_way(self.book_side, self.outcome_side)


class Fill(msgspec.Struct, tag_field="type", tag="fill", kw_only=True):
    """One of our trades, in YES prices. It may precede the answer to its order."""

    sid: Number
    sending_ts_ms: Millis | None = None
    msg: FillBody


class OrderBody(msgspec.Struct, kw_only=True):
    """An order of ours, in YES prices, with what it has filled and cost."""

    order_id: Text
    client_order_id: str
    ticker: Text
    fill_count_fp: str
    remaining_count_fp: str
    taker_fill_cost_dollars: str = ""
    maker_fill_cost_dollars: str = ""
    taker_fees_dollars: str = ""
    maker_fees_dollars: str = ""
    status: Literal["resting", "canceled", "executed", "unknown"]
    book_side: BookSide
    outcome_side: Way
    yes_price_dollars: str
    initial_count_fp: str
    last_updated_ts_ms: Millis | None = None
    last_update_reason: str | None = None

    def __post_init__(self) -> None:
        one_way(self.book_side, self.outcome_side)
        _ = PRICES[self.yes_price_dollars]
        for count in (self.fill_count_fp, self.remaining_count_fp, self.initial_count_fp):
            if SIZES[count] < 0:
                raise InvalidInput("count_fp", count, "zero or more")
        for amount in (
            self.taker_fill_cost_dollars,
            self.maker_fill_cost_dollars,
            self.taker_fees_dollars,
            self.maker_fees_dollars,
        ):
            _ = MICROS[amount or "0"]


class UserOrder(msgspec.Struct, tag_field="type", tag="user_order", kw_only=True):
    """One of our orders as it is now."""

    sid: Number
    sending_ts_ms: Millis | None = None
    msg: OrderBody


class _Position(msgspec.Struct):
    market_ticker: Text
    position_fp: str
    position_cost_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str

    def __post_init__(self) -> None:
        _ = SIZES[self.position_fp], MICROS[self.position_cost_dollars]
        _ = MICROS[self.realized_pnl_dollars], MICROS[self.fees_paid_dollars]

    @property
    def net_e6(self) -> int:
        """Net position in 10⁻⁶ contracts, above zero for YES and below for NO."""
        return SIZES[self.position_fp]


class MarketPosition(msgspec.Struct, tag_field="type", tag="market_position", kw_only=True):
    """Our position in a contract; it changes with trades and settlements."""

    sid: Number
    sending_ts_ms: Millis | None = None
    msg: _Position


class _Group(msgspec.Struct):
    event_type: Literal["created", "triggered", "reset", "deleted", "limit_updated"]
    order_group_id: Text
    ts_ms: Millis
    contracts_limit_fp: str | None = None

    def __post_init__(self) -> None:
        if self.contracts_limit_fp is not None and SIZES[self.contracts_limit_fp] < 0:
            raise InvalidInput("contracts_limit_fp", self.contracts_limit_fp, "zero or more")


class OrderGroup(msgspec.Struct, tag_field="type", tag="order_group_updates", kw_only=True):
    """A change of a group of our orders."""

    sid: Number
    seq: Number
    sending_ts_ms: Millis | None = None
    msg: _Group

"""Messages of Kalshi's stream about books, best prices and trades.

Sources: docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26; recordings of 2026-04, 2026-05 and
2026-08, which have no ``clock`` and, in part, no ``ts_ms``.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from dutchbook.domain.values.units import E4
from dutchbook.errors import InvalidInput
from dutchbook.platforms.kalshi.book_codec import (
    PRICES,
    Rows,
    level_of,
    sides_of,
)
from dutchbook.platforms.kalshi.stream.fields import (
    QUOTES,
    Count,
    Millis,
    Number,
    Text,
    Way,
    above_zero,
    instant,
    rfc3339,
)


class ClockedSnapshot(msgspec.Struct, gc=False):
    """A whole book; it includes every change with a clock up to its own (0: none yet)."""

    market_ticker: Text
    yes_dollars_fp: Rows | None = ()
    no_dollars_fp: Rows | None = ()
    clock: Count | None = None

    def __post_init__(self) -> None:
        sides_of(self)


class ClockedDelta(msgspec.Struct, gc=False):
    """A change of a level, with the clock of the platform and the time of the change."""

    market_ticker: Text
    price_dollars: str
    delta_fp: str
    side: Way
    clock: Number | None = None
    ts_ms: Millis | None = None
    ts: str | None = None

    def __post_init__(self) -> None:
        if not level_of(self)[2]:
            raise InvalidInput("delta_fp", self.delta_fp, "other than zero")
        if self.ts is not None and self.ts_ms is None:
            rfc3339(self.ts)

    @property
    def at(self) -> datetime | None:
        """When the platform recorded the change, UTC, if it says so."""
        if self.ts_ms is not None:
            return instant(self.ts_ms)
        return None if self.ts is None else rfc3339(self.ts)


class Snapshot(
    msgspec.Struct, tag_field="type", tag="orderbook_snapshot", kw_only=True, gc=False
):
    """A whole book; `id` is that of the ``get_snapshot`` that it answers."""

    sid: Number
    seq: Number
    sending_ts_ms: Millis | None = None
    msg: ClockedSnapshot
    id: Count | None = None


class Delta(msgspec.Struct, tag_field="type", tag="orderbook_delta", kw_only=True, gc=False):
    """A change of one level of a book."""

    sid: Number
    seq: Number
    sending_ts_ms: Millis | None = None
    msg: ClockedDelta


class _Top(msgspec.Struct):
    market_ticker: Text
    yes_bid_dollars: str
    yes_ask_dollars: str

    def __post_init__(self) -> None:
        _ = self.top_e4

    @property
    def top_e4(self) -> tuple[int, int]:
        """Best bid and ask of YES in 10⁻⁴ dollars: 0 without a bid, 10,000 without an ask."""
        return QUOTES[self.yes_bid_dollars], QUOTES[self.yes_ask_dollars]


class Ticker(msgspec.Struct, tag_field="type", tag="ticker", kw_only=True):
    """The best prices of a contract."""

    sid: Number
    sending_ts_ms: Millis | None = None
    msg: _Top


class _Print(msgspec.Struct):
    trade_id: Text
    market_ticker: Text
    yes_price_dollars: str
    no_price_dollars: str
    count_fp: str
    taker_side: Way | None = None
    taker_outcome_side: Way | None = None
    is_block_trade: bool = False
    ts_ms: Millis | None = None

    def __post_init__(self) -> None:
        if PRICES[self.yes_price_dollars] + PRICES[self.no_price_dollars] != E4:
            raise InvalidInput("trade", self.trade_id, "prices of a dollar")
        above_zero(self.count_fp, "count_fp")


class Trade(msgspec.Struct, tag_field="type", tag="trade", kw_only=True):
    """Another party's trade. Any change that it makes to a book also arrives as a delta."""

    sid: Number
    seq: Number
    sending_ts_ms: Millis | None = None
    msg: _Print

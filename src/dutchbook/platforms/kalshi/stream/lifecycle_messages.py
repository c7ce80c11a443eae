"""Messages of Kalshi's stream about the lives of contracts and events.

Source: docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26; results: OpenAPI 3.34.0.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from dutchbook.domain.values.units import E4, PriceGrid
from dutchbook.errors import InvalidInput
from dutchbook.platforms.kalshi.stream.fields import (
    QUOTES,
    Count,
    Millis,
    Number,
    Seconds,
    Text,
)

LARGEST_FACTOR = 100
"""Far above any fee multiplier; a larger one is an error."""


class _Band(msgspec.Struct):
    start: str
    end: str
    step: str


class Life(msgspec.Struct):
    """Something that has happened to a contract, with what that event type states.

    A result is one of those that the REST pages list; ``settlement_value`` is what YES pays.
    """

    market_ticker: Text
    event_type: Literal[
        "created",
        "activated",
        "deactivated",
        "close_date_updated",
        "determined",
        "settled",
        "price_level_structure_updated",
        "metadata_updated",
    ]
    open_ts: Seconds | None = None
    close_ts: Seconds | None = None
    determination_ts: Seconds | None = None
    settled_ts: Seconds | None = None
    result: Literal["yes", "no", "scalar"] | None = None
    settlement_value: str | None = None
    price_ranges: tuple[_Band, ...] | None = None
    is_deactivated: bool | None = None

    def __post_init__(self) -> None:
        needed: dict[str, object] = {
            "close_date_updated": self.close_ts,
            "determined": self.result,
            "price_level_structure_updated": self.price_ranges,
        }
        if needed.get(self.event_type, ()) is None:
            raise InvalidInput("event_type", self.event_type, "with what it announces")
        if self.settlement_value is not None:
            _ = QUOTES[self.settlement_value]
        _ = self.grid

    @property
    def grid(self) -> PriceGrid | None:
        """The bands of prices that it states; they count, not the structure's label."""
        if self.price_ranges is None:
            return None
        return PriceGrid.of_ranges([msgspec.structs.asdict(band) for band in self.price_ranges])

    @property
    def yes_pays_e4(self) -> int | None:
        """What YES pays, in 10⁻⁴ dollars, if the message states a result that says so."""
        if self.settlement_value is not None:
            return QUOTES[self.settlement_value]
        return {"yes": E4, "no": 0}.get(self.result or "")


class MarketLifecycle(
    msgspec.Struct, tag_field="type", tag="market_lifecycle_v2", kw_only=True
):
    """Something has happened to a contract; the channel reports those of all contracts."""

    sid: Number
    seq: Number
    sending_ts_ms: Millis | None = None
    msg: Life


class _Event(msgspec.Struct):
    event_ticker: Text
    series_ticker: Text
    exchange_index: Count
    collateral_return_type: Literal["MECNET", "DIRECNET", ""]


class EventLifecycle(msgspec.Struct, tag_field="type", tag="event_lifecycle", kw_only=True):
    """An event, the family of some contracts, was created."""

    sid: Number
    seq: Number
    sending_ts_ms: Millis | None = None
    msg: _Event


class _EventFee(msgspec.Struct):
    """Both are null where an override was taken back; both keys are always there."""

    event_ticker: Text
    fee_type_override: (
        Literal[
            "quadratic",
            "quadratic_with_maker_fees",
            "quadratic_with_combo_maker_fees",
            "flat",
            "margin_market_maker_program_fees",
        ]
        | None
    )
    fee_multiplier_override: Decimal | None

    def __post_init__(self) -> None:
        factor = self.fee_multiplier_override
        if factor is not None and not (factor.is_finite() and 0 <= factor <= LARGEST_FACTOR):
            raise InvalidInput("fee_multiplier_override", factor, "between 0 and 100")


class EventFeeUpdate(msgspec.Struct, tag_field="type", tag="event_fee_update", kw_only=True):
    """An event's fees differ from those of its series from now on, or no longer."""

    sid: Number
    seq: Number
    sending_ts_ms: Millis | None = None
    msg: _EventFee

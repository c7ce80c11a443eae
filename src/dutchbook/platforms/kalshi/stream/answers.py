"""What Kalshi's stream answers to commands.

Sources: docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26; answers recorded in 2026-04.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dutchbook.platforms.kalshi.stream.fields import Count, Millis, Number, Text


class _Subscription(msgspec.Struct):
    channel: Text
    sid: Number


class _Tickers(msgspec.Struct):
    market_tickers: tuple[Text, ...] | None = None


class Reason(msgspec.Struct):
    """`code` is one of those that the page lists; 6, 16 and 17 are retired."""

    code: Literal[
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        18,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
        28,
    ]
    msg: str = ""


class Subscribed(msgspec.Struct, tag_field="type", tag="subscribed", kw_only=True):
    """A subscription has begun; one for each channel of the command."""

    sending_ts_ms: Millis | None = None
    msg: _Subscription
    id: Count | None = None


class Ok(msgspec.Struct, tag_field="type", tag="ok", kw_only=True):
    """A command succeeded. A list is the answer to ``list_subscriptions``."""

    sending_ts_ms: Millis | None = None
    msg: _Tickers | tuple[_Subscription, ...] | None = None
    id: Count | None = None
    sid: Number | None = None
    seq: Number | None = None


class Unsubscribed(msgspec.Struct, tag_field="type", tag="unsubscribed", kw_only=True):
    """A subscription has ended."""

    sending_ts_ms: Millis | None = None
    sid: Number
    seq: Number | None = None
    id: Count | None = None


class Failed(msgspec.Struct, tag_field="type", tag="error", kw_only=True):
    """A command failed, or a subscription ended by itself (10 and 25)."""

    sending_ts_ms: Millis | None = None
    msg: Reason
    id: Count | None = None
    sid: Number | None = None
    seq: Number | None = None

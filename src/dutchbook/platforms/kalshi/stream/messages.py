"""Every message that Kalshi's stream sends on the channels we use, decoded and checked.

No socket, no clock. Only the fields that are relied on are declared, and unknown values in
them are refused. A message is checked as a whole when it is decoded: its numbers are plain
decimals in range, so reading them later cannot fail. Source: docs.kalshi.com, AsyncAPI 2.0.0 as
of 2026-10-26.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from dutchbook.errors import MalformedMessage
from dutchbook.platforms.kalshi.book_codec import KALSHI
from dutchbook.platforms.kalshi.order_codec import UNREADABLE
from dutchbook.platforms.kalshi.stream.account_messages import (
    Fill,
    MarketPosition,
    OrderGroup,
    UserOrder,
)
from dutchbook.platforms.kalshi.stream.answers import Failed, Ok, Subscribed, Unsubscribed
from dutchbook.platforms.kalshi.stream.fields import Number
from dutchbook.platforms.kalshi.stream.lifecycle_messages import (
    EventFeeUpdate,
    EventLifecycle,
    MarketLifecycle,
)
from dutchbook.platforms.kalshi.stream.market_messages import Delta, Snapshot, Ticker, Trade


class Unknown(msgspec.Struct, frozen=True):
    """The envelope of a message: all that is read of one whose type is none of ours."""

    type: str
    sid: Number | None = None
    seq: Number | None = None


class _Ticker(msgspec.Struct, frozen=True):
    market_ticker: str = ""


class Envelope(msgspec.Struct, frozen=True):
    """What can still be read of a message that cannot be read as a whole."""

    type: str
    sid: Number | None = None
    seq: Number | None = None
    msg: _Ticker | None = None

    @property
    def contract_id(self) -> str | None:
        """The contract that it names, if that can be read."""
        return self.msg.market_ticker or None if self.msg is not None else None


Numbered: TypeAlias = (
    Delta | Snapshot | Trade | OrderGroup | MarketLifecycle | EventLifecycle | EventFeeUpdate
)
Unnumbered: TypeAlias = Ticker | Fill | UserOrder | MarketPosition
Answered: TypeAlias = Subscribed | Ok | Unsubscribed | Failed
Message: TypeAlias = Numbered | Unnumbered | Answered

_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_envelope = msgspec.json.Decoder(Envelope)
_unknown = msgspec.json.Decoder(Unknown)
READ = frozenset(
    {
        "error", "event_fee_update", "event_lifecycle", "fill", "market_lifecycle_v2",
        "market_position", "ok", "order_group_updates", "orderbook_delta", "orderbook_snapshot",
        "subscribed", "ticker", "trade", "unsubscribed", "user_order",
    }
)  # fmt: skip


def decode(raw: bytes) -> Message | Unknown:
    """Decode one message of the server.

    Raises:
        MalformedMessage: Not JSON, a field missing or of the wrong type, an unknown value where
            one is relied on, or a number out of range. It carries the bytes.
    """
    try:
        return _message.decode(raw)
    except UNREADABLE as error:
        found = envelope(raw)
        if found is None or found.type in READ:
            raise MalformedMessage(KALSHI, str(error), raw) from error
        return Unknown(found.type, found.sid, found.seq)


def number_of(message: Message | Unknown) -> int | None:
    """Return a message's number; None on a channel that has none."""
    match message:
        case Ticker() | Fill() | UserOrder() | MarketPosition() | Subscribed():
            return None
        case _:
            return message.seq


def envelope(raw: bytes) -> Envelope | None:
    """Return what the envelope of a message says, or None if not even that can be read."""
    try:
        return _envelope.decode(raw)
    except UNREADABLE:
        pass
    try:
        found = _unknown.decode(raw)
    except UNREADABLE:
        return None
    return Envelope(found.type, found.sid, found.seq)

"""Commands to Kalshi's stream, as the bytes of one frame each.

Source: docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26. Every command has an id of its own,
from 1, and at most `MOST_TICKERS` tickers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

MOST_TICKERS = 100
BOOKS = "orderbook_delta"
TICKERS = "ticker"
LIFECYCLE = "market_lifecycle_v2"
FILLS = "fill"
ORDERS = "user_orders"
POSITIONS = "market_positions"
GROUPS = "order_group_updates"
BY_TICKER = (BOOKS, TICKERS)
"""Channels that we subscribe to contract by contract; the others report all there is."""
Action: TypeAlias = Literal["add_markets", "delete_markets", "get_snapshot"]


class _Subscribe(msgspec.Struct, omit_defaults=True):
    channels: tuple[str, ...]
    market_tickers: tuple[str, ...] = ()
    use_yes_price: bool | None = None
    send_initial_snapshot: bool | None = None


class _Update(msgspec.Struct):
    sids: tuple[int, ...]
    action: Action
    market_tickers: tuple[str, ...]


class _Unsubscribe(msgspec.Struct):
    sids: tuple[int, ...]


class _Command(msgspec.Struct, omit_defaults=True):
    id: int
    cmd: str
    params: _Subscribe | _Update | _Unsubscribe | None = None


def subscribe(
    command_id: int, channel: str, tickers: Sequence[str] = (), *, yes_price: bool
) -> bytes:
    """Encode a subscription to one channel.

    ``use_yes_price`` is always sent for books, since its default will be flipped
    (docs.kalshi.com, order_direction, 2026-10). The first best prices are asked for at once.
    """
    params = _Subscribe(
        (channel,),
        tuple(tickers),
        yes_price if channel == BOOKS else None,
        True if channel == TICKERS else None,
    )
    return _encoded(command_id, "subscribe", params, tickers)


def update(command_id: int, sid: int, action: Action, tickers: Sequence[str]) -> bytes:
    """Encode a change of one subscription, or a request for whole books on it."""
    params = _Update((sid,), action, tuple(tickers))
    return _encoded(command_id, "update_subscription", params, tickers)


def unsubscribe(command_id: int, sids: Sequence[int]) -> bytes:
    """Encode the end of subscriptions."""
    return _encoded(command_id, "unsubscribe", _Unsubscribe(tuple(sids)))


def list_subscriptions(command_id: int) -> bytes:
    """Encode the question for all subscriptions of the connection."""
    return _encoded(command_id, "list_subscriptions", None)


def _encoded(
    command_id: int,
    name: str,
    params: _Subscribe | _Update | _Unsubscribe | None,
    tickers: Sequence[str] = (),
) -> bytes:
    assert command_id >= 1, "an id of 0 is none"
    assert len(tickers) <= MOST_TICKERS, "more tickers than a frame may have"
    return msgspec.json.encode(_Command(command_id, name, params))


def frames(tickers: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the tickers in pieces that fit one frame each."""
    for first in range(0, len(tickers), MOST_TICKERS):
        yield tickers[first : first + MOST_TICKERS]

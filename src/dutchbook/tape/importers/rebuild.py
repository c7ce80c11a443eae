"""Reconstructs an imported recording: turns a stored message back into its original line.

The importers compare each message with what this module reconstructs from its stored form.
Where the two differ, they store the message's own text too, so nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import E4, from_e4, from_e6, plain
from dutchbook.tape.metadata import Recording
from dutchbook.tape.stored import StoredKind, StoredMessage, instant

WORLD_CUP = "both_platforms_polled"
KALSHI_MS = "kalshi_websocket_ms"
KALSHI_NS = "kalshi_websocket_ns"
NS_PER_MS = 1_000_000
CENTS = 100
"""Units of 10⁻⁴ dollars in a cent."""


# World Cup: both platforms polled
# ----------------------------------------------------------------


def polled_line(message: StoredMessage, recording: Recording) -> dict[str, Any]:
    """Return a line of the polled recording; its prices are in cents."""
    if message.raw is not None:
        found: dict[str, Any] = json.loads(message.raw, parse_float=Decimal)
        return found
    assert message.contract_id is not None, "every row is about a contract"
    assert message.cycle_ns is not None, "every row belongs to a poll"
    sides = {side: (price, size) for side, price, size in message.levels}
    bid, bid_size = _best(sides.get(BID), message.platform)
    ask, ask_size = _best(sides.get(ASK), message.platform)
    both = None if bid is None or ask is None else (bid, ask)
    us = message.platform_us
    return {
        "ts": message.cycle_ns // NS_PER_MS,
        "t_fetch": message.at_ns // NS_PER_MS,
        "venue": message.platform.value,
        "pair": recording.pairs[message.contract_id],
        "bid": bid,
        "ask": ask,
        "mid": both and (both[0] + both[1]) / 2,
        "spread": both and both[1] - both[0],
        "bid_sz": bid_size,
        "ask_sz": ask_size,
        "venue_ts": None if us is None else str(us // 1_000),
    }


def _best(
    level: tuple[int, int] | None, platform: Platform
) -> tuple[Decimal | None, str | None]:
    if level is None:
        return None, None
    price, size = level
    cents = Decimal(price) / CENTS
    return cents, size_text(size) if platform is Platform.KALSHI else plain(from_e6(size))


# Kalshi's websocket
# ------------------------------------------------------------------------------


def kalshi_event(message: StoredMessage, market_ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the envelope and payload of one websocket message."""
    if message.raw is not None:
        found: dict[str, Any] = json.loads(message.raw, parse_float=Decimal)
        return found
    ticker = message.contract_id
    payload: dict[str, Any] = {"market_ticker": ticker}
    if message.kind is StoredKind.TRADE:
        kind = "trade"
        payload |= _trade(message)
    else:
        assert ticker is not None, "only text tells of a message about no market"
        payload["market_id"] = market_ids.get(ticker)
        snapshot = message.kind is StoredKind.SNAPSHOT
        kind = "orderbook_snapshot" if snapshot else "orderbook_delta"
        payload |= _snapshot(message) if snapshot else _delta(message)
    event: dict[str, Any] = {"type": kind, "msg": payload}
    if message.stream is not None:
        event["sid"] = message.stream
    if message.sequence is not None:
        event["seq"] = message.sequence
    return event


def _snapshot(message: StoredMessage) -> dict[str, Any]:
    sides: dict[str, Any] = {}
    for side, price, size in message.levels:
        name = "yes_dollars_fp" if side == BID else "no_dollars_fp"
        sides.setdefault(name, []).append([_native(side, price), size_text(size)])
    return sides


def _delta(message: StoredMessage) -> dict[str, Any]:
    ((side, price, size),) = message.levels
    payload: dict[str, Any] = {
        "price_dollars": _native(side, price),
        "delta_fp": size_text(size),
        "side": "yes" if side == BID else "no",
    }
    if message.platform_us is not None:
        payload["ts"] = instant_text(message.platform_us)
        payload["ts_ms"] = message.platform_us // 1_000
    return payload


def _trade(message: StoredMessage) -> dict[str, Any]:
    ((side, price, size),) = message.levels
    assert message.trade_id is not None, "a trade has an id"
    assert message.platform_us is not None, "a trade has a time"
    outcome = "yes" if side == BID else "no"
    return {
        "trade_id": str(UUID(bytes=message.trade_id)),
        "yes_price_dollars": price_text(price),
        "no_price_dollars": price_text(E4 - price),
        "count_fp": size_text(size),
        "taker_side": outcome,
        "taker_outcome_side": outcome,
        "taker_book_side": "bid" if side == BID else "ask",
        "ts": message.platform_us // 1_000_000,
        "ts_ms": message.platform_us // 1_000,
    }


def _native(side: int, price: int) -> str:
    """Format a price as Kalshi does: a NO bid in NO dollars."""
    return price_text(price if side == BID else E4 - price)


@lru_cache(maxsize=20_000)
def price_text(price: int) -> str:
    """Format 10⁻⁴ dollars with Kalshi's four decimals."""
    return f"{from_e4(price):.4f}"


@lru_cache(maxsize=100_000)
def size_text(size: int) -> str:
    """Format 10⁻⁶ contracts with Kalshi's two decimals, or more if the size needs them."""
    whole, rest = divmod(size, 10_000)
    if rest:
        return plain(from_e6(size))
    return f"{Decimal(whole).scaleb(-2):.2f}"


def instant_text(us: int) -> str:
    """Format an instant as Go does: without trailing zeros in the fraction of a second."""
    text = instant(us).isoformat(timespec="microseconds").removesuffix("+00:00")
    return f"{text.rstrip('0').rstrip('.')}Z"

"""Small artificial recordings of each kind, the real ones, and rebuilding one from a tape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import zstandard

from dutchbook.tape.format import StoredTape
from dutchbook.tape.importers.rebuild import (
    KALSHI_MS,
    KALSHI_NS,
    NS_PER_MS,
    kalshi_event,
    polled_line,
)
from dutchbook.tape.importers.rebuild import WORLD_CUP as POLLED
from dutchbook.tape.metadata import Recording
from dutchbook.tape.stored import StoredMessage

DATA = Path(__file__).parents[3] / "shared" / "data"
WORLD_CUP = DATA / "both_venues_worldcup_bbo_2026-07"
GOLD = DATA / "kalshi_gold15m_ws_2026-08"
BITCOIN = DATA / "kalshi_btc15m_ws_2026-05"

PAIR = "KXCUP-26-AA:1234567890"
GOLD_MARKET = "KXGOLD15M-26SEP011200-00"
BITCOIN_MARKET = "KXBTC15M-26SEP011200-00"
START_MS = 1_788_264_000_000
"""2026-09-01 12:00 UTC."""


def _line(message: StoredMessage, recording: Recording) -> dict[str, Any]:
    """Return the line of a recording that a message was imported from."""
    if recording.layout == POLLED:
        return polled_line(message, recording)
    event = kalshi_event(message, recording.market_ids)
    if recording.layout == KALSHI_MS:
        return {"recv_ms": message.at_ns // NS_PER_MS, "event": event}
    assert recording.layout == KALSHI_NS, recording.layout
    return {"recv_ns": message.at_ns, "event": event}


def needs(folder: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not folder.is_dir(), reason=f"the recording {folder.name} is not on this machine"
    )


def rebuilt(tape: StoredTape) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the file and the JSON of each message that the tape was imported from."""
    recording = tape.recording
    assert recording is not None
    stored = (each for each in tape.stored() if not each.is_note)
    for file in recording.files:
        for message in islice(stored, file.messages):
            yield file.name, _line(message, recording)


def parsed(text: bytes | str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return found


def write(path: Path, rows: Iterable[dict[str, Any] | str], *, zstd: bool = False) -> Path:
    """Write rows as JSON lines; rows that are text are written unchanged."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    text = "".join(f"{line}\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    if zstd:
        path = path.with_name(path.name + ".zst")
        text = zstandard.compress(text)
    path.write_bytes(text)
    return path


def polled(number: int, platform: str, **fields: Any) -> dict[str, Any]:
    """Return a row of a recording of both platforms; a poll has one row for each."""
    cycle = START_MS + 3_700 * (number // 2)
    row = {
        "ts": cycle,
        "t_fetch": cycle + 100 * (number % 2),
        "venue": platform,
        "pair": PAIR,
        "bid": 36.3,
        "ask": 36.7,
        "mid": 36.5,
        "spread": 0.4,
        "bid_sz": "120.50",
        "ask_sz": "80.00",
        "venue_ts": None,
    }
    if platform == "polymarket":
        row |= {"bid_sz": "120.5", "ask_sz": "80", "venue_ts": str(cycle - 400)}
    return row | fields


def both(polls: int) -> list[dict[str, Any]]:
    return [
        polled(2 * poll + place, platform)
        for poll in range(polls)
        for place, platform in enumerate(("kalshi", "polymarket"))
    ]


def snapshot(at_ms: int = START_MS, seq: int = 7, **fields: Any) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "market_ticker": GOLD_MARKET,
        "market_id": "00000000-0000-4000-8000-000000000001",
        "yes_dollars_fp": [["0.4000", "10.00"], ["0.4100", "5.50"]],
        "no_dollars_fp": [["0.5500", "20.00"]],
    }
    payload = {k: v for k, v in (payload | fields).items() if v is not None}
    event = {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": payload}
    return {"recv_ms": at_ms, "event": event}


def delta(
    at_ms: int,
    seq: int,
    price: str = "0.4100",
    change: str = "-5.50",
    side: str = "yes",
    **fields: Any,
) -> dict[str, Any]:
    payload = {
        "market_ticker": GOLD_MARKET,
        "market_id": "00000000-0000-4000-8000-000000000001",
        "price_dollars": price,
        "delta_fp": change,
        "side": side,
        "ts": "2026-09-01T12:00:00.1234Z",
        "ts_ms": START_MS + 123,
    }
    event = {"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": payload | fields}
    return {"recv_ms": at_ms, "event": event}


def trade(at_ms: int, seq: int, **fields: Any) -> dict[str, Any]:
    payload = {
        "trade_id": "00000000-0000-5000-8000-0000000000ff",
        "market_ticker": GOLD_MARKET,
        "yes_price_dollars": "0.4500",
        "no_price_dollars": "0.5500",
        "count_fp": "3.25",
        "taker_side": "yes",
        "taker_outcome_side": "yes",
        "taker_book_side": "bid",
        "ts": START_MS // 1000,
        "ts_ms": START_MS + 200,
    }
    event = {"type": "trade", "sid": 2, "seq": seq, "msg": payload | fields}
    return {"recv_ms": at_ms, "event": event}


def gold(count: int = 4) -> list[dict[str, Any]]:
    """Return a snapshot, followed by alternating changes and trades."""
    rows = [snapshot()]
    for number in range(count):
        at = START_MS + 50 * (number + 1)
        rows.append(trade(at, 90 + number) if number % 2 else delta(at, 10 + 3 * number))
    return rows


def bitcoin() -> list[dict[str, Any]]:
    """Return a run of the bitcoin recorder: no subscription ids, times in nanoseconds."""
    rows: list[dict[str, Any]] = [
        {
            "type": "watch_market",
            "msg": {
                "close_time": "2026-09-01T12:15:00Z",
                "market_ticker": BITCOIN_MARKET,
                "strike": 80938.41,
            },
        },
        {"type": "ticker", "msg": {"market_ticker": BITCOIN_MARKET, "yes_bid": 41}},
    ]
    for row in (snapshot(), delta(START_MS, 8, "0.0010", "7.25", "no")):
        event = row["event"]
        del event["sid"]
        event["msg"]["market_ticker"] = BITCOIN_MARKET
        rows.append(event)
    return [
        {"recv_ns": START_MS * 1_000_000 + 137 * number, "event": event}
        for number, event in enumerate(rows)
    ]

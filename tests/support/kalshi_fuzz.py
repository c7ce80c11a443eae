"""Mutated messages of Kalshi's stream: nothing but `MalformedMessage` may escape."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from dutchbook.errors import MalformedMessage
from dutchbook.platforms.kalshi.stream.connection import StreamSettings
from dutchbook.platforms.kalshi.stream.messages import decode
from support.kalshi_stream import SAMPLES, Engine

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**63, 10**400, 0.1, 1e308, "", "0", "0.5", "1", "-1", "NaN", "1e9",
    "Infinity", "9" * 500, "\x00", "\ud800", "yes", "no", "é", [], [[]], {}, {"type": "fill"},
    [["0.5", "1"]], [["0.5"]], [["0.5", "1", "2"]], "2026-01-01T00:00:00Z",
)  # fmt: skip


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """Yield so many mutated samples."""
    chance = Random(seed)  # noqa: S311
    names = list(SAMPLES)
    for _ in range(count):
        message = json.loads(json.dumps(SAMPLES[chance.choice(names)]))
        for _ in range(chance.randrange(3)):
            _change(chance, message)
        data = json.dumps(message).encode()
        yield _spoilt(chance, data) if chance.random() < 0.5 else data


def _change(chance: Random, message: dict[str, Any]) -> None:
    """Replace, remove or move a value somewhere in a message."""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in list(pairs):
            places.append((value, key))
            if isinstance(each, dict | list):
                walk(each)

    walk(message)
    if not places:
        return
    holder, key = chance.choice(places)
    what = chance.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1:
        other, name = chance.choice(places)
        holder[key] = json.loads(json.dumps(other[name])) if _has(other, name) else None
    else:
        holder[key] = chance.choice(ODD)


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _spoilt(chance: Random, data: bytes) -> bytes:
    """Change, cut, double or insert some bytes."""
    changes: tuple[Callable[[int], bytes], ...] = (
        lambda at: data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
        lambda at: data[:at],
        lambda at: data[:at] + data[at // 2 :],
        lambda at: data[:at] + chance.choice((b'"', b"{", b"[", b"\\", b"e9", b"\xff", b","))
        + data[at:],
        lambda at: data[:at] + b"[" * chance.randrange(3_000),
    )  # fmt: skip
    return chance.choice(changes)(chance.randrange(len(data)))


def fuzz(seed: int, count: int) -> tuple[int, int]:
    """Decode mutants and feed them to a connection; return how many were read and refused.

    Any other error than `MalformedMessage` escapes, and so does an assertion of the stream.
    """
    engine = Engine(StreamSettings())
    engine.follow(*_tickers())
    engine.open()
    for sid, channel in enumerate(StreamSettings().channels, 1):
        told = {"type": "subscribed", "id": sid, "msg": {"channel": channel, "sid": sid}}
        engine.receive(told)
    read = refused = 0
    for number, data in enumerate(mutants(seed, count)):
        try:
            decode(data)
            read += 1
        except MalformedMessage:
            refused += 1
        engine.receive(data)
        if number % 50 == 0:
            engine.wait(1)
        engine.outputs.clear()
    return read, refused


def _tickers() -> tuple[str, ...]:
    bodies = (each.get("msg") for each in SAMPLES.values())
    found = (body.get("market_ticker") for body in bodies if isinstance(body, dict))
    return tuple(dict.fromkeys(each for each in found if each))

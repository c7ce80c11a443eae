"""A server of books as Kalshi's pages describe it, with the faults that a stream can have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from support.kalshi_stream import raw

Side = dict[str, Decimal]


@dataclass
class Market:
    yes: Side = field(default_factory=dict)
    no: Side = field(default_factory=dict)
    clock: int = 0


class Server:
    """Keeps books, answers commands, and numbers its messages; faults are up to the test.

    Args:
        numbers_replies: Whether the answer to ``get_snapshot`` uses up a number.
        empty_lists: Whether an empty side is an empty list instead of an absent key.
        yes_price: Whether the NO side is sent at YES prices; otherwise at NO prices.
    """

    def __init__(
        self, *, numbers_replies: bool = True, empty_lists: bool = False, yes_price: bool = True
    ) -> None:
        self.numbers_replies = numbers_replies
        self.empty_lists = empty_lists
        self.yes_price = yes_price
        self.markets: dict[str, Market] = {}
        self.sid = 0
        self.seq = 0
        self.following: dict[str, None] = {}
        self.next_sid = 1
        self.channels: dict[str, int] = {}

    def reset(self) -> None:
        """Forget a connection."""
        self.sid = self.seq = 0
        self.next_sid = 1
        self.following.clear()
        self.channels.clear()

    # Books

    def change(self, name: str, side: str, price: str, by: Decimal) -> Iterator[bytes]:
        market = self.markets.setdefault(name, Market())
        levels = market.yes if side == "yes" else market.no
        left = levels.get(price, Decimal(0)) + by
        assert left >= 0
        if left:
            levels[price] = left
        else:
            levels.pop(price, None)
        market.clock += 2
        if name in self.following:
            body = {
                "market_ticker": name,
                "market_id": "x",
                "clock": market.clock,
                "price_dollars": self._written(side, price),
                "delta_fp": f"{by:.2f}",
                "side": side,
                "ts_ms": 1_780_000_000_000 + market.clock,
            }
            yield self._numbered("orderbook_delta", body)

    def integers(self, name: str) -> tuple[dict[int, int], dict[int, int]]:
        """Return a book in 10⁻⁴ dollars and 10⁻⁶ contracts, in YES terms."""
        market = self.markets.get(name, Market())
        bids = {int(Decimal(p) * 10_000): int(s * 1_000_000) for p, s in market.yes.items()}
        asks = {
            10_000 - int(Decimal(p) * 10_000): int(s * 1_000_000) for p, s in market.no.items()
        }
        return bids, asks

    def _written(self, side: str, price: str) -> str:
        return f"{1 - Decimal(price):.4f}" if side == "no" and self.yes_price else price

    def snapshot(self, name: str, command_id: int | None = None) -> bytes:
        market = self.markets.setdefault(name, Market())
        body: dict[str, Any] = {
            "market_ticker": name, "market_id": "x", "clock": market.clock,
        }  # fmt: skip
        for side, levels in (("yes", market.yes), ("no", market.no)):
            rows = [[self._written(side, p), f"{s:.2f}"] for p, s in sorted(levels.items())]
            if rows or self.empty_lists:
                body[f"{side}_dollars_fp"] = rows
        if command_id is None:
            return self._numbered("orderbook_snapshot", body)
        counted = int(self.numbers_replies)
        self.seq += counted
        return raw(
            {
                "type": "orderbook_snapshot",
                "id": command_id,
                "sid": self.sid,
                "seq": max(self.seq, 1),
                "msg": body,
            }
        )

    def _numbered(self, kind: str, body: Any, **more: Any) -> bytes:
        self.seq += 1
        told = {"type": kind, "sid": self.sid, "seq": self.seq, "msg": body, **more}
        return raw(told)

    # Commands

    def answer(self, command: dict[str, Any]) -> Iterator[bytes]:
        kind, number, params = command["cmd"], command["id"], command.get("params", {})
        if kind == "subscribe":
            yield from self._subscribe(number, params)
        elif kind == "update_subscription":
            yield from self._update(number, params)
        elif kind == "list_subscriptions":
            rows = [{"channel": name, "sid": sid} for name, sid in self.channels.items()]
            yield raw({"type": "ok", "id": number, "msg": rows})
        elif kind == "unsubscribe":
            for sid in params["sids"]:
                yield raw({"type": "unsubscribed", "id": number, "sid": sid, "seq": 1})

    def _subscribe(self, number: int, params: dict[str, Any]) -> Iterator[bytes]:
        for channel in params["channels"]:
            new = channel not in self.channels
            if new:
                self.channels[channel] = self.next_sid
                self.next_sid += 1
            sid = self.channels[channel]
            yield raw(
                {"type": "subscribed", "id": number, "msg": {"channel": channel, "sid": sid}}
            )
            if channel == "orderbook_delta":
                assert params["use_yes_price"] is self.yes_price
                if new:
                    self.sid, self.seq = sid, 0
                yield from self._add(params["market_tickers"])

    def _add(self, names: list[str]) -> Iterator[bytes]:
        for name in names:
            if name not in self.following:
                self.following[name] = None
                yield self.snapshot(name)

    def _update(self, number: int, params: dict[str, Any]) -> Iterator[bytes]:
        names, action = params["market_tickers"], params["action"]
        assert len(names) <= 100
        if params["sids"] != [self.sid]:
            yield raw({"type": "ok", "id": number, "sid": params["sids"][0], "msg": {}})
            return
        if action == "get_snapshot":
            for name in names:
                yield self.snapshot(name, number)
            return
        if action == "delete_markets":
            for name in names:
                self.following.pop(name, None)
        listed = [*self.following, *(names if action == "add_markets" else ())]
        yield self._numbered("ok", {"market_tickers": listed}, id=number)
        if action == "add_markets":
            yield from self._add(names)


class Line:
    """What lies between a server and the stream: it loses, repeats, swaps and cuts messages."""

    def __init__(self, chance: Random, faults: dict[str, int]) -> None:
        self._chance = chance
        self.faults = faults
        """Of each fault, the chance in a thousand."""
        self._kept: bytes | None = None

    def carry(self, frame: bytes, receive: Callable[[bytes], Any]) -> None:
        if self._strikes("lose"):
            return
        if self._strikes("swap") and self._kept is None:
            self._kept = frame
            return
        if self._strikes("cut"):
            frame = frame[: self._chance.randrange(len(frame) - 1)]
        receive(frame)
        if self._strikes("repeat"):
            receive(frame)
        if self._kept is not None:
            kept, self._kept = self._kept, None
            receive(kept)

    def _strikes(self, fault: str) -> bool:
        return self._chance.randrange(1_000) < self.faults.get(fault, 0)

"""Kalshi's stream under faults: lost, repeated, swapped and cut messages, and hostile bytes."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent.kalshi_stream import SlowReader
from support.kalshi_fuzz import fuzz
from support.kalshi_server import Line, Server
from support.kalshi_stream import Engine

from dutchbook.domain.market.book import Trust
from dutchbook.platforms.kalshi.stream.connection import StreamSettings
from dutchbook.platforms.kalshi.stream.outputs import Output, Reconnect, Send

NAMES = tuple(f"M{number}" for number in range(4))
YES = tuple(f"0.{cents:02d}00" for cents in range(10, 50))
NO = tuple(f"0.{cents:02d}00" for cents in range(10, 50))
FAULTS = {"lose": 15, "repeat": 15, "swap": 10, "cut": 10}


class Session:
    """A server, a line with faults, and the stream; commands travel without faults."""

    def __init__(self, seed: int, faults: dict[str, int], **server: Any) -> None:
        self.chance = Random(seed)  # noqa: S311
        self.server = Server(**server)
        price = self.server.yes_price
        self.engine = Engine(StreamSettings(yes_price=price, tickers=False, account=False))
        self.line = Line(self.chance, faults)
        self.slow = SlowReader(yes_price=price)
        self.delivered = 0

    def start(self) -> None:
        self.engine.follow(*NAMES)
        self._carry_out(self.engine.open())

    def trade(self) -> None:
        """Change one level of one book."""
        side, prices = self.chance.choice((("yes", YES), ("no", NO)))
        name, price = self.chance.choice(NAMES), self.chance.choice(prices)
        market = self.server.markets.get(name)
        held = (market.yes if side == "yes" else market.no) if market else {}
        by = Decimal(self.chance.randrange(1, 5_000)) / 100
        if price in held and self.chance.random() < 0.5:
            by = -held[price] if self.chance.random() < 0.5 else -min(held[price], by)
        for frame in self.server.change(name, side, price, by):
            self._deliver(frame)

    def wait(self, seconds: float) -> None:
        self._carry_out(self.engine.wait(seconds))

    def _deliver(self, frame: bytes) -> None:
        self.slow.read(frame)
        self.delivered += 1
        self.line.carry(frame, lambda data: self._carry_out(self.engine.receive(data)))

    def _carry_out(self, outputs: list[Output]) -> None:
        if any(isinstance(each, Reconnect) for each in outputs):
            self.engine.close()
            self.server.reset()
            self._carry_out(self.engine.open())
            return
        for each in outputs:
            if isinstance(each, Send):
                for frame in self.server.answer(json.loads(each.frame)):
                    self._deliver(frame)

    def wrong(self) -> list[str]:
        """Return the contracts whose live books are not those of the server."""
        return [
            name
            for name in NAMES
            if (book := self.engine.book(name)).trust is Trust.LIVE
            and (book.bids, book.asks) != self.server.integers(name)
        ]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    numbers_replies=st.booleans(),
    empty_lists=st.booleans(),
    yes_price=st.booleans(),
)
def test_without_faults_books_are_right_after_every_message(
    seed: int, *, numbers_replies: bool, empty_lists: bool, yes_price: bool
) -> None:
    session = Session(
        seed, {}, numbers_replies=numbers_replies, empty_lists=empty_lists, yes_price=yes_price
    )
    session.start()

    for _ in range(150):
        session.trade()
        assert session.wrong() == []

    assert session.engine.stream.live == set(NAMES)
    for name in NAMES:
        book = session.engine.book(name)
        assert (book.bids, book.asks) == session.slow.books[name].integers()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), numbers_replies=st.booleans(), yes_price=st.booleans())
def test_after_faults_every_book_becomes_live_and_right_again(
    seed: int, *, numbers_replies: bool, yes_price: bool
) -> None:
    session = Session(seed, FAULTS, numbers_replies=numbers_replies, yes_price=yes_price)
    session.start()
    for _ in range(300):
        session.trade()
        if session.chance.random() < 0.1:
            session.wait(0.7)

    session.line.faults = {}
    for _ in range(200):
        session.trade()
        session.wait(1)

    assert session.wrong() == []
    assert session.engine.stream.live == set(NAMES)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), fault=st.sampled_from(sorted(FAULTS)))
def test_a_message_after_a_fault_reveals_it(seed: int, fault: str) -> None:
    session = Session(seed, {})
    session.start()
    for _ in range(30):
        session.trade()
    session.line.faults = {fault: 1_000}
    session.trade()
    session.line.faults = {}

    session.trade()

    assert session.wrong() == []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_bytes_nothing_but_malformed_messages_is_raised(seed: int) -> None:
    read, refused = fuzz(seed, 4_000)

    assert read + refused == 4_000
    assert min(read, refused) > 500

"""Kalshi's market-data messages: decodes bytes and updates order books in place.

No socket, no clock. Each message creates one Struct and nothing else: prices and sizes are
texts from a small vocabulary, and each text is parsed once. Source: docs.kalshi.com, WebSocket
`orderbook_delta` channel (``use_yes_price`` false: a NO bid at q is a YES ask at 1 - q).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from dutchbook.domain.market.book import ASK, BID, OrderBook
from dutchbook.domain.values.units import E4, price, signed, to_e4, to_e6
from dutchbook.errors import InvalidInput, MalformedMessage

KALSHI = "kalshi"
VOCABULARY = 1 << 17
"""Texts cached at most. A feed uses some ten thousand; hostile input has no limit."""


class _DeltaBody(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]


class _SnapshotBody(msgspec.Struct, gc=False):
    market_ticker: str
    yes_dollars_fp: tuple[tuple[str, str], ...] = ()
    no_dollars_fp: tuple[tuple[str, str], ...] = ()


class _Delta(msgspec.Struct, tag_field="type", tag="orderbook_delta", gc=False):
    seq: int
    msg: _DeltaBody


class _Snapshot(msgspec.Struct, tag_field="type", tag="orderbook_snapshot", gc=False):
    seq: int
    msg: _SnapshotBody


class _Trade(msgspec.Struct, tag_field="type", tag="trade", gc=False):
    """Another party's trade. Any change that it makes to a book also arrives as a delta."""


class _Named(msgspec.Struct, gc=False):
    type: str


_message = msgspec.json.Decoder(_Delta | _Snapshot | _Trade)
_named = msgspec.json.Decoder(_Named)
READ = frozenset({"orderbook_delta", "orderbook_snapshot", "trade"})


class _Texts(dict[str, int]):
    """Cache from text to integer, cleared when it reaches `VOCABULARY` entries."""

    def __init__(self, read: Callable[[str], int]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> int:
        number = self._read(text)
        if len(self) >= VOCABULARY:
            self.clear()
        self[text] = number
        return number


_prices = _Texts(lambda text: to_e4(price(text, field="price_dollars")))
_sizes = _Texts(lambda text: to_e6(signed(text, field="delta_fp")))


class KalshiBooks:
    """A feed's books by market ticker; messages about other markets are ignored.

    `seq` counts across a subscription, which spans many markets, so the connection that reads
    the subscription checks for gaps and clears the books after one.
    """

    def __init__(self, books: Mapping[str, OrderBook]) -> None:
        self._books = dict(books)
        self.ignored: Counter[str] = Counter()
        self.impossible = 0

    def feed(self, raw: bytes) -> OrderBook | None:
        """Apply one message and return the book if its best bid or best ask changed.

        A delta that removes more than the level holds empties the level and is counted in
        `impossible`: the book has missed an earlier message.

        Raises:
            MalformedMessage: Not JSON, a field missing or of the wrong type, or a number out of
                range. No book has changed.
        """
        try:
            message = _message.decode(raw)
            if type(message) is _Trade:
                return None
            body = message.msg
            book = self._books.get(body.market_ticker)
            if book is None:
                return None
            bid, ask = book.best_bid, book.best_ask
            if type(body) is _DeltaBody:
                self._change(book, body)
            else:
                _replace(book, body)
        except (msgspec.DecodeError, InvalidInput, UnicodeDecodeError, RecursionError) as error:
            self._unread(raw, error)
            return None
        book.number(message.seq)
        return book if book.best_bid != bid or book.best_ask != ask else None

    def _change(self, book: OrderBook, body: _DeltaBody) -> None:
        price_e4, delta = _prices[body.price_dollars], _sizes[body.delta_fp]
        if body.side == "yes":
            size = book.bids.get(price_e4, 0) + delta
            book.apply(BID, price_e4, size)
        else:
            price_e4 = E4 - price_e4
            size = book.asks.get(price_e4, 0) + delta
            book.apply(ASK, price_e4, size)
        if size < 0:
            self.impossible += 1

    def _unread(self, raw: bytes, error: Exception) -> None:
        """Count a message of another type; raise for one that should have been readable."""
        try:
            name = _named.decode(raw).type
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedMessage(KALSHI, str(error), raw) from error
        if name in READ:
            raise MalformedMessage(KALSHI, str(error), raw) from error
        self.ignored[name] += 1


def _replace(book: OrderBook, body: _SnapshotBody) -> None:
    bids = [(_prices[text], _sizes[size]) for text, size in body.yes_dollars_fp]
    asks = [(E4 - _prices[text], _sizes[size]) for text, size in body.no_dollars_fp]
    for levels in (bids, asks):
        if any(size <= 0 for _, size in levels) or len(dict(levels)) < len(levels):
            name = book.contract_id
            raise InvalidInput("orderbook_snapshot", name, "each price once, sizes above zero")
    book.replace(bids, asks)

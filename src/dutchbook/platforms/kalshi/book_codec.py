"""Kalshi's books: decodes the messages that change them, and updates order books in place.

No socket, no clock. Each message creates one Struct and nothing else: prices and sizes are
texts from a small vocabulary, and each text is parsed once. Source: docs.kalshi.com, WebSocket
`orderbook_delta` channel, 2026-10. With ``use_yes_price`` false a NO bid at q is a YES ask at
1 - q; with true the same level is reported at the YES price. `KalshiBooks` reads the former.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypeAlias

import msgspec

from dutchbook.domain.market.book import ASK, BID, OrderBook
from dutchbook.domain.values.units import E4, price, signed, to_e4, to_e6
from dutchbook.errors import InvalidInput, MalformedMessage
from dutchbook.ports.market_data import Changes

KALSHI = "kalshi"
VOCABULARY = 1 << 17
"""Texts cached at most. A feed uses some ten thousand; hostile input has no limit."""
NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
"""How Kalshi writes prices, counts and money: a plain decimal, at most six decimals."""


Rows: TypeAlias = tuple[tuple[str, str], ...]
"""Prices and sizes of one side. The key of an empty side is absent; an empty list or null is
accepted as well."""


class DeltaBody(Protocol):
    """A change of one level: what is added to its size, or taken from it."""

    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]


class SnapshotBody(Protocol):
    """A whole book."""

    market_ticker: str
    yes_dollars_fp: Rows | None
    no_dollars_fp: Rows | None


class _DeltaBody(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]


class _SnapshotBody(msgspec.Struct, gc=False):
    market_ticker: str
    yes_dollars_fp: Rows | None = ()
    no_dollars_fp: Rows | None = ()


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


class Texts(dict[str, int]):
    """Cache from text to integer, cleared when it reaches `VOCABULARY` entries.

    Raises:
        InvalidInput: The text is not a plain decimal, or `read` does not accept it.
    """

    def __init__(self, read: Callable[[str], int], field: str) -> None:
        super().__init__()
        self._read = read
        self._field = field

    def __missing__(self, text: str) -> int:
        if NUMBER.fullmatch(text) is None:
            raise InvalidInput(self._field, text, "a plain decimal with up to six decimals")
        number = self._read(text)
        if len(self) >= VOCABULARY:
            self.clear()
        self[text] = number
        return number


PRICES = Texts(lambda text: to_e4(price(text, field="price_dollars")), "price_dollars")
"""Prices strictly between 0 and 1 dollar, in 10⁻⁴ dollars."""
SIZES = Texts(lambda text: to_e6(signed(text, field="delta_fp")), "delta_fp")
"""Contracts of either sign, in 10⁻⁶ contracts."""


def level_of(body: DeltaBody, *, yes_price: bool = False) -> tuple[int, int, int]:
    """Return the side, the YES price and the change of size that a delta states.

    Raises:
        InvalidInput: A number is out of range or not a plain decimal.
    """
    price_e4, change = PRICES[body.price_dollars], SIZES[body.delta_fp]
    if body.side == "yes":
        return BID, price_e4, change
    return ASK, price_e4 if yes_price else E4 - price_e4, change


def sides_of(body: SnapshotBody, *, yes_price: bool = False) -> tuple[Changes, Changes]:
    """Return the bids and asks of a snapshot, in YES prices.

    Raises:
        InvalidInput: A number is out of range, a size is not above zero, or a price repeats.
    """
    bids = tuple((PRICES[text], SIZES[size]) for text, size in body.yes_dollars_fp or ())
    no_bids = tuple((PRICES[text], SIZES[size]) for text, size in body.no_dollars_fp or ())
    asks = no_bids if yes_price else tuple((E4 - each, size) for each, size in no_bids)
    for levels in (bids, asks):
        if any(size <= 0 for _, size in levels) or len(dict(levels)) < len(levels):
            name = body.market_ticker
            raise InvalidInput("orderbook_snapshot", name, "each price once, sizes above zero")
    return bids, asks


def change(book: OrderBook, level: tuple[int, int, int]) -> int:
    """Add a change of size to a level of a book, and return the level's new size.

    It is below zero if the level held less than was taken: the book has missed a message. The
    level is empty then.
    """
    side, price_e4, added = level
    size = (book.bids if side == BID else book.asks).get(price_e4, 0) + added
    book.apply(side, price_e4, size)
    return size


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
                self.impossible += change(book, level_of(body)) < 0
            else:
                book.replace(*sides_of(body))
        except (msgspec.DecodeError, InvalidInput, UnicodeDecodeError, RecursionError) as error:
            self._unread(raw, error)
            return None
        book.number(message.seq)
        return book if book.best_bid != bid or book.best_ask != ask else None

    def _unread(self, raw: bytes, error: Exception) -> None:
        """Count a message of another type; raise for one that should have been readable."""
        try:
            name = _named.decode(raw).type
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedMessage(KALSHI, str(error), raw) from error
        if name in READ:
            raise MalformedMessage(KALSHI, str(error), raw) from error
        self.ignored[name] += 1

"""Kalshi's market-data messages: their effect on a book, and malformed ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import MalformedMessage
from dutchbook.platforms.kalshi.book_codec import VOCABULARY, KalshiBooks

MARKET = "KXGOLD15M-26AUG101800-00"


def message(kind: str, **body: Any) -> bytes:
    told = {"type": kind, "sid": 1, "seq": 7, "msg": {"market_ticker": MARKET, **body}}
    return json.dumps(told).encode()


def delta(price: str, change: str, side: str = "yes") -> bytes:
    return message("orderbook_delta", price_dollars=price, delta_fp=change, side=side)


@pytest.fixture
def book() -> OrderBook:
    return OrderBook(Platform.KALSHI, MARKET)


@pytest.fixture
def books(book: OrderBook) -> KalshiBooks:
    made = KalshiBooks({MARKET: book})
    made.feed(
        message(
            "orderbook_snapshot",
            yes_dollars_fp=[["0.4000", "10.00"], ["0.4200", "5.50"]],
            no_dollars_fp=[["0.5500", "7.00"]],
        )
    )
    return made


def test_a_snapshot_is_the_whole_book_and_a_no_bid_is_an_ask_of_yes(
    books: KalshiBooks, book: OrderBook
) -> None:
    assert books.impossible == 0
    assert book.bids == {4_000: 10_000_000, 4_200: 5_500_000}
    assert book.asks == {4_500: 7_000_000}
    assert (book.best_bid, book.best_ask, book.sequence) == (4_200, 4_500, 7)


def test_a_snapshot_without_a_side_has_none(books: KalshiBooks, book: OrderBook) -> None:
    books.feed(message("orderbook_snapshot", yes_dollars_fp=[["0.1000", "1.00"]]))

    assert (book.bids, book.asks) == ({1_000: 1_000_000}, {})


def test_a_delta_adds_to_what_is_there(books: KalshiBooks, book: OrderBook) -> None:
    changed = books.feed(delta("0.4000", "-2.50"))

    assert changed is None
    assert book.bids[4_000] == 7_500_000


def test_a_new_best_price_names_its_book(books: KalshiBooks, book: OrderBook) -> None:
    assert books.feed(delta("0.4300", "1.00")) is book
    assert books.feed(delta("0.5600", "1.00", side="no")) is book
    assert (book.best_bid, book.best_ask) == (4_300, 4_400)


def test_a_level_that_is_taken_completely_is_removed(
    books: KalshiBooks, book: OrderBook
) -> None:
    assert books.feed(delta("0.5500", "-7.00", side="no")) is book
    assert book.asks == {}


def test_a_reduction_below_zero_is_counted(books: KalshiBooks, book: OrderBook) -> None:
    books.feed(delta("0.4200", "-6.00"))

    assert books.impossible == 1
    assert 4_200 not in book.bids


@pytest.mark.parametrize(
    "raw",
    [
        message("trade", yes_price_dollars="0.4"),
        message("ticker"),
        b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}',
        delta("0.40", "1.00").replace(MARKET.encode(), b"KXOTHER"),
    ],
)
def test_messages_about_other_books_change_nothing(
    raw: bytes, books: KalshiBooks, book: OrderBook
) -> None:
    before = (dict(book.bids), dict(book.asks))

    assert books.feed(raw) is None
    assert (book.bids, book.asks) == before


def test_ignored_messages_are_counted_by_kind(books: KalshiBooks) -> None:
    books.feed(message("ticker"))
    books.feed(message("ticker"))

    assert books.ignored == {"ticker": 2}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"type":"orderbook_delta"',
        b"[" * 100_000,
        message("orderbook_delta", price_dollars="0.40", delta_fp="1.00"),
        delta("0.40", "1.00", side="maybe"),
        delta("NaN", "1.00"),
        delta("0.40", "1e400"),
        delta("0.40", "Infinity"),
        delta("1.40", "1.00"),
        delta("0.40001", "1.00"),
        delta("0.40", "0.0000001"),
        delta("0", "1.00"),
        message("orderbook_snapshot", yes_dollars_fp=[["0.40", "-1.00"]]),
        message("orderbook_snapshot", no_dollars_fp=[["0.40", "1.00"], ["0.4000", "2.00"]]),
        message("orderbook_snapshot", yes_dollars_fp=[["0.40", "1.00", "3"]]),
    ],
)
def test_a_message_that_the_pages_do_not_allow_is_rejected_and_changes_no_book(
    raw: bytes, books: KalshiBooks, book: OrderBook
) -> None:
    before = (dict(book.bids), dict(book.asks))

    with pytest.raises(MalformedMessage) as caught:
        books.feed(raw)

    assert caught.value.raw == raw
    assert (book.bids, book.asks) == before


def test_the_caches_of_hostile_strings_are_bounded(books: KalshiBooks, book: OrderBook) -> None:
    for number in range(VOCABULARY + 10):
        books.feed(delta("0.4000", f"{number}.{number % 100:02d}1"))

    assert len(book.bids) == 2

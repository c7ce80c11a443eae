"""Polymarket's answers to an order: the table, and decoders of those that show its outcome.

Sources: docs.polymarket.com (error-codes, place-orders, order-lifecycle and matching-engine,
copies of 2026-09-27 or later), the clients py-clob-client-v2 1.2.1 and polymarket-client
0.14.0, and live reports where named. The id of an order is its digest, known before sending, so
an answer that names another id is about another order. Amounts are decimals written as text; a
number in their place is malformed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from dutchbook.domain.execution.order import Finality, Totals
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.market.fees import Liquidity
from dutchbook.domain.values.units import NOTHING, ZERO, Money, Price, Quantity
from dutchbook.errors import InvalidInput, MalformedMessage, OutcomeUnknown
from dutchbook.platforms.order_answers import (
    Answer,
    Placed,
    Said,
    Sent,
    Table,
    page,
    read_count,
    read_price,
)
from dutchbook.platforms.polymarket.refusals import MATCHED, ROWS
from dutchbook.ports.account import Listing
from dutchbook.ports.orders import FillReport

POLYMARKET = Platform.POLYMARKET
RELIED_ON: tuple[str, ...] = (
    "error",
    "id",
    "orderID",
    "original_size",
    "size_matched",
    "status",
    "success",
)
"""Fields of an answer's outermost object that decoding depends on."""
OFF = Decimal("0.01")
"""Fills may be short of an order's figures by this (nautilus_trader documentation, 2026-07)."""
CLEARLY = 100
"""Amounts that exceed an order's by more than this factor are in millionths."""
NOTHING_STATED = Totals(NOTHING, ZERO, ZERO)
MILLISECONDS = 10**11
"""Larger numbers are milliseconds, not seconds (both occur)."""
LAST_SECOND = 4_102_444_800
"""The year 2100; a later time is an error."""


class _Posted(msgspec.Struct):
    success: bool
    error: str | None = msgspec.field(name="errorMsg", default=None)
    order_id: str = msgspec.field(name="orderID", default="")
    status: str = ""
    given: str = msgspec.field(name="makingAmount", default="")
    got: str = msgspec.field(name="takingAmount", default="")
    trades: tuple[str, ...] | None = msgspec.field(name="tradeIDs", default=None)


class _Refusal(msgspec.Struct):
    error: str
    code: str = ""


class _Order(msgspec.Struct):
    id: str
    status: str
    original_size: str
    size_matched: str
    associate_trades: tuple[str, ...] | None = None


class _MakerOrder(msgspec.Struct):
    order_id: str
    matched_amount: str
    price: str


class _Trade(msgspec.Struct):
    id: str
    taker_order_id: str
    size: str
    price: str
    status: str
    match_time: str
    maker_orders: tuple[_MakerOrder, ...] = ()


class _Trades(msgspec.Struct):
    data: tuple[_Trade, ...]
    next_cursor: str = ""


LAST = ("", "LTE=")
"""Cursors after which no page follows (py-clob-client-v2 1.2.1)."""
_posted = msgspec.json.Decoder(_Posted)
_refusal = msgspec.json.Decoder(_Refusal)
_order = msgspec.json.Decoder(_Order)
_trades = msgspec.json.Decoder(_Trades)
UNREADABLE = (
    msgspec.DecodeError,
    InvalidInput,
    UnicodeDecodeError,
    RecursionError,
)
WORKS = {
    "LIVE": True,
    "MATCHED": False,
    "CANCELED": False,
    "CANCELED_MARKET_RESOLVED": False,
    "INVALID": False,
}
"""Whether an order of this status can still fill (docs.polymarket.com, get-order)."""
FINALITY = {
    "MATCHED_NOT_BROADCASTED": Finality.PROVISIONAL,
    "MATCHED": Finality.PROVISIONAL,
    "MINED": Finality.PROVISIONAL,
    "RETRYING": Finality.PROVISIONAL,
    "CONFIRMED": Finality.SETTLED,
    "FAILED": Finality.FAILED,
}
"""Only CONFIRMED and FAILED are final (docs.polymarket.com, realtime-order-updates)."""


# Reading
# ---------------------------------------------------------------------------------------


def _read(answer: Answer) -> Said | None:
    """Extract what the table compares: an order's status, or the text of a rejection.

    ``success: true`` alone proves nothing: an accepted order has an id, a status and no error
    text (docs.polymarket.com place-orders; polymarket-client 0.14.0).
    """
    try:
        if answer.status == 200:  # noqa: PLR2004 - HTTP's own number
            posted = _posted.decode(answer.body)
            if posted.error:
                return None if posted.order_id else Said(text=posted.error)
            return Said(posted.status) if posted.success and posted.order_id else None
        body = _refusal.decode(answer.body)
    except UNREADABLE:
        return _bare(answer.body)
    return Said(body.code, body.error)


def _bare(body: bytes) -> Said | None:
    """Read a plain-text body, as the servers in front of the platform send."""
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return None
    return Said(text=text) if text and text[0] not in '{["' else None


TABLE = Table(POLYMARKET, ROWS, _read)


def decode_placed(raw: bytes, sent: Sent) -> Placed:
    """Decode the answer to `POST /order` that the table accepts.

    Its amounts are dollars and shares; which is which follows from the side. It states no fee:
    the fee follows from the average price, and so is at least what the trades will show.

    Raises:
        MalformedMessage: Not in the documented form.
        OutcomeUnknown: The answer is about another order, or its amounts do not fit the order:
            the specification states them in millionths, recorded answers in whole units.
    """
    try:
        posted = _posted.decode(raw)
        stated = _stated(posted, sent) if posted.status == MATCHED else NOTHING_STATED
    except UNREADABLE as error:
        raise MalformedMessage(POLYMARKET, str(error), raw) from error
    _check_id(posted.order_id, sent)
    left = Quantity(max(sent.order.size - stated.filled, NOTHING))
    working = NOTHING if sent.immediate else left
    return Placed(posted.order_id, working, stated, stated.filled, posted.trades or ())


def _stated(posted: _Posted, sent: Sent) -> Totals:
    order = sent.order
    given = read_count(posted.given, "makingAmount")
    got = read_count(posted.got, "takingAmount")
    shares, dollars = (got, given) if order.side is Side.BUY else (given, got)
    spent, most = dollars, order.price * order.size
    if order.side is Side.SELL:
        spent, most = shares, order.size
    if not 0 < dollars < shares or spent > most * CLEARLY:
        raise OutcomeUnknown(POLYMARKET, "amounts_not_clear")
    average = Price(dollars / shares)
    fee = _fee(sent, average, shares, order.created_at, Liquidity.TAKER)
    return Totals(shares, Money(dollars), fee)


def decode_order(answer: Answer, sent: Sent) -> Placed | None:
    """Decode `GET /data/order/{id}`; None if the order is not known, which proves nothing.

    Old orders are answered with 404 or an empty body (docs and nautilus_trader differ).

    Raises:
        MalformedMessage: Not in the documented form, or an undocumented status.
        OutcomeUnknown: The read failed, or the answer is about another order.
    """
    if answer.status == 404 or (  # noqa: PLR2004 - HTTP's own number
        answer.status == 200 and answer.body.strip() in (b"", b"null")  # noqa: PLR2004
    ):
        return None
    raw = page(POLYMARKET, answer)
    try:
        order = _order.decode(raw)
        matched = read_count(order.size_matched, "size_matched")
        left = max(read_count(order.original_size, "original_size") - matched, NOTHING)
        works = WORKS.get(order.status.removeprefix("ORDER_STATUS_"))
        if works is None:
            raise InvalidInput("status", order.status, f"one of {', '.join(WORKS)}")
    except UNREADABLE as error:
        raise MalformedMessage(POLYMARKET, str(error), raw) from error
    _check_id(order.id, sent)
    return Placed(
        order.id,
        Quantity(left) if works else NOTHING,
        least=Quantity(max(matched - OFF, NOTHING)),
        trades=order.associate_trades or (),
    )


def _check_id(order_id: str, sent: Sent) -> None:
    if order_id != sent.order.platform_order_id:
        raise OutcomeUnknown(POLYMARKET, "answer_of_another_order")


def decode_fills(answer: Answer, sent: Sent, placed: Placed) -> Listing[FillReport]:
    """Decode a page of `GET /data/trades`: our order's trades, as taker or as maker.

    The page does not state fees: they follow the contract's schedule at the time of the match
    (docs.polymarket.com fees; makers pay none).

    Raises:
        MalformedMessage: Not in the documented form, or an undocumented status.
        OutcomeUnknown: The read failed, or no fee is known for the time of a trade.
    """
    raw = page(POLYMARKET, answer)
    reports: list[FillReport] = []
    try:
        read = _trades.decode(raw)
        for trade in read.data:
            if trade.taker_order_id == placed.platform_order_id:
                reports.append(_report(trade, trade.price, trade.size, sent, Liquidity.TAKER))
            for made in trade.maker_orders:
                if made.order_id == placed.platform_order_id:
                    amount = made.matched_amount
                    report = _report(trade, made.price, amount, sent, Liquidity.MAKER)
                    reports.append(report)
    except UNREADABLE as error:
        raise MalformedMessage(POLYMARKET, str(error), raw) from error
    return Listing(tuple(reports), complete=read.next_cursor in LAST)


def _report(
    trade: _Trade, price: str, amount: str, sent: Sent, liquidity: Liquidity
) -> FillReport:
    finality = FINALITY.get(trade.status.removeprefix("TRADE_STATUS_"))
    if finality is None:
        raise InvalidInput("status", trade.status, f"one of {', '.join(FINALITY)}")
    size = read_count(amount, "size")
    if not size or not trade.id:
        raise InvalidInput("trade", trade.id, "a trade with an id and a size above zero")
    paid = Price(read_price(price, "price"))
    matched_at = _when(trade.match_time)
    return FillReport(
        platform=POLYMARKET,
        platform_order_id=sent.order.platform_order_id or "",
        client_order_id=sent.order.client_order_id,
        trade_id=trade.id,
        price=paid,
        size=size,
        fee=_fee(sent, paid, size, matched_at, liquidity),
        finality=finality,
        matched_at=matched_at,
    )


def _fee(sent: Sent, price: Price, size: Quantity, at: datetime, liquidity: Liquidity) -> Money:
    terms = sent.fees.at(at) if sent.fees else None
    if terms is None:
        raise OutcomeUnknown(POLYMARKET, "fee_not_known")
    return terms.fee(price, size, liquidity)


def _when(text: str) -> datetime:
    """Parse a time: whole seconds or milliseconds since 1970, or ISO with its zone."""
    try:
        if text.isascii() and text.isdigit():
            number = int(text)
            seconds = number // 1000 if number > MILLISECONDS else number
            if seconds <= LAST_SECOND:
                return datetime.fromtimestamp(seconds, UTC)
        elif (at := datetime.fromisoformat(text)).tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput("match_time", text, "seconds since 1970, or an ISO time with its zone")

"""Kalshi's answers to an order: the table, and decoders of those that show its outcome.

Sources: docs.kalshi.com as of 2026-10 (the OpenAPI 3.34.0, the changelog to 2026-10-15, the
pages order_errors and quick_start_create_order) and answers recorded on the demo platform on
2026-06-11. Prices and counts are texts; a number in their place is malformed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, Protocol

import msgspec

from dutchbook.domain.execution.order import Finality, Order, Totals
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.market.fees import Liquidity
from dutchbook.domain.values.units import (
    NOTHING,
    ZERO,
    Money,
    Price,
    Quantity,
    money,
    owed,
)
from dutchbook.errors import InvalidInput, MalformedMessage, OutcomeUnknown
from dutchbook.platforms.order_answers import (
    Answer,
    Family,
    Placed,
    Row,
    Said,
    Sent,
    Table,
    page,
    read_count,
    read_price,
)
from dutchbook.ports.account import Listing
from dutchbook.ports.orders import FillReport

KALSHI = Platform.KALSHI
CREATED = "created"
LAST_SECOND = 4_102_444_800
"""The year 2100; a later time is an error."""
RELIED_ON: tuple[str, ...] = (
    "client_order_id",
    "error",
    "fill_count",
    "order_id",
    "orders",
    "remaining_count",
)
"""Fields of an answer's outermost object that decoding depends on."""

_REC = "answers recorded on the demo platform, 2026-06-11"
_OBS = "live use reported in public issues, 2026"
_CHANGES = "docs.kalshi.com changelog"
_LIFE = "docs.kalshi.com market_lifecycle, 2026-10; its status is not certain, so both"


def _refused(code: str, source: str, *statuses: int, reason: str | None = None) -> Row:
    return Row(statuses, Family.REJECTED, reason or code, source, code=code)


TABLE_ROWS = (
    Row(
        (201,),
        Family.ACCEPTED,
        CREATED,
        "docs.kalshi.com OpenAPI 3.34.0, create order, 2026-10-26",
        code=CREATED,
    ),
    _refused("insufficient_balance", _REC, 400),
    _refused("available_balance_too_low", f"{_CHANGES}, 2026-01", 400),
    _refused("invalid_price", _REC, 400),
    _refused("invalid_order", _REC, 400),
    _refused("invalid_order_size", f"{_CHANGES}, read to 2026-10-15", 400),
    _refused("invalid_parameters", _OBS, 400),
    _refused("bad_request", _REC, 400),
    _refused("authentication_error", _REC, 401),
    _refused("signature_is_missing_from_headers", _REC, 401),
    _refused("header_timestamp_expired", _REC, 401, reason="signature_expired"),
    Row(
        (403,),
        Family.REJECTED,
        "not_permitted",
        "docs.kalshi.com OpenAPI 3.34.0, 403: scope, locked key, region, 2026-10-26",
    ),
    _refused("not_found", _REC, 404),
    # The id was used before, possibly by this same order, so the platform is queried.
    Row((409,), Family.UNKNOWN, "order_already_exists", _REC, code="order_already_exists"),
    _refused("fill_or_kill_insufficient_resting_volume", _OBS, 409),
    _refused("trading_is_paused", _OBS, 409),
    _refused("exchange_is_paused", _OBS, 409),
    _refused("market_inactive", _LIFE, 400, 409),
    _refused("market_closed", _LIFE, 400, 409),
    _refused("market_already_closed", _LIFE, 400, 409),
    _refused("deprecated_v1_order_endpoint", f"{_CHANGES}, 2026-06-18", 410),
    Row(
        (429,),
        Family.REJECTED,
        "rate_limited",
        "docs.kalshi.com rate_limits, 2026-10",
        text="too many requests",
    ),
)


# Reading
# ---------------------------------------------------------------------------------------


class _Nested(msgspec.Struct):
    code: str
    message: str = ""


class _Refusal(msgspec.Struct):
    """All four shapes of an error: nested, flat, from a query, and from the rate limit."""

    error: _Nested | str = ""
    code: str = ""
    message: str = ""
    msg: str = ""


class _Created(msgspec.Struct):
    order_id: str
    client_order_id: str
    fill_count: str
    remaining_count: str
    average_fill_price: str | None = None
    average_fee_paid: str | None = None


class OrderTotals(Protocol):
    """What an order's record states of its trades, by a request and on the stream alike."""

    order_id: str
    fill_count_fp: str
    remaining_count_fp: str
    taker_fill_cost_dollars: str
    maker_fill_cost_dollars: str
    taker_fees_dollars: str
    maker_fees_dollars: str


class _Order(msgspec.Struct):
    order_id: str
    client_order_id: str
    status: Literal["resting", "canceled", "executed"]
    fill_count_fp: str
    remaining_count_fp: str
    taker_fill_cost_dollars: str = ""
    maker_fill_cost_dollars: str = ""
    taker_fees_dollars: str = ""
    maker_fees_dollars: str = ""


class _Orders(msgspec.Struct):
    orders: tuple[_Order, ...]
    cursor: str = ""


class _Fill(msgspec.Struct):
    trade_id: str
    order_id: str
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str
    fee_cost: str
    created_time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    ts: Annotated[int, msgspec.Meta(ge=0, le=LAST_SECOND)] | None = None


class _Fills(msgspec.Struct):
    fills: tuple[_Fill, ...]
    cursor: str = ""


_refusal = msgspec.json.Decoder(_Refusal)
_created = msgspec.json.Decoder(_Created)
_orders = msgspec.json.Decoder(_Orders)
_fills = msgspec.json.Decoder(_Fills)
UNREADABLE = (msgspec.DecodeError, InvalidInput, UnicodeDecodeError, RecursionError)


def _read(answer: Answer) -> Said | None:
    """Extract what the table compares: that an order was created, or a code and a text."""
    try:
        if answer.status == 201:  # noqa: PLR2004 - HTTP's own number
            _counts(_created.decode(answer.body))
            return Said(CREATED)
        body = _refusal.decode(answer.body)
    except UNREADABLE:
        return None
    if isinstance(body.error, _Nested):
        return Said(body.error.code, body.error.message)
    return Said(body.code, body.error or body.message or body.msg)


TABLE = Table(KALSHI, TABLE_ROWS, _read)


def _counts(created: _Created) -> tuple[Quantity, Quantity]:
    if not created.order_id:
        raise InvalidInput("order_id", "", "an id")
    return (
        read_count(created.fill_count, "fill_count"),
        read_count(created.remaining_count, "remaining_count"),
    )


def decode_placed(raw: bytes, sent: Sent) -> Placed:
    """Decode the answer to a create order (`POST /portfolio/events/orders`, 201).

    Raises:
        MalformedMessage: Not in the documented form, or more contracts than were ordered.
        OutcomeUnknown: The answer is about another order.
    """
    try:
        created = _created.decode(raw)
        filled, remaining = _counts(created)
        if filled + remaining > sent.order.size:
            raise InvalidInput("fill_count", created.fill_count, "no more than was ordered")
        stated = _averaged(created, filled, sent)
    except UNREADABLE as error:
        raise MalformedMessage(KALSHI, str(error), raw) from error
    if created.client_order_id != sent.order.client_order_id:
        raise OutcomeUnknown(KALSHI, "answer_of_another_order")
    return Placed(created.order_id, remaining, stated, least=filled)


def _averaged(created: _Created, filled: Quantity, sent: Sent) -> Totals:
    """Return the totals of an acknowledgement: it states averages per contract, in YES terms.

    They have four decimals, so the totals are exact to 0.00005 dollars per contract: of 215
    contracts, a cent of fees more than the schedule allows. The fees are at most those of the
    schedule at the average price.
    """
    order = sent.order
    if not filled or created.average_fill_price is None:
        return Totals(filled, None if filled else ZERO, ZERO)
    yes = read_price(created.average_fill_price, "average_fill_price")
    fee = money(created.average_fee_paid or "0", field="average_fee_paid")
    own = Price(yes if order.outcome is Outcome.YES else 1 - yes)
    terms = sent.fees.at(order.created_at) if sent.fees else None
    fees = owed(fee * filled)
    if terms is not None and 0 < own < 1:
        sale = order.side is Side.SELL
        fees = min(fees, terms.fee(own, filled, Liquidity.TAKER, sale=sale))
    return Totals(filled, owed(own * filled), fees)


def decode_order(answer: Answer, sent: Sent) -> Placed | None:
    """Decode a page of `GET /portfolio/orders`; None if our order is not on it.

    Raises:
        MalformedMessage: Not in the documented form.
        OutcomeUnknown: The read did not succeed, or more pages follow.
    """
    raw = page(KALSHI, answer)
    try:
        read = _orders.decode(raw)
        for order in read.orders:
            if order.client_order_id == sent.order.client_order_id:
                return placed_of(order, sent.order, resting=order.status == "resting")
    except UNREADABLE as error:
        raise MalformedMessage(KALSHI, str(error), raw) from error
    if read.cursor:
        raise OutcomeUnknown(KALSHI, "orders_not_all_read")
    return None


def placed_of(row: OrderTotals, order: Order, *, resting: bool) -> Placed:
    """Return what an order's record states.

    Raises:
        InvalidInput: A number is out of range.
    """
    filled = read_count(row.fill_count_fp, "fill_count_fp")
    remaining = read_count(row.remaining_count_fp, "remaining_count_fp")
    stated = _summed(row, filled, order)
    return Placed(row.order_id, remaining if resting else NOTHING, stated, least=filled)


def _summed(row: OrderTotals, filled: Quantity, order: Order) -> Totals:
    """Return the totals of an order's record.

    The cost of an ask is stated in NO terms (live use reported in public issues, 2026), so that
    a sale of YES and a purchase of NO both show one dollar less the YES price.
    """
    if not row.taker_fill_cost_dollars:
        return Totals(filled, None if filled else ZERO, ZERO)
    paid, fees = Decimal(0), Decimal(0)
    for cost, fee in (
        (row.taker_fill_cost_dollars, row.taker_fees_dollars),
        (row.maker_fill_cost_dollars, row.maker_fees_dollars),
    ):
        paid += money(cost or "0", field="fill_cost_dollars")
        fees += money(fee or "0", field="fees_dollars")
    own = paid if order.side is Side.BUY else filled - paid
    return Totals(filled, Money(own), Money(fees))


def decode_fills(answer: Answer, sent: Sent, placed: Placed) -> Listing[FillReport]:
    """Decode a page of `GET /portfolio/fills?order_id=`, with prices of our outcome.

    The last page has an empty cursor (recorded answers, 2026-06).

    Raises:
        MalformedMessage: Not in the documented form, or YES and NO do not add up to a dollar.
        OutcomeUnknown: The read did not succeed.
    """
    raw = page(KALSHI, answer)
    try:
        read = _fills.decode(raw)
        mine = (row for row in read.fills if row.order_id == placed.platform_order_id)
        return Listing(tuple(_report(row, sent) for row in mine), complete=not read.cursor)
    except UNREADABLE as error:
        raise MalformedMessage(KALSHI, str(error), raw) from error


def _report(row: _Fill, sent: Sent) -> FillReport:
    no = read_price(row.no_price_dollars, "no_price_dollars")
    if read_price(row.yes_price_dollars, "yes_price_dollars") + no != 1:
        raise InvalidInput("fill", row.trade_id, "prices of a dollar")
    return report_of(row, sent.order, _when(row))


class FillRow(Protocol):
    """What a trade of ours states, by a request and on the stream alike."""

    trade_id: str
    order_id: str
    count_fp: str
    yes_price_dollars: str
    fee_cost: str


def report_of(row: FillRow, order: Order, matched_at: datetime) -> FillReport:
    """Return the report of one of an order's trades, with the price of the order's outcome.

    Raises:
        InvalidInput: A number is out of range, the size is zero, or the fee is negative.
    """
    yes = read_price(row.yes_price_dollars, "yes_price_dollars")
    size = read_count(row.count_fp, "count_fp")
    fee = money(row.fee_cost, field="fee_cost")
    if not size or fee < 0:
        raise InvalidInput("fill", row.trade_id, "a size and a fee")
    return FillReport(
        platform=KALSHI,
        platform_order_id=row.order_id,
        client_order_id=order.client_order_id,
        trade_id=row.trade_id,
        price=Price(yes if order.outcome is Outcome.YES else 1 - yes),
        size=size,
        fee=fee,
        finality=Finality.SETTLED,
        matched_at=matched_at,
    )


def _when(row: _Fill) -> datetime:
    """Return a fill's time. Both fields are optional; `ts` has only whole seconds."""
    if row.created_time is not None:
        return row.created_time.astimezone(UTC)
    if row.ts is None:
        raise InvalidInput("created_time", None, "a time, here or in ts")
    return datetime.fromtimestamp(row.ts, UTC)

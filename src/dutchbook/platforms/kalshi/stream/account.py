"""Our trades and orders as the stream reports them, turned into what the order port reports.

The channels have no numbers, and nothing is sent again after a break (docs.kalshi.com,
WebSocket, 2026-10): whatever may be missing is a gap, after which trades are read by requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Outcome, Side
from dutchbook.domain.values.units import NOTHING
from dutchbook.errors import InvalidInput
from dutchbook.platforms.kalshi.order_codec import placed_of, report_of
from dutchbook.platforms.kalshi.stream.account_messages import FillBody, OrderBody
from dutchbook.platforms.kalshi.stream.fields import instant
from dutchbook.platforms.kalshi.stream.outputs import FillOfUnknownOrder, OrderSeen, Output
from dutchbook.ports.orders import Connected, FillReport, Gap, OrderReport

LATE = timedelta(seconds=5)
"""How much later than other messages a trade may be sent; reads lag by up to 1 s."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class OrderLookup(Protocol):
    """Finds our orders: a trade may be reported before the answer that gives its order's id."""

    def find(self, client_order_id: str | None, platform_order_id: str) -> Order | None:
        """Return the order of one of these ids, if it is ours."""
        ...


class Account:
    """Turns trades and orders of the account into reports, and notes until when they are whole.

    A trade states the YES price and a direction, which buying YES and selling NO share; only
    the order says which of the two it was, and so which price is its own.
    """

    def __init__(self, orders: OrderLookup) -> None:
        self._orders = orders
        self._since: datetime | None = None
        self._connected = False

    def heard(self, now: datetime) -> None:
        """Note that a message has arrived: trades of some time ago have arrived as well."""
        if self._connected:
            self._since = max(self._since or LONG_AGO, now - LATE)

    def connected(self, now: datetime) -> Iterator[Output]:
        """Report that trades are reported from now on."""
        self._connected = True
        self._since = max(self._since or LONG_AGO, now - LATE)
        yield Connected()

    def broken(self) -> Iterator[Output]:
        """Report that trades may be missing, once for each break."""
        if self._connected and self._since is not None:
            self._connected = False
            yield Gap(self._since)

    def fill(self, body: FillBody) -> Iterator[Output]:
        """Report a trade.

        Raises:
            InvalidInput: It contradicts the order that it names.
        """
        order = self._orders.find(body.client_order_id or None, body.order_id)
        if order is None:
            yield FillOfUnknownOrder(body)
            return
        _same(order, body.market_ticker, body.book_side, body.order_id)
        yield self._report(body, order)

    def order(self, body: OrderBody) -> Iterator[Output]:
        """Report the state of an order; one in an unknown state has no report.

        Raises:
            InvalidInput: It contradicts our order.
        """
        order = self._orders.find(body.client_order_id or None, body.order_id)
        if order is None or body.status == "unknown":
            yield OrderSeen(body, None)
            return
        _same(order, body.ticker, body.book_side, body.order_id)
        placed = placed_of(body, order, resting=body.status == "resting")
        if placed.least + placed.working > order.size:
            raise InvalidInput("fill_count_fp", body.fill_count_fp, "no more than was ordered")
        done = not placed.working and placed.least == NOTHING
        report = OrderReport(
            body.order_id, (), placed.working, stated=placed.stated, whole=done
        )
        yield OrderSeen(body, report)

    def _report(self, body: FillBody, order: Order) -> FillReport:
        return report_of(body, order, instant(body.ts_ms))


def _same(order: Order, ticker: str, book_side: str, platform_order_id: str) -> None:
    """Check that a message is about our order: its contract, its direction and its id."""
    bids = (order.outcome is Outcome.YES) == (order.side is Side.BUY)
    known = order.platform_order_id
    if (
        ticker != order.contract_id
        or book_side != ("bid" if bids else "ask")
        or (known is not None and known != platform_order_id)
    ):
        raise InvalidInput("order_id", platform_order_id, "as we sent the order")

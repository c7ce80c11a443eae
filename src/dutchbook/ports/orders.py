"""What a platform does with orders: sends, queries and cancels them, reports their trades."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation import platform_state

FillReport = platform_state.FillReport
"""One of our trades as the platform reports it."""
OrderReport = platform_state.OrderReport
"""A platform's report on one order."""


@dataclass(frozen=True, slots=True)
class Delayed:
    """A platform holds an order back: it is neither filled nor unknown.

    Polymarket does so with takers' orders in play, and such an order cannot be cancelled
    (docs.polymarket.com order-lifecycle, 2026-06).

    Attributes:
        platform_order_id: The platform's id.
        hold: How long from now the platform holds it back.
    """

    platform_order_id: str
    hold: timedelta


@dataclass(frozen=True, slots=True)
class Connected:
    """The stream of trades is connected: from now on every report arrives."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The stream of trades broke off: reports are missing until it is connected again.

    Attributes:
        since: The last instant up to which every report has arrived.
    """

    since: datetime


TradeUpdate = FillReport | Connected | Gap


class OrderGateway(Protocol):
    """A platform's orders. Only an `Approved` order is accepted.

    `submit` raises `PlatformRejected` (a documented rejection, final), `OutcomeUnknown`
    (anything else: query, never resend) or `NotSent` (no byte left this machine).
    """

    platform: Platform

    def prepare(self, order: Order) -> Order:
        """Return an order as it will be sent, before its intent is stored.

        On Polymarket it is signed here, and so has its id: the digest of what is signed. Kalshi
        gives an id only in its answer.
        """
        ...

    async def submit(self, order: Approved[Order]) -> OrderReport | Delayed:
        """Send an order once, and return its answer; nothing else is read."""
        ...

    async def find_order(self, order: Order) -> OrderReport | None:
        """Query an order. None means "not found", which proves nothing.

        It is the answer only where every page of orders, including finished ones, and of trades
        was read.

        It takes the order, since a platform may look it up by contract and time (Kalshi) or by
        an id that follows from its content (Polymarket).
        """

    def arrives_until(self, order: Order) -> datetime | None:
        """Return the instant after which a sent order can no longer be accepted.

        By then its signature or its own expiry has run out. None if nothing ends it: an order
        on Polymarket has no end of its own unless it is GTD.
        """

    async def reads_as_of(self) -> datetime | None:
        """Return how recent the platform says its data is, or None if it does not say.

        Kalshi says so (``GET /exchange/user_data_timestamp``), Polymarket does not.
        """

    async def cancel(self, order: Order) -> OrderReport:
        """Cancel the part of an order that is still working.

        It takes the order, since a platform may need its contract as well (Kalshi: its shard).
        """
        ...

    def trade_updates(self) -> AsyncIterator[TradeUpdate]:
        """Yield trades and their settlement as they are reported; each may repeat.

        It may end, or raise `NotSent` or `OutcomeUnknown`: then it is opened again, and what
        it missed is read.
        """
        ...

"""The engine's interface to a platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from dutchbook.domain import reconciliation
from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Order, Totals
from dutchbook.domain.market.book import Levels
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import Money, Quantity

FillReport = reconciliation.FillReport
"""One of our trades as the platform reports it."""
ListedOrder = reconciliation.ListedOrder
"""An order in the account's list."""
NamedCash = reconciliation.NamedCash
"""One movement of cash whose reason the platform reports."""


@dataclass(frozen=True, slots=True)
class OrderReport:
    """A platform's report on one order.

    An acknowledgement is such a report too: it states totals, and usually lists no trade.

    Attributes:
        platform_order_id: The platform's id.
        fills: The trades that it lists; more of them may follow.
        working: Contracts that can still fill.
        refusal: The documented rejection, if the order was rejected.
        stated: The totals that it states, whether their trades are listed or not.
        whole: Whether every trade of the order is listed, and nothing of it can still fill.
    """

    platform_order_id: str
    fills: tuple[FillReport, ...]
    working: Quantity
    refusal: str | None = None
    stated: Totals | None = None
    whole: bool = False


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
class PlatformBalance:
    """Cash on a platform in dollars: spendable, and held against working orders."""

    available: Money
    held: Money


@dataclass(frozen=True, slots=True)
class BookReport:
    """One complete order book as the platform reports it, in YES terms.

    Prices in 10⁻⁴ dollars, sizes in 10⁻⁶ contracts, best first.
    """

    contract_id: str
    bids: Levels
    asks: Levels


class RequestState(StrEnum):
    """What became of a request that outlives its call.

    `FAILED` is final: it did not happen, and no longer can. Polymarket's relayer binds a
    request to the wallet's nonce and a deadline, so that this is proven once the deadline has
    passed and the nonce has not moved (polymarket-client 0.14.0).
    """

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class PlatformGateway(Protocol):
    """Trading interface of one platform. Only an `Approved` order is accepted.

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

    async def balance(self) -> PlatformBalance:
        """Return the cash that the platform reports."""
        ...

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return the holdings that the platform reports, by contract and outcome."""
        ...

    async def orders(self) -> Sequence[ListedOrder]:
        """Return every working order of the account, including orders we did not send.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer, or not every page was read.
        """
        ...

    async def movements(self) -> Sequence[NamedCash]:
        """Return the cash movements that the platform lists, except trades and fees.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer, or not every page was read.
        """
        ...

    async def books(self, contract_ids: Sequence[str]) -> Sequence[BookReport]:
        """Return complete books in one request, so that all of them show the same time.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def ping(self) -> None:
        """Send a small request to check that the platform answers.

        Raises:
            NotSent: It cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return the final results of these contracts by id; open contracts are not included.

        A result is never inferred from a price or from a proposal that can be disputed.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def merge(self, contract_id: str, size: Quantity, request_id: str) -> None:
        """Request that `size` YES and `size` NO of a contract become one dollar per pair.

        The request outlives the call, which returns once it is done; `merged` follows it.

        Raises:
            PlatformRejected: The platform rejected the request; nothing was merged.
            NotSent: No byte left this machine.
            OutcomeUnknown: Anything else: it may still be done.
        """

    async def merged(self, request_id: str, requested_at: datetime) -> RequestState:
        """Return what became of a merge that was requested at `requested_at`.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def redeem(self, contract_id: str) -> None:
        """Collect the payout of a resolved contract for everything we hold of it.

        Raises:
            PlatformRejected: The platform rejected the request; nothing was paid.
            NotSent: No byte left this machine.
            OutcomeUnknown: Anything else; `results` shows whether the cash arrived.
        """

    def reports(self) -> AsyncIterator[FillReport]:
        """Yield fills and their settlement as they are reported; each may repeat."""

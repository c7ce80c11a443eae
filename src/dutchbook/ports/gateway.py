"""The engine's interface to a platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dutchbook.domain import reconciliation
from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Order
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
    """A platform's report on one order: its id, its fills so far and what still works."""

    platform_order_id: str
    fills: tuple[FillReport, ...]
    working: Quantity
    refusal: str | None = None


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


class PlatformGateway(Protocol):
    """Trading interface of one platform. Only an `Approved` order is accepted.

    `submit` raises `PlatformRejected` (a documented rejection, final), `OutcomeUnknown`
    (anything else: query, never resend) or `NotSent` (no byte left this machine).
    """

    platform: Platform

    async def submit(self, order: Approved[Order]) -> OrderReport:
        """Send an order once."""
        ...

    async def find_order(self, order: Order) -> OrderReport | None:
        """Query an order. None means "not found", which proves nothing.

        It takes the order, since a platform may look it up by contract and time (Kalshi) or by
        an id that follows from its content (Polymarket).
        """

    def arrives_until(self, order: Order) -> datetime | None:
        """Return the instant after which a sent order can no longer be accepted.

        By then its signature or its own expiry has run out. None if nothing ends it.
        """

    async def reads_as_of(self) -> datetime | None:
        """Return how recent the platform says its data is, or None if it does not say."""

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

    async def merge(self, contract_id: str, size: Quantity) -> None:
        """Merge `size` YES and `size` NO of a contract into one dollar per pair.

        Raises:
            PlatformRejected: The platform rejected the request; nothing was merged.
            NotSent: No byte left this machine.
            OutcomeUnknown: Anything else; check `positions` before requesting it again.
        """

    async def redeem(self, contract_id: str) -> None:
        """Collect the payout of a resolved contract for everything we hold of it.

        Raises:
            PlatformRejected: The platform rejected the request; nothing was paid.
            NotSent: No byte left this machine.
            OutcomeUnknown: Anything else; `results` shows whether the cash arrived.
        """

    def reports(self) -> AsyncIterator[FillReport]:
        """Yield fills and their settlement as they are reported; each may repeat."""

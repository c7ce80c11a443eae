"""A platform as the engine trades on it."""

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
"""A trade of ours as its platform reports it."""
ListedOrder = reconciliation.ListedOrder
"""An order in the account's list."""
NamedCash = reconciliation.NamedCash
"""One movement of cash that a platform names."""


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What a platform says of one order: its id, its fills so far, what still works."""

    platform_order_id: str
    fills: tuple[FillReport, ...]
    working: Quantity
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class PlatformBalance:
    """Cash that a platform shows, in dollars: spendable, and held against working orders."""

    available: Money
    held: Money


@dataclass(frozen=True, slots=True)
class BookReport:
    """One whole book as its platform shows it, in YES terms.

    Prices in 10⁻⁴ dollars, sizes in 10⁻⁶ contracts, best first.
    """

    contract_id: str
    bids: Levels
    asks: Levels


class PlatformGateway(Protocol):
    """One platform's trading side. Only an `Approved` order is accepted.

    `submit` raises `PlatformRejected` (a listed refusal, final), `OutcomeUnknown` (anything
    else: ask, never resend) or `NotSent` (no byte left).
    """

    platform: Platform

    async def submit(self, order: Approved[Order]) -> OrderReport:
        """Send an order once."""
        ...

    async def find_order(self, client_order_id: str) -> OrderReport | None:
        """Ask for an order. None means "not seen", which proves nothing."""

    def arrives_until(self, order: Order) -> datetime | None:
        """Return after when an order that was sent can no longer be accepted.

        Its signature or its own expiry has then run out. None where nothing ends it.
        """

    async def reads_as_of(self) -> datetime | None:
        """Return how new the platform says its answers are, None where it does not say."""

    async def cancel(self, platform_order_id: str) -> OrderReport:
        """Remove what still works of an order."""
        ...

    async def balance(self) -> PlatformBalance:
        """Return the cash that the platform shows."""
        ...

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return the contracts that the platform shows, by contract and outcome."""
        ...

    async def orders(self) -> Sequence[ListedOrder]:
        """Return every order of the account that still works, whoever sent it.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer, or not every page of it was read.
        """
        ...

    async def movements(self) -> Sequence[NamedCash]:
        """Return the movements of cash that the platform names, trades and fees left out.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer, or not every page of it was read.
        """
        ...

    async def books(self, contract_ids: Sequence[str]) -> Sequence[BookReport]:
        """Ask for whole books, all in one go: one by one they would be of different times.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def ping(self) -> None:
        """Ask for something small, to see whether the platform answers.

        Raises:
            NotSent: It cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return the final results among these contracts, by id; one still open is not in it.

        A winner is never inferred: not from a price, nor from a proposal that can be disputed.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def merge(self, contract_id: str, size: Quantity) -> None:
        """Turn `size` YES and as many NO of a contract into a dollar each.

        Raises:
            PlatformRejected: A refusal; nothing was merged.
            NotSent: No byte left.
            OutcomeUnknown: Anything else; look at `positions` before it is asked for again.
        """

    async def redeem(self, contract_id: str) -> None:
        """Collect what a resolved contract pays for all that we hold of it.

        Raises:
            PlatformRejected: A refusal; nothing was paid.
            NotSent: No byte left.
            OutcomeUnknown: Anything else; `results` tells whether its cash came.
        """

    def reports(self) -> AsyncIterator[FillReport]:
        """Fills and their settlement as they become known; each may come more than once."""

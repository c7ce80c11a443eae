"""What a platform shows of our accounts: cash, contracts, orders, trades and movements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.reconciliation import platform_state
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.ports.orders import FillReport

ListedOrder = platform_state.ListedOrder
"""An order in the account's list."""
NamedCash = platform_state.NamedCash
"""One movement of cash whose reason the platform reports."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that a platform shows, as far as it was read.

    Attributes:
        items: What it lists.
        complete: Whether every page was read. Only then is absence from it evidence.
    """

    items: tuple[T, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class PlatformBalance:
    """Cash on a platform in dollars: spendable, and held against working orders."""

    available: Money
    held: Money


class AccountGateway(Protocol):
    """Our accounts on a platform. Every method raises the same two errors.

    Raises:
        NotSent: The platform cannot be reached.
        OutcomeUnknown: It gave no trustworthy answer.
    """

    platform: Platform

    async def balances(self) -> Mapping[AccountKey, PlatformBalance]:
        """Return the cash of each of our accounts (Kalshi: of each shard)."""
        ...

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return all holdings, by contract and outcome.

        `OutcomeUnknown` is raised as well if not every page was read.
        """
        ...

    async def orders(self) -> Listing[ListedOrder]:
        """Return the working orders of our accounts, including orders we did not send."""
        ...

    async def trades(self, since: datetime) -> Listing[FillReport]:
        """Return our trades that were matched at `since` or later, in any order."""
        ...

    async def movements(self, since: datetime | None) -> Listing[NamedCash]:
        """Return the cash movements from `since` on (None: all), except trades and fees."""
        ...

    async def ping(self) -> None:
        """Send a small request to check that the platform answers."""
        ...

"""What an engine is built into: platforms, their books and contracts, and our accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dutchbook.application.market.watchlist import Watchlist
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.market.contract import Contract, Platform
from dutchbook.domain.values.units import Money
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.market_data import MarketData
from dutchbook.ports.time import TimeSource


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything by which one mode differs from another.

    It has eleven fields because it is the whole difference, in one place.

    Attributes:
        mode: The mode that the database is bound to.
        gateways: Each platform, as the engine trades on it.
        accounts: Our account on each platform.
        data: The platforms' books.
        polled: Whether `data` bring every book at each interval, changed or not.
        ended: Why the engine stops when `data` end.
        times: Servers that know the time.
        contracts: The platforms' current contract facts.
        watchlist: The pairs to follow, and their books.
        offered: The same, as they would be had we taken nothing; on a real platform they are
            the same.
        opening: Dollars, for a platform that was never funded.
    """

    mode: str
    gateways: Mapping[Platform, PlatformGateway]
    accounts: Mapping[Platform, AccountKey]
    data: MarketData
    polled: bool
    ended: str
    times: tuple[TimeSource, ...]
    contracts: tuple[Contract, ...]
    watchlist: Watchlist
    offered: Watchlist
    opening: Mapping[Platform, Money]

"""The engine's interface to a platform: orders, accounts, settlement, books and contracts."""

from __future__ import annotations

from typing import Protocol

from dutchbook.ports.account import AccountGateway
from dutchbook.ports.contracts import ContractReader
from dutchbook.ports.market_data import BookReader
from dutchbook.ports.orders import OrderGateway
from dutchbook.ports.settlement import SettlementGateway


class PlatformGateway(
    OrderGateway, AccountGateway, SettlementGateway, BookReader, ContractReader, Protocol
):
    """Everything that a platform does for the engine; each service takes what it needs."""

    async def run(self) -> None:
        """Keep the connections to the platform, until cancelled."""
        ...

    async def close(self) -> None:
        """Close the connections: the engine has ended."""
        ...

"""The facts of contracts, as their platform has them now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dutchbook.domain.market.contract import Contract


class ContractReader(Protocol):
    """Reads contracts by a request; changes in between come with the market data."""

    async def contracts(self, contract_ids: Sequence[str]) -> Sequence[Contract]:
        """Return these contracts with their current grid, fees, rules and dates.

        A contract that the platform does not list is left out.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

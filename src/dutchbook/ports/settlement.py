"""What a platform does with contracts that have resolved, and with pairs that become cash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import Quantity


class RequestState(StrEnum):
    """What became of a request that outlives its call.

    `FAILED` is final: it did not happen, and no longer can. Polymarket's relayer binds a
    request to the wallet's nonce and a deadline, so that this is proven once the deadline has
    passed and the nonce has not moved (polymarket-client 0.14.0).
    """

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class SettlementGateway(Protocol):
    """A platform's results, merges and payouts."""

    platform: Platform

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

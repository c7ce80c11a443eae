"""Merges and payouts of pair trades on a platform that a test answers for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from dutchbook.application.orders.questions import Questions
from dutchbook.application.settlement.merges import MergingService
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import folded
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import Quantity
from dutchbook.ports.settlement import RequestState
from support.pairs import NOW
from support.traded import POLYMARKET, YES, Holder, entered, fill, order, q

SECONDS = 5
PERSON_AFTER = timedelta(seconds=600)


class Chain:
    """A platform's settlements: what it was asked, and what it answers.

    Attributes:
        answers: What the next calls do: an error is raised, None is done.
        states: What became of merges, one for each time of asking.
        rulings: Final results, by contract.
        shown: What it lists of our contracts.
        seconds: How long each call takes.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answers: list[Exception | None] = []
        self.states: list[Any] = []
        self.rulings: dict[str, Result] = {}
        self.shown: dict[str, dict[Outcome, Quantity]] = {}
        self.seconds = 0.0

    async def _done(self, *call: Any) -> None:
        self.asked.append(call)
        await asyncio.sleep(self.seconds)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    async def merge(self, contract_id: str, size: Quantity, request_id: str) -> None:
        await self._done("merge", contract_id, size, request_id)

    async def merged(self, request_id: str, requested_at: datetime) -> RequestState:
        self.asked.append(("merged", request_id, requested_at))
        state = self.states.pop(0) if self.states else RequestState.PENDING
        if isinstance(state, Exception):
            raise state
        assert isinstance(state, RequestState)
        return state

    async def redeem(self, contract_id: str) -> None:
        await self._done("redeem", contract_id)

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        self.asked.append(("results", *contract_ids))
        if self.answers and self.answers[0] is not None and not self.rulings:
            raise self.answers.pop(0) or AssertionError
        return {name: each for name, each in self.rulings.items() if name in contract_ids}

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        self.asked.append(("positions",))
        return self.shown


class Desk:
    """Both services of settlements, with a chain for each platform."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.chains = {platform: Chain() for platform in Platform}
        self.questions = Questions(holder.clock)
        self.merging, self.payouts = self.services()

    def services(self) -> tuple[MergingService, SettlementService]:
        """Return new services, as the next start makes them."""
        holder, gateways = self.holder, cast("Any", self.chains)
        terms: Any = {"answer_seconds": SECONDS, "person_after": PERSON_AFTER}
        merging = MergingService(
            holder.journal,
            holder.committer,
            holder.trades,
            gateways,
            holder.clock,
            holder.ids,
            **terms,
        )
        payouts = SettlementService(
            holder.journal,
            holder.committer,
            holder.trades,
            merging,
            holder.watchlist,
            gateways,
            self.questions,
            holder.clock,
            holder.ids,
            every=timedelta(seconds=300),
            **terms,
        )
        return merging, payouts

    async def requests(self) -> list[tuple[Any, ...]]:
        """Return the settlements that were requested, and what became of them."""
        names = ("position_id", "platform", "kind", "size", "yes_pays", "status", "paid_at")
        rows = await self.holder.journal.rows("settlements")
        return [tuple(row[name] for name in names) for row in rows]

    async def person(self) -> list[str]:
        """Return what a person was told, by event."""
        rows = await self.holder.journal.rows("audit_log", None, ("sequence",))
        return [row["payload"] for row in rows if "needs_person" in row["name"]]


def paired(
    name: str = "e", *, size: str = "4", finality: Finality = Finality.SETTLED
) -> PairTrade:
    """Return a position that holds `size` YES beside its ten NO on Polymarket."""
    trade = entered(name, prefix=f"{name}-")
    more: Any = {"outcome": YES, "execution_id": name, "working_size": q(0), "filled": q(size)}
    bought = order(f"{name}-y", POLYMARKET, size, **more)
    one = fill(bought, f"{name}-y1", size, finality=finality, matched_at=NOW)
    trade = trade.with_orders((bought,)).with_fills((one,))
    position = folded(trade.position, trade.facts)
    return replace(trade, position=position)

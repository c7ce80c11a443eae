"""MergingService: both outcomes of a Polymarket contract become cash, a dollar for each pair.

The row of a merge is durable before the call. A call without an answer is never made again
before the platform's own list has shown that it did not happen; what the list does not show
proves nothing, unless it is proven newer than the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import run_to_end
from dutchbook.application.settlement.requests import (
    AGAIN,
    MERGE,
    WINDOW,
    SettlementRequest,
    ask_person,
    pending,
)
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.events import Event, FillSettled, OrderFilled, PositionMoved
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.pair_trades.facts import Paid
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Merge
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.settlement import Merged, merge_verdict
from dutchbook.domain.values.units import NOTHING, Quantity
from dutchbook.errors import NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.crash_points import AFTER, BEFORE, MERGING, crashpoint
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock, Ids

MERGED_BY_CALL = Platform.POLYMARKET
"""Kalshi nets by itself."""
PATIENCE = timedelta(minutes=5)
"""How long a stop waits for merges that got no answer."""


class MergingService:
    """Merges whatever can be merged, and follows what got no answer."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        trades: PairTrades,
        gateways: Mapping[Platform, PlatformGateway],
        clock: Clock,
        ids: Ids,
        *,
        answer_seconds: int,
        person_after: timedelta,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._trades = trades
        self._gateway = gateways[MERGED_BY_CALL]
        self._clock = clock
        self._ids = ids
        self._answer_seconds = answer_seconds
        self._person_after = person_after
        self._claims: dict[str, SettlementRequest] = {}
        self._refused: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up the merges that have no end yet."""
        self._claims = {each.position_id: each for each in await pending(self._journal, MERGE)}
        self._wake.set()

    def __call__(self, event: Event, sequence: int) -> None:
        """Look again when something has settled or moved for good."""
        if sequence and isinstance(event, FillSettled | OrderFilled | PositionMoved):
            self._wake.set()

    def doubtful(self, contract_id: str) -> bool:
        """Tell whether a merge of a contract got no answer yet."""
        return any(each.contract_id == contract_id for each in self._claims.values())

    async def run(self) -> None:
        """Merge whenever something can be, until cancelled."""
        while True:
            if self._claims:
                await self._clock.sleep(AGAIN)
            else:
                await self._wake.wait()
            self._wake.clear()
            await self.merge_all()

    async def drained(self) -> None:
        """Merge what there is, and wait a while for answers."""
        until = self._clock.now() + PATIENCE
        await self.merge_all()
        while self._claims and self._clock.now() < until:
            await self._clock.sleep(AGAIN)
            await self.merge_all()

    async def merge_all(self) -> None:
        """Look at what got no answer, then merge whatever can be merged now."""
        async with self._turn:
            for claim in list(self._claims.values()):
                async with self._trades.lock(claim.position_id):
                    await self._again(claim)
            for one in self._trades.followed:
                if not one.position.polymarket.pairs:
                    continue
                async with self._trades.lock(one.position.position_id):
                    trade = self._found(one.position.position_id)
                    if trade is not None and self._mergeable(trade):
                        await self._merge(trade)

    def _found(self, position_id: str) -> PairTrade | None:
        every = self._trades.all()
        return next((h for h in every if h.position.position_id == position_id), None)

    def _mergeable(self, trade: PairTrade) -> bool:
        """Whether both outcomes are there for good and nothing is under way.

        Of two merges of one contract that are in doubt, a list of holdings could prove neither.
        """
        position, leg = trade.position, trade.position.holding(MERGED_BY_CALL)
        provisional = any(
            fill.platform is MERGED_BY_CALL and fill.finality is Finality.PROVISIONAL
            for fill in trade.fills.values()
        )
        return (
            bool(leg.pairs)
            and leg.payout is None
            and not provisional
            and trade.order_out() is None
            and position.status is not PositionStatus.RECONCILIATION_REQUIRED
            and not self.doubtful(self._contract_id(trade))
            and self._refused.get(position.position_id) != position.version
        )

    async def _merge(self, trade: PairTrade) -> None:
        position = trade.position
        claim = SettlementRequest(
            self._ids.new("settlement", position.position_id),
            position.position_id,
            MERGED_BY_CALL,
            self._contract_id(trade),
            MERGE,
            position.holding(MERGED_BY_CALL).pairs,
            None,
            self._clock.now(),
        )
        # Known before it is durable: who is cancelled meanwhile asks for no other.
        self._claims[claim.position_id] = claim
        await self._committer.commit(Batch((claim.row(),)))
        await self._call(claim)

    async def _call(self, claim: SettlementRequest) -> None:
        """Make the call; its position's lock is held."""
        claim.sending(left=True)
        crashpoint(BEFORE, MERGING)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await run_to_end(self._gateway.merge(claim.contract_id, claim.size))
            crashpoint(AFTER, MERGING)
        except PlatformRejected as refusal:
            await self._given_up(claim, refusal.reason)
        except NotSent:
            claim.sending(left=False)
        except (OutcomeUnknown, TimeoutError):
            pass  # whether it happened is asked about
        else:
            await self._paid(claim)

    async def _given_up(self, claim: SettlementRequest, reason: str) -> None:
        await self._committer.commit(Batch((claim.ended(None),)))
        del self._claims[claim.position_id]
        trade = self._found(claim.position_id)
        if trade is not None:
            self._refused[claim.position_id] = trade.position.version
        await ask_person(self._committer, claim, f"the platform refused the merge: {reason}")

    async def _paid(self, claim: SettlementRequest) -> None:
        now = self._clock.now()
        trade = self._trades.of(claim.position_id)
        merge = Merge(claim.platform, claim.size, now)
        paid = Paid(now, (merge,), Cause.REPORTED, EntryKind.REDEMPTION, claim.contract_id)
        row = Batch((claim.ended(now),))
        await self._trades.book(trade.execution_id, paid, alongside=row)
        del self._claims[claim.position_id]

    # What got no answer
    # --------------------------------------------------------------------------------

    async def _again(self, claim: SettlementRequest) -> None:
        if self._claims.get(claim.position_id) is not claim:
            return
        if claim.unsent:
            await self._call(claim)
            return
        match await self._verdict(claim):
            case Merged.DONE:
                await self._paid(claim)
            case Merged.NOT_DONE if self._clock.now() > claim.requested_at + WINDOW:
                await self._call(claim)
            case _:
                await self._person(claim)

    async def _verdict(self, claim: SettlementRequest) -> Merged:
        """Ask how new the answers are first: what is shown afterwards is no older."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                newest = await self._gateway.reads_as_of()
                shown = await self._gateway.positions()
        except (OutcomeUnknown, NotSent, TimeoutError):
            return Merged.UNKNOWN
        return merge_verdict(
            self._ours(claim.contract_id),
            shown.get(claim.contract_id, {}),
            claim.size,
            newer=_newer(newest, claim.requested_at),
        )

    def _ours(self, contract_id: str) -> dict[Outcome, Quantity]:
        """Return what our books hold of a contract, merges without an answer included."""
        held = dict.fromkeys(Outcome, NOTHING)
        for one in self._trades.followed:
            leg = one.position.holding(MERGED_BY_CALL)
            if leg.payout is None and self._contract_id(one) == contract_id:
                other, lent = leg.outcome.opposite, leg.borrowed
                held[leg.outcome] = Quantity(held[leg.outcome] + leg.size - lent)
                held[other] = Quantity(held[other] + leg.complement - lent)
        return held

    def _contract_id(self, trade: PairTrade) -> str:
        return self._trades.match(trade.position).contract(MERGED_BY_CALL).contract_id

    async def _person(self, claim: SettlementRequest) -> None:
        if self._clock.now() - claim.requested_at >= self._person_after:
            await ask_person(
                self._committer, claim, "the merge got no answer; look at the holdings"
            )


def _newer(newest: datetime | None, requested_at: datetime) -> bool:
    return newest is not None and newest > requested_at + WINDOW

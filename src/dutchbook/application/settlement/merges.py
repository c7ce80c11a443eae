"""MergingService: turns pairs of Polymarket outcomes into cash, a dollar for each pair.

The row of a merge is durable before the call, and its id names the request. A request outlives
the call: without an answer it is followed by its id, and a new one is made only once the
platform has proven that the first did not happen and no longer can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import answered, run_to_end, to_its_end
from dutchbook.application.settlement.requests import AGAIN, PersonRequests, pending
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.events import Event, FillSettled, OrderFilled, PositionMoved
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.facts import Paid
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Merge
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.settlement import Settlement, SettlementKind
from dutchbook.errors import Conflict, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.crash_points import AFTER, BEFORE, MERGING, crashpoint
from dutchbook.ports.journal import Batch, Insert, Journal
from dutchbook.ports.settlement import RequestState, SettlementGateway
from dutchbook.ports.tables.trading import SETTLEMENTS
from dutchbook.ports.time import Clock, Ids

MERGED_BY_CALL = Platform.POLYMARKET
"""Kalshi nets pairs without a call."""
TIMEOUT = timedelta(minutes=15)
"""How long a stop waits for merges without an answer."""


class MergingService:
    """Merges every pair that can be merged, and follows up calls without an answer."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        trades: PairTrades,
        gateways: Mapping[Platform, SettlementGateway],
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
        self._person = PersonRequests(committer)
        self._requests: dict[str, Settlement] = {}
        self._unsent: set[str] = set()
        self._rejected: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Load the pending merges."""
        found = await pending(self._journal, SettlementKind.MERGE)
        self._requests = {each.position_id: each for each in found}
        self._wake.set()

    def __call__(self, event: Event, sequence: int) -> None:
        """Wake up when a fill has settled, an order has filled, or a position has moved."""
        if sequence and isinstance(event, FillSettled | OrderFilled | PositionMoved):
            self._wake.set()

    def doubtful(self, contract_id: str) -> bool:
        """Return whether a merge of a contract is still without an answer."""
        return any(each.contract_id == contract_id for each in self._requests.values())

    async def run(self) -> None:
        """Merge pairs as they become available, until cancelled."""
        while True:
            if self._requests:
                await self._clock.sleep(AGAIN)
            else:
                await self._wake.wait()
            self._wake.clear()
            await self.merge_all()

    async def drained(self) -> None:
        """Merge what can be merged, and wait for answers, at most `TIMEOUT`."""
        until = self._clock.now() + TIMEOUT
        await self.merge_all()
        while self._requests and self._clock.now() < until:
            await self._clock.sleep(AGAIN)
            await self.merge_all()

    async def merge_all(self) -> None:
        """Follow up calls without an answer, then merge everything that can be merged."""
        async with self._lock:
            for request in list(self._requests.values()):
                async with self._trades.lock(request.position_id):
                    await self._follow_up(request)
            for one in self._trades.followed:
                if not one.position.polymarket.pairs:
                    continue
                async with self._trades.lock(one.position.position_id):
                    trade = self._trades.known(one.position.position_id)
                    if trade is not None and self._mergeable(trade):
                        await self._merge(trade)

    def _mergeable(self, trade: PairTrade) -> bool:
        """Return whether both outcomes are settled and nothing is in progress."""
        position, leg = trade.position, trade.position.holding(MERGED_BY_CALL)
        return (
            bool(leg.pairs)
            and leg.payout is None
            and not trade.provisional(MERGED_BY_CALL)
            and trade.order_out() is None
            and position.status is not PositionStatus.RECONCILIATION_REQUIRED
            and not self.doubtful(self._contract_id(trade))
            and self._rejected.get(position.position_id) != position.version
        )

    async def _merge(self, trade: PairTrade) -> None:
        position = trade.position
        request = Settlement(
            self._ids.new("settlement", position.position_id),
            position.position_id,
            MERGED_BY_CALL,
            self._contract_id(trade),
            SettlementKind.MERGE,
            position.holding(MERGED_BY_CALL).pairs,
            None,
            self._clock.now(),
        )
        # Kept before the commit: if that is cancelled, no second request is made.
        self._requests[request.position_id] = request
        try:
            await self._committer.commit(
                Batch((Insert("settlements", SETTLEMENTS.row_of(request)),))
            )
        except Conflict:
            del self._requests[request.position_id]
            raise
        await self._call(request)

    async def _call(self, request: Settlement) -> None:
        """Make the call; the caller holds the position's lock."""
        self._unsent.discard(request.settlement_id)
        crashpoint(BEFORE, MERGING)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await run_to_end(
                    self._gateway.merge(
                        request.contract_id, request.size, request.settlement_id
                    )
                )
            crashpoint(AFTER, MERGING)
        except PlatformRejected as rejection:
            await self._abandon(request, rejection.reason)
        except NotSent:
            self._unsent.add(request.settlement_id)
        except (OutcomeUnknown, TimeoutError):
            pass  # the next pass queries whether it happened
        else:
            await self._paid(request)

    async def _abandon(self, request: Settlement, reason: str) -> None:
        await self._gave_up(request)
        trade = self._trades.known(request.position_id)
        if trade is not None:
            self._rejected[request.position_id] = trade.position.version
        await self._person.ask(request, f"the platform rejected the merge: {reason}")

    @to_its_end
    async def _gave_up(self, request: Settlement) -> None:
        row = SETTLEMENTS.update(request, request.abandoned())
        await self._committer.commit(Batch((row,)))
        del self._requests[request.position_id]

    async def _paid(self, request: Settlement) -> None:
        now = self._clock.now()
        trade = self._trades.of(request.position_id)
        merge = Merge(request.platform, request.size, now)
        paid = Paid(now, (merge,), Cause.REPORTED, EntryKind.REDEMPTION, request.contract_id)
        row = Batch((SETTLEMENTS.update(request, request.paid(now)),))
        await self._trades.book(trade.execution_id, paid, alongside=row)
        del self._requests[request.position_id]

    # Calls without an answer
    # --------------------------------------------------------------------------------

    async def _follow_up(self, request: Settlement) -> None:
        if self._requests.get(request.position_id) is not request:
            return
        if request.settlement_id in self._unsent:
            await self._call(request)
            return
        asked = self._gateway.merged(request.settlement_id, request.requested_at)
        match await answered(asked, self._answer_seconds, RequestState.PENDING):
            case RequestState.DONE:
                await self._paid(request)
            case RequestState.FAILED:
                await self._gave_up(request)
            case _:
                await self._ask_person(request)

    def _contract_id(self, trade: PairTrade) -> str:
        return self._trades.match(trade.position).contract(MERGED_BY_CALL).contract_id

    async def _ask_person(self, request: Settlement) -> None:
        if self._clock.now() - request.requested_at >= self._person_after:
            await self._person.ask(request, "the merge got no answer; look at the holdings")

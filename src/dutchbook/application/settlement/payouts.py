"""SettlementService: results of contracts, each from its own platform, and the cash they pay.

Results are polled: contracts past their close every minute, the rest at a longer interval. Only
a final result counts. Kalshi pays without a call; Polymarket pays on redemption, whose row is
durable before the call. A position is closed once both its contracts have paid; until then, a
leg that has paid still counts with its size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.orders.questions import Questions
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import answered, run_to_end
from dutchbook.application.settlement.merges import MergingService
from dutchbook.application.settlement.requests import WINDOW, PersonRequests, pending
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.events import Event, ReconciliationComplete
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.facts import Concluded, Paid
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Payout
from dutchbook.domain.positions.settlement import Key, Result, Settlement, SettlementKind
from dutchbook.domain.values.units import Quantity
from dutchbook.errors import Conflict, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.crash_points import AFTER, BEFORE, REDEEM, crashpoint
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Batch, Insert, Journal, Write
from dutchbook.ports.tables.trading import SETTLEMENTS
from dutchbook.ports.time import Clock, Ids

REDEEMED = (Platform.POLYMARKET,)
"""Where a payout must be requested; elsewhere it arrives without a request."""
KINDS = {Platform.KALSHI: EntryKind.SETTLEMENT, Platform.POLYMARKET: EntryKind.REDEMPTION}
CHECK_SECONDS = 60
"""Seconds between two polls of contracts past their close."""
STEP = 5
"""Seconds between two polls while everything else waits for the result."""


class SettlementService:
    """Follows every contract that we hold from its close to its cash.

    It takes twelve parts because it handles a whole settlement: queries the platforms, records
    each request, books results and cash, merges pairs, and notifies a person after a deadline.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        trades: PairTrades,
        merging: MergingService,
        watchlist: Watchlist,
        gateways: Mapping[Platform, PlatformGateway],
        questions: Questions,
        clock: Clock,
        ids: Ids,
        *,
        every: timedelta,
        answer_seconds: int,
        person_after: timedelta,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._trades = trades
        self._merging = merging
        self._watchlist = watchlist
        self._gateways = gateways
        self._questions = questions
        self._clock = clock
        self._ids = ids
        self._every = every
        self._answer_seconds = answer_seconds
        self._person_after = person_after
        self._person = PersonRequests(committer)
        self._requests: dict[str, dict[Platform, Settlement]] = {}
        self._unsent: set[str] = set()
        self._polled_all: datetime | None = None
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()

    def __call__(self, event: Event, sequence: int) -> None:
        """Poll at once when a comparison found a difference: a payout may explain it."""
        if sequence and isinstance(event, ReconciliationComplete) and event.discrepancies:
            self._wake.set()

    async def start(self) -> None:
        """Load the pending redemptions, and the contracts that have paid us before."""
        for row in await self._journal.rows("settlements", {"kind": SettlementKind.PAYOUT}):
            self._watchlist.resolve((Platform(row["platform"]), row["contract_id"]))
        for request in await pending(self._journal, SettlementKind.PAYOUT):
            self._requests.setdefault(request.position_id, {})[request.platform] = request

    def resolved(self, key: Key) -> bool:
        """Return whether a contract is known to have a final result."""
        return key in self._watchlist.resolved

    async def run(self) -> None:
        """Poll at an interval, and after a comparison with a difference, until cancelled."""
        while True:
            timer = asyncio.ensure_future(self._clock.sleep(self._seconds_to_wait()))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({timer, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                woken.cancel()
            now = self._clock.now()
            due = self._polled_all is None or now - self._polled_all >= self._every
            whole = due or self._wake.is_set()
            self._wake.clear()
            await self.poll(whole=whole)

    def _seconds_to_wait(self) -> float:
        """Return how long to wait for the next poll, of all contracts or of the closed ones."""
        if self._polled_all is None:
            return CHECK_SECONDS
        left = (self._polled_all + self._every - self._clock.now()).total_seconds()
        return min(CHECK_SECONDS, max(left, 1))

    async def drained(self) -> None:
        """Wait for the poll in progress."""
        async with self._lock:
            pass

    async def finish(self, keys: Collection[Key], at_most: timedelta) -> None:
        """Poll until some contracts have paid all our positions, no longer than `at_most`."""
        until = self._clock.now() + at_most
        await self.poll(whole=True)
        while any(self._holders(key) for key in keys) and self._clock.now() < until:
            await self._clock.sleep(STEP)
            await self.poll(whole=True)

    async def poll(self, *, whole: bool) -> None:
        """Query results, and book what they pay.

        Args:
            whole: Query every contract that we hold, not only those past their close.
        """
        async with self._lock:
            if whole:
                self._polled_all = self._clock.now()
            for platform, gateway in self._gateways.items():
                ids = self._due(platform, whole=whole)
                if not ids:
                    continue
                found = await answered(gateway.results(ids), self._answer_seconds, {})
                for contract_id in sorted(found):
                    await self._take((platform, contract_id), found[contract_id])

    def _due(self, platform: Platform, *, whole: bool) -> list[str]:
        now = self._clock.now()
        contracts = {
            contract.contract_id: contract
            for one in self._trades.followed
            if one.position.holding(platform).unpaid
            for contract in (self._trades.match(one.position).contract(platform),)
        }
        return sorted(
            contract_id
            for contract_id, contract in contracts.items()
            if whole or contract.close_time <= now or self.resolved((platform, contract_id))
        )

    def _holders(self, key: Key) -> list[PairTrade]:
        """Return every pair trade that a contract still has to pay."""
        platform, contract_id = key
        return [
            one
            for one in self._trades.followed
            if one.position.holding(platform).unpaid
            and self._trades.match(one.position).contract(platform).contract_id == contract_id
        ]

    async def _take(self, key: Key, result: Result) -> None:
        """Apply a final result: query open orders, and book or request the cash."""
        self._watchlist.resolve(key)
        holders = self._holders(key)
        for order in (o for one in holders for o in one.orders.values() if o.working_size > 0):
            self._questions.notice(order)
        if result.cash:
            for one in holders:
                await self._pay(one.position.position_id, key, result.yes_pays)
        elif key[0] in REDEEMED:
            await self._redeem(key, result.yes_pays, holders)

    # Redemption
    # ----------------------------------------------------------------------------------------

    async def _redeem(self, key: Key, yes_pays: Decimal, holders: list[PairTrade]) -> None:
        """Request a payout, unless a merge is unanswered or an order is open."""
        platform, contract_id = key
        if self._merging.doubtful(contract_id) or any(one.order_out() for one in holders):
            return
        known = [request for one in holders if (request := self._request_of(one, platform))]
        if known and not await self._may_repeat(key, known):
            return
        new = [
            self._new_request(one, key, yes_pays)
            for one in holders
            if self._request_of(one, platform) is None
        ]
        if new:
            # Kept before the commit: if that is cancelled, no second request is made.
            for each in new:
                self._requests.setdefault(each.position_id, {})[platform] = each
            rows = (Insert("settlements", SETTLEMENTS.row_of(each)) for each in new)
            try:
                await self._committer.commit(Batch(tuple(rows)))
            except Conflict:
                for each in new:
                    del self._requests[each.position_id][platform]
                raise
        await self._call(key, yes_pays, holders)

    def _request_of(self, trade: PairTrade, platform: Platform) -> Settlement | None:
        return self._requests.get(trade.position_id, {}).get(platform)

    def _new_request(self, trade: PairTrade, key: Key, yes_pays: Decimal) -> Settlement:
        size = Quantity(abs(trade.position.holding(key[0]).net))
        return Settlement(
            self._ids.new("settlement", trade.position_id),
            trade.position_id,
            *key,
            SettlementKind.PAYOUT,
            size,
            yes_pays,
            self._clock.now(),
        )

    async def _call(self, key: Key, yes_pays: Decimal, holders: list[PairTrade]) -> None:
        platform, contract_id = key
        requests = [request for one in holders if (request := self._request_of(one, platform))]
        ids = {each.settlement_id for each in requests}
        crashpoint(BEFORE, REDEEM)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await run_to_end(self._gateways[platform].redeem(contract_id))
            crashpoint(AFTER, REDEEM)
        except NotSent:
            self._unsent |= ids
        except PlatformRejected as rejection:
            self._unsent |= ids
            for request in requests:
                detail = f"the platform rejected the redemption: {rejection.reason}"
                await self._person.ask(request, detail)
        except (OutcomeUnknown, TimeoutError):
            self._unsent -= ids
        else:
            for one in holders:
                await self._pay(one.position.position_id, key, yes_pays)

    async def _may_repeat(self, key: Key, known: list[Settlement]) -> bool:
        """Return whether a redemption without an answer may be requested again.

        Only holdings that the platform still lists prove that it has not happened.
        """
        if all(request.settlement_id in self._unsent for request in known):
            return True
        now = self._clock.now()
        requested = max(request.requested_at for request in known)
        if now > requested + WINDOW and await self._listed(key):
            return True
        if now - requested >= self._person_after:
            for request in known:
                detail = "the redemption got no answer; look at the holdings"
                await self._person.ask(request, detail)
        return False

    async def _listed(self, key: Key) -> bool:
        holdings = self._gateways[key[0]].positions()
        shown = await answered(holdings, self._answer_seconds, {})
        return any(shown.get(key[1], {}).values())

    # Cash
    # -----------------------------------------------------------------------------------------

    async def _pay(self, position_id: str, key: Key, yes_pays: Decimal) -> None:
        """Book a contract's payout to a position, once; not while an order there is open.

        An order on the other platform may stay unanswered until a person has looked for it;
        the payout has arrived all the same.
        """
        platform = key[0]
        async with self._trades.lock(position_id):
            trade = next((h for h in self._holders(key) if h.position_id == position_id), None)
            if trade is None or trade.working_on(platform):
                return
            if not trade.ended:
                if not trade.waiting:
                    return
                over = Concluded(self._clock.now(), unanswered=True)
                trade = await self._trades.book(trade.execution_id, over)
            request = self._request_of(trade, platform)
            if request is not None and request.yes_pays != yes_pays:
                detail = f"it was requested at {request.yes_pays} and resolved to {yes_pays}"
                await self._person.ask(request, detail)
                return
            now = self._clock.now()
            payout = Payout(platform, yes_pays, now)
            paid = Paid(now, (payout,), Cause.SETTLED, KINDS[platform], key[1])
            if request is not None:
                row: Write = SETTLEMENTS.update(request, request.paid(now))
            else:
                made = self._new_request(trade, key, yes_pays).paid(now)
                row = Insert("settlements", SETTLEMENTS.row_of(made))
            await self._trades.book(trade.execution_id, paid, alongside=Batch((row,)))
            if request is not None:
                del self._requests[position_id][platform]
                self._unsent.discard(request.settlement_id)

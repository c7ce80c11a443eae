"""PairTrades: every pair trade that can still change, and the one function that changes it.

A finished one is kept for a while: a late fill of it may come to light.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dutchbook.application.capital.capital import Alone, Capital
from dutchbook.application.capital.halts import Halts
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.claims import Claims
from dutchbook.application.records.changes import ALWAYS, Gate, capital_writes, changes
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import run_to_end
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.events import Event, ExitMarked
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import ALIKE, ContractMatch, Platform
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.capital import capital_change
from dutchbook.domain.pair_trades.events import Notice
from dutchbook.domain.pair_trades.facts import Paid, TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade, TradeKey
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.positions.result import Result, result_of
from dutchbook.domain.values.units import NOTHING
from dutchbook.errors import UnknownId
from dutchbook.ports.journal import Batch
from dutchbook.ports.orders import FillReport
from dutchbook.ports.time import Clock, Ids

LATE = timedelta(minutes=10)
"""How long after its end a position, or an execution that bought nothing, is queried.

A fill that comes to light even later is found through its platform's stream.
"""
NONE = Batch()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a start loads.

    Attributes:
        trades: Pair trades that can still change, oldest first.
        over: Finished positions, whose remainder is dust.
        first_traded: When each pair that was traded was traded for the first time.
    """

    trades: list[PairTrade] = field(default_factory=list)
    over: list[OpenPosition] = field(default_factory=list)
    first_traded: dict[str, datetime] = field(default_factory=dict)


class PairTrades:
    """The cache of pair trades by execution; the database holds the truth."""

    def __init__(
        self,
        committer: Committer,
        capital: Capital,
        halts: Halts,
        announce: Announcements,
        claims: Claims,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._committer = committer
        self._capital = capital
        self._halts = halts
        self._announce = announce
        self._matches = claims.matches
        self._clock = clock
        self._ids = ids
        self._trades: dict[str, PairTrade] = {}
        self._of_position: dict[str, str] = {}
        self._of_order: dict[str, str] = {}
        self._of_fill: dict[TradeKey, str] = {}
        self._of_client: dict[str | None, str] = {}
        self._of_platform: dict[tuple[Platform, str | None], str] = {}
        self.claims = claims
        self._booking: dict[str, asyncio.Lock] = {}
        self._attending: dict[str, asyncio.Lock] = {}
        self._releasing: set[asyncio.Future[None]] = set()
        self.over: list[OpenPosition] = []
        self._past = Result()
        self._first_traded: dict[str, datetime] = {}
        self.version = 0

    # Changes
    # -------------------------------------------------------------------------

    async def book(
        self,
        key: str | PairTrade,
        *facts: TradeFact,
        alongside: Batch = NONE,
        gate: Gate = ALWAYS,
    ) -> PairTrade:
        """Apply facts to one pair trade, commit what they change, and return the result.

        If the caller is cancelled, the commit may still happen: then the cache follows it too,
        and nothing else is booked for this pair trade in between.

        Args:
            key: The execution's id, or a pair trade that is not in the database yet.
            facts: Applied in order, in one commit.
            alongside: Rows and events that belong in the same commit.
            gate: Conditions on the risk state, for an entry.

        Raises:
            UnknownId: No such pair trade can still change.
            OrderOut: A fact places an order while another one is out (I-3).
            Conflict: The database rejected the commit; nothing was kept.
        """
        return await run_to_end(self._book(key, facts, alongside, gate))

    async def _book(
        self,
        key: str | PairTrade,
        facts: Sequence[TradeFact],
        alongside: Batch,
        gate: Gate,
    ) -> PairTrade:
        execution_id = key if isinstance(key, str) else key.execution_id
        async with self._booking.setdefault(execution_id, asyncio.Lock()):
            at, accounts = self._clock.now(), self._capital.accounts
            before = self.trade(key) if isinstance(key, str) else None
            after = key if isinstance(key, PairTrade) else self.trade(key)
            notices: list[Notice] = []
            for fact in facts:
                after, more = apply(after, fact)
                notices += more
            after = _one_version(before, after)
            step = capital_change(before, after, accounts, _kind(facts))
            first = self._first_traded.get(after.pair_id)
            writes = [*alongside.writes, *changes(before, after, at, first)]
            events = [e for notice in notices for e in self._announce.events(notice, after)]
            async with self._halts.with_loss(step, _alone(after, events)) as (halt, halted):
                writes += capital_writes(step, accounts, self._ids, at, gate, halt)
                with self._capital.claimed(step):
                    if step.entry:
                        events += self._capital.limit_events(step, execution_id)
                    batch = Batch(tuple(writes), (*events, *alongside.events, *halted))
                    if batch:
                        await self._committer.commit(batch)
                self._capital.follow(step)
                self.put(after)
                if after.traded and after.ended_at is not None:
                    self._first_traded.setdefault(after.pair_id, after.ended_at)
            return after

    # Looking up
    # --------------------------------------------------------------------------------

    def trade(self, execution_id: str) -> PairTrade:
        """Return a pair trade by its execution.

        Raises:
            UnknownId: None that can still change has this id.
        """
        if execution_id not in self._trades:
            raise UnknownId("pair trade", execution_id)
        return self._trades[execution_id]

    def find(self, execution_id: str) -> PairTrade | None:
        """Return a pair trade by its execution, None if it can no longer change."""
        return self._trades.get(execution_id)

    @property
    def trades(self) -> list[PairTrade]:
        """Every pair trade that can still change, those without a position included."""
        return list(self._trades.values())

    def all(self) -> list[PairTrade]:
        """Every pair trade with a position, closed ones that can still change included."""
        return [trade for trade in self._trades.values() if trade.opened]

    @property
    def open_orders(self) -> list[Order]:
        """Every order that can still fill, of running executions too."""
        return [order for trade in self._trades.values() for order in trade.open_orders]

    @property
    def followed(self) -> list[PairTrade]:
        """The same, of followed pairs only: the contracts of others are unknown."""
        return [one for one in self.all() if one.pair_id in self._matches]

    @property
    def unlisted(self) -> bool:
        """Whether the trades of some order of a followed pair are still to be listed."""
        followed = (each for each in self.trades if each.pair_id in self._matches)
        return any(order.stated for trade in followed for order in trade.orders.values())

    @property
    def positions(self) -> dict[str, OpenPosition]:
        """Every position that is not closed, oldest first."""
        return {
            trade.position_id: trade.position
            for trade in self._trades.values()
            if trade.opened and trade.position.status is not PositionStatus.CLOSED
        }

    @property
    def pairs(self) -> Mapping[str, ContractMatch]:
        """Every pair that is followed, by its id."""
        return self._matches

    @property
    def result(self) -> Result:
        """What all positions have come to, those of earlier runs included."""
        pairs = self._matches.items()
        unsure = [name for name, each in pairs if each.divergence_class not in ALIKE]
        return self._past + result_of((trade.position for trade in self.all()), unsure)

    def of(self, position_id: str) -> PairTrade:
        """Return a pair trade by its position.

        Raises:
            UnknownId: None that can still change has this id.
        """
        if (trade := self.known(position_id)) is None:
            raise UnknownId("open position", position_id)
        return trade

    def known(self, position_id: str) -> PairTrade | None:
        """Return a pair trade by its position, None if it can no longer change."""
        trade = self._found(self._of_position.get(position_id))
        return trade if trade is not None and trade.opened else None

    def of_order(self, order_id: str) -> PairTrade:
        """Return the pair trade that an order belongs to.

        Raises:
            UnknownId: It belongs to none that can still change.
        """
        if order_id not in self._of_order:
            raise UnknownId("order of a pair trade", order_id)
        return self._trades[self._of_order[order_id]]

    def find_order(self, order_id: str) -> PairTrade | None:
        """Return the pair trade of an order, None if it can no longer change."""
        return self._found(self._of_order.get(order_id))

    def by_fill(self, key: TradeKey) -> PairTrade | None:
        """Return the pair trade that a fill belongs to, if it is known yet."""
        return self._found(self._of_fill.get(key))

    def order_of(self, report: FillReport) -> tuple[PairTrade, Order] | None:
        """Return the order that a reported trade belongs to, with its pair trade.

        By our id, or by the platform's: not every report has both.
        """
        named = (report.platform, report.platform_order_id)
        order_id = self._of_client.get(report.client_order_id)
        order_id = order_id or self._of_platform.get(named)
        if order_id is None or (trade := self.find_order(order_id)) is None:
            return None
        return trade, trade.orders[order_id]

    def _found(self, execution_id: str | None) -> PairTrade | None:
        return None if execution_id is None else self._trades.get(execution_id)

    def match(self, position: OpenPosition) -> ContractMatch:
        """Return the pair of a position."""
        return self._matches[position.pair_id]

    # Locks
    # ------------------------------------------------------------------------------

    @asynccontextmanager
    async def lock(self, position_id: str) -> AsyncIterator[None]:
        """Hold the lock under which a service decides about a position.

        If its holder stops while a booking is being committed, it is held until that has
        ended: the next one decides on what it came to.
        """
        key = self._of_position.get(position_id, position_id)
        lock = self._attending.setdefault(key, asyncio.Lock())
        await lock.acquire()
        ended = False
        try:
            yield
            ended = True
        finally:
            if ended:
                lock.release()
            else:  # tasks start in order: one that books has its own lock first
                booking = self._booking.setdefault(key, asyncio.Lock())
                releasing = asyncio.ensure_future(_release_after(booking, lock))
                self._releasing.add(releasing)
                releasing.add_done_callback(self._releasing.discard)

    def attended(self, position_id: str) -> bool:
        """Return whether a service is deciding about a position."""
        lock = self._attending.get(self._of_position.get(position_id, position_id))
        return lock is not None and lock.locked()

    def busy(self, position_id: str) -> bool:
        """Return whether a decision about a position, or a booking, is in progress."""
        booking = self._booking.get(self._of_position.get(position_id, position_id))
        return self.attended(position_id) or (booking is not None and booking.locked())

    # The cache
    # ---------------------------------------------------------------------------------

    def take_up(self, loaded: Loaded) -> None:
        """Cache what a start has loaded."""
        for trade in loaded.trades:
            self.put(trade)
        self.over = loaded.over
        self._past = result_of(loaded.over)
        self._first_traded = dict(loaded.first_traded)

    def put(self, trade: PairTrade) -> None:
        """Cache a pair trade as it was committed.

        `version` counts these calls if it has a position.
        """
        self.version += trade.opened
        key = trade.execution_id
        self.claims.put(self._trades.get(key), trade)
        self._trades[key] = trade
        self._of_position[trade.position_id] = key
        for order in trade.orders.values():
            self._of_order[order.order_id] = key
            self._of_client[order.client_order_id] = order.order_id
            if order.platform_order_id is not None:
                self._of_platform[order.platform, order.platform_order_id] = order.order_id
        self._of_fill.update(dict.fromkeys(trade.fills, key))

    def retire(self, execution_id: str) -> PairTrade | None:
        """Drop a pair trade from the cache if it is finished, and return it.

        Until then, a late fill still finds it at once.
        """
        trade = self._trades.get(execution_id)
        if trade is None or not (trade.over if trade.opened else trade.ended):
            return None
        if trade.opened:
            self._past += result_of([trade.position])
        self.drop(execution_id)
        return trade

    def drop(self, execution_id: str) -> None:
        """Drop a pair trade from the cache."""
        trade = self._trades.pop(execution_id, None)
        if trade is not None:
            self.claims.drop(trade)
            self._of_position.pop(trade.position_id, None)
            for order in trade.orders.values():
                self._of_order.pop(order.order_id, None)
                self._of_client.pop(order.client_order_id, None)
                self._of_platform.pop((order.platform, order.platform_order_id), None)
            for key in trade.fills:
                self._of_fill.pop(key, None)
        self._booking.pop(execution_id, None)
        self._attending.pop(execution_id, None)


def _one_version(before: PairTrade | None, after: PairTrade) -> PairTrade:
    """Return `after` with all facts of one commit counted as one version of the position."""
    if before is None or not before.opened or after.position is before.position:
        return after
    version = before.position.version + 1
    return replace(after, position=replace(after.position, version=version))


def _alone(trade: PairTrade, events: Iterable[Event]) -> Alone:
    """Return how much of a position is unhedged, and its mark if it has just become so."""
    if not trade.opened:
        return Alone(trade.position_id, NOTHING)
    marks = (each.mark for each in events if isinstance(each, ExitMarked))
    return Alone.of(trade.position, next(marks, None))


def _kind(facts: Iterable[TradeFact]) -> EntryKind:
    """Return the ledger's kind for cash that came from no order."""
    return next((fact.kind for fact in facts if isinstance(fact, Paid)), EntryKind.TRADE)


async def _release_after(booking: asyncio.Lock, lock: asyncio.Lock) -> None:
    """Release a lock once a booking has ended."""
    try:
        async with booking:
            pass
    finally:
        lock.release()

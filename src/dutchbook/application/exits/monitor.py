"""ExitMonitor: checks every position at an interval, and whenever its books change.

`next_exit` decides. This module determines when to check, sends the exit leg by leg, and
follows it until the position is hedged again or closed. A position that three attempts did not
change waits for a person, or for any change of the position.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from dutchbook.application.capital.capital import Alone
from dutchbook.application.capital.halts import Halts
from dutchbook.application.exits.partial import PartialExits
from dutchbook.application.exits.triggers import ExitSettings, Watched
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Key, Watchlist
from dutchbook.application.pair_trades.adjustments import Adjustments, Done, Plan
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.log import logged
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.domain.events import (
    Event,
    ExitMarked,
    ExitPaused,
    ExitTriggered,
    PositionMoved,
    PositionOpened,
)
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.book import reach
from dutchbook.domain.market.contract import ContractMatch, Platform, Side
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exit_case import (
    ExitCase,
    ExitRule,
    Hold,
    Leave,
    LegExit,
    Way,
    Why,
)
from dutchbook.domain.positions.exits import held_worth, left_now, mark_of, next_exit
from dutchbook.domain.positions.exposure import TOO_SMALL, Place
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.values.units import E4, MICRO, Money, Price, Quantity, floor_to
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.ports.account import AccountGateway
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

TRIES = 3
ANSWER_SECONDS = 5
"""Timeout of the ping before an exit of two legs; without an answer, no leg is sent."""
WATCHED = (PositionStatus.OPEN, PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)


class ExitMonitor:
    """Exits positions early, and records the reason.

    Every check evaluates whether a position must be exited, such as for a wind-down.

    It takes twelve parts because a decision to exit depends on prices, platforms, sessions,
    settlements and halts at once, and executing it needs the exits and the pair trades.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        trades: PairTrades,
        adjustments: Adjustments,
        partial: PartialExits,
        watchlist: Watchlist,
        gateways: Mapping[Platform, AccountGateway],
        sessions: Sessions,
        payouts: SettlementService,
        halts: Halts,
        clock: Clock,
        choices: ExitSettings,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._trades = trades
        self._adjustments = adjustments
        self._partial = partial
        self._watchlist = watchlist
        self._gateways = gateways
        self._sessions = sessions
        self._payouts = payouts
        self._halts = halts
        self._clock = clock
        self._choices = choices
        self._born: dict[tuple[str, bool], Decimal] = {}
        self._tries: dict[str, int] = {}
        self._paused: dict[str, int] = {}
        self._not_before: dict[str, datetime] = {}
        self._seen = -1
        self._watched: dict[Key, list[Watched]] = {}
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._over = False

    # When to check
    # --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the mark of each position at its start."""
        for entry in await logged(self._journal, ExitMarked, PositionMoved):
            facts, position_id = entry.facts, entry.facts["position_id"]
            if entry.name == ExitMarked.wire:
                self._born.setdefault((position_id, facts["hedged"]), Decimal(facts["mark"]))
            else:
                self._forget(position_id, facts["after"])
        for position_id, position in self._trades.positions.items():
            if position.status in UNHEDGED:
                mark = self._born.get((position_id, False))
                await self._halts.mark(Alone.of(position, mark))

    def on_event(self, event: Event, sequence: int) -> None:
        """Take the mark of an exposure, and mark a position at once when it is hedged."""
        if not sequence:
            return
        if isinstance(event, ExitMarked):
            self._born.setdefault((event.position_id, event.hedged), event.mark)
        elif isinstance(event, PositionOpened | PositionMoved):
            self._dirty[event.position_id] = None
            self._wake.set()

    def _forget(self, position_id: str, status: str) -> None:
        """Drop the mark of an exposure whose position has another status now."""
        if status != PositionStatus.SINGLE_LEG_EXPOSED:
            self._born.pop((position_id, False), None)

    def book_changed(self, key: Key) -> None:
        """Handle a change of a book; only integers are compared here."""
        if self._trades.version != self._seen:
            self._index()
        for each in self._watched.get(key, ()):
            if each.needs_check():
                self._dirty[each.position_id] = None
                self._wake.set()

    def _index(self) -> None:
        self._seen = self._trades.version
        self._watched = {}
        now = self._clock.now()
        for position_id, position in self._trades.positions.items():
            watch = self._watchlist.pairs.get(position.pair_id)
            if watch is None or position.status not in WATCHED:
                continue
            rules = self._choices.rules_of(position.pair_id)
            hedged = position.status is PositionStatus.OPEN
            always = not hedged or rules.rule is ExitRule.CLASSIC or self._forced(watch.match)
            floor = int((held_worth(watch.match, now, rules) + rules.minimum_gain) * E4)
            each = Watched(position_id, watch, position.upright, floor, bool(always))
            for platform in Platform:
                key = (platform, watch.match.contract(platform).contract_id)
                self._watched.setdefault(key, []).append(each)

    async def run(self) -> None:
        """Check changed positions at once and all of them at an interval, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._check_all())
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._dirty and not self._over:
                    position_id = next(iter(self._dirty))
                    del self._dirty[position_id]
                    async with self._lock:
                        if not self._over:
                            await self.look(position_id)

    async def _check_all(self) -> None:
        while not self._over:
            await self._sessions.under_way()
            self._index()
            self._dirty |= dict.fromkeys(self._trades.positions)
            self._wake.set()
            await self._clock.sleep(self._choices.interval.total_seconds())

    async def drained(self) -> None:
        """Start no further exit, and wait for the one in progress."""
        self._over = True
        async with self._lock:
            pass

    # One check
    # ------------------------------------------------------------------------------------

    async def look(self, position_id: str) -> None:
        """Decide whether to exit a position, and do it."""
        async with self._trades.lock(position_id):
            trade = self._found(position_id)
            if trade is None or (case := self._case(trade)) is None:
                return
            position, rules = trade.position, self._choices.rules_of(trade.pair_id)
            self._forget(position_id, position.status)
            if position.status in UNHEDGED:
                await self._halts.mark(Alone.of(position, mark_of(case, rules)))
            await self._partial.tell(trade)
            if self._choices.worked and position.status in UNHEDGED:
                return
            decision = next_exit(case, rules)
            if isinstance(decision, Hold):
                if decision.reason is Why.NO_MARK:
                    await self._mark(case)
            elif (
                trade.order_out() is None
                and self._may_try(position)
                and await self._answers(decision)
            ):
                await self._leave(trade, decision)

    def left_now(self, position_id: str) -> Money | None:
        """Return what a position comes to if all of it is left now; see `exits.left_now`."""
        trade = self._found(position_id)
        case = self._case(trade) if trade is not None else None
        if case is None or case.position.status is not PositionStatus.OPEN:
            return None
        return left_now(case, self._choices.rules_of(case.position.pair_id))

    async def _answers(self, found: Leave) -> bool:
        """Return whether the other platform answers; if not, no leg is sent."""
        for leg in found.legs[1:]:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._gateways[leg.platform].ping()
            except (NotSent, OutcomeUnknown, TimeoutError):
                return False
        return True

    def _found(self, position_id: str) -> PairTrade | None:
        trade = self._trades.known(position_id)
        return trade if trade is not None and trade.position.status in WATCHED else None

    def _case(self, trade: PairTrade) -> ExitCase | None:
        position, now = trade.position, self._clock.now()
        watch = self._watchlist.pairs.get(position.pair_id)
        if watch is None:
            return None
        places: dict[Platform, Place] = {}
        for platform in Platform:
            contract = watch.match.contract(platform)
            terms = contract.fees.at(now) if contract.fees else None
            if terms is None:
                return None
            leg = position.holding(platform)
            places[platform] = Place(contract, watch.books[platform], terms, leg)
        keys = [(p, watch.match.contract(p).contract_id) for p in Platform]
        hedged = position.status is PositionStatus.OPEN
        return ExitCase(
            match=watch.match,
            position=position,
            places=places,
            sellable={p: trade.sellable(p) for p in Platform},
            untrusted_because={
                p: book.untrusted_because(now, self._choices.book_age)
                for p, book in watch.books.items()
            },
            now=now,
            edge=trade.planned_edge,
            born=self._born.get((position.position_id, hedged)),
            resolved=any(self._payouts.resolved(key) for key in keys),
            forced=self._forced(watch.match),
        )

    def _forced(self, match: ContractMatch) -> Why | None:
        if match.approved_digest is not None and match.approved_digest != match.digest:
            return Why.RULES_CHANGED
        if self._choices.exiting is Why.PLATFORM_RISK:
            return Why.PLATFORM_RISK
        exiting = self._choices.exiting is Why.WIND_DOWN or self._halts.winding_down
        return Why.WIND_DOWN if exiting else None

    async def _mark(self, case: ExitCase) -> None:
        """Record the exit value at the start, so that a restart does not change it."""
        mark = mark_of(case, self._choices.rules_of(case.position.pair_id))
        if mark is None:
            return
        position, mark = case.position, mark.quantize(MICRO)
        hedged = position.status is PositionStatus.OPEN
        stamp = self._committer.stamp(position.execution_id)
        event = ExitMarked(stamp, position.position_id, position.pair_id, hedged, mark)
        await self._committer.commit(Batch(events=(event,)))

    def _may_try(self, position: OpenPosition) -> bool:
        position_id = position.position_id
        if self._paused.get(position_id) == position.version:
            return False
        if self._paused.pop(position_id, None) is not None:
            self._tries.pop(position_id, None)
        return self._not_before.get(position_id, self._clock.now()) <= self._clock.now()

    # Sending
    # -----------------------------------------------------------------------------------------

    async def _leave(self, trade: PairTrade, found: Leave) -> None:
        """Send the legs in turn; the second for the quantity that the first has filled."""
        position = trade.position
        triggered = ExitTriggered(
            self._committer.stamp(position.execution_id),
            position.position_id,
            position.pair_id,
            rule=found.reason.value,
            detail=found.detail,
        )
        purpose = Purpose.HEDGE if found.way is Way.COMPLETE else Purpose.EXIT
        first = found.legs[0]
        plan = Plan(first.platform, first.outcome, first.side, first.size, first.limit, purpose)
        done = await self._adjustments.carry(position.position_id, plan, (triggered,))
        filled = done.filled
        for leg in found.legs[1:]:
            if filled and not done.unknown:
                done = await self._follow(trade.position_id, leg, filled, done)
        if not done.unknown:
            await self._tried(position, filled, done)

    async def _follow(
        self, position_id: str, leg: LegExit, filled: Quantity, before: Done
    ) -> Done:
        """Send the second leg; the rescue budget extends the limit of its plan."""
        trade = self._trades.of(position_id)
        watch = self._watchlist.pairs[trade.position.pair_id]
        contract, book = watch.match.contract(leg.platform), watch.books[leg.platform]
        buys = leg.side is Side.BUY
        most = filled if buys else min(filled, trade.sellable(leg.platform))
        size = Quantity(floor_to(most, contract.lot if buys else contract.sizing.step))
        slack = self._choices.rescue_limit
        furthest = leg.limit + slack if buys else leg.limit - slack
        inwards = Side.SELL if buys else Side.BUY
        quoted = contract.next_price(furthest, leg.outcome, inwards)
        bound = quoted or Price(contract.grid.finest)
        if not size:
            return Done(before.position, None, TOO_SMALL)
        reached = reach(book.offers(leg.outcome, leg.side), size, bound, leg.side)
        worst = contract.next_price(reached, leg.outcome, leg.side) or bound
        limit = contract.limit_of(size, leg.outcome, leg.side, worst=worst, bound=bound)
        if size < contract.smallest(limit):
            return Done(before.position, None, TOO_SMALL)
        plan = Plan(leg.platform, leg.outcome, leg.side, size, limit, Purpose.EXIT)
        return await self._adjustments.carry(position_id, plan)

    async def _tried(self, before: OpenPosition, filled: Quantity, done: Done) -> None:
        position_id = before.position_id
        trade = self._found(position_id)
        if trade is None:
            self._tries.pop(position_id, None)
            return
        partial = trade.position.status is PositionStatus.EXIT_PARTIAL
        await self._partial.tell(trade)
        if filled and not partial:
            self._tries.pop(position_id, None)
            self._dirty[position_id] = None
            self._wake.set()
            return
        self._not_before[position_id] = self._clock.now() + self._choices.interval
        self._tries[position_id] = self._tries.get(position_id, 0) + 1
        if self._tries[position_id] >= TRIES:
            await self._pause(
                trade.position, done.reason or "one leg has exited, the other has not"
            )

    async def _pause(self, position: OpenPosition, reason: str) -> None:
        self._paused[position.position_id] = position.version
        event = ExitPaused(
            self._committer.stamp(position.execution_id),
            position.position_id,
            position.pair_id,
            tries=self._tries[position.position_id],
            reason=reason,
        )
        await self._committer.commit(Batch(events=(event,)))

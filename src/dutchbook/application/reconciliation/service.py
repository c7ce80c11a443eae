"""StartupReconciliationService: compares our state with the platforms', at start and later.

`domain.reconciliation` decides what differs and what to propose. This module gathers both
states, repairs what is proven, queries again what is not, and leaves the rest to a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dutchbook.application.capital.cash import named_reference
from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.orders.questions import Questions
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.reconciliation.our_state import OurReading, OurStateReader
from dutchbook.application.reconciliation.outstanding import (
    TOTALS,
    Outstanding,
    compared_totals,
    proven,
)
from dutchbook.application.reconciliation.platform_state import (
    PlatformStateReader,
    judgeable,
    without_totals,
)
from dutchbook.application.reconciliation.repair import Repaired, Repairer, Short
from dutchbook.application.reconciliation.risk_budget import correcting, recounted
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import to_its_end
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.domain.events import Event, PositionMoved, ReconciliationComplete
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.compare import compare
from dutchbook.domain.reconciliation.findings import (
    AskAgain,
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurState
from dutchbook.domain.reconciliation.platform_state import PlatformState, Unavailable
from dutchbook.domain.values.units import Money, plain
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

AGAIN_SECONDS = 5
"""The wait before an order is queried again."""
_K, _I = DiscrepancyType, Involvement


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals of comparisons.

    Attributes:
        every: Time between two comparisons.
        grace: How long a difference may be a delay; a doubtful one is checked again after it.
        at_most: Minimum time between two comparisons on request.
    """

    every: timedelta = timedelta(seconds=300)
    grace: timedelta = timedelta(seconds=60)
    at_most: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Result of one comparison.

    Attributes:
        event: What is recorded of it.
        discrepancies: Differences, repaired ones included.
        not_reached: Orders without an answer, or that changed during the comparison.
    """

    event: ReconciliationComplete
    discrepancies: tuple[Discrepancy, ...]
    not_reached: tuple[str, ...]


class StartupReconciliationService:
    """Compares at start before anything trades (I-23), on a timer, and on request.

    It takes thirteen parts because one comparison reads both records, waits for whatever may
    explain a difference (questions, payouts, open orders), repairs, and records the result.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        risk: RiskManager,
        trades: PairTrades,
        disputes: Disputes,
        outstanding: Outstanding,
        questions: Questions,
        payouts: SettlementService,
        own: OurStateReader,
        theirs: PlatformStateReader,
        repairer: Repairer,
        clock: Clock,
        intervals: Intervals,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._risk = risk
        self._trades = trades
        self._disputes = disputes
        self._outstanding = outstanding
        self._questions = questions
        self._payouts = payouts
        self._own = own
        self._theirs = theirs
        self._repairer = repairer
        self._clock = clock
        self._intervals = intervals
        self._lock = asyncio.Lock()
        self._wake, self._moved = asyncio.Event(), asyncio.Event()
        self._doubts: dict[str, datetime] = {}
        self._began: float | None = None
        self._unsure = False

    def __call__(self, event: Event, sequence: int) -> None:
        """Handle a move of a position: a pair stopped by a failed fill may continue."""
        if isinstance(event, PositionMoved) and sequence:
            self._moved.set()

    # When
    # -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load open discrepancies, and count the dust of finished positions."""
        await self._disputes.load()
        self._own.load()
        self._doubts = {
            each.found.key: each.detected_at for each in self._disputes.open.values()
        }
        await self._disputes.enforce()

    async def run(self) -> None:
        """Compare on time and on request, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._on_time())
            group.create_task(self._after_moves())

    async def drained(self) -> None:
        """Wait for the comparison in progress."""
        async with self._lock:
            await self._outstanding.settle_made_good()

    def request(self) -> str | None:
        """Request a comparison; return why not, if the last one is too recent."""
        if self._seconds_to_wait() > 0:
            return f"the last one began less than {self._intervals.at_most} ago"
        self._wake.set()
        return None

    def soon(self) -> None:
        """Request a comparison at once, or as soon as the last one is long enough ago."""
        self._wake.set()

    def _seconds_to_wait(self) -> float:
        """Return the seconds until another comparison may start, by the monotonic clock."""
        if self._began is None:
            return 0
        since = self._clock.monotonic() - self._began
        return self._intervals.at_most.total_seconds() - since

    async def _on_time(self) -> None:
        while True:
            intervals = self._intervals
            wait = min(intervals.every, intervals.grace) if self._unsure else intervals.every
            woken = asyncio.ensure_future(self._woken())
            timer = asyncio.ensure_future(self._clock.sleep(wait.total_seconds()))
            try:
                await asyncio.wait({woken, timer}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                woken.cancel()
                timer.cancel()
            self._wake.clear()
            await self.reconcile()

    async def _woken(self) -> None:
        """Wait for a request, then until the last comparison is long enough ago."""
        await self._wake.wait()
        await self._clock.sleep(max(self._seconds_to_wait(), 0))

    async def _after_moves(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            async with self._lock:
                await self._outstanding.settle_made_good()

    # One comparison
    # -------------------------------------------------------------------------

    async def reconcile(self) -> Reconciled:
        """Compare both states once, repair what is proven, and query or raise the rest.

        An immediate second comparison repairs nothing (I-22).
        """
        async with self._lock:
            since = self._began = self._clock.monotonic()
            # An unbooked payout would look like unexplained cash.
            await self._payouts.poll(whole=True)
            await self._outstanding.raise_unexplained()
            own = await self._own.gather()
            theirs = await self._theirs.ask(own.ours.orders)
            judged = judgeable(own.ours, theirs) if self._own.unchanged(own) else ()
            own = self._own.still(own)
            own = replace(own, ours=await self._completed(own.ours, theirs))
            found, done = await self._compared(own, without_totals(theirs, judged))
            await self._recount()
            seconds = self._clock.monotonic() - since
            result = self._result(own, theirs, found, done, timedelta(seconds=seconds))
            self._unsure |= len(judged) < len(theirs.statements)
            await self._committer.commit(Batch(events=(result.event,)))
            return result

    async def _completed(self, ours: OurState, theirs: PlatformState) -> OurState:
        """Return our state with the doubts, and with the listed movements that are booked."""
        booked = set()
        for platform, statement in theirs.statements.items():
            for movement in statement.movements:
                reference = {"reference": named_reference(movement)}
                if await self._journal.rows("ledger_entries", reference):
                    booked.add((platform, movement.movement_id))
        return replace(ours, booked=frozenset(booked), doubted=dict(self._doubts))

    async def _compared(
        self, own: OurReading, theirs: PlatformState
    ) -> tuple[tuple[Discrepancy, ...], Repaired]:
        """Find differences, record those that a person must decide, then repair.

        In this order, since a repair can remove a difference that a person must know of.
        """
        compared = compare(own.ours, theirs, self._intervals.grace)
        found = compared.discrepancies
        left = [
            each for each in found if not proven(each) and not self._disputes.accepted(each)
        ]
        await self._disputes.raised(d for d in left if d.involvement is _I.DECIDES)
        await self._report_repaired(left)
        await self._disputes.enforce()
        done = await self._repairer.apply(own, compared.repairs)
        if short := list(_unpaid(found, done.short)):
            await self._disputes.raised(short)
            done.add(await self._repairer.require())
        self._note_doubts(found, theirs)
        await self._outstanding.close(found, theirs, own.ours)
        await self._disputes.enforce()
        self._ask_again(own, compared.questions)
        self._unsure = bool(self._doubts or done.left or compared.questions)
        return found, done

    async def _report_repaired(self, found: Iterable[Discrepancy]) -> None:
        """Report differences that are repaired, but of which a person should know."""
        notified = [each for each in found if each.involvement is _I.NOTIFIED and each.repaired]
        events = tuple(self._disputes.event_of(self._disputes.of(each)) for each in notified)
        if events:
            await self._committer.commit(Batch(events=events))

    def _note_doubts(self, found: Iterable[Discrepancy], theirs: PlatformState) -> None:
        """Record since when each unrepaired difference has existed."""
        stands = {each.key for each in found if not each.repaired}
        unseen = {
            key
            for key in self._doubts
            for kind, platform in [key.split(":")[:2]]
            if kind in TOTALS and not compared_totals(theirs, Platform(platform), _K(kind))
        }
        now = theirs.asked_at
        self._doubts = {key: self._doubts.get(key, now) for key in sorted(stands | unseen)}

    def _ask_again(self, own: OurReading, questions: Iterable[AskAgain]) -> None:
        """Let inquiries query orders again; the next comparison queries lists."""
        orders = (each.order for each in own.ours.orders)
        working = {order.order_id: order for order in orders if order.working_size}
        for each in questions:
            if each.subject in working:
                self._questions.notice(working[each.subject], AGAIN_SECONDS)

    @to_its_end
    async def _recount(self) -> None:
        """Recompute the risk budget from the database, unless something is in progress."""
        mark = self._committer.mark
        if not self._own.unchanged(await self._own.gather()):
            return
        held = self._trades.all()
        changes = await recounted(self._journal, self._risk, held, self._own.basis)
        if changes and mark is not None and mark == self._committer.mark:
            await self._committer.commit(correcting(changes))
            self._risk.capital.shift(**changes)

    def _result(
        self,
        own: OurReading,
        theirs: PlatformState,
        found: tuple[Discrepancy, ...],
        done: Repaired,
        duration: timedelta,
    ) -> Reconciled:
        answers = {k: each for s in theirs.statements.values() for k, each in s.answers.items()}
        silent = [key for key, each in answers.items() if isinstance(each, Unavailable)]
        away = {each.platform for each in found if each.kind is _K.PLATFORM_UNAVAILABLE}
        not_reached = tuple(sorted({*silent, *done.left}))
        event = ReconciliationComplete(
            self._committer.stamp("reconciliation"),
            positions_checked=len(own.ours.positions),
            orders_verified=len(answers) - len(silent),
            pending_resolved=done.resolved,
            discrepancies=len(found),
            platforms_unavailable=tuple(sorted(away)),
            duration_ms=duration // timedelta(milliseconds=1),
            repairs=done.count,
            not_reached=len(not_reached),
        )
        return Reconciled(event, found, not_reached)


def _unpaid(found: Iterable[Discrepancy], short: Iterable[Short]) -> Iterable[Discrepancy]:
    """Return, for a person, the differences whose repair costs more than is free."""
    fills = (_K.FILL_MISSING, _K.PENDING_FILLED)
    ranked = sorted((d for d in found if d.repaired), key=lambda d: d.kind in fills)
    of_order = {each.order_id: each for each in ranked}
    for each in short:
        order_id, platform = each.order.order_id, each.order.platform
        bare = Discrepancy(_K.FILL_MISSING, platform, order_id, order_id)
        known = of_order.get(order_id, bare)
        missing = plain(Money(each.costs - each.free))
        yield replace(
            known,
            ours={**known.ours, "free": plain(each.free)},
            theirs={**known.theirs, "costs": plain(each.costs)},
            recommended_action=f"{each.what}: look where {missing} dollars on {platform} went,"
            " book what came in, then adopt the platform",
            involvement=_I.DECIDES,
        )

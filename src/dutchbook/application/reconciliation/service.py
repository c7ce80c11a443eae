"""StartupReconciliationService: our record against the platforms', at the start and ever after.

What to find and to propose is decided in `domain.reconciliation`; here both sides are brought
together, what is proven is repaired, what is not is asked again, and the rest is a person's.
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
from dutchbook.application.reconciliation.recount import correcting, recounted
from dutchbook.application.reconciliation.repair import Repaired, Repairer, Short
from dutchbook.application.records.committer import Committer
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.domain.events import Event, PositionMoved, ReconciliationComplete
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation import (
    AskAgain,
    AskPerson,
    Discrepancy,
    DiscrepancyType,
    Involvement,
    OurState,
    PlatformState,
    Proposal,
    Unavailable,
    compare,
)
from dutchbook.domain.values.units import Money, plain
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

_K, _I = DiscrepancyType, Involvement


@dataclass(frozen=True, slots=True)
class Intervals:
    """When the sides are compared.

    Attributes:
        every: Between two comparisons.
        grace: How long a difference may be a delay; what is in doubt is looked at again then.
        at_most: A person may ask for one so often.
    """

    every: timedelta = timedelta(seconds=300)
    grace: timedelta = timedelta(seconds=60)
    at_most: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one comparison came to.

    Attributes:
        positions_checked: Positions that can still change.
        orders_verified: Orders that their platform answered for.
        pending_resolved: Orders whose outcome nobody knew, and that is known now.
        repairs: Facts that were entered.
        discrepancies: Differences, those among them that are repaired.
        platforms_unavailable: Those that did not answer all that was asked.
        not_reached: Orders without an answer, or that changed while they were compared.
        duration: How long it took.
    """

    positions_checked: int
    orders_verified: int
    pending_resolved: int
    repairs: int
    discrepancies: tuple[Discrepancy, ...]
    platforms_unavailable: tuple[Platform, ...]
    not_reached: tuple[str, ...]
    duration: timedelta


class StartupReconciliationService:
    """Compares at the start before anything trades (I-23), on a timer, and when asked to.

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
        rhythm: Intervals,
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
        self._rhythm = rhythm
        self._turn = asyncio.Lock()
        self._wake, self._evened = asyncio.Event(), asyncio.Event()
        self._doubts: dict[str, datetime] = {}
        self._began: float | None = None
        self._unsure = False
        self.last: Reconciled | None = None

    def __call__(self, event: Event, sequence: int) -> None:
        """Hear of positions that move: what a failed fill has stopped may go on."""
        if isinstance(event, PositionMoved) and sequence:
            self._evened.set()

    # When
    # -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what the database holds."""
        await self._disputes.load()
        self._own.load()
        self._doubts = {
            each.found.key: each.detected_at for each in self._disputes.open.values()
        }
        await self._disputes.enforce()

    async def run(self) -> None:
        """Compare whenever it is time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._on_time())
            group.create_task(self._after_moves())

    async def drained(self) -> None:
        """Wait for the comparison under way."""
        async with self._turn:
            await self._outstanding.settle_made_good()

    def request(self) -> str | None:
        """Compare as soon as possible; returns why not, when it was asked for too soon."""
        if self._rest() > 0:
            return f"the last one began less than {self._rhythm.at_most} ago"
        self._wake.set()
        return None

    def soon(self) -> None:
        """Compare as soon as may be: at once, or when the last one is long enough ago."""
        self._wake.set()

    def _rest(self) -> float:
        """Return the seconds until another comparison may begin; whatever clocks are set to."""
        if self._began is None:
            return 0
        since = self._clock.monotonic() - self._began
        return self._rhythm.at_most.total_seconds() - since

    async def _on_time(self) -> None:
        while True:
            rhythm = self._rhythm
            wait = min(rhythm.every, rhythm.grace) if self._unsure else rhythm.every
            asked = asyncio.ensure_future(self._wake.wait())
            timer = asyncio.ensure_future(self._clock.sleep(wait.total_seconds()))
            try:
                await asyncio.wait({asked, timer}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                asked.cancel()
                timer.cancel()
            await self._clock.sleep(max(self._rest(), 0))
            self._wake.clear()
            await self.reconcile()

    async def _after_moves(self) -> None:
        while True:
            await self._evened.wait()
            self._evened.clear()
            async with self._turn:
                await self._outstanding.settle_made_good()

    # One comparison
    # -------------------------------------------------------------------------

    async def reconcile(self) -> Reconciled:
        """Compare both sides once, repair what is proven, and ask about the rest.

        The same again at once repairs nothing (I-22).
        """
        async with self._turn:
            since = self._began = self._clock.monotonic()
            await (
                self._payouts.paid()
            )  # what a result has paid would look like cash without a name
            await self._outstanding.raise_unexplained()
            own = await self._own.gather()
            theirs = await self._theirs.ask(own.ours.orders)
            judged = judgeable(own.ours, theirs) if self._own.unchanged(own) else ()
            own = self._own.still(own)
            own = replace(own, ours=await self._completed(own.ours, theirs))
            found, done = await self._compared(own, without_totals(theirs, judged))
            await self._recount()
            seconds = self._clock.monotonic() - since
            told = self._summed(own, theirs, found, done, timedelta(seconds=seconds))
            self._unsure |= len(judged) < len(theirs.statements)
            await self._committer.commit(Batch(events=(self._event(told),)))
            self.last = told
            return told

    async def _completed(self, ours: OurState, theirs: PlatformState) -> OurState:
        """Return our side with what it says of movements that a platform names, and doubts."""
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
        """Find, put on the record what a person must decide, then repair.

        In this order: a repair can remove the difference that a person must hear of.
        """
        rules = self._theirs.rules(own.ours.orders, self._rhythm.grace)
        compared = compare(own.ours, theirs, rules)
        found = compared.discrepancies
        left = [
            each for each in found if not proven(each) and not self._disputes.accepted(each)
        ]
        proposals = compared.proposals(left)
        asked = [each.discrepancy for each in proposals if isinstance(each, AskPerson)]
        await self._disputes.raised(asked)
        await self._tell(left)
        await self._disputes.enforce()
        done = await self._repairer.apply(own, proposals)
        if short := list(_unpaid(found, done.short)):
            await self._disputes.raised(short)
            done.add(await self._repairer.require())
        self._doubt(found, theirs)
        await self._outstanding.close(found, theirs, own.ours)
        await self._disputes.enforce()
        self._ask_again(own, proposals)
        self._unsure = bool(self._doubts or done.left) or any(
            isinstance(each, AskAgain) for each in proposals
        )
        return found, done

    async def _tell(self, found: Iterable[Discrepancy]) -> None:
        """Tell of what is repaired and a person should hear of all the same."""
        notified = [each for each in found if each.involvement is _I.TOLD and each.repaired]
        events = tuple(self._disputes.told(self._disputes.of(each)) for each in notified)
        if events:
            await self._committer.commit(Batch(events=events))

    def _doubt(self, found: Iterable[Discrepancy], theirs: PlatformState) -> None:
        """Remember since when each difference has stood that no repair has removed."""
        stands = {each.key for each in found if not each.repaired}
        unseen = {
            key
            for key in self._doubts
            for kind, platform in [key.split(":")[:2]]
            if kind in TOTALS and not compared_totals(theirs, Platform(platform), _K(kind))
        }
        now = theirs.asked_at
        self._doubts = {key: self._doubts.get(key, now) for key in sorted(stands | unseen)}

    def _ask_again(self, own: OurReading, proposals: Iterable[Proposal]) -> None:
        """Let inquiries go on about orders; lists are asked for with the next comparison."""
        orders = (each.order for each in own.ours.orders)
        working = {order.order_id: order for order in orders if order.working_size}
        for each in proposals:
            if isinstance(each, AskAgain) and each.subject in working:
                wait = max(1, int(each.after.total_seconds()))
                self._questions.notice(working[each.subject], wait)

    async def _recount(self) -> None:
        """Count the risk budget again from the database, if nothing is under way meanwhile."""
        mark = self._committer.mark
        if not self._own.unchanged(await self._own.gather()):
            return
        held = self._trades.all()
        changes = await recounted(self._journal, self._risk, held, self._own.basis)
        if changes and mark is not None and mark == self._committer.mark:
            await self._committer.commit(correcting(changes))
            self._risk.capital.shift(**changes)

    # What is told
    # ---------------------------------------------------------------------------

    def _summed(
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
        return Reconciled(
            len(own.ours.positions),
            len(answers) - len(silent),
            done.resolved,
            done.count,
            found,
            tuple(sorted(away)),
            tuple(sorted({*silent, *done.left})),
            duration,
        )

    def _event(self, told: Reconciled) -> ReconciliationComplete:
        return ReconciliationComplete(
            self._committer.stamp("reconciliation"),
            positions_checked=told.positions_checked,
            orders_verified=told.orders_verified,
            pending_resolved=told.pending_resolved,
            discrepancies=len(told.discrepancies),
            platforms_unavailable=told.platforms_unavailable,
            duration_ms=told.duration // timedelta(milliseconds=1),
            repairs=told.repairs,
            not_reached=len(told.not_reached),
        )


def _unpaid(found: Iterable[Discrepancy], short: Iterable[Short]) -> Iterable[Discrepancy]:
    """Return, for a person, the differences whose repair our books cannot pay for."""
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

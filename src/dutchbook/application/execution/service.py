"""ExecutionService: carries one execution through; owns the order of writes and sends.

Persist the intent, commit, send it, persist what happened together with the next intent,
commit, publish. A successful execution is three commits and two sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.execution.conclusion import Conclusion
from dutchbook.application.execution.run import Run
from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.market.pairs import still_approved
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.send import Turned, Unknown, ask, fill_of, send
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.records.committer import EventBus
from dutchbook.application.records.rows import execution_row, opportunity_row, snapshot_row
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.application.recovery.order_inquiry import Inquiries
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import Hurdles, Opportunity
from dutchbook.domain.execution.decide import (
    CommitReservation,
    DepthMissing,
    DepthVerified,
    Event,
    Execution,
    Intent,
    LegEnded,
    LegFilled,
    LegOutcomeUnknown,
    LegRejected,
    Phase,
    QueryLeg,
    RaiseExposure,
    ReleaseReservation,
    Started,
    SubmitLeg,
    VerifyDepth,
    decide,
)
from dutchbook.domain.execution.order import Finality, Order, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.book import OrderBook, walk
from dutchbook.domain.market.contract import Contract, Leg, Outcome, Platform, Side
from dutchbook.domain.values.units import MICRO, Money, Price, Quantity, floor_to
from dutchbook.errors import Halted
from dutchbook.ports.gateway import OrderReport, PlatformGateway
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.time import Clock, Ids

REJECTED = 2002


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is waited for, and how an unknown outcome is asked about.

    Attributes:
        answer_seconds: After this long without an answer the outcome is unknown.
        queries: How often the platform is asked before the execution waits for a person.
        first_query_seconds: The wait before the first question; it doubles each time.
    """

    answer_seconds: int = 15
    queries: int = 6
    first_query_seconds: int = 1

    @property
    def last_wait(self) -> int:
        """The wait after the last question: inquiries go on from there."""
        return self.first_query_seconds << self.queries


class ExecutionService:
    """Performs what `decide` asks for and tells it what happened."""

    def __init__(
        self,
        bus: EventBus,
        risk: RiskManager,
        gateways: Mapping[Platform, PlatformGateway],
        watchlist: Watchlist,
        settling: SettlementFollower,
        single_leg: SingleLegResolutionService,
        inquiries: Inquiries,
        announce: Announcements,
        conclusion: Conclusion,
        gate: Gate,
        clock: Clock,
        ids: Ids,
        hurdles: Hurdles,
        patience: Patience,
    ) -> None:
        self._bus = bus
        self._risk = risk
        self._gateways = gateways
        self._watchlist = watchlist
        self._settling = settling
        self._single_leg = single_leg
        self._inquiries = inquiries
        self._announce = announce
        self._conclusion = conclusion
        self._gate = gate
        self._clock = clock
        self._ids = ids
        self._hurdles = hurdles
        self._patience = patience
        self._runs: dict[str, Run] = {}

    # Before anything is sent
    # ---------------------------------------------------------------------

    def prepare(self, opportunity: Opportunity) -> tuple[str, Batch]:
        """Plan an execution.

        Returns its id and the rows that belong in its reservation's commit: the execution, its
        first order as PENDING, and the books that the decision saw.
        """
        now = self._clock.now()
        execution_id = self._ids.new("execution", opportunity.opportunity_id)
        execution = Execution.of(execution_id, opportunity, self._hurdles.true_up_share)
        run = Run(opportunity, execution, execution, self._ids.new("position", execution_id))
        first = execution.primary
        whole = execution.first_leg_whole
        order = self._order(
            run,
            Leg.PRIMARY,
            first.planned,
            first.bound,
            Purpose.ENTRY,
            TimeInForce.FOK if whole else TimeInForce.IOC,
        )
        run.place(order)
        self._runs[execution_id] = run
        spare = Quantity(floor_to(opportunity.quantity * self._hurdles.true_up_share, MICRO))
        self._gate.plan(execution_id, opportunity.quantity, spare)
        snapshots = tuple(
            Insert(
                "order_book_snapshots",
                snapshot_row(
                    self._ids.new("snapshot", opportunity.opportunity_id),
                    self._book(run, platform),
                    now,
                    opportunity_id=opportunity.opportunity_id,
                ),
            )
            for platform in Platform
        )
        rows = (
            Insert("opportunities", opportunity_row(opportunity)),
            Insert("executions", execution_row(execution, opportunity, now)),
        )
        identified = self._announce.identified(opportunity, execution_id)
        placed, events = run.take(now), (identified, self._announce.placed(order))
        writes = (*rows, *snapshots, *placed.writes, still_approved(opportunity.match))
        return execution_id, Batch(writes, events)

    def forget(self, execution_id: str) -> None:
        """Drop a planned execution whose reservation was refused: nothing of it was kept."""
        del self._runs[execution_id]
        self._gate.ended(execution_id)

    def carries(self, order_id: str) -> bool:
        """Tell whether an execution under way will learn by itself what becomes of an order."""
        return any(order_id in run.orders for run in self._runs.values())

    def enters(self, contract_id: str, outcome: Outcome) -> bool:
        """Tell whether an execution under way, in no position yet, buys this on Kalshi."""
        return any(run.buys(contract_id, outcome) for run in self._runs.values())

    @property
    def under_way(self) -> bool:
        """Whether any execution is being carried, or is about to be."""
        return bool(self._runs)

    # The nine steps
    # ------------------------------------------------------------------------------

    async def execute(self, opportunity: Opportunity, reservation: Reservation) -> Execution:
        """Carry a planned and reserved execution to its end.

        Or until it must wait for an answer.

        Raises:
            InvariantBroken: Its own books would no longer add up; the supervisor halts trading.
        """
        run = self._runs[reservation.execution_id]
        assert run.opportunity is opportunity, "an execution belongs to one opportunity"
        happened: deque[Event] = deque([Started()])
        while happened:
            run.execution, intents = decide(run.execution, happened.popleft())
            for intent in intents:
                happened.extend(await self._perform(run, reservation, intent, intents))
        if run.execution.phase is Phase.WAITING:
            await self._conclusion.waiting(run)
            for order in run.orders.values():
                if order.outcome_unknown_since is not None:
                    self._inquiries.notice(order, self._patience.last_wait)
        self.forget(reservation.execution_id)
        # Settlement can be reported before the execution that it belongs to has ended.
        await self._settling.settle_known()
        if run.execution.phase is Phase.EXPOSED:
            self._single_leg.exposed(run.position_id)
        return run.execution

    async def _perform(
        self, run: Run, reservation: Reservation, intent: Intent, all_of_it: tuple[Intent, ...]
    ) -> Iterable[Event]:
        match intent:
            case VerifyDepth():
                return (self._verified(run, intent),)
            case SubmitLeg():
                return await self._submit(run, reservation, intent)
            case QueryLeg(leg):
                return await self._ask(run, leg)
            case CommitReservation():
                # The exposure is told of in the same commit as the position that shows it.
                raised = next((i for i in all_of_it if isinstance(i, RaiseExposure)), None)
                await self._conclusion.committed(run, reservation, raised)
                return ()
            case RaiseExposure():
                return ()
            case ReleaseReservation(reason):
                await self._conclusion.released(run, reservation, reason)
                return ()

    def _verified(self, run: Run, intent: VerifyDepth) -> DepthVerified | DepthMissing:
        """Look at the leg's book at the moment of sending."""
        platform = run.execution.leg(intent.leg).platform
        book = self._book(run, platform)
        distrust = book.distrust(self._clock.now(), self._hurdles.book_age)
        if distrust:
            return DepthMissing(intent.leg, distrust)
        outcome = run.opportunity.leg(platform).outcome
        taken = walk(book.offers(outcome), intent.quantity)
        if taken is None or taken.worst > intent.bound:
            return DepthMissing(intent.leg, "depth")
        # Where dollars are spent, a loose limit would buy more than is wanted.
        in_dollars = self._contract(run, platform).sizing.cent_exact
        first = intent.leg is Leg.PRIMARY
        limit = taken.worst if in_dollars and not first else intent.bound
        if not first or run.execution.primary.sent:
            # A hedge may go far beyond the best price, but never needs to go past the collar.
            collar = self._gate.furthest(self._contract(run, platform), outcome)
            limit = max(taken.worst, min(limit, collar or limit))
        return DepthVerified(intent.leg, intent.quantity, limit, taken.cost)

    async def _submit(
        self, run: Run, reservation: Reservation, intent: SubmitLeg
    ) -> Iterable[Event]:
        if intent.purpose is Purpose.ENTRY:
            order = run.order(intent.leg)
            assert (order.size, order.price) == (intent.quantity, intent.limit), (
                "sent as planned"
            )
        else:
            order = self._order(
                run,
                intent.leg,
                intent.quantity,
                intent.limit,
                intent.purpose,
                TimeInForce.IOC,
            )
            run.place(order)
            before = run.mark()
            run.events.append(self._announce.placed(order))
            try:
                await self._bus.commit(run.take(self._clock.now()))
            except Halted as halted:
                run.restore(before)  # fills are facts; the order is but a record of a refusal
                happened = await self._barred(run, intent.leg, self._gate.halted_by(halted))
                await self._bus.commit(run.take(self._clock.now()))
                return happened
        return await self._send(run, intent.leg, reservation.epoch)

    async def _send(self, run: Run, leg: Leg, epoch: int) -> Iterable[Event]:
        order, seconds = run.order(leg), self._patience.answer_seconds
        match await send(self._gate, self._gateways, order, epoch, seconds):
            case Refused() as refused:
                return await self._barred(run, leg, refused)
            case Turned(reason, sent):
                return self._refused(run, leg, reason, sent=sent)
            case Unknown(reason):
                return await self._unknown(run, leg, reason)
            case OrderReport() as report:
                return self._answered(run, leg, report)

    async def _barred(self, run: Run, leg: Leg, refused: Refused) -> Iterable[Event]:
        """Record an order that the gate did not let through: it was not sent."""
        if refused.broken:
            detail = f"{refused.reason}: {refused.detail}"
            await self._risk.halt_trading(HaltReason.INVARIANT_BROKEN, detail)
        return self._refused(run, leg, refused.reason, sent=False, code=refused.code)

    def _answered(self, run: Run, leg: Leg, report: OrderReport) -> list[Event]:
        """Turn a platform's word on an order into facts and events."""
        order = run.order(leg)
        self._gate.answered(order.order_id)
        fresh = [
            each for each in report.fills if run.add_fill(run.order(leg), fill_of(order, each))
        ]
        known = (run.fills[each.trade_id] for each in fresh)
        fills = [fill for fill in known if fill.finality is not Finality.FAILED]
        run.events += [self._announce.filled(order, fill, run.position_id) for fill in fills]
        run.change(run.order(leg).acknowledged(report.platform_order_id, report.working))
        events: list[Event] = []
        if fills:
            # One answer is one event: what it filled is hedged in one order.
            size = Quantity(sum((fill.size for fill in fills), start=Decimal(0)))
            cost = Money(sum((fill.cost for fill in fills), start=Decimal(0)))
            fees = Money(sum((fill.fee for fill in fills), start=Decimal(0)))
            events.append(LegFilled(leg, size, cost, fees))
        if not report.working:
            events.append(LegEnded(leg))
        return events

    def _refused(
        self, run: Run, leg: Leg, reason: str, *, sent: bool, code: int = REJECTED
    ) -> Iterable[Event]:
        order = run.order(leg)
        self._gate.answered(order.order_id)
        run.change(order.refused(reason) if sent else order.ended())
        run.events.append(self._announce.failed(order, code, reason))
        return (LegRejected(leg, reason),)

    async def _unknown(self, run: Run, leg: Leg, reason: str) -> Iterable[Event]:
        """Make it durable that nobody knows, before anything else is done."""
        order = run.order(leg)
        run.change(order.unknown(self._clock.now()))
        run.events.append(self._announce.unknown(order, reason))
        await self._bus.commit(run.take(self._clock.now()))
        return (LegOutcomeUnknown(leg),)

    async def _ask(self, run: Run, leg: Leg) -> Iterable[Event]:
        """Ask what became of an order, with growing waits. Not being found proves nothing."""
        order = run.order(leg)
        gateway = self._gateways[order.platform]
        wait = self._patience.first_query_seconds
        for _ in range(self._patience.queries):
            await self._clock.sleep(wait)
            wait *= 2
            seconds = self._patience.answer_seconds
            report = await ask(gateway, order.client_order_id, seconds)
            if isinstance(report, OrderReport):
                return self._answered(run, leg, report)
        return ()

    # Small pieces
    # --------------------------------------------------------------------------------

    def _book(self, run: Run, platform: Platform) -> OrderBook:
        return self._watchlist.books[platform, run.opportunity.leg(platform).contract_id]

    def _contract(self, run: Run, platform: Platform) -> Contract:
        return run.opportunity.match.contract(platform)

    def _order(
        self,
        run: Run,
        leg: Leg,
        size: Quantity,
        price: Price,
        purpose: Purpose,
        time_in_force: TimeInForce,
    ) -> Order:
        platform = run.execution.leg(leg).platform
        quote = run.opportunity.leg(platform)
        order_id = self._ids.new("order", run.execution.execution_id)
        return Order(
            order_id=order_id,
            client_order_id=self._ids.new("client_order", order_id),
            platform=platform,
            contract_id=quote.contract_id,
            pair_id=run.execution.pair_id,
            execution_id=run.execution.execution_id,
            leg=leg,
            purpose=purpose,
            outcome=quote.outcome,
            side=Side.BUY,
            price=price,
            size=size,
            time_in_force=time_in_force,
            created_at=self._clock.now(),
            working_size=size,
        )

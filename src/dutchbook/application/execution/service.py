"""ExecutionService: runs one execution, and owns the order of its writes and sends.

Persist the intent, commit, send it, persist what happened together with the next intent,
commit, publish. A successful execution is three commits and two sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime

from dutchbook.application.capital.risk import NOT_APPROVED, RiskManager
from dutchbook.application.execution.attempt import Attempt, Timeouts
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.send import Rejected, Unknown, ask, reported, send
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import Hurdles, Opportunity
from dutchbook.domain.execution.decide import (
    CommitReservation,
    DepthVerified,
    Event,
    Execution,
    Intent,
    LegEnded,
    LegOutcomeUnknown,
    LegRejected,
    Phase,
    QueryLeg,
    RaiseExposure,
    ReleaseReservation,
    Started,
    SubmitLeg,
    VerifyDepth,
)
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.book import OrderBook, walk
from dutchbook.domain.market.contract import Contract, Leg, Platform, Side
from dutchbook.domain.pair_trades.events import placed
from dutchbook.domain.pair_trades.facts import (
    REJECTED,
    Advanced,
    Begun,
    CameToNothing,
    Ended,
    OutcomeUnknown,
    Placed,
    RejectedByGate,
    TradeFact,
    Waits,
)
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.values.units import MICRO, Quantity, floor_to
from dutchbook.errors import Conflict, Halted, ReservationFailed, Unfit
from dutchbook.ports.journal import Batch
from dutchbook.ports.orders import OrderGateway, OrderReport
from dutchbook.ports.time import Clock, Ids

UNKNOWN = 2003


class ExecutionService:
    """Performs the intents of `decide`, and feeds their results back to it.

    It takes eleven parts because an execution touches all of them: books, the gate, capital,
    the pair trades that it changes, and the services that follow it up.
    """

    def __init__(
        self,
        trades: PairTrades,
        risk: RiskManager,
        gateways: Mapping[Platform, OrderGateway],
        watchlist: Watchlist,
        announce: Announcements,
        gate: Gate,
        follow_up: Callable[[PairTrade, int], Awaitable[None]],
        clock: Clock,
        ids: Ids,
        hurdles: Hurdles,
        timeouts: Timeouts,
    ) -> None:
        self._trades = trades
        self._risk = risk
        self._gateways = gateways
        self._watchlist = watchlist
        self._announce = announce
        self._gate = gate
        self._follow_up = follow_up
        self._clock = clock
        self._ids = ids
        self._hurdles = hurdles
        self._timeouts = timeouts
        self._attempts: dict[str, Attempt] = {}

    # Before anything is sent
    # ---------------------------------------------------------------------

    def prepare(self, opportunity: Opportunity) -> str:
        """Plan an execution and its first order; return the execution's id."""
        now = self._clock.now()
        execution_id = self._ids.new("execution", opportunity.opportunity_id)
        execution = Execution.of(execution_id, opportunity, self._hurdles.true_up_share)
        position_id = self._ids.new("position", execution_id)
        trade = PairTrade.of(opportunity, execution, position_id, now)
        attempt = Attempt(opportunity, execution, trade)
        first = SubmitLeg(
            Leg.PRIMARY, execution.primary.planned, execution.primary.bound, Purpose.ENTRY
        )
        tif = TimeInForce.FOK if execution.first_leg_whole else TimeInForce.IOC
        order = self._new_order(attempt, first, tif, now)
        attempt.placed(order)
        self._attempts[execution_id] = attempt
        self._trades.claims.prepare(trade)
        spare = Quantity(floor_to(opportunity.quantity * self._hurdles.true_up_share, MICRO))
        self._gate.plan(execution_id, opportunity.quantity, spare)
        attempt.note(
            self._announce.identified(opportunity, execution_id),
            self._announce.event(placed(order), trade),
        )
        return execution_id

    async def _begin(self, attempt: Attempt, reservation: Reservation) -> None:
        """Commit the reservation, the execution and its first order together.

        The commit includes the opportunity, and the books that the decision was based on.

        Raises:
            ReservationFailed: The database rejected the commit; nothing was kept.
        """
        now, books = self._clock.now(), {p: self._book(attempt, p) for p in Platform}
        rows = Batch((*attempt.rows(books, self._ids, now), attempt.still_approved))
        begun = Begun(now, attempt.order(Leg.PRIMARY), reservation, attempt.notes)
        gate = self._risk.entry_gate(reservation.pair_id)
        try:
            with self._risk.capital.approved(reservation):
                await self._trades.book(attempt.trade, begun, alongside=rows, gate=gate)
        except Conflict as conflict:
            raise ReservationFailed(_refusal(conflict), str(conflict)) from conflict
        self._risk.overrides.consumed(reservation.pair_id)

    def forget(self, execution_id: str) -> None:
        """Drop an execution from memory: it has ended, or its reservation was rejected."""
        del self._attempts[execution_id]
        self._trades.claims.forget(execution_id)
        self._gate.ended(execution_id)

    def is_executing(self, execution_id: str) -> bool:
        """Return whether an execution is running, and so handles the answers to its orders."""
        return execution_id in self._attempts

    @property
    def under_way(self) -> bool:
        """Whether any execution is running, or is about to start."""
        return bool(self._attempts)

    # The nine steps
    # ------------------------------------------------------------------------------

    async def execute(self, opportunity: Opportunity, reservation: Reservation) -> Execution:
        """Run a planned execution until it ends, or must wait for an answer.

        Raises:
            ReservationFailed: The database rejected the reservation; nothing was kept.
            InvariantBroken: Its figures would no longer add up; the supervisor halts trading.
        """
        attempt = self._attempts[reservation.execution_id]
        assert attempt.opportunity is opportunity, "an execution belongs to one opportunity"
        await self._begin(attempt, reservation)
        try:
            await self._carry_out(attempt, reservation)
        except Unfit as unfit:  # what was reported is not kept: it is asked about again
            await self._risk.halts.halt_trading(HaltReason.INVARIANT_BROKEN, str(unfit))
        self.forget(reservation.execution_id)
        trade = self._trades.trade(reservation.execution_id)
        await self._follow_up(trade, self._timeouts.last_wait)
        return trade.execution

    async def _carry_out(self, attempt: Attempt, reservation: Reservation) -> None:
        """Perform what is decided until nothing more is, and book a wait for an answer."""
        happened: deque[Event] = deque([Started()])
        while happened:
            intents = attempt.decide(happened.popleft())
            for intent in intents:
                happened.extend(await self._perform(attempt, reservation, intent, intents))
        if attempt.execution.phase is Phase.WAITING:
            await self._wait(attempt)

    async def _perform(
        self,
        attempt: Attempt,
        reservation: Reservation,
        intent: Intent,
        all_intents: tuple[Intent, ...],
    ) -> Iterable[Event]:
        match intent:
            case VerifyDepth():
                return (self._verified(attempt, intent),)
            case SubmitLeg():
                return await self._submit(attempt, reservation, intent)
            case QueryLeg(leg):
                return await self._ask(attempt, leg)
            case CommitReservation():
                # The exposure is reported in the same commit as the position that shows it.
                raised = next((i for i in all_intents if isinstance(i, RaiseExposure)), None)
                await self._end(attempt, raised, "")
                return ()
            case RaiseExposure():
                return ()
            case ReleaseReservation(reason):
                await self._end(attempt, None, reason)
                return ()

    # Ending
    # ------------------------------------------------------------------------------------

    async def _end(self, attempt: Attempt, raised: RaiseExposure | None, reason: str) -> None:
        """Book the end: bought contracts become a position, the remaining capital is free."""
        failed = attempt.failed_leg(raised) if raised is not None else None
        await self._book_facts(
            attempt, Ended(self._clock.now(), attempt.execution, failed, reason)
        )

    async def _wait(self, attempt: Attempt) -> None:
        """Book that an outcome stays unknown, with what is held; send nothing more."""
        execution = attempt.execution
        leg = Leg.PRIMARY if execution.primary.filled else Leg.SECONDARY
        reason = "the outcome of the other leg is unknown"
        raised = RaiseExposure(leg, execution.leg(leg).filled, reason, UNKNOWN)
        failed = attempt.failed_leg(raised)
        await self._book_facts(attempt, Waits(self._clock.now(), execution, failed))

    async def _book_facts(self, attempt: Attempt, *facts: TradeFact) -> PairTrade:
        """Book everything that has happened since the last commit, and `facts`."""
        advanced = Advanced(self._clock.now(), attempt.execution)
        pending = attempt.take()
        execution_id = attempt.execution.execution_id
        return await self._trades.book(execution_id, *pending, advanced, *facts)

    # Sending
    # -------------------------------------------------------------------------------------

    def _verified(self, attempt: Attempt, intent: VerifyDepth) -> DepthVerified | LegRejected:
        """Check the depth of the leg's book right before sending."""
        platform = attempt.execution.leg(intent.leg).platform
        book = self._book(attempt, platform)
        untrusted_because = book.untrusted_because(self._clock.now(), self._hurdles.book_age)
        if untrusted_because:
            return LegRejected(intent.leg, untrusted_because)
        outcome = attempt.opportunity.leg(platform).outcome
        taken = walk(book.offers(outcome), intent.quantity)
        contract = self._contract(attempt, platform)
        worst = contract.next_price(taken.worst, outcome, Side.BUY) if taken else None
        if taken is None or worst is None or worst > intent.bound:
            return LegRejected(intent.leg, "depth")
        first = intent.leg is Leg.PRIMARY
        bound = contract.floor_price(intent.bound, outcome) or worst
        limit = bound
        if not first:
            size = intent.quantity
            limit = contract.limit_of(size, outcome, Side.BUY, worst=worst, bound=bound)
        if not first or attempt.execution.primary.sent:
            # A hedge may go far beyond the best price, but never needs to go past the collar.
            collar = self._gate.worst_price(contract, outcome)
            limit = max(worst, min(limit, collar or limit))
        return DepthVerified(intent.leg, intent.quantity, limit, taken.cost)

    async def _submit(
        self, attempt: Attempt, reservation: Reservation, intent: SubmitLeg
    ) -> Iterable[Event]:
        leg = intent.leg
        if intent.purpose is Purpose.ENTRY:
            order = attempt.order(leg)
            assert (order.size, order.price) == (intent.quantity, intent.limit), (
                "sent as planned"
            )
            return await self._send(attempt, leg, reservation.epoch)
        order = self._new_order(attempt, intent, TimeInForce.IOC, self._clock.now())
        pending = list(attempt.pending)
        try:
            await self._book_facts(attempt, Placed(self._clock.now(), order))
        except Halted as halted:
            # Reports are facts, and are kept; the order is recorded as rejected.
            rejected = self._gate.halted_by(halted)
            rejection = RejectedByGate(self._clock.now(), order, rejected.reason, rejected.code)
            attempt.put_back(pending)
            attempt.placed(order)
            await self._check(rejected)
            await self._book_facts(attempt, rejection)
            return (LegRejected(leg, rejected.reason),)
        attempt.placed(order)
        return await self._send(attempt, leg, reservation.epoch)

    async def _send(self, attempt: Attempt, leg: Leg, epoch: int) -> Iterable[Event]:
        order, seconds = attempt.order(leg), self._timeouts.answer_seconds
        match await send(self._gate, self._gateways, order, epoch, seconds, self._clock):
            case Refused() as rejected:
                await self._check(rejected)
                return self._rejected(attempt, leg, rejected.reason, code=rejected.code)
            case Rejected(reason, sent):
                return self._rejected(attempt, leg, reason, sent=sent)
            case Unknown(reason):
                await self._unknown(attempt, leg, reason)
                return (LegOutcomeUnknown(leg),)
            case OrderReport() as report:
                return self._answered(attempt, leg, report)

    async def _check(self, rejected: Refused) -> None:
        """Halt trading if the gate found a broken invariant."""
        if rejected.broken:
            detail = f"{rejected.reason}: {rejected.detail}"
            await self._risk.halts.halt_trading(HaltReason.INVARIANT_BROKEN, detail)

    def _answered(self, attempt: Attempt, leg: Leg, report: OrderReport) -> list[Event]:
        """Turn a platform's report on an order into a fact and events."""
        order = attempt.order(leg)
        self._gate.answered(order.order_id)
        filled = attempt.reported(leg, reported(order, report, self._clock.now()))
        events: list[Event] = [] if filled is None else [filled]
        if not report.working:
            events.append(LegEnded(leg))
        return events

    def _rejected(
        self,
        attempt: Attempt,
        leg: Leg,
        reason: str,
        *,
        sent: bool = False,
        code: int = REJECTED,
    ) -> Iterable[Event]:
        order = attempt.order(leg)
        self._gate.answered(order.order_id)
        now = self._clock.now()
        attempt.pending.append(CameToNothing(now, order.order_id, reason, code, sent))
        return (LegRejected(leg, reason),)

    async def _unknown(self, attempt: Attempt, leg: Leg, reason: str) -> None:
        """Commit that the outcome is unknown, before anything else is done."""
        order = attempt.order(leg)
        unknown = OutcomeUnknown(self._clock.now(), order.order_id, reason)
        await self._book_facts(attempt, unknown)

    async def _ask(self, attempt: Attempt, leg: Leg) -> Iterable[Event]:
        """Query an order with growing waits; "not found" proves nothing."""
        order = attempt.order(leg)
        gateway = self._gateways[order.platform]
        wait = self._timeouts.first_query_seconds
        for _ in range(self._timeouts.queries):
            await self._clock.sleep(wait)
            wait *= 2
            seconds = self._timeouts.answer_seconds
            report = await ask(gateway, order, seconds)
            if isinstance(report, OrderReport):
                return self._answered(attempt, leg, report)
        return ()

    # Helpers
    # --------------------------------------------------------------------------------

    def _new_order(
        self, attempt: Attempt, intent: SubmitLeg, time_in_force: TimeInForce, at: datetime
    ) -> Order:
        order = attempt.new_order(intent, time_in_force, self._ids, at)
        return self._gateways[order.platform].prepare(order)

    def _book(self, attempt: Attempt, platform: Platform) -> OrderBook:
        return self._watchlist.books[platform, attempt.opportunity.leg(platform).contract_id]

    def _contract(self, attempt: Attempt, platform: Platform) -> Contract:
        return self._watchlist.matches[attempt.opportunity.match.match_id].contract(platform)


def _refusal(conflict: Conflict) -> str:
    """Return the reason code of a commit that the database rejected."""
    if isinstance(conflict, Halted):
        return "trading_halted"
    return NOT_APPROVED if conflict.table == "contract_matches" else "rejected_by_database"

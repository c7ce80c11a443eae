"""Resolution of discrepancies by a person's decision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.pair_trades.discrepancies import Dispute, Disputes
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.reconciliation.our_state import OurStateReader
from dutchbook.application.reconciliation.platform_state import (
    EARLIER,
    TRADED_LATE,
    PlatformStateReader,
    without_totals,
)
from dutchbook.application.reconciliation.repair import Repairer
from dutchbook.application.records.shielding import run_to_end
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.pair_trades.facts import Moved, Paid
from dutchbook.domain.pair_trades.trade import PairTrade, TradeKey
from dutchbook.domain.positions.fold import Cause, Payout
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.settlement import Settlement, SettlementKind
from dutchbook.domain.reconciliation.compare import compare
from dutchbook.domain.reconciliation.findings import (
    Choice,
    DiscrepancyType,
    DropStated,
    EndOrder,
    FailFill,
    Repair,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, live
from dutchbook.domain.reconciliation.platform_state import (
    NotFound,
    OrderReport,
    PlatformState,
    Unavailable,
)
from dutchbook.domain.reconciliation.resolution import agreed
from dutchbook.domain.values.rationale import MEANINGFUL
from dutchbook.domain.values.units import MICRO, Money, plain
from dutchbook.errors import InvalidInput, InvalidPositionState, UnknownId
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.tables.trading import SETTLEMENTS
from dutchbook.ports.time import Clock, Ids

OUT = "one of its orders is open: its outcome decides"
NO_GRACE = timedelta(0)
Answered = Callable[[str], Batch]


class Resolver:
    """Carries out a person's decisions; each step is recorded.

    It takes ten parts because a decision is checked against both records, ours and the
    platforms', before it is booked by the service that its kind and its pair trade require.
    """

    def __init__(
        self,
        risk: RiskManager,
        trades: PairTrades,
        recovery: Recovery,
        disputes: Disputes,
        own: OurStateReader,
        theirs: PlatformStateReader,
        repairer: Repairer,
        clock: Clock,
        ids: Ids,
        single_leg: SingleLegResolutionService,
    ) -> None:
        self._risk = risk
        self._trades = trades
        self._recovery = recovery
        self._disputes = disputes
        self._own = own
        self._theirs = theirs
        self._repairer = repairer
        self._clock = clock
        self._ids = ids
        self._single_leg = single_leg
        self._absent: dict[TradeKey, float] = {}

    async def resolve(
        self,
        subject: str,
        choice: Choice,
        rationale: str,
        paid: Mapping[Platform, Decimal] | None = None,
        answered: Answered = lambda _: Batch(),
    ) -> str:
        """Resolve a position in doubt, or a discrepancy without one.

        Once it has begun, it runs to completion, even if the caller is cancelled.

        Args:
            subject: Id of the position, or of a discrepancy without a position in doubt.
            choice: `acknowledge`: our record is right. `adopt_platform`: the platform's current
                report is right. `force_close`: nothing is left of the position, and `paid` is
                what that brought.
            rationale: Why, in a sentence.
            paid: Dollars that each contract left on a platform brought, from 0 to 1.
            answered: Returns what belongs in the last commit, given the result.

        Returns:
            The result: the status that agrees with the fills, or "resolved".

        Raises:
            UnknownId: No position that can still change, and no open discrepancy.
            InvalidPositionState: It is not RECONCILIATION_REQUIRED, or an order of it is out.
            InvalidInput: The choice does not fit, a figure is missing or impossible, the
                rationale is too short, or a platform does not answer.
        """
        return await run_to_end(
            self._resolved(subject, choice, rationale, paid or {}, answered)
        )

    async def _resolved(
        self,
        subject: str,
        choice: Choice,
        rationale: str,
        paid: Mapping[Platform, Decimal],
        answered: Answered,
    ) -> str:
        if len(rationale.strip()) < MEANINGFUL:
            raise InvalidInput("rationale", rationale, f"at least {MEANINGFUL} characters")
        dispute = self._disputes.open.get(subject)
        position_id = dispute.found.position_id if dispute else subject
        trade = self._trades.known(position_id or "")
        if dispute is not None and (trade is None or not _doubted(trade)):
            await self._without_position(dispute, choice, rationale, answered)
            result = "resolved"
        elif trade is None:
            raise UnknownId("position in doubt or open discrepancy", subject)
        else:
            result = await self._position(trade, choice, rationale, paid, answered)
        await self._disputes.enforce()
        return result

    # A position
    # ------------------------------------------------------------------------------

    async def _position(
        self,
        trade: PairTrade,
        choice: Choice,
        rationale: str,
        paid: Mapping[Platform, Decimal],
        answered: Answered,
    ) -> str:
        position_id = trade.position.position_id
        _insist(trade)
        if choice is Choice.ADOPT_PLATFORM:
            await self._adopt(position_id)
        async with self._trades.lock(position_id):
            trade = self._trades.of(position_id)
            _insist(trade)
            if choice is Choice.FORCE_CLOSE:
                trade = await self._force_close(trade, paid)
            return await self._settled(trade, choice, rationale, answered)

    async def _settled(
        self, trade: PairTrade, choice: Choice, rationale: str, answered: Answered
    ) -> str:
        """Move a position to the status that agrees with its fills; its lock is held."""
        position_id, status = trade.position.position_id, trade.position.status
        if trade.position.flat and trade.working:
            raise InvalidPositionState(position_id, status, OUT)
        agreeing = agreed(trade.position, exited=_exited(trade), working=trade.working)
        more = answered(agreeing.value)
        async with self._disputes.settling:
            about = [each for each in self._disputes.of_position(position_id) if each.halts]
            ends, now = self._disputes.resolving(about, choice, rationale), self._clock.now()
            moved = Moved(now, agreeing, notes=ends.events, person=True, last=more.events)
            rows = Batch((*ends.writes, *more.writes))
            after = await self._trades.book(trade.execution_id, moved, alongside=rows)
            self._disputes.resolved(about, choice)
        if after.position.status is PositionStatus.SINGLE_LEG_EXPOSED:
            self._single_leg.exposed(position_id)
        return after.position.status.value

    async def _force_close(
        self, trade: PairTrade, paid: Mapping[Platform, Decimal]
    ) -> PairTrade:
        """Book that nothing is left, and the proceeds that a person has stated."""
        position, now = trade.position, self._clock.now()
        if trade.working:
            raise InvalidPositionState(position.position_id, position.status, OUT)
        payouts, rows = [], []
        for platform in Platform:
            leg = position.holding(platform)
            if leg.payout is not None or not (leg.size or leg.complement):
                continue
            figure = _figure(platform, paid)
            pays = figure if leg.outcome is Outcome.YES else 1 - figure
            payouts.append(Payout(platform, pays, now))
            settlement = Settlement(
                self._ids.new("settlement", position.position_id),
                position.position_id,
                platform,
                self._trades.match(position).contract(platform).contract_id,
                SettlementKind.PAYOUT,
                leg.size,
                pays,
                now,
            )
            rows.append(Insert("settlements", SETTLEMENTS.row_of(settlement.paid(now))))
        if payouts:
            fact = Paid(now, tuple(payouts), Cause.RECONCILED, EntryKind.ADJUSTMENT)
            await self._trades.book(trade.execution_id, fact, alongside=Batch(tuple(rows)))
        return self._trades.of(position.position_id)

    # The platform's report
    # -------------------------------------------------------------------

    async def _adopt(self, position_id: str) -> None:
        """Book all that the platforms now report of a position's orders, absence included."""
        own = await self._own.gather()
        mine = tuple(o for o in own.ours.orders if o.position_id == position_id)
        own = replace(own, ours=replace(own.ours, orders=mine))
        theirs = without_totals(await self._theirs.ask(mine, every=True))
        answers = {each.order.order_id: _answer(each, theirs) for each in mine}
        for platform in sorted({each.order.platform for each in mine}):
            if isinstance(theirs.of(platform).fills, Unavailable):
                right = f"possible when {platform} lists our trades"
                raise InvalidInput("choice", Choice.ADOPT_PLATFORM.value, right)
        for each in mine:
            if answers[each.order.order_id] is None:
                right = f"possible when {each.order.platform} answers for {each.order.order_id}"
                raise InvalidInput("choice", Choice.ADOPT_PLATFORM.value, right)
            if each.awaiting and isinstance(answers[each.order.order_id], NotFound):
                self._insist_on_gone(each.order)
        listed = {(t.platform, t.trade_id) for p in Platform for t in theirs.of(p).trades}
        for each in mine:
            self._insist_on_absent(each, _absent(each, answers[each.order.order_id], listed))
        done = await self._repairer.apply(own, compare(own.ours, theirs, NO_GRACE).repairs)
        if done.short:
            short = done.short[0]
            right = f"possible once it can be paid: {short.what} on {short.order.platform}"
            raise InvalidInput("choice", Choice.ADOPT_PLATFORM.value, right)
        again = await self._own.gather()
        # An order that was placed meanwhile was not queried: the next comparison does that.
        mine = tuple(o for o in again.ours.orders if o.order.order_id in answers)
        back = [
            repair
            for each in mine
            for repair in _reductions(each, answers[each.order.order_id], listed)
        ]
        own = replace(again, ours=replace(again.ours, orders=mine))
        await self._repairer.apply(own, back)

    def _insist_on_gone(self, order: Order) -> None:
        """Reject a decision that an order is gone while it may be late: fills would be lost."""
        if self._theirs.may_arrive(order):
            right = f"possible when {order.order_id} can no longer arrive"
            raise InvalidInput("choice", Choice.ADOPT_PLATFORM.value, right)

    def _insist_on_absent(self, ours: OurOrder, absent: Collection[Fill]) -> None:
        """Reject a decision that trades failed which their platform may still list late.

        How old a platform's list is may be unknown. A trade of the last day counts as absent
        once it has been missed for as long as one may be listed late, by a clock that nobody
        sets.
        """
        now, wait = self._clock.monotonic(), TRADED_LATE
        for fill in ours.fills:
            if fill not in absent:
                self._absent.pop((fill.platform, fill.trade_id), None)
                continue
            since = self._absent.setdefault((fill.platform, fill.trade_id), now)
            recent = self._clock.now() - fill.matched_at < EARLIER
            if recent and now - since < wait.total_seconds():
                right = (
                    f"possible once {fill.platform} has not listed trade {fill.trade_id} for "
                    f"{wait.seconds // 60} minutes, since it may list it late"
                )
                raise InvalidInput("choice", Choice.ADOPT_PLATFORM.value, right)

    # A discrepancy without a position in doubt
    # ----------------------------------------------

    async def _without_position(
        self, dispute: Dispute, choice: Choice, rationale: str, answered: Answered
    ) -> None:
        found = dispute.found
        if choice is Choice.FORCE_CLOSE:
            raise InvalidInput("choice", choice.value, "acknowledge or adopt_platform here")
        if choice is Choice.ADOPT_PLATFORM:
            await self._adopted(dispute, rationale)
        batch = answered("resolved")
        assert found.key, "a discrepancy is about something"
        await self._disputes.settle((dispute,), choice, rationale, batch)

    async def _adopted(self, dispute: Dispute, rationale: str) -> None:
        found = dispute.found
        if found.kind is DiscrepancyType.BALANCE_MISMATCH:
            amount = Money(Decimal(found.theirs["unexplained"]))
            await self._risk.cash.adjust(
                self._risk.capital.accounts[found.platform], amount, rationale
            )
            return
        if found.kind is DiscrepancyType.ORDER_NOT_FOUND and found.order_id is not None:
            await self._end_missing(found.order_id)
            return
        right = "acknowledge: our record has nothing that could become like the platform's"
        raise InvalidInput("choice", Choice.ADOPT_PLATFORM.value, right)

    async def _end_missing(self, order_id: str) -> None:
        """End an order that, as a person has checked, is not there and never will be."""
        trade = self._trades.find_order(order_id)
        if trade is None:
            return
        async with self._trades.lock(trade.position_id):
            trade = self._trades.trade(trade.execution_id)
            order = trade.orders[order_id]
            if not order.working_size:
                return
            self._insist_on_gone(order)
            await self._recovery.answered(trade, order_id, None)


def _insist(trade: PairTrade) -> None:
    if not _doubted(trade):
        position = trade.position
        wanted = f"only {PositionStatus.RECONCILIATION_REQUIRED} is resolved"
        raise InvalidPositionState(position.position_id, position.status, wanted)


def _doubted(trade: PairTrade) -> bool:
    return trade.position.status is PositionStatus.RECONCILIATION_REQUIRED


def _exited(trade: PairTrade) -> bool:
    return any(o.purpose is Purpose.EXIT and o.filled for o in trade.orders.values())


def _figure(platform: Platform, paid: Mapping[Platform, Decimal]) -> Decimal:
    figure = paid.get(platform)
    if figure is None or not 0 <= figure <= 1 or figure % MICRO:
        shown = "nothing" if figure is None else plain(figure)
        right = f"dollars that each contract left there brought, 0 to 1, exact to {MICRO}"
        raise InvalidInput(f"paid on {platform}", shown, right)
    return figure


def _answer(ours: OurOrder, theirs: PlatformState) -> OrderReport | NotFound | None:
    """Return a platform's answer on an order, None if it proves nothing."""
    answer = theirs.of(ours.order.platform).answers.get(ours.order.order_id)
    if isinstance(answer, OrderReport | NotFound):
        return answer
    return None


def _absent(
    ours: OurOrder, answer: OrderReport | NotFound | None, listed: Collection[TradeKey]
) -> list[Fill]:
    """Return the provisional fills of an order that its platform does not show anywhere."""
    shown = answer.fills if isinstance(answer, OrderReport) else ()
    keys = {*listed, *((each.platform, each.trade_id) for each in shown)}
    return [
        fill
        for fill in live(ours.fills)
        if fill.finality is Finality.PROVISIONAL and (fill.platform, fill.trade_id) not in keys
    ]


def _reductions(
    ours: OurOrder, answer: OrderReport | NotFound | None, listed: Collection[TradeKey]
) -> list[Repair]:
    """Return the repairs that reduce an order to what its platform shows.

    `listed`: the trades that the platform lists, whatever it answers for the order.
    """
    report = answer if isinstance(answer, OrderReport) else None
    working = report.working if report else 0
    back: list[Repair] = [
        FailFill(ours.order.order_id, fill) for fill in _absent(ours, answer, listed)
    ]
    if ours.order.stated and not (report and report.stated):
        back.append(DropStated(ours.order.order_id))
    if ours.order.working_size > 0 and not working:
        named = report.platform_order_id if report else None
        back.append(EndOrder(ours.order.order_id, named or ours.order.platform_order_id))
    return back

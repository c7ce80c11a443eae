"""Recovery: an execution that nobody carries any more is concluded from its rows.

Its orders were unanswered for too long, or the process that carried it died. Once every order
of it has been answered for, it ends like any other: nothing bought, hedged, or one leg alone.
Nothing is sent for it; what is to be done about one leg alone is decided as for every exposure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.application.announcements import Announcements
from dutchbook.application.budget import Reservation, Spent
from dutchbook.application.bus import EventBus
from dutchbook.application.first_legs import FirstLegs
from dutchbook.application.holdings import Held, Holdings
from dutchbook.application.loading import (
    fill_of,
    leg_state_of,
    order_of,
    position_of,
    reservation_of,
)
from dutchbook.application.records import (
    execution_update,
    fill_row,
    order_update,
    position_row,
    position_update,
)
from dutchbook.application.risk import RiskManager
from dutchbook.application.sending import fill_of as reported_fill
from dutchbook.domain.accounting import Cause, changed, opened
from dutchbook.domain.contract import ContractMatch, Leg, Outcome, Platform
from dutchbook.domain.events import Event, FailedLeg, PositionMoved
from dutchbook.domain.execution import Execution, Phase
from dutchbook.domain.order import Fill, Finality, Order
from dutchbook.domain.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.quote import direction_name
from dutchbook.domain.shortfall import shortfall
from dutchbook.domain.units import ZERO, Money, Quantity
from dutchbook.ports import Batch, Clock, Ids, Insert, Journal, OrderReport, Update, Write

SINGLE_LEG = 2004


@dataclass(frozen=True, slots=True)
class Case:
    """One such execution with everything that its rows say."""

    row: Mapping[str, Any]
    match: ContractMatch
    orders: Mapping[str, Order]
    fills: Mapping[str, Fill]
    reservation: Reservation | None
    position: OpenPosition | None
    expected_edge: Money

    @property
    def execution_id(self) -> str:
        """Whose case it is."""
        return str(self.row["execution_id"])

    @property
    def open_orders(self) -> list[Order]:
        """Orders that the platform has not answered for."""
        return [order for order in self.orders.values() if order.working_size > 0]

    def execution(self) -> Execution:
        """Return the execution as its fills make it."""
        legs = {}
        for leg, name in ((Leg.PRIMARY, "primary_state"), (Leg.SECONDARY, "secondary_state")):
            state = leg_state_of(self.row[name])
            mine = [
                fill
                for fill in self.fills.values()
                if fill.platform is state.platform and fill.finality is not Finality.FAILED
            ]
            legs[leg] = replace(
                state,
                filled=Quantity(sum((f.size for f in mine), start=Decimal(0))),
                cost=Money(sum((f.cost for f in mine), start=Decimal(0))),
                fees=Money(sum((f.fee for f in mine), start=Decimal(0))),
                busy=False,
                unknown=False,
            )
        return Execution(
            self.execution_id,
            self.match.match_id,
            legs[Leg.PRIMARY],
            legs[Leg.SECONDARY],
            phase=Phase(self.row["phase"]),
            version=int(self.row["version"]),
        )

    def bare(self, position_id: str, at: Any) -> OpenPosition:
        """Return the position that it stands for, with nothing in it."""
        yes = self.row["direction"] == direction_name(Outcome.YES)
        kalshi = Outcome.YES if yes else Outcome.NO
        outcomes = {Platform.KALSHI: kalshi, Platform.POLYMARKET: self.match.hedge(kalshi)}
        legs = {p: Holding(outcomes[p], self._first(p)) for p in Platform}
        return OpenPosition(
            position_id=position_id,
            pair_id=self.match.match_id,
            execution_id=self.execution_id,
            kalshi=legs[Platform.KALSHI],
            polymarket=legs[Platform.POLYMARKET],
            expected_edge=self.expected_edge,
            divergence_reserve=ZERO,
            status=PositionStatus.SINGLE_LEG_EXPOSED,
            opened_at=at,
        )

    def _first(self, platform: Platform) -> str | None:
        placed = sorted(self.orders.values(), key=lambda order: order.created_at)
        return next((o.order_id for o in placed if o.platform is platform), None)


class Recovery:
    """Takes answers for such executions and ends them."""

    def __init__(
        self,
        journal: Journal,
        bus: EventBus,
        risk: RiskManager,
        holdings: Holdings,
        announce: Announcements,
        first_legs: FirstLegs,
        matches: Mapping[str, ContractMatch],
        clock: Clock,
        ids: Ids,
        exposed: Callable[[str], None],
    ) -> None:
        self.on_bought: Callable[[Held], None] = _nobody
        self._journal = journal
        self._bus = bus
        self._risk = risk
        self._holdings = holdings
        self._announce = announce
        self._first_legs = first_legs
        self._matches = matches
        self._clock = clock
        self._ids = ids
        self._exposed = exposed

    async def cases(self) -> list[Case]:
        """Return every execution that has not ended, oldest first."""
        rows = await self._journal.rows("executions", {"ended_at": None}, ("started_at",))
        return [await self._case(row) for row in rows if row["pair_id"] in self._matches]

    async def case(self, execution_id: str) -> Case:
        """Return one execution as its rows are now."""
        rows = await self._journal.rows("executions", {"execution_id": execution_id})
        return await self._case(rows[0])

    async def _case(self, row: Mapping[str, Any]) -> Case:
        mine = {"execution_id": row["execution_id"]}
        orders = [order_of(each) for each in await self._journal.rows("orders", mine)]
        fills = [fill_of(each) for each in await self._journal.rows("fills", mine)]
        standing = [
            each
            for each in await self._journal.rows("reservations", mine)
            if each["status"] == "reserved" and each["order_id"] is None
        ]
        positions = await self._journal.rows("open_positions", mine)
        seen = {"opportunity_id": row["opportunity_id"]}
        opportunity = (await self._journal.rows("opportunities", seen))[0]
        return Case(
            row,
            self._matches[row["pair_id"]],
            {order.order_id: order for order in orders},
            {fill.trade_id: fill for fill in fills},
            reservation_of(standing, row["pair_id"], self._risk.accounts) if standing else None,
            position_of(positions[0]) if positions else None,
            Money(opportunity["expected_profit"]),
        )

    async def unanswered(self, case: Case) -> Case:
        """Make it durable that nobody knows what became of the orders that are out."""
        now = self._clock.now()
        writes, events = [], []
        for order in case.open_orders:
            if order.outcome_unknown_since is None:
                writes.append(order_update(order, order.unknown(now)))
                events.append(self._announce.unknown(order, "the engine that sent it died"))
        if writes:
            await self._bus.commit(Batch(tuple(writes), tuple(events)))
        return await self.case(case.execution_id)

    async def heard(self, case: Case, order_id: str, report: OrderReport) -> Case:
        """Take a platform's word on an order, and end the execution if it was the last."""
        order = case.orders[order_id]
        fills = [
            reported_fill(order, each)
            for each in report.fills
            if each.trade_id not in case.fills
        ]
        after = order
        for fill in fills:
            if fill.finality is not Finality.FAILED:
                after = after.with_fill(fill)
        if report.refusal is not None and not after.filled:
            after = after.refused(report.refusal)
        else:
            after = after.acknowledged(report.platform_order_id, report.working)
        return await self._known(case, order, after, fills)

    async def gave_up(self, case: Case, order_id: str) -> Case:
        """Take it as proven that an order never arrived and no longer can."""
        order = case.orders[order_id]
        return await self._known(case, order, order.ended(), [])

    async def _known(
        self, case: Case, before: Order, after: Order, fills: Iterable[Fill]
    ) -> Case:
        """Keep what became known of one order; the last one of its case ends it."""
        fills = tuple(fills)
        position_id = case.position.position_id if case.position else ""
        told = [
            self._announce.filled(before, fill, position_id or None)
            for fill in fills
            if fill.finality is not Finality.FAILED
        ]
        now = self._clock.now()
        writes: list[Write] = [
            Insert("fills", fill_row(fill, case.execution_id, now)) for fill in fills
        ]
        case = replace(
            case,
            orders={**case.orders, after.order_id: after},
            fills={**case.fills, **{fill.trade_id: fill for fill in fills}},
        )
        if case.open_orders:
            writes.append(order_update(before, after))
            await self._bus.commit(Batch(tuple(writes), tuple(told)))
            return case
        await self.conclude(case, before, writes, told)
        return case

    async def conclude(
        self,
        case: Case,
        before: Order | None = None,
        writes: Iterable[Write] = (),
        told: Iterable[Event] = (),
    ) -> None:
        """End an execution whose orders have all been answered for.

        Args:
            case: The execution as it is now.
            before: The order that was answered last, as its row still is.
            writes: Rows of that answer.
            told: Events of that answer.
        """
        assert not case.open_orders, "an order is still out"
        rows, now = list(writes), self._clock.now()
        execution = case.execution()
        bought = bool(execution.primary.filled or execution.secondary.filled)
        position_id = self._position_id(case)
        linked = {"position_id": position_id} if bought else {}
        if before is not None:
            rows.append(order_update(before, case.orders[before.order_id], **linked))
        answered = before.order_id if before else None
        others = [o for o in case.orders.values() if bought and o.order_id != answered]
        moved = {o.order_id: replace(o, version=o.version + 1) for o in others}
        rows += [order_update(order, moved[order.order_id], **linked) for order in others]
        case = replace(case, orders={**case.orders, **moved})
        if bought:
            await self._bought(case, execution, position_id, rows, told)
            return
        ended = replace(execution, phase=Phase.FAILED, version=execution.version + 1)
        loss = shortfall(execution, ZERO)
        rows.append(execution_update(execution, ended, ended_at=now, loss=loss))
        emptied, moves = self._emptied(case, now)
        batch = Batch((*rows, *emptied), (*told, *moves))
        reason = "nothing was filled"
        if case.reservation is not None:
            await self._risk.release_reservation(case.reservation, reason, batch)
        else:
            await self._bus.commit(batch)
        if case.position is not None:
            self._holdings.drop(case.position.position_id)

    def _emptied(self, case: Case, now: datetime) -> tuple[list[Write], list[Event]]:
        """Close a position that stood while it waited, and of which no fill is left."""
        before = case.position
        if before is None:
            return [], []
        after = changed(before, case.fills.values(), Cause.FILL_FAILED, now)
        moved = PositionMoved(
            self._bus.stamp(before.execution_id),
            before.position_id,
            before.pair_id,
            before.status.value,
            after.status.value,
            Cause.FILL_FAILED.value,
        )
        return [position_update(before, after)], [moved]

    async def _bought(
        self,
        case: Case,
        execution: Execution,
        position_id: str,
        rows: list[Write],
        told: Iterable[Event],
    ) -> None:
        now = self._clock.now()
        probability = case.match.divergence_probability
        bare = case.position or case.bare(position_id, now)
        position = opened(bare, case.fills.values(), probability)
        hedged = not position.uneven() and bool(position.hedged)
        if hedged:
            status = PositionStatus.OPEN
            position = opened(replace(bare, status=status), case.fills.values(), probability)
        phase = Phase.HEDGED if hedged else Phase.EXPOSED
        ended = replace(execution, phase=phase, version=execution.version + 1)
        loss = shortfall(execution, position.divergence_reserve)
        rows.append(execution_update(execution, ended, ended_at=now, loss=loss))
        if case.position is None:
            rows.append(Insert("open_positions", position_row(position)))
        else:
            position = replace(position, version=case.position.version + 1)
            rows.append(position_update(case.position, position))
        rows.append(_cycle(position, now))
        held = Held(position).with_orders(case.orders.values()).with_fills(case.fills.values())
        events = (*told, *self._tells(case, position, held, hedged=hedged))
        spent = {p: Spent(position.holding(p).cost, position.holding(p).fees) for p in Platform}
        assert case.reservation is not None, "what was bought had been reserved"
        await self._risk.commit_reservation(
            case.reservation, spent, position.marked_pnl, Batch(tuple(rows), events)
        )
        self._first_legs.ended(ended)
        self._holdings.put(held)
        self.on_bought(held)
        await self._risk.enforce()
        if not hedged:
            self._exposed(position.position_id)

    def _position_id(self, case: Case) -> str:
        return case.position.position_id if case.position else self._ids.new("position")

    def _tells(
        self, case: Case, position: OpenPosition, held: Held, *, hedged: bool
    ) -> Iterable[Event]:
        if hedged:
            yield self._announce.opened(position)
            return
        missing = case.execution().leg_on(position.longer.other)
        lost = FailedLeg(
            platform=missing.platform,
            reason=missing.failure or "it was not filled",
            code=SINGLE_LEG,
            attempted_price=None,
            attempted_size=missing.planned,
        )
        yield self._announce.exposure(position, held, lost)


def _nobody(held: Held) -> None:
    """Hear of what such an execution has bought, and do nothing."""


def _cycle(position: OpenPosition, now: Any) -> Update:
    return Update(
        "contract_matches",
        key={"match_id": position.pair_id},
        add={"total_cycles_traded": 1},
        put={"last_traded_timestamp": now},
    )

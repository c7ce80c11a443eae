"""Recovery: an execution that nobody carries any more is concluded from its rows.

Its orders were unanswered for too long, or the process that carried it died. Once every order
of it has been answered for, it ends like any other: nothing bought, hedged, or one leg alone.
Nothing is sent for it; what is to be done about one leg alone is decided as for every exposure.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.market.leg_order import FirstLegs
from dutchbook.application.orders.send import fill_of as reported_fill
from dutchbook.application.pair_trades.announcements import SINGLE_LEG, Announcements
from dutchbook.application.pair_trades.booking import finality_update
from dutchbook.application.pair_trades.store import Held, Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.application.records.rows import (
    execution_update,
    fill_row,
    order_update,
    position_row,
    position_update,
)
from dutchbook.application.recovery.unfinished import Case, Cases
from dutchbook.domain.capital.reservation import Spent
from dutchbook.domain.events import Event, FailedLeg, OrderFilled, PositionMoved
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.execution.shortfall import shortfall
from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.domain.positions.fold import Cause, changed, opened
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO
from dutchbook.ports.gateway import OrderReport
from dutchbook.ports.journal import Batch, Insert, Journal, Update, Write
from dutchbook.ports.time import Clock, Ids


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
        self._load = Cases(journal, matches, risk.accounts)
        self._locks: dict[str, asyncio.Lock] = {}
        self._bus = bus
        self._risk = risk
        self._holdings = holdings
        self._announce = announce
        self._first_legs = first_legs
        self._clock = clock
        self._ids = ids
        self._exposed = exposed

    async def cases(self) -> list[Case]:
        """Return every execution that has not ended, oldest first; a handful of reads."""
        return await self._load.unended()

    async def case(self, execution_id: str) -> Case:
        """Return one execution as its rows are now."""
        return await self._load.one(execution_id)

    def lock(self, execution_id: str) -> asyncio.Lock:
        """Return what whoever books an answer for such an execution holds meanwhile."""
        return self._locks.setdefault(execution_id, asyncio.Lock())

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
        return await self.learnt(case, after, fills)

    async def gave_up(self, case: Case, order_id: str) -> Case:
        """Take it as proven that an order never arrived and no longer can."""
        return await self.learnt(case, case.orders[order_id].ended())

    async def learnt(
        self,
        case: Case,
        after: Order,
        fills: Iterable[Fill] = (),
        finalities: Iterable[Fill] = (),
    ) -> Case:
        """Keep what became known of one order; the last one of its case ends it.

        Args:
            case: The execution as its rows are.
            after: The order as it is now.
            fills: Those of it that are new.
            finalities: Those that were known and are final now, one way or the other.
        """
        before = case.orders[after.order_id]
        fills, finalities = tuple(fills), tuple(finalities)
        position_id = await self._position_id(case) if fills else None
        told: list[Event] = [
            self._announce.filled(before, fill, position_id)
            for fill in fills
            if fill.finality is not Finality.FAILED
        ]
        told += [self._announce.final(before, fill) for fill in finalities]
        now = self._clock.now()
        writes: list[Write] = [
            Insert("fills", fill_row(fill, case.execution_id, now)) for fill in fills
        ]
        writes += [finality_update(case.fills[f.trade_id], f) for f in finalities]
        case = replace(
            case,
            orders={**case.orders, after.order_id: after},
            fills={**case.fills, **{f.trade_id: f for f in (*fills, *finalities)}},
        )
        if not case.open_orders:
            await self.conclude(case, before, writes, told, position_id)
            return case
        if after != before:
            writes.append(order_update(before, after))
        return await self._waits_on(case, writes, told)

    async def _waits_on(self, case: Case, writes: list[Write], told: Iterable[Event]) -> Case:
        """Keep what is known so far; a position that waits shows it, its capital later."""
        position = case.position
        if position is None:
            await self._bus.commit(Batch(tuple(writes), tuple(told)))
            return case
        chance = case.match.divergence_probability
        now = opened(position, case.fills.values(), chance)
        now = replace(now, marked_pnl=ZERO, version=position.version + 1)
        writes.append(position_update(position, now))
        await self._bus.commit(Batch(tuple(writes), tuple(told)))
        self._holdings.opened(now, case.orders.values(), case.fills.values(), waiting=True)
        return replace(case, position=now)

    async def finalised(self, execution_id: str, fill: Fill) -> None:
        """Book that a fill of such an execution is final; one that failed was never one."""
        async with self.lock(execution_id):
            case = await self.case(execution_id)
            known = case.fills[fill.trade_id]
            if case.ended or known.finality is not Finality.PROVISIONAL:
                return
            order = case.orders[fill.order_id]
            if fill.finality is Finality.FAILED:
                order = order.without_fill(known)
            await self.learnt(case, order, finalities=(fill,))

    async def conclude(
        self,
        case: Case,
        before: Order | None = None,
        writes: Iterable[Write] = (),
        told: Iterable[Event] = (),
        position_id: str | None = None,
    ) -> None:
        """End an execution whose orders have all been answered for.

        Args:
            case: The execution as it is now.
            before: The order that was answered last, as its row still is.
            writes: Rows of that answer.
            told: Events of that answer.
            position_id: What they call the position that it makes.
        """
        assert not case.open_orders, "an order is still out"
        rows, now = list(writes), self._clock.now()
        execution = case.execution()
        bought = bool(execution.primary.filled or execution.secondary.filled)
        position_id = position_id or await self._position_id(case)
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
        events = (*told, *self.told_of(case, position, held, hedged=hedged))
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

    async def _position_id(self, case: Case) -> str:
        """Return what the position of an execution is called, once and for all.

        The log may have told of fills under its name before there was a row of it.
        """
        if case.position is not None:
            return case.position.position_id
        mine = {"correlation_id": case.execution_id, "name": OrderFilled.wire}
        told = await self._journal.rows("audit_log", mine, ("sequence",))
        named = (json.loads(row["payload"])["position_id"] for row in told)
        return next(filter(None, named), None) or self._ids.new("position", case.execution_id)

    def told_of(
        self, case: Case, position: OpenPosition, held: Held, *, hedged: bool
    ) -> Iterable[Event]:
        """Return what is told of the position that an execution has become."""
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

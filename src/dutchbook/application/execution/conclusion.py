"""How an execution ends.

What was bought becomes a position, and the reservation is resolved.
"""

from __future__ import annotations

from dataclasses import replace

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.execution.run import Run
from dutchbook.application.market.leg_order import FirstLegs
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import Held, Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.application.records.rows import position_row
from dutchbook.domain.capital.reservation import Reservation, Spent
from dutchbook.domain.events import Event, FailedLeg
from dutchbook.domain.execution.decide import Phase, RaiseExposure
from dutchbook.domain.execution.shortfall import shortfall
from dutchbook.domain.market.contract import Leg, Platform
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.ports.time import Clock

DEPTH, UNKNOWN = 2001, 2003


class Conclusion:
    """The three ends: committed, released, or waiting for an answer."""

    def __init__(
        self,
        bus: EventBus,
        risk: RiskManager,
        holdings: Holdings,
        announce: Announcements,
        first_legs: FirstLegs,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._risk = risk
        self._holdings = holdings
        self._announce = announce
        self._first_legs = first_legs
        self._clock = clock

    async def committed(
        self, run: Run, reservation: Reservation, raised: RaiseExposure | None
    ) -> None:
        """Something was bought: position, orders, capital and events in one commit."""
        now = self._clock.now()
        hedged = run.execution.phase is Phase.HEDGED
        status = PositionStatus.OPEN if hedged else PositionStatus.SINGLE_LEG_EXPOSED
        position = run.position(status, now)
        if hedged:
            run.events.append(self._announce.opened(position))
        else:
            run.events.append(self._exposed(run, position, raised))
        loss = shortfall(run.execution, position.divergence_reserve)
        changes = run.take(now, linked=True, ended=True, loss=loss)
        cycle = Update(
            "contract_matches",
            key={"match_id": position.pair_id},
            add={"total_cycles_traded": 1},
            put={"last_traded_timestamp": now},
        )
        rows = (Insert("open_positions", position_row(position)), *changes.writes, cycle)
        legs = {platform: position.holding(platform) for platform in Platform}
        await self._risk.commit_reservation(
            reservation,
            {platform: Spent(leg.cost, leg.fees) for platform, leg in legs.items()},
            position.marked_pnl,
            Batch(rows, changes.events),
        )
        self._first_legs.ended(run.execution)
        self._holdings.opened(position, run.orders.values(), run.fills.values())
        await self._risk.enforce()

    async def released(self, run: Run, reservation: Reservation, reason: str) -> None:
        """Nothing was bought: all capital goes back."""
        order = run.order(Leg.PRIMARY)
        if order.working_size:
            # The book was too thin at the moment of sending: the order never left.
            run.change(order.ended())
            run.events.append(self._announce.failed(order, DEPTH, reason))
        loss = shortfall(run.execution, ZERO)
        batch = run.take(self._clock.now(), ended=True, loss=loss)
        await self._risk.release_reservation(reservation, reason, batch)

    async def waiting(self, run: Run) -> None:
        """An outcome stays unknown: write down what is held; nothing more is sent."""
        now = self._clock.now()
        # Its profit counts from the commit of its reservation on.
        position = replace(
            run.position(PositionStatus.SINGLE_LEG_EXPOSED, now), marked_pnl=ZERO
        )
        if not position.kalshi.size and not position.polymarket.size:
            await self._bus.commit(run.take(now))
            return
        leg = Leg.PRIMARY if run.execution.primary.filled else Leg.SECONDARY
        reason = "the outcome of the other leg is unknown"
        raised = RaiseExposure(leg, run.execution.leg(leg).filled, reason, UNKNOWN)
        run.events.append(self._exposed(run, position, raised))
        changes = run.take(now, linked=True)
        rows = (Insert("open_positions", position_row(position)), *changes.writes)
        await self._bus.commit(Batch(rows, changes.events))
        self._holdings.opened(position, run.orders.values(), run.fills.values(), waiting=True)

    def _exposed(self, run: Run, position: OpenPosition, raised: RaiseExposure | None) -> Event:
        assert raised is not None, "uneven legs are always raised"
        missing = run.execution.leg(raised.leg.other)
        attempted = run.latest(raised.leg.other)
        failed = FailedLeg(
            platform=missing.platform,
            reason=raised.reason,
            code=raised.code,
            attempted_price=attempted.price if attempted else None,
            attempted_size=attempted.size if attempted else missing.planned,
        )
        held = Held(position).with_orders(run.orders.values()).with_fills(run.fills.values())
        return self._announce.exposure(position, held, failed)

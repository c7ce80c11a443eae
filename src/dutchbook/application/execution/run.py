"""One execution under way: what is decided, what is saved, and what is still to be saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from dutchbook.application.records.rows import (
    execution_update,
    fill_row,
    order_row,
    order_update,
)
from dutchbook.domain.detection.quote import Opportunity
from dutchbook.domain.events import Event
from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.execution.shortfall import Shortfall
from dutchbook.domain.market.contract import Leg, Outcome, Platform
from dutchbook.domain.positions.fold import opened
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO
from dutchbook.ports.journal import Batch, Insert, Write

Mark = tuple[Execution, dict[str, Order], list[Fill], list[Event]]


@dataclass(slots=True)
class Run:
    """Holds an execution between its events; `take` turns what changed into one batch."""

    opportunity: Opportunity
    execution: Execution
    saved: Execution
    position_id: str
    orders: dict[str, Order] = field(default_factory=dict)
    current: dict[Leg, str] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    _saved_orders: dict[str, Order] = field(default_factory=dict)
    _new_fills: list[Fill] = field(default_factory=list)

    def order(self, leg: Leg) -> Order:
        """Return the leg's latest order."""
        return self.orders[self.current[leg]]

    def latest(self, leg: Leg) -> Order | None:
        """Return the leg's latest order, None when none was placed."""
        order_id = self.current.get(leg)
        return self.orders[order_id] if order_id else None

    def buys(self, contract_id: str, outcome: Outcome) -> bool:
        """Tell whether it buys an outcome of a contract on Kalshi."""
        leg = self.opportunity.leg(Platform.KALSHI)
        return self.opportunity.match.kalshi.contract_id == contract_id and (
            leg.outcome is outcome
        )

    def place(self, order: Order) -> None:
        """Take up a new order; it becomes the leg's latest."""
        self.orders[order.order_id] = order
        self.current[order.leg] = order.order_id

    def change(self, order: Order) -> None:
        """Replace an order by what it has become."""
        self.orders[order.order_id] = order

    def add_fill(self, order: Order, fill: Fill) -> bool:
        """Take up a fill once; returns whether it was new."""
        if fill.trade_id in self.fills:
            return False
        self.fills[fill.trade_id] = fill
        self._new_fills.append(fill)
        if fill.finality is not Finality.FAILED:
            self.change(order.with_fill(fill))
        return True

    def mark(self) -> Mark:
        """Return what is unsaved now, so that a refused commit can be taken back."""
        return (
            self.saved,
            dict(self._saved_orders),
            list(self._new_fills),
            list(self.events),
        )

    def restore(self, mark: Mark) -> None:
        """Count as unsaved again what the commit after `mark` would have saved."""
        self.saved, self._saved_orders, self._new_fills, self.events = mark

    def take(
        self,
        now: datetime,
        *,
        linked: bool = False,
        ended: bool = False,
        loss: Shortfall | None = None,
    ) -> Batch:
        """Return everything unsaved as one batch, and count it as saved.

        Args:
            now: When.
            linked: Point the orders at the position that this batch brings.
            ended: The execution ends here.
            loss: Its shortfall, when it ended.
        """
        extra = {"position_id": self.position_id} if linked else {}
        writes: list[Write] = []
        for order_id, order in self.orders.items():
            saved = self._saved_orders.get(order_id)
            if saved is None:
                writes.append(Insert("orders", order_row(order) | extra))
            elif saved != order or linked:
                writes.append(order_update(saved, order, **extra))
            self._saved_orders[order_id] = order
        execution_id = self.execution.execution_id
        writes += [Insert("fills", fill_row(f, execution_id, now)) for f in self._new_fills]
        if self.execution != self.saved or ended:
            ended_at = now if ended else None
            writes.append(
                execution_update(self.saved, self.execution, ended_at=ended_at, loss=loss)
            )
            self.saved = self.execution
        batch = Batch(tuple(writes), tuple(self.events))
        self._new_fills.clear()
        self.events.clear()
        return batch

    # The position that the fills amount to
    # -----------------------------------------------------

    def _bare(self, platform: Platform) -> Holding:
        leg = Leg.PRIMARY if self.opportunity.primary is platform else Leg.SECONDARY
        order = next((o.order_id for o in self.orders.values() if o.leg is leg), None)
        return Holding(self.opportunity.leg(platform).outcome, order)

    def position(self, status: PositionStatus, now: datetime) -> OpenPosition:
        """Return the position that stands once this execution has ended or waits."""
        bare = OpenPosition(
            position_id=self.position_id,
            pair_id=self.execution.pair_id,
            execution_id=self.execution.execution_id,
            kalshi=self._bare(Platform.KALSHI),
            polymarket=self._bare(Platform.POLYMARKET),
            expected_edge=self.opportunity.expected_profit,
            divergence_reserve=ZERO,
            status=status,
            opened_at=now,
        )
        probability = self.opportunity.match.divergence_probability
        return opened(bare, self.fills.values(), probability)

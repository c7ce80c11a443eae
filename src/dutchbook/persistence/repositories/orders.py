"""Order repository: reads, and status changes along the state machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dutchbook.domain.execution.order import ORDER, OrderStatus
from dutchbook.domain.values.units import owed
from dutchbook.errors import Conflict, UnknownId
from dutchbook.persistence.tables.models import Order

ROW = Order.__table__.c
"""The columns of an order."""


class OrderRepository:
    """`Order` rows."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(self, data: Mapping[str, Any]) -> Order:
        """Add an order; the database checks it when the unit of work is flushed."""
        order = Order(**data)
        self._session.add(order)
        await self._session.flush()
        return order

    async def find_by_id(self, order_id: str) -> Order | None:
        """Return one order. One query."""
        return await self._session.get(Order, order_id)

    async def find_by_pair_id(self, pair_id: str) -> Sequence[Order]:
        """Return the orders of a pair, oldest first. One query."""
        return await self._all(select(Order).where(ROW.pair_id == pair_id))

    async def find_pending_orders(self) -> Sequence[Order]:
        """Return the orders that are still PENDING, oldest first. One query."""
        return await self._all(select(Order).where(ROW.status == OrderStatus.PENDING))

    async def update_status(self, order_id: str, status: OrderStatus) -> None:
        """Change a status along the state machine.

        Raises:
            UnknownId: No such order.
            IllegalTransition: The state machine does not allow this change.
            Conflict: The status was changed concurrently.
        """
        await self._change(order_id, status, {})

    async def update_order_status(
        self, order_id: str, status: OrderStatus, fill_price: Decimal, fill_size: Decimal
    ) -> None:
        """Change a status together with the filled size, at its average price in dollars."""
        cost = owed(fill_price * fill_size)
        await self._change(order_id, status, {"fill_size": fill_size, "fill_cost": cost})

    async def _change(
        self, order_id: str, status: OrderStatus, data: Mapping[str, Any]
    ) -> None:
        found = await self._session.scalar(select(ROW.status).where(ROW.order_id == order_id))
        if found is None:
            raise UnknownId("order", order_id)
        before = OrderStatus(found)
        if status is not before:
            ORDER.check(before, status)
        changed = await self._session.execute(
            update(Order)
            .where(ROW.order_id == order_id, ROW.status == before)
            .values(**data, status=status, version=ROW.version + 1)
            .returning(ROW.order_id)
        )
        if len(changed.all()) != 1:
            raise Conflict("orders", order_id, f"it is no longer {before}")

    async def _all(self, statement: Any) -> Sequence[Order]:
        ordered = statement.order_by(ROW.created_at, ROW.order_id)
        found: Sequence[Order] = (await self._session.scalars(ordered)).all()
        return found

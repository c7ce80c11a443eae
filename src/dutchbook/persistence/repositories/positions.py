"""Position repository: the name of each query says which relations it loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from dutchbook.domain.positions.position import POSITION, PositionStatus
from dutchbook.errors import Conflict, UnknownId
from dutchbook.persistence.tables.models import OpenPosition

ROW = OpenPosition.__table__.c
"""The columns of a position."""


class PositionRepository:
    """`OpenPosition` rows. Relations that a query did not load raise when accessed."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(self, data: Mapping[str, Any]) -> OpenPosition:
        """Add a position; the database checks it when the unit of work is flushed."""
        position = OpenPosition(**data)
        self._session.add(position)
        await self._session.flush()
        return position

    async def find_by_id(self, position_id: str) -> OpenPosition | None:
        """Return one position, without relations. One query."""
        return await self._session.get(OpenPosition, position_id)

    async def find_by_pair_id(self, pair_id: str) -> Sequence[OpenPosition]:
        """Return the positions of a pair, oldest first, without relations. One query."""
        return await self._all(select(OpenPosition).where(ROW.pair_id == pair_id))

    async def find_by_status(self, *statuses: PositionStatus) -> Sequence[OpenPosition]:
        """Return positions in any of `statuses`, oldest first, without relations. One query."""
        return await self._all(select(OpenPosition).where(ROW.status.in_(statuses)))

    async def find_by_status_with_pair(
        self, *statuses: PositionStatus
    ) -> Sequence[OpenPosition]:
        """Return positions in any of `statuses`, each with its pair. One query."""
        return await self._all(
            select(OpenPosition)
            .where(ROW.status.in_(statuses))
            .options(joinedload(OpenPosition.pair))
        )

    async def find_by_status_with_orders(
        self, *statuses: PositionStatus
    ) -> Sequence[OpenPosition]:
        """Return positions in any of `statuses`, each with its pair and its orders.

        Two queries, however many positions: pair and both first orders are joined, the rest are
        loaded with one ``IN``.
        """
        return await self._with_orders(ROW.status.in_(statuses))

    async def find_by_ids_with_orders(
        self, position_ids: Sequence[str]
    ) -> Sequence[OpenPosition]:
        """Return positions by their ids, each with its pair and its orders. Two queries."""
        return await self._with_orders(ROW.position_id.in_(position_ids))

    async def _with_orders(self, condition: Any) -> Sequence[OpenPosition]:
        return await self._all(
            select(OpenPosition)
            .where(condition)
            .options(
                joinedload(OpenPosition.pair),
                joinedload(OpenPosition.polymarket_order),
                joinedload(OpenPosition.kalshi_order),
                selectinload(OpenPosition.orders),
            )
        )

    async def find_active_positions(self) -> Sequence[OpenPosition]:
        """Return the positions that are not CLOSED, with pair and orders. Two queries."""
        active = [each for each in PositionStatus if each is not PositionStatus.CLOSED]
        return await self.find_by_status_with_orders(*active)

    async def find_by_id_with_pair(self, position_id: str) -> OpenPosition | None:
        """Return one position with its pair. One query."""
        return (
            await self._session.scalars(
                select(OpenPosition)
                .where(ROW.position_id == position_id)
                .options(joinedload(OpenPosition.pair))
            )
        ).one_or_none()

    async def update_status(self, position_id: str, status: PositionStatus) -> None:
        """Change a status along the state machine.

        Raises:
            UnknownId: No such position.
            IllegalTransition: The state machine does not allow this change.
            Conflict: The status was changed concurrently.
        """
        before = await self._status(position_id)
        POSITION.check(before, status)
        await self._change(position_id, before, {"status": status})

    async def update_with_order(self, position_id: str, data: Mapping[str, Any]) -> None:
        """Link a position to an order and change what follows from it, in one guarded write.

        `data` may hold order ids, sizes, costs, prices and a status that the state machine
        allows.
        """
        before = await self._status(position_id)
        after = PositionStatus(data.get("status", before))
        if after is not before:
            POSITION.check(before, after)
        await self._change(position_id, before, data)

    async def _status(self, position_id: str) -> PositionStatus:
        found = await self._session.scalar(
            select(ROW.status).where(ROW.position_id == position_id)
        )
        if found is None:
            raise UnknownId("position", position_id)
        return PositionStatus(found)

    async def _change(
        self, position_id: str, before: PositionStatus, data: Mapping[str, Any]
    ) -> None:
        changed = await self._session.execute(
            update(OpenPosition)
            .where(ROW.position_id == position_id, ROW.status == before)
            .values(**data, version=ROW.version + 1)
            .returning(ROW.position_id)
        )
        if len(changed.all()) != 1:
            raise Conflict("open_positions", position_id, f"it is no longer {before}")

    async def _all(self, statement: Any) -> Sequence[OpenPosition]:
        ordered = statement.order_by(ROW.opened_at, ROW.position_id)
        found: Sequence[OpenPosition] = (await self._session.scalars(ordered)).unique().all()
        return found

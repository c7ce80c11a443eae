"""One short transaction for writes that are not hot; rolled back unless committed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from dutchbook.persistence.repositories.orders import OrderRepository
from dutchbook.persistence.repositories.positions import PositionRepository
from dutchbook.ports.crash_points import AFTER, BEFORE, UNIT, crashpoint

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class UnitOfWork:
    """The repositories on one session; nothing is stored without `commit`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.positions = PositionRepository(session)
        self.orders = OrderRepository(session)

    async def commit(self) -> None:
        """Commit the changes."""
        crashpoint(BEFORE, UNIT)
        await self._session.commit()
        crashpoint(AFTER, UNIT)


def engine_for(url: str) -> AsyncEngine:
    """Return an engine with the asynchronous driver for a database's URL."""
    parsed = make_url(url)
    engine = create_async_engine(parsed.set(drivername=DRIVERS[parsed.get_backend_name()]))
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _configure)
    return engine


def _configure(connection: object, record: object) -> None:
    assert record is not None, "a pool records its connections"
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


@asynccontextmanager
async def unit_of_work(engine: AsyncEngine) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work; whatever is not committed by its end is rolled back."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield UnitOfWork(session)

"""Holding a database: an engine takes its lease, keeps it, and sees that the file stays."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from dutchbook.application.records.lease import Fence, take
from dutchbook.bootstrap import paths
from dutchbook.bootstrap.engine import Engine
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.errors import DatabaseLost, LeaseHeld, MarketDataBroken, StorageError, UnfitFile
from dutchbook.persistence.database import Database
from dutchbook.persistence.endpoints import served_names
from dutchbook.ports.journal import Connection
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.halt_file import HaltFiles
from dutchbook.runtime.process import gone, myself
from dutchbook.runtime.service_manager import ServiceManager
from dutchbook.runtime.virtual_time import turnstile


class NotBegun(StorageError):
    """The database does not answer, or its file is gone, before an engine had the lease."""


async def take_lease(
    database: Database, term: timedelta, journal: Connection, reader: Connection
) -> tuple[Fence, HaltFiles]:
    """Open an engine's connections to a database, and take its lease.

    Returns the lease, and the HALT files that the engine reads.

    Raises:
        LeaseHeld: Another engine has it.
        NotBegun: The database does not answer, or its file is gone.
    """
    try:
        database.require_file()
        await journal.open()
        await reader.open()
        files = paths.halt_files(database, await served_names(database, turnstile()))
        return await take(journal, SystemClock(), myself(), term, gone, files), files
    except (LeaseHeld, UnfitFile):
        raise
    except StorageError as error:
        raise NotBegun(str(error)) from error


async def keep_lease(
    journal: Connection,
    fence: Fence,
    term: timedelta,
    engine: Engine,
    trading: Coroutine[Any, Any, dict[str, Any]],
) -> dict[str, Any]:
    """Trade in live time, and renew the lease even if there is nothing to commit.

    Raises:
        MarketDataBroken: All else is done.
    """
    manager, clock = ServiceManager(os.environ), SystemClock()
    broken: MarketDataBroken | None = None
    async with asyncio.TaskGroup() as group:
        # An engine whose database does not answer is alive: it waits, its orders watched.
        beside = [
            group.create_task(fence.keep(journal)),
            group.create_task(_watch_file(journal, engine, term)),
            group.create_task(manager.watched(clock, lambda: fence.held or fence.blind)),
        ]
        try:
            summary = await trading
        except MarketDataBroken as error:
            broken = error
        for task in beside:
            task.cancel()
    if broken is not None:
        raise broken
    return summary


async def _watch_file(journal: Connection, engine: Engine, term: timedelta) -> None:
    """Halt and drain once the database's file is gone, looking as often as a lease is renewed.

    What is in flight still ends: an open file can be written to, even if nobody finds it again.
    """
    while (what := journal.misplaced()) is None:
        await SystemClock().sleep(term.total_seconds() / 3)
    try:
        detail = f"the database's file: {what}"
        await engine.risk.halts.halt_trading(HaltReason.DATABASE_LOST, detail)
    finally:
        engine.stopping.set()


def require_file(journal: Connection, database: Database) -> None:
    """Require that the file which was written to is the one that a person will find.

    Raises:
        DatabaseLost: It is not.
    """
    if (what := journal.misplaced()) is not None:
        raise DatabaseLost(
            f"{database.shown}: {what} while this engine ran, which has drained and ended;"
            " what it recorded since then is kept nowhere, or in the file that was moved:"
            " compare with the platforms before the next start"
        )

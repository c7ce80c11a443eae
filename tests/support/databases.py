"""Run work on a prepared database, or statements that the program itself never sends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import text

from dutchbook.domain.events import Stamp, SystemStopped
from dutchbook.persistence.database import Database
from dutchbook.persistence.journals.postgres import PostgresJournal
from dutchbook.persistence.journals.sqlite import SqliteJournal
from dutchbook.ports.journal import Batch
from dutchbook.runtime.virtual_time import turnstile
from support.rows import NOW, everything

AnyJournal = SqliteJournal | PostgresJournal


def event(name: str) -> SystemStopped:
    """Return an event with its own id."""
    return SystemStopped(Stamp(name, NOW, "test"), reason=name)


def filled(*, but: tuple[str, ...] = ("audit_log",)) -> Batch:
    """Return one row for every table except those that the journal itself writes."""
    return Batch(tuple(write for write in everything() if write.table not in but))


def on(url: str, work: Callable[[AnyJournal], Awaitable[Any]]) -> Any:
    """Prepare a database, insert one row into every table, and do `work` on it."""
    database = Database.at(url)
    database.prepare("paper")

    async def main() -> Any:
        journal = database.journal(turnstile())
        await journal.open()
        try:
            await journal.commit(filled())
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(main())


def by_hand(url: str, *statements: str) -> None:
    """Run statements as a person with a database client would."""

    def run(connection: Any) -> None:
        for statement in statements:
            connection.execute(text(statement))

    Database.at(url)._work(run)

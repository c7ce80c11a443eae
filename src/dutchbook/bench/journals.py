"""The journal on SQLite against the bare driver running the same statements."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from dutchbook.application.bus import EventBus
from dutchbook.application.risk import BudgetRequest, RiskManager
from dutchbook.bootstrap import ACCOUNTS
from dutchbook.domain.contract import Platform
from dutchbook.domain.risk import RiskLimits
from dutchbook.domain.units import Money
from dutchbook.persistence.chain import GENESIS, chained
from dutchbook.persistence.database import Database
from dutchbook.persistence.statements import shape, sqlite_text, values
from dutchbook.ports import Batch, Receipt
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.virtual_time import turnstile

CENT = Money(Decimal("0.01"))
FUNDING = 3
WIDE = RiskLimits(max_open_pairs=10**6, bankroll=Money(Decimal(10**8)))


def compare(batches: int) -> list[str]:
    """Return the ratios of one caller to the bare driver and of eight callers to one."""
    with tempfile.TemporaryDirectory() as folder:
        bare = statistics.median(_bare(Path(folder) / f"bare{n}.db", batches) for n in range(3))
        one = statistics.median(_fresh(f"{folder}/one{n}.db", batches, 1) for n in range(3))
        eight = statistics.median(_fresh(f"{folder}/eight{n}.db", batches, 8) for n in range(3))
    return [
        f"one caller, whole reservation batch: {one / bare:.2f} x bare sqlite3 (FULL)",
        f"eight callers: {eight / one:.2f} x one caller",
    ]


def _fresh(path: str, batches: int, callers: int) -> float:
    url = f"sqlite:///{path}"
    Database.at(url).prepare("paper")
    return rate(url, batches, callers)


def rate(url: str, batches: int, callers: int = 1) -> float:
    """Fund a prepared database, then return reservations a second through its journal.

    The batches are made beforehand, as `RiskManager` makes them.
    """
    made = asyncio.run(reservations(batches))

    async def main() -> float:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        for batch in made[:FUNDING]:
            await journal.commit(batch)

        async def caller(number: int) -> None:
            for batch in made[FUNDING + number :: callers]:
                await journal.commit(batch)

        began = time.perf_counter()
        await asyncio.gather(*(caller(number) for number in range(callers)))
        took = time.perf_counter() - began
        await journal.close()
        return batches / took

    return asyncio.run(main())


class _Recording:
    """A journal that keeps the batches that it is given."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def commit(self, batch: Batch) -> Receipt:
        self.batches.append(batch)
        return Receipt(0, "")

    async def rows(self, *_: object, **__: object) -> list[dict[str, object]]:
        return []

    async def delivered(self, sequence: int) -> None:
        assert sequence >= 0

    async def close(self) -> None:
        """Nothing to let go of."""


def _bare(path: Path, batches: int) -> float:
    """Return the same batches a second through sqlite3 alone, one commit each."""
    url = f"sqlite:///{path}"
    Database.at(url).prepare("paper")
    statements = _statements(asyncio.run(reservations(batches)))
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    began = 0.0
    for number, batch in enumerate(statements):
        if number == FUNDING:
            began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        for text, stored in batch:
            connection.execute(text, stored)
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return batches / took


async def reservations(batches: int) -> list[Batch]:
    """Return the batches that fund the accounts, then one for each reservation."""
    journal = _Recording()
    clock, ids = SystemClock(), RandomIds()
    risk = RiskManager(journal, EventBus(journal, clock, ids), clock, ids, WIDE, ACCOUNTS)
    await risk.load()
    for platform in Platform:
        await risk.deposit(platform, Money(Decimal(10**6)))
    assert len(journal.batches) == FUNDING, "the accounts, and a deposit on each platform"
    for each in range(batches):
        request = BudgetRequest(f"0-{each}", "pair", dict.fromkeys(Platform, CENT))
        await risk.reserve_budget(request)
    return journal.batches


def _statements(batches: list[Batch]) -> list[list[tuple[str, list[object]]]]:
    """Return each batch as the statements that the journal makes of it, log and outbox too."""
    steps, head = [], (0, GENESIS)
    for batch in batches:
        log, head = chained(batch.events, head)
        writes = (*batch.writes, *log)
        steps.append([(sqlite_text(shape(write)), values(write)) for write in writes])
    return steps

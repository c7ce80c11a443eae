"""The journal on SQLite, compared with the bare driver running the same statements."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from support.reserving import Reserving

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.capital.reservation import BudgetRequest
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money
from dutchbook.persistence.database import Database
from dutchbook.persistence.journals.statements import Prepared, changes_text, logged, prepared
from dutchbook.persistence.log.chain import GENESIS, chained
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.live import run_live
from dutchbook.runtime.virtual_time import turnstile

CENT = Money(Decimal("0.01"))
LOT = 100
ROUNDS = 5
WIDE = RiskLimits(max_open_pairs=10**6, bankroll=Money(Decimal(10**8)))


def compare(batches: int) -> list[str]:
    """Return the ratios of one caller to the bare driver, and of eight callers to one."""
    to_bare, to_one = [], []
    with tempfile.TemporaryDirectory() as folder:
        for n in range(ROUNDS):
            bare = _bare(Path(folder) / f"bare{n}.db", batches)
            one = _fresh(f"{folder}/one{n}.db", batches, 1)
            eight = _fresh(f"{folder}/eight{n}.db", batches, 8)
            to_bare.append(one / bare)
            to_one.append(eight / one)
    whole = "one caller, whole reservation batch"
    return [
        f"{whole}: {_summary(to_bare)} x bare sqlite3 (FULL)",
        f"eight callers: {_summary(to_one)} x one caller",
    ]


def _summary(ratios: list[float]) -> str:
    """Return the median and the range of ratios, each from two consecutive runs."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _fresh(path: str, batches: int, callers: int) -> float:
    url = f"sqlite:///{path}"
    Database.at(url).prepare("paper")
    return rate(url, batches, callers)


def rate(url: str, batches: int, callers: int = 1) -> float:
    """Fund a prepared database and return reservations per second through its journal."""

    async def main() -> float:
        journal = Database.at(url).journal(turnstile(), alone=True)
        await journal.open()
        maker = Maker()
        for batch in await maker.funding():
            await journal.commit(batch)
        took = 0.0
        for _ in range(0, batches, LOT):
            made = await maker.reservations(LOT)

            async def caller(number: int, made: list[Batch] = made) -> None:
                for batch in made[number::callers]:
                    await journal.commit(batch)

            began = time.perf_counter()
            await asyncio.gather(*(caller(number) for number in range(callers)))
            took += time.perf_counter() - began
        await journal.close()
        return batches / took if took else 0.0

    return run_live(main())


def _bare(path: Path, batches: int) -> float:
    """Return the rate of the same batches through sqlite3 alone, with one commit each."""
    Database.at(f"sqlite:///{path}").prepare("paper")
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")

    async def main() -> float:
        maker, steps = Maker(), Statements()
        _run(connection, steps.of(await maker.funding()))
        took = 0.0
        for _ in range(0, batches, LOT):
            statements = steps.of(await maker.reservations(LOT))
            began = time.perf_counter()
            _run(connection, statements)
            took += time.perf_counter() - began
        return batches / took

    try:
        return asyncio.run(main())
    finally:
        connection.close()


def _run(connection: sqlite3.Connection, batches: list[list[tuple[str, list[object]]]]) -> None:
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        for text, stored in batch:
            connection.execute(text, stored)
        connection.execute("COMMIT")


class _Recording:
    """A journal that stores the batches it is given."""

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
        """Do nothing; nothing is open."""


class Maker:
    """Makes batches as `RiskManager` does, a few at a time so that they are fresh."""

    def __init__(self) -> None:
        self._journal = _Recording()
        clock, ids = SystemClock(), RandomIds()
        committer = Committer(self._journal, clock, ids)
        self._risk = RiskManager(self._journal, committer, clock, ids, WIDE, ACCOUNTS)
        self._entries = Reserving(self._risk, committer, clock, ids)
        self._made = 0

    async def funding(self) -> list[Batch]:
        """Return the batches that create and fund the accounts."""
        await self._risk.capital.load()
        for platform in Platform:
            await self._risk.cash.deposit(platform, Money(Decimal(10**6)))
        return self._take()

    async def reservations(self, batches: int) -> list[Batch]:
        """Return one batch for each reservation."""
        for _ in range(batches):
            self._made += 1
            request = BudgetRequest(f"0-{self._made}", "pair", dict.fromkeys(Platform, CENT))
            await self._entries.reserve(request)
        return self._take()

    def _take(self) -> list[Batch]:
        taken, self._journal.batches = self._journal.batches, []
        return taken


class Statements:
    """Converts batches to the statements that the journal runs, log and outbox included."""

    def __init__(self) -> None:
        self._head = (0, GENESIS)

    def of(self, batches: list[Batch]) -> list[list[tuple[str, list[object]]]]:
        """Return the statements of each batch, with its log entries chained to earlier ones."""
        return [[(each.plan.sqlite, each.values) for each in self.prepared(b)] for b in batches]

    def prepared(self, batch: Batch) -> tuple[Prepared, ...]:
        """Return a batch and its log entries, ready to be written."""
        writes = [prepared(write) for write in batch.writes]
        changes = changes_text(writes) if batch.events else None
        log, self._head = chained(batch.events, self._head, changes)
        return (*writes, *logged(log))

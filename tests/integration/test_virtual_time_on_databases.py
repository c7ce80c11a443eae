"""Virtual time on real drivers: no false timeout, and one order of events."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dutchbook.runtime.virtual_time import run_virtual, turnstile

CREATE = "CREATE TABLE entry (number INTEGER PRIMARY KEY, task TEXT NOT NULL)"
NEXT = "INSERT INTO entry SELECT count(*) + 1, {} FROM entry"
COUNT = "SELECT count(*) FROM entry"
# Takes a tenth of a second of a processor, or more. A quick answer can be there before the loop
# looks for it even once (the server takes over the processor), and then no clock would jump.
PONDER = (
    "WITH RECURSIVE step(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n < 300000) "
    "SELECT count(*) FROM step"
)


class Store(Protocol):
    """One way to access a database. Its methods await nothing but a driver."""

    async def open(self) -> None: ...

    async def add(self, task: str) -> int: ...

    async def ponder(self) -> int: ...

    async def close(self) -> None: ...


class Orm:
    """SQLAlchemy on aiosqlite or asyncpg: several awaits for each transaction."""

    def __init__(self, url: str) -> None:
        self._engine: AsyncEngine = create_async_engine(url)

    async def open(self) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(text(CREATE))

    async def add(self, task: str) -> int:
        async with self._engine.begin() as connection:
            await connection.execute(text(NEXT.format(":task")), {"task": task})
            return int(await connection.scalar(text(COUNT)) or 0)

    async def ponder(self) -> int:
        async with self._engine.connect() as connection:
            return int(await connection.scalar(text(PONDER)) or 0)

    async def close(self) -> None:
        await self._engine.dispose()


class Direct:
    """asyncpg without SQLAlchemy."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._connection = await asyncpg.connect(self._url)
        await self._connection.execute(CREATE)

    async def add(self, task: str) -> int:
        async with self._connection.transaction():
            await self._connection.execute(NEXT.format("$1"), task)
            return int(await self._connection.fetchval(COUNT))

    async def ponder(self) -> int:
        return int(await self._connection.fetchval(PONDER))

    async def close(self) -> None:
        await self._connection.close()


class Thread:
    """The standard sqlite3 module in a thread, which answers by concurrent futures."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1)

    async def open(self) -> None:
        await asyncio.wrap_future(self._thread.submit(self._open))

    async def add(self, task: str) -> int:
        return (await self.add_all([task]))[0]

    async def add_all(self, tasks: list[str]) -> list[int]:
        return await asyncio.wrap_future(self._thread.submit(self._add_all, tasks))

    async def close(self) -> None:
        await asyncio.wrap_future(self._thread.submit(self._connection.close))
        self._thread.shutdown()

    async def ponder(self) -> int:
        return await asyncio.wrap_future(self._thread.submit(self._ponder))

    def _ponder(self) -> int:
        return int(self._connection.execute(PONDER).fetchone()[0])

    def _open(self) -> None:
        self._connection = sqlite3.connect(self._path)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(CREATE)

    def _add_all(self, tasks: list[str]) -> list[int]:
        numbers = []
        with self._connection:
            for task in tasks:
                self._connection.execute(NEXT.format("?"), [task])
                numbers.append(int(self._connection.execute(COUNT).fetchone()[0]))
        return numbers


Make = Callable[[], Store]
KINDS = ("aiosqlite", "thread", "sqlalchemy-asyncpg", "asyncpg")


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Create stores of each kind in turn, each on an empty table."""
    kind: str = request.param
    return lambda: _store(kind, tmp_path, lambda: request.getfixturevalue("fresh_postgres"))


def _store(kind: str, folder: Path, postgres: Callable[[], str]) -> Store:
    if kind in {"aiosqlite", "thread"}:
        path = folder / f"{len(list(folder.glob('*.db')))}.db"
        path.touch()
        return Thread(path) if kind == "thread" else Orm(f"sqlite+aiosqlite:///{path}")
    url = postgres()
    asyncio.run(_forget(url))
    if kind == "asyncpg":
        return Direct(url)
    return Orm(url.replace("postgresql://", "postgresql+asyncpg://", 1))


async def _forget(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("DROP TABLE IF EXISTS entry")
    await connection.close()


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[None]:
    await turnstile().drive(store.open)
    try:
        yield
    finally:
        await turnstile().drive(store.close)


async def tick() -> None:
    """A timer that competes with every transaction: a second, for ever."""
    for _ in itertools.count():
        await asyncio.sleep(1)


async def timeouts(store: Store) -> int:
    """Count the timeouts of five tasks with a hundred transactions each."""
    missed = 0

    async def work(task: str) -> None:
        nonlocal missed
        for _ in range(100):
            try:
                async with asyncio.timeout(5):
                    await turnstile().drive(lambda: store.add(task))
            except TimeoutError:
                missed += 1

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(work(name) for name in "abcde"))
    ticking.cancel()
    return missed


def test_none_of_500_transactions_times_out_falsely(make: Make) -> None:
    store = make()

    async def main() -> tuple[int, int]:
        async with opened(store):
            missed = await timeouts(store)
            return missed, await turnstile().drive(lambda: store.add("last"))

    assert run_virtual(main()) == (0, 501)


def test_a_slow_statement_does_not_use_up_its_callers_timeout(make: Make) -> None:
    store = make()

    async def main() -> int:
        async with opened(store), asyncio.timeout(5):
            return await turnstile().drive(store.ponder)

    assert run_virtual(main()) == 300_000


def test_a_clock_that_jumps_while_a_driver_works_times_out_falsely(make: Make) -> None:
    """The control: without the turnstile the same statement does not get its five seconds."""
    store = make()

    async def main() -> tuple[bool, int]:
        async with opened(store):
            pondering = asyncio.ensure_future(store.ponder())
            try:
                async with asyncio.timeout(5):
                    await asyncio.shield(pondering)
                timed_out = False
            except TimeoutError:
                timed_out = True
            # Something to jump to, as the clock does not stand still for work in progress.
            ticking = asyncio.create_task(tick())
            counted = await pondering
            ticking.cancel()
        return timed_out, counted

    assert run_virtual(main()) == (True, 300_000)


async def log_of_four_tasks(store: Store) -> list[str]:
    """Return what four tasks did and saw, in order; some of their wake-ups coincide."""
    log: list[str] = []
    loop = asyncio.get_running_loop()

    async def work(task: str, pause: float) -> None:
        for _ in range(8):
            number = await turnstile().drive(lambda: store.add(task))
            log.append(f"{loop.time():.3f} {task} {number}")
            await asyncio.sleep(pause)
            log.append(f"{loop.time():.3f} {task} woke")

    async with opened(store):
        pauses = (0.5, 0.5, 0.25, 0.75)
        await asyncio.gather(*(work(*each) for each in zip("abcd", pauses, strict=True)))
    return log


def test_four_tasks_leave_one_log_in_ten_runs(make: Make) -> None:
    logs = [run_virtual(log_of_four_tasks(make())) for _ in range(10)]

    assert len(logs[0]) == 64
    assert logs == [logs[0]] * 10


def test_every_driver_and_both_databases_leave_the_same_log(
    tmp_path: Path, fresh_postgres: str
) -> None:
    logs = [
        run_virtual(log_of_four_tasks(_store(kind, tmp_path, lambda: fresh_postgres)))
        for kind in KINDS
    ]

    assert logs == [logs[0]] * len(KINDS)


def test_a_group_commit_closes_when_nothing_is_ready_and_wakes_in_order(tmp_path: Path) -> None:
    store = Thread(tmp_path / "group.db")
    groups: list[list[str]] = []
    woken: list[str] = []
    waiting: list[tuple[str, asyncio.Future[int]]] = []

    async def flush() -> None:
        group, waiting[:] = list(waiting), []
        groups.append([task for task, _ in group])
        for number, (_, answer) in zip(await store.add_all(groups[-1]), group, strict=True):
            answer.set_result(number)

    async def commit(task: str) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiting.append((task, answer))
        flushing = (
            asyncio.ensure_future(turnstile().drive(flush)) if len(waiting) == 1 else None
        )
        number = await answer
        woken.append(task)
        if flushing is not None:
            await flushing
        return number

    async def work(task: str, steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(3):
            await commit(task)

    async def main() -> None:
        async with opened(store):
            await asyncio.gather(*(work(task, step) for step, task in enumerate("abcd")))

    run_virtual(main())

    assert [len(group) for group in groups] == [4, 4, 4]
    assert woken == [task for group in groups for task in group]

"""Databases that go away under an engine or a standby, and files that do."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support import postgres
from support.databases import event
from support.program import at_home
from support.proxy import Proxy, between

from dutchbook.application.records import outages as waiting
from dutchbook.application.records.lease import take
from dutchbook.application.records.outages import Outages, ReconnectingJournal
from dutchbook.bootstrap import standby as standing_by
from dutchbook.bootstrap.paper import PaperRun
from dutchbook.bootstrap.paper_run import NoScreen, Options, run
from dutchbook.bootstrap.standby import Standby
from dutchbook.config import load
from dutchbook.domain.events import Event
from dutchbook.errors import DatabaseLost, StorageError, Unanswered
from dutchbook.persistence.database import Database
from dutchbook.persistence.journals.postgres import PostgresJournal
from dutchbook.ports.journal import Batch, Connection
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.virtual_time import turnstile

TERM = timedelta(seconds=60)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(standing_by, "AGAIN_SECONDS", 0.01)


def told(name: str) -> Batch:
    return Batch(events=(event(name),))


def on(
    url: str,
    work: Callable[[ReconnectingJournal, Outages], Awaitable[Any]],
    *,
    alone: bool = True,
    timeout: float | None = None,
    seconds: int = 60,
) -> Any:
    """Run `work` on a journal of an engine that outlasts outages."""

    async def main() -> Any:
        outages = Outages()
        connection = Database.at(url).journal(turnstile(), alone=alone, timeout=timeout)
        journal = ReconnectingJournal(connection, turnstile(), seconds, outages)
        await journal.open()
        try:
            return await work(journal, outages)
        finally:
            await journal.close()

    return asyncio.run(main())


async def ids(journal: ReconnectingJournal) -> list[str]:
    return [row["event_id"] for row in await journal.rows("audit_log", None, ("sequence",))]


# A server -------------------------------------------------------------------------------------


def test_a_commit_whose_answer_was_lost_is_stored_once(fresh_postgres: str) -> None:
    with between(fresh_postgres) as proxy:

        async def work(journal: ReconnectingJournal, outages: Outages) -> list[Any]:
            await journal.commit(told("a"))
            proxy.swallow()
            receipt = await journal.commit(told("b"))
            await journal.commit(told("c"))
            return [receipt.sequence, await ids(journal), outages.begun, outages.standing]

        assert on(proxy.url, work) == [2, ["a", "b", "c"], 1, None]


def test_a_commit_that_never_arrived_is_stored_once(fresh_postgres: str) -> None:
    with between(fresh_postgres) as proxy:

        async def work(journal: ReconnectingJournal, outages: Outages) -> list[Any]:
            await journal.commit(told("a"))
            proxy.cut(refuse=True)
            commits = [asyncio.ensure_future(journal.commit(told(name))) for name in "bc"]
            await asyncio.wait(commits, timeout=0.05)
            done = [each.done() for each in commits]
            read = asyncio.ensure_future(ids(journal))
            proxy.restore()
            await asyncio.gather(*commits)
            return [done, await read, outages.begun, outages.standing]

        found = on(proxy.url, work)

    assert found == [[False, False], ["a", "b", "c"], 1, None]


def test_a_driver_that_is_taking_in_a_hangup_is_no_failure(
    fresh_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = PostgresJournal._ask
    failed: list[bool] = []

    async def asked(self: PostgresJournal, *arguments: Any) -> Any:
        if not failed:
            failed.append(True)
            raise asyncpg.InternalClientError("another operation (2) is in progress")
        return await ask(self, *arguments)

    async def work(journal: ReconnectingJournal, outages: Outages) -> list[str]:
        monkeypatch.setattr(PostgresJournal, "_ask", asked)
        await journal.commit(told("a"))
        assert outages.standing is None
        return await ids(journal)

    assert on(fresh_postgres, work) == ["a"]


def test_an_engine_whose_connection_was_terminated_connects_anew(fresh_postgres: str) -> None:
    ends = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )

    async def work(journal: ReconnectingJournal, outages: Outages) -> list[str]:
        await journal.commit(told("a"))
        await asyncio.to_thread(postgres.execute, fresh_postgres, f"{ends} AND datname <> ''")
        await journal.commit(told("b"))
        assert outages.standing is None
        return await ids(journal)

    assert on(fresh_postgres, work) == ["a", "b"]


def test_a_reader_of_the_lease_does_not_wait_and_connects_anew(fresh_postgres: str) -> None:
    with between(fresh_postgres) as proxy:

        async def main() -> list[bool]:
            reader = Database.at(proxy.url).journal(turnstile(), timeout=5)
            await reader.open()
            fence = await take(reader, SystemClock(), "a", TERM, lambda _: False)
            seen = []
            proxy.cut(refuse=True)
            for _ in range(2):
                await fence.look(reader)
                seen.append(fence.blind)
            proxy.restore()
            await fence.look(reader)
            await reader.close(fenced_off=True)
            return [*seen, fence.blind]

        assert asyncio.run(main()) == [True, True, False]


def test_an_older_copy_behind_the_same_address_ends_the_engine(fresh_postgres: str) -> None:
    """A failover to a replica that lags, or a restored backup: what was sent is not in it."""
    with between(fresh_postgres) as proxy:

        async def work(journal: ReconnectingJournal, outages: Outages) -> None:
            del outages
            await journal.commit(told("a"))
            await journal.commit(told("b"))
            journal._connection._head = (2, "another hash")  # type: ignore[attr-defined]
            proxy.cut()
            for _ in range(2):
                with pytest.raises(DatabaseLost, match="an older copy, or another database"):
                    await journal.commit(told("c"))

        on(proxy.url, work)


def test_a_server_that_stays_away_ends_the_engine_with_one_line(
    fresh_postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at_home(monkeypatch, tmp_path)
    with between(fresh_postgres) as proxy:
        options = options_of(proxy.url, "database.reconnect_seconds=1")

        with pytest.raises(BaseExceptionGroup) as ended:
            run(options, Breaks(lambda: proxy.cut(refuse=True)))

    lost = [each for each in leaves(ended.value) if isinstance(each, StorageError)]
    assert isinstance(lost[0], DatabaseLost)
    assert "no answer for 1 s (database.reconnect_seconds)" in str(lost[0])
    assert "\n" not in str(lost[0])


def test_a_standby_outlives_a_server_that_is_away_and_says_so_once(fresh_postgres: str) -> None:
    with between(fresh_postgres) as proxy:
        lines = Lines(proxy)
        standby = Standby(Database.at(proxy.url), timedelta(seconds=1), lines.tell)
        on(fresh_postgres, holding("another host:1", term=0.5))
        proxy.cut(refuse=True)
        frozen = standby.wait()

    assert frozen
    assert len(lines.told) == 1
    assert "standing by until it answers" in lines.told[0]
    assert lines.tries >= 3


# A file that another program has locked -------------------------------------------------------


def test_a_file_that_is_locked_for_longer_than_sqlite_waits_is_waited_for(
    paper_url: str,
) -> None:
    async def work(journal: ReconnectingJournal, outages: Outages) -> list[Any]:
        other = sqlite3.connect(paper_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        commits = [asyncio.ensure_future(journal.commit(told(name))) for name in "ab"]
        while outages.standing is None and not all(each.done() for each in commits):
            await asyncio.wait(commits, timeout=0.01)
        reason = str(outages.standing)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(*commits)
        return [reason.endswith("database is locked"), await ids(journal), outages.begun]

    assert on(paper_url, work, timeout=0.02) == [True, ["a", "b"], 1]


def full(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count=1").fetchall()


def test_a_locked_file_is_no_answer_and_a_full_disk_is_a_failure(paper_url: str) -> None:
    async def main() -> None:
        path = paper_url.removeprefix("sqlite:///")
        journal = Database.at(paper_url).journal(turnstile(), timeout=0.02)
        await journal.open()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unanswered, match="database is locked"):
            await journal.commit(told("a"))
        other.execute("ROLLBACK")
        other.close()
        await journal._worker.run(full, journal._writer._open)  # type: ignore[union-attr]
        much = Batch(events=tuple(event(f"{number}" * 100) for number in range(100)))
        with pytest.raises(StorageError, match="full") as failed:
            await journal.commit(much)
        assert not isinstance(failed.value, Unanswered)
        await journal.close(fenced_off=True)

    asyncio.run(main())


# A file that is gone --------------------------------------------------------------------------


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def replaced(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))
    shutil.copy(path.with_name("elsewhere.db"), path)


def folder_deleted(path: Path) -> None:
    path.parent.rename(path.parent.with_name("gone"))


GONE: dict[Callable[[Path], None], str] = {
    deleted: "it was deleted or moved",
    moved: "it was deleted or moved",
    replaced: "another file has replaced it",
    folder_deleted: "it was deleted or moved",
}


@pytest.mark.parametrize("way", GONE)
def test_a_file_that_is_not_where_it_was_is_noticed(
    way: Callable[[Path], None], prepared_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "paper.db"
    path.parent.mkdir()
    shutil.copy(prepared_file, path)

    async def main() -> list[str | None]:
        journal = Database.at(f"sqlite:///{path}").journal(turnstile(), alone=True)
        await journal.open()
        found = [journal.misplaced()]
        way(path)
        found.append(journal.misplaced())
        await journal.commit(told("what is in flight still ends"))
        await journal.close()
        return found

    assert asyncio.run(main()) == [None, GONE[way]]


def test_a_path_that_cannot_be_looked_at_proves_nothing(
    paper_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> str | None:
        journal = Database.at(paper_url).journal(turnstile(), alone=True)
        await journal.open()

        def forbidden(*_: Any, **__: Any) -> os.stat_result:
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", forbidden)
            found = journal.misplaced()
        await journal.close()
        return found

    assert asyncio.run(main()) is None


@pytest.mark.parametrize("speed", ["2000", "max"])
@pytest.mark.parametrize("way", [deleted, replaced])
def test_an_engine_whose_file_is_gone_halts_drains_and_ends_with_3(
    way: Callable[[Path], None],
    speed: str,
    paper_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_home(monkeypatch, tmp_path / "home")
    path = tmp_path / "paper.db"
    screen = Breaks(lambda: way(path))

    with pytest.raises(DatabaseLost, match="while this engine ran") as ended:
        run(options_of(paper_url, "execution.lease_seconds=1", speed=speed), screen)

    assert GONE[way] in str(ended.value)
    assert ended.value.exit_code == 3
    engine = screen.paper.engine
    assert not [trade for trade in engine.trades.all() if trade.open_orders]
    if speed != "max":  # no lease is renewed at full speed: it is noticed at the end
        assert "database_lost" in engine.risk.capital.state.halt_reasons
    if way is deleted:
        assert not path.exists(), "nothing pretends that the record goes on"


def test_a_standby_waits_for_a_file_that_is_away_and_makes_none(
    paper_url: str, tmp_path: Path
) -> None:
    path, aside = tmp_path / "paper.db", tmp_path / "aside.db"
    path.rename(aside)
    told_of: list[str] = []

    def tell(line: str) -> None:
        told_of.append(line)
        assert not path.exists()
        aside.rename(path)

    frozen = Standby(Database.at(paper_url), TERM, tell).wait()

    assert not frozen
    assert len(told_of) == 1
    assert "there is no such file; standing by until it answers" in told_of[0]


def test_a_standby_waits_while_another_program_has_locked_the_file(
    paper_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_by, "TIMEOUT_SECONDS", 0.02)
    path = paper_url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    told_of: list[str] = []

    def tell(line: str) -> None:
        told_of.append(line)
        other.close()

    assert not Standby(Database.at(paper_url), TERM, tell).wait()
    assert len(told_of) <= 1


# Helpers --------------------------------------------------------------------------------------


class Breaks(NoScreen):
    """Does something to the database once the engine trades."""

    def __init__(self, harm: Callable[[], None]) -> None:
        self._harm = harm
        self.paper: PaperRun

    async def trade(self, paper: PaperRun, number: int, *, live: bool) -> dict[str, Any]:
        """Run the engine; the harm is done with its first event."""
        self.paper = paper
        done: list[bool] = []

        def first(event: Event, sequence: int) -> None:
            del event, sequence
            if not done:
                done.append(True)
                self._harm()

        paper.engine.committer.subscribe(first)
        return await super().trade(paper, number, live=live)


class Lines:
    """What a standby says; a while after its first line, the server is back."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.told: list[str] = []
        self.tries = 3

    def tell(self, line: str) -> None:
        """Note a line."""
        self.told.append(line)
        threading.Timer(0.2, self._proxy.restore).start()


def holding(holder: str, term: float) -> Callable[..., Awaitable[None]]:
    """Return work that takes the lease and does not release it."""

    async def work(journal: Connection, _: Outages) -> None:
        length = timedelta(seconds=term)
        await take(journal, SystemClock(), holder, length, lambda _: False)

    return work


def options_of(url: str, *settings: str, speed: str = "2000") -> Options:
    """Return the options of a run of the demo."""
    number = None if speed == "max" else Decimal(speed)
    return Options(load(None, settings), "demo", url, speed=number, seed=1)


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors of a group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]

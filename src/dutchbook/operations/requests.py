"""Shell operations on a database at any time, also while an engine runs."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from dutchbook.application.operator.command_rows import EXPIRY, command_row, halting
from dutchbook.application.records.lease import ENGINE, TABLE, lease_row, live
from dutchbook.application.views.halts import halts
from dutchbook.application.views.result import in_total
from dutchbook.application.views.second_legs import second_legs
from dutchbook.application.views.timeline import questions
from dutchbook.application.views.unanswered import unanswered
from dutchbook.application.views.unfinished import unfinished
from dutchbook.bootstrap import paths
from dutchbook.domain.capital.limits import Grade, RiskLimits
from dutchbook.domain.events import as_json
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.rationale import MEANINGFUL
from dutchbook.domain.values.units import Money
from dutchbook.errors import (
    UNREADABLE,
    Conflict,
    Damaged,
    ForeignFile,
    InvalidInput,
    LeaseHeld,
    StorageError,
)
from dutchbook.persistence.database import SQLITE, Database
from dutchbook.persistence.sqlite_file import written_beside
from dutchbook.ports.halt_file import HaltNote
from dutchbook.ports.journal import Batch, Insert, Journal, StoredJournal, Write
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.engine_register import EngineRegister
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.process import gone
from dutchbook.runtime.virtual_time import turnstile

T = TypeVar("T")
Rows = list[dict[str, Any]]


def reading(url: str, work: Callable[[StoredJournal], Awaitable[T]]) -> T:
    """Open an existing database for reading, also while an engine writes to it."""
    return opened(url, work, alone=False)


def opened(url: str, work: Callable[[StoredJournal], Awaitable[T]], *, alone: bool) -> T:
    """Open an existing database; `alone` if no engine may use it meanwhile.

    Raises:
        Damaged: What is stored cannot be read.
        LeaseHeld: An engine uses it.
    """
    database = Database.at(url)
    database.check("paper")

    async def main() -> T:
        journal = database.journal(turnstile(), alone=alone)
        await journal.open()
        try:
            if alone and (holder := await running_engine(journal)):
                raise LeaseHeld(
                    f"{database.shown}: the engine {holder} runs on it; stop it first"
                )
            return await work(journal)
        except UNREADABLE as error:
            raise Damaged(database.shown, error) from error
        finally:
            await journal.close()

    return asyncio.run(main())


async def running_engine(journal: Journal) -> str | None:
    """Return the engine that holds the lease now, if any."""
    for row in await journal.rows(TABLE, ENGINE):
        if live(row, SystemClock().now(), gone):
            return str(row["holder"])
    return None


def rows(url: str, table: str, order_by: tuple[str, ...], last: int | None = None) -> Rows:
    """Return every row of a table in order, or only its `last` rows."""

    async def work(journal: Journal) -> Rows:
        if last is None:
            return await journal.rows(table, None, order_by)
        return (await journal.rows(table, None, order_by, descending=True, limit=last))[::-1]

    return reading(url, work)


def status(url: str) -> dict[str, Any]:
    """Return the state of a database: capital, positions, halts and its last event."""

    async def work(journal: Journal) -> dict[str, Any]:
        accounts = await journal.rows("accounts", order_by=("account_id",))
        states = await journal.rows("risk_states")
        held = await journal.rows("open_positions")
        positions = Counter(row["status"] for row in held)
        metadata = {row["key"]: row["value"] for row in await journal.rows("system_metadata")}
        newest = await journal.rows("audit_log", None, ("sequence",), descending=True, limit=1)
        note = paths.halt_files(Database.at(url)).standing()
        engine = await running_engine(journal)
        halted, grade = await halts(journal, note, starting=engine is None)
        state = states[0] if states else {}
        return {
            "mode": metadata.get("mode"),
            "runs": int(metadata.get("runs", "0")),
            "halted": [row["reason"] for row in halted],
            "halts": as_json(halted),
            "halt_grade": int(grade),
            "engine": engine,
            "daily_pnl": as_json(state.get("daily_pnl", Decimal(0))),
            "result": await in_total(journal, held),
            "unfinished": as_json(await unfinished(journal)),
            "unanswered": as_json(await _unanswered(journal, held)),
            "second_legs": as_json(await second_legs(journal)),
            "limits": _limits(metadata.get("limits"), accounts),
            "positions": dict(sorted(positions.items())),
            "capital": {
                str(row["platform"]): {
                    name: as_json(row[name]) for name in ("free", "reserved", "committed")
                }
                for row in accounts
            },
            "last_event": as_json(newest[0]["occurred_at"]) if newest else None,
        }

    return reading(url, work)


async def _unanswered(journal: Journal, positions: Rows) -> Rows:
    """Return the orders of open positions whose outcome is unknown, with their questions."""
    unknown = await unanswered(journal)
    asked = await questions(journal) if unknown else {}
    return [
        {"question": asked.get(row["pair_id"], row["pair_id"]), **order}
        for row in positions
        if row["status"] != PositionStatus.CLOSED
        for order in unknown.get(row["execution_id"], [])
    ]


def _limits(text: str | None, accounts: Rows) -> dict[str, str]:
    """Return the limits of the last run in dollars of what the accounts hold now."""
    if text is None:
        return {}
    held = (row[name] for row in accounts for name in ("free", "reserved", "committed"))
    limits = RiskLimits.of_text(text).holding(Money(sum(held, start=Decimal(0))))
    return {name: as_json(dollars) for name, dollars in limits.dollars.items()}


def begun(url: str) -> tuple[Rows, str | None]:
    """Return the executions that have not ended, and the engine that runs, if one does."""

    async def work(journal: Journal) -> tuple[Rows, str | None]:
        return await unfinished(journal), await running_engine(journal)

    return reading(url, work)


def halt(url: str, grade: Grade, rationale: str, *, cancel_all: bool) -> str:
    """Halt trading from this process; return what was done.

    One short transaction, or, if the database does not accept it within two seconds, a HALT
    file, which the engine reads before each send.

    Raises:
        StorageError: There is no such database, the file cannot be written either, or it is not
            known whether an engine reads it. The message says which files were written.
    """
    database, note = Database.at(url), HaltNote(grade, cancel_all, rationale, person())
    if database.absent and written_beside(database.path):
        return _halted_by_file(database, note, "its file is gone, and an engine has it open")
    _existing(url)
    arguments = {"all": grade is Grade.CANCELS_ONLY, "cancel_all": cancel_all}
    try:
        command = _send(database, "halt", arguments, rationale, grade, 0)
    except ForeignFile:
        raise
    except StorageError as failure:
        return _halted_by_file(database, note, str(failure))
    known = "" if command["engine"] else "; no engine runs"
    return f"halted: {SCOPES[grade]} from now on{known}"


def _halted_by_file(database: Database, note: HaltNote, failure: str) -> str:
    """Write the HALT file that an engine reads, or each that one may read; return what counts.

    An engine that runs on this machine has registered the names whose files it reads. The file
    of a database file is next to it, wherever the engine runs.
    """
    files, register = paths.halt_files(database).files, EngineRegister(paths.machine_folder())
    engines = register.reading(name for file in files for name in file.names)
    chosen = [file for file in files if set(file.names) & engines.keys()] or files
    shown = ", ".join(str(file.path) for file in chosen)
    try:
        if database.dialect != SQLITE:
            register.prepare()
        for file in chosen:
            file.write(note)
    except OSError as error:
        raise StorageError(
            f"not halted: {error.filename}: {error.strerror}; {failure}"
        ) from None
    said = f"the database said: {failure}"
    scope = SCOPES[note.grade]
    if database.dialect == SQLITE:
        return f"halted by {shown}: {scope} from now on; {said}"
    if engines:
        by = ", ".join(sorted(set(engines.values())))
        return f"halted by {shown}, which {by} reads: {scope} from now on; {said}"
    names = ", ".join(name for file in chosen for name in file.names)
    raise StorageError(
        f"written to {shown}, which halts an engine that is started on this machine on {names};"
        f" no engine that runs here reads it: halt where it runs, or end it; {said}"
    )


def command(
    url: str,
    name: str,
    arguments: dict[str, Any],
    rationale: str,
    grade: Grade = Grade.TRADING,
    expiry: timedelta = EXPIRY,
) -> dict[str, Any]:
    """Give the engine a command, and wait a few seconds for its answer.

    Returns:
        The command's id, the engine that runs, if any, when the command expires, if it does,
        and its answer, None if there is none yet: a command without an engine is done at the
        next start before it expires.

    Raises:
        InvalidInput: The rationale is too short.
        StorageError: There is no such database, it is of another schema, or it does not answer
            within two seconds.
    """
    meaningful(rationale)
    return _send(_readable(url), name, arguments, rationale, grade, ANSWER_SECONDS, expiry)


def ask(
    url: str,
    name: str,
    arguments: dict[str, Any],
    rationale: str = "",
    expiry: timedelta = EXPIRY,
) -> dict[str, Any]:
    """Give the engine a command that may take a while; see `command`."""
    grade = Grade.TRADING
    return _send(_readable(url), name, arguments, rationale, grade, PATIENT_SECONDS, expiry)


def meaningful(rationale: str) -> None:
    """Require a rationale.

    Raises:
        InvalidInput: It is too short.
    """
    if len(rationale.strip()) < MEANINGFUL:
        raise InvalidInput("--rationale", rationale, f"at least {MEANINGFUL} characters")


def _existing(url: str) -> Database:
    database = Database.at(url)
    if database.absent:
        raise StorageError(f"{database.shown}: there is no such file; dutchbook run makes one")
    return database


def _readable(url: str) -> Database:
    """Return a database whose commands an engine of this release would read.

    A halt needs less: it counts in a database of any release.
    """
    database = _existing(url)
    database.check("paper", TIMEOUT_SECONDS)
    return database


def person() -> str:
    """Return the name of the person at this shell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a shell"


def _send(
    database: Database,
    name: str,
    arguments: dict[str, Any],
    rationale: str,
    grade: Grade,
    seconds: int,
    expiry: timedelta = EXPIRY,
) -> dict[str, Any]:
    clock, command_id = SystemClock(), RandomIds().new("command", name)
    row = command_row(command_id, name, arguments, rationale, person(), clock, expiry)

    async def main() -> dict[str, Any]:
        journal = database.journal(turnstile(), timeout=TIMEOUT_SECONDS)
        await journal.open()
        try:
            await _insert(journal, row, grade)
            sent = {
                "command": command_id,
                "engine": await running_engine(journal),
                "answer": None,
            }
            sent["expires_at"] = as_json(row["expires_at"])
            for _ in range(seconds * LOOKS if sent["engine"] else 0):
                found = await journal.rows("operator_commands", {"command_id": command_id})
                if found[0]["answered_at"] is not None:
                    return sent | {"answer": found[0]["answer"]}
                await clock.sleep(1 / LOOKS)
            return sent
        finally:
            await journal.close()

    return asyncio.run(main())


async def _insert(journal: Journal, row: dict[str, Any], grade: Grade) -> None:
    """Write a command and the halt that it implies; retry if the lease just changed."""
    for _ in range(TRIES):
        lease = await journal.rows(TABLE, ENGINE)
        writes: tuple[Write, ...] = (Insert("operator_commands", row),)
        if grade and lease:
            writes += (halting(lease[0], grade),)
        elif grade:
            at = row["requested_at"]
            writes += (Insert(TABLE, lease_row("", 0, at, at, grade)),)
        with contextlib.suppress(Conflict):
            await journal.commit(Batch(writes))
            return
    raise StorageError(f"the lease changed {TRIES} times while it was being halted")


SCOPES = {Grade.NO_ENTRIES: "no entry", Grade.CANCELS_ONLY: "nothing but cancels"}
TIMEOUT_SECONDS = 2
ANSWER_SECONDS, LOOKS = 5, 10
PATIENT_SECONDS = 90
"""The engine first waits for a fresh book, then for the answer to the order."""
TRIES = 20

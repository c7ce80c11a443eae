"""What a person asks of a database from a shell, while no run is under way or beside one."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from dutchbook import auditing, session
from dutchbook.application import pairs
from dutchbook.application.bus import EventBus
from dutchbook.application.commands import command_row, halting
from dutchbook.application.lease import ENGINE, TABLE, lease_row, live
from dutchbook.application.overrides import MEANINGFUL
from dutchbook.application.risk import RiskManager
from dutchbook.bootstrap import ACCOUNTS
from dutchbook.config import Settings
from dutchbook.documents import read_tables
from dutchbook.domain.contract import Platform
from dutchbook.domain.events import as_json
from dutchbook.domain.facts import TABLES
from dutchbook.domain.pairing import PairFile
from dutchbook.domain.position import PositionStatus
from dutchbook.domain.risk import Grade, RiskLimits
from dutchbook.domain.units import Money, money, plain
from dutchbook.errors import Conflict, InvalidInput, LeaseHeld, StorageError
from dutchbook.persistence import verify
from dutchbook.persistence.database import SQLITE, Database
from dutchbook.persistence.models import OpenPosition
from dutchbook.persistence.unit_of_work import engine_for, unit_of_work
from dutchbook.ports import Batch, HaltNote, Insert, Journal, Write
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.process import gone
from dutchbook.runtime.virtual_time import turnstile

SHORT = 8
"""Characters of an id that are enough for a table; they may be typed."""
T = TypeVar("T")
Rows = list[dict[str, Any]]


def reading(url: str, work: Callable[[Journal], Awaitable[T]]) -> T:
    """Open an existing database beside whoever writes it, and read."""
    return _with(url, work, alone=False)


def _with(url: str, work: Callable[[Journal], Awaitable[T]], *, alone: bool) -> T:
    database = Database.at(url)
    database.check("paper")

    async def main() -> T:
        journal = database.journal(turnstile(), alone=alone)
        await journal.open()
        try:
            if alone and (held := await _held(journal)):
                raise LeaseHeld(
                    f"{database.shown}: the engine {held} runs on it; stop it first"
                )
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(main())


async def _held(journal: Journal) -> str | None:
    """Return the engine that holds the lease now, if one does."""
    for row in await journal.rows(TABLE, ENGINE):
        if live(row, SystemClock().now(), gone):
            return str(row["holder"])
    return None


def rows(url: str, table: str, order_by: tuple[str, ...]) -> Rows:
    """Return every row of a table, in order."""
    return reading(url, lambda journal: journal.rows(table, order_by=order_by))


def positions(url: str) -> Rows:
    """Return every position with its question, and what it brings at the least, in dollars."""
    Database.at(url).check("paper")

    async def main() -> Rows:
        engine = engine_for(url)
        try:
            async with unit_of_work(engine) as unit:
                found = await unit.positions.find_by_status_with_orders(*PositionStatus)
                return [_told(position) for position in found]
        finally:
            await engine.dispose()

    return asyncio.run(main())


def _told(position: OpenPosition) -> dict[str, Any]:
    paid = (
        position.kalshi_cost
        + position.kalshi_fees
        + position.polymarket_cost
        + position.polymarket_fees
    )
    nets = [
        getattr(position, f"{p}_size") - getattr(position, f"{p}_complement") for p in Platform
    ]
    hedged = max(min(nets), -max(nets), Decimal(0))
    return {
        "position": position.position_id[:SHORT],
        "opened_at": position.opened_at,
        "question": position.pair.kalshi_description,
        "status": position.status,
        "kalshi": f"{plain(position.kalshi_size)} {position.kalshi_side}",
        "polymarket": f"{plain(position.polymarket_size)} {position.polymarket_side}",
        "paid": paid,
        "at_least": hedged + position.kalshi_cash + position.polymarket_cash,
    }


def status(url: str) -> dict[str, Any]:
    """Return where a database stands: capital, positions, halts and its last event."""

    async def work(journal: Journal) -> dict[str, Any]:
        accounts = await journal.rows("accounts", order_by=("account_id",))
        states = await journal.rows("risk_states")
        positions = Counter(row["status"] for row in await journal.rows("open_positions"))
        metadata = {row["key"]: row["value"] for row in await journal.rows("system_metadata")}
        events = await journal.rows("audit_log", order_by=("sequence",))
        leases = await journal.rows(TABLE, ENGINE)
        note = session.halt_file(Database.at(url)).standing()
        state = states[0] if states else {}
        return {
            "mode": metadata.get("mode"),
            "runs": int(metadata.get("runs", "0")),
            "halted": state.get("halt_reason", []),
            "halt_grade": max([int(note.grade) if note else 0, *(r["halted"] for r in leases)]),
            "engine": await _held(journal),
            "daily_pnl": as_json(state.get("daily_pnl", Decimal(0))),
            "positions": dict(sorted(positions.items())),
            "capital": {
                str(row["platform"]): {
                    name: as_json(row[name]) for name in ("free", "reserved", "committed")
                }
                for row in accounts
            },
            "last_event": as_json(events[-1]["occurred_at"]) if events else None,
        }

    return reading(url, work)


def problems(url: str) -> list[str]:
    """Return what is wrong with a database; nothing when it is whole."""
    database = Database.at(url)
    database.check("paper")
    beside = auditing.kept(database)
    found = database.read(lambda read: verify.problems(read, beside.anchors))
    return [*database.damage(), *beside.problems, *found]


def prune(url: str, years: int) -> int:
    """Delete book snapshots older than `years`; returns how many."""
    before = SystemClock().now() - timedelta(days=365 * years)
    return Database.at(url).prune(before)


def move_cash(url: str, platform: str, amount: str, note: str, *, out: bool) -> dict[str, str]:
    """Book a deposit or a withdrawal of dollars; returns the balance afterwards."""
    if platform not in {each.value for each in Platform}:
        raise InvalidInput("platform", platform, "kalshi or polymarket")
    dollars = money(amount)
    if dollars <= 0:
        raise InvalidInput("amount", amount, "above zero")

    async def work(journal: Journal) -> dict[str, str]:
        clock, ids = SystemClock(), RandomIds()
        bus = EventBus(journal, clock, ids)
        risk = RiskManager(journal, bus, clock, ids, RiskLimits(), ACCOUNTS)
        await risk.load()
        move = risk.withdraw if out else risk.deposit
        await move(Platform(platform), Money(dollars), note)
        balance = risk.balance(Platform(platform))
        return {
            name: as_json(getattr(balance, name)) for name in ("free", "reserved", "committed")
        }

    return _with(url, work, alone=True)


def decide_pair(url: str, pair_id: str, rationale: str, *, approve: bool) -> None:
    """Approve a pair, or take its approval back.

    Raises:
        UnknownId: There is no such pair.
        InvalidInput: A rationale that says nothing.
    """
    if len(rationale.strip()) < MEANINGFUL:
        raise InvalidInput("--rationale", rationale, f"at least {MEANINGFUL} characters")

    async def work(journal: Journal) -> None:
        clock = SystemClock()
        bus = EventBus(journal, clock, RandomIds())
        await pairs.decide_pair(journal, bus, clock, pair_id, rationale, approve=approve)

    _with(url, work, alone=True)


def known_pairs(url: str) -> Rows:
    """Return every pair, and whether its approval stands."""
    return reading(url, pairs.pair_rows)


def add_pairs(url: str, path: Path, settings: Settings) -> list[str]:
    """Add the pairs of a file, not approved; a database that is not there is made.

    Returns their ids.

    Raises:
        FactsError: The file is missing, malformed or says what cannot be; nothing is kept.
    """
    contracts, wishes = read_tables(path, TABLES)
    file = PairFile.read(str(path), contracts, wishes, settings.divergence.probabilities())

    async def work(journal: Journal) -> list[str]:
        clock = SystemClock()
        bus = EventBus(journal, clock, RandomIds())
        return [m.match_id for m in await pairs.add_pairs(journal, bus, clock, file)]

    database = Database.at(url)
    if database.absent:
        file.matched({})  # what a new database would refuse does not make one
    database.prepare("paper")
    return _with(url, work, alone=True)


# What works beside a running engine -------------------------------------------------------


def halt(url: str, grade: Grade, rationale: str, *, cancel_all: bool) -> str:
    """Halt trading from this process; returns what was done.

    One short transaction; where the database does not take it within two seconds, a HALT file,
    which the engine reads before each send.

    Raises:
        StorageError: There is no such database, or not even the file can be written.
    """
    database = _existing(url)
    arguments = {"all": grade is Grade.CANCELS_ONLY, "cancel_all": cancel_all}
    told = "nothing but cancels" if grade is Grade.CANCELS_ONLY else "no entry"
    try:
        command = _ask(database, "halt", arguments, rationale, grade, 0)
    except StorageError as silent:
        file = session.halt_file(database)
        try:
            file.write(HaltNote(grade, cancel_all, rationale, _person()))
        except OSError as error:
            raise StorageError(f"{file.path}: {error.strerror}; and {silent}") from None
        return f"halted by {file.path}: {told} from now on; the database said: {silent}"
    known = "" if command["engine"] else "; no engine runs"
    return f"halted: {told} from now on{known}"


def command(
    url: str, name: str, arguments: dict[str, Any], rationale: str, grade: Grade = Grade.TRADING
) -> dict[str, Any]:
    """Ask the engine for something, and wait a little for its answer.

    Returns:
        The command's id, whether an engine runs, and its answer, None when there is none yet:
        it is done at the next start.

    Raises:
        InvalidInput: A rationale that says nothing.
        StorageError: There is no such database, or it does not answer within two seconds.
    """
    meaningful(rationale)
    return _ask(_existing(url), name, arguments, rationale, grade, ANSWER_SECONDS)


def ask(url: str, name: str, arguments: dict[str, Any], rationale: str = "") -> dict[str, Any]:
    """Ask the engine for what may take it a while; see `command`."""
    grade = Grade.TRADING
    return _ask(_existing(url), name, arguments, rationale, grade, PATIENT_SECONDS)


def meaningful(rationale: str) -> None:
    """Insist on a reason.

    Raises:
        InvalidInput: It says nothing.
    """
    if len(rationale.strip()) < MEANINGFUL:
        raise InvalidInput("--rationale", rationale, f"at least {MEANINGFUL} characters")


def _existing(url: str) -> Database:
    database = Database.at(url)
    if database.dialect == SQLITE and not Path(database.path).exists():
        raise StorageError(f"{database.shown}: there is no such file; dutchbook run makes one")
    return database


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a shell"


def _ask(
    database: Database,
    name: str,
    arguments: dict[str, Any],
    rationale: str,
    grade: Grade,
    seconds: int,
) -> dict[str, Any]:
    clock, command_id = SystemClock(), RandomIds().new("command")
    row = command_row(command_id, name, arguments, rationale, _person(), clock)

    async def main() -> dict[str, Any]:
        journal = database.journal(turnstile(), patience=PATIENCE_SECONDS)
        await journal.open()
        try:
            await _insert(journal, row, grade)
            told = {"command": command_id, "engine": await _held(journal), "answer": None}
            for _ in range(seconds * LOOKS if told["engine"] else 0):
                found = await journal.rows("operator_commands", {"command_id": command_id})
                if found[0]["answered_at"] is not None:
                    return told | {"answer": found[0]["answer"]}
                await clock.sleep(1 / LOOKS)
            return told
        finally:
            await journal.close()

    return asyncio.run(main())


async def _insert(journal: Journal, row: dict[str, Any], grade: Grade) -> None:
    """Write a command, and with it the halt that it brings; again if the lease just changed."""
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


PATIENCE_SECONDS = 2
ANSWER_SECONDS, LOOKS = 5, 10
PATIENT_SECONDS = 90
"""A live book is waited for, then the order's answer."""
TRIES = 20

"""Looks things up in a database, or changes them while no engine runs."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dutchbook.application.market import pairs
from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import as_json
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.market.contract_file import TABLES
from dutchbook.domain.market.pair_file import PairFile
from dutchbook.domain.values.units import Money, money, plain
from dutchbook.errors import UNREADABLE, Damaged, InvalidInput, StorageError
from dutchbook.operations.listing import POSITIONS, Wanted, for_people, listed
from dutchbook.operations.requests import Rows, meaningful, opened, reading
from dutchbook.persistence.database import MIGRATIONS, Database, newest
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import OPEN_POSITIONS
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.ids import RandomIds
from dutchbook.tape.documents import read_tables

if TYPE_CHECKING:
    from dutchbook.config import Settings
    from dutchbook.persistence.tables.models import OpenPosition

SHORT = 8
"""Characters of an id that a table shows; commands accept them for the id."""
LOT = 500
"""Positions that one query loads."""


def positions(url: str, wanted: Wanted) -> tuple[Rows, int]:
    """Return positions with their question, what was paid, and their minimum result.

    `paid` is the cost of all that was bought to open it, with fees, also once it is closed.

    Returns:
        The wanted ones as a table shows them, oldest first, and how many there are before.

    Raises:
        InvalidInput: `since` of what is wanted is no time.
        UnknownId: There is no such pair.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from dutchbook.persistence.unit_of_work import engine_for, unit_of_work

    page = listed(url, POSITIONS, for_people(wanted))
    ids = [row["position_id"] for row in page.rows]
    entries = reading(url, _entry_costs)

    async def main() -> Rows:
        engine = engine_for(url)
        try:
            async with unit_of_work(engine) as unit:
                return [
                    _position_row(position, entries.get(position.execution_id))
                    for start in range(0, len(ids), LOT)
                    for position in await unit.positions.find_by_ids_with_orders(
                        ids[start : start + LOT]
                    )
                ]
        except (SQLAlchemyError, *UNREADABLE) as error:
            raise Damaged(Database.at(url).shown, error) from error
        finally:
            await engine.dispose()

    return asyncio.run(main()), page.earlier


async def _entry_costs(journal: Journal) -> dict[str, Decimal]:
    """Return what each execution has paid for the outcomes of its legs, with fees."""
    positions = await journal.rows("open_positions")
    legs = {
        (row["execution_id"], platform, row[f"{platform}_side"])
        for row in positions
        for platform in Platform
    }
    paid = {row["execution_id"]: Decimal(0) for row in positions}
    for row in await journal.rows("orders", {"side": Side.BUY}):
        if (row["execution_id"], row["platform"], row["outcome"]) in legs:
            paid[row["execution_id"]] += row["fill_cost"] + row["fees"]
    return paid


def _position_row(row: OpenPosition, paid: Decimal | None) -> dict[str, Any]:
    position = OPEN_POSITIONS.value({name: getattr(row, name) for name in OPEN_POSITIONS.names})
    legs = {platform: position.holding(platform) for platform in Platform}
    return {
        "position": position.position_id[:SHORT],
        "opened_at": position.opened_at,
        "question": row.pair.kalshi_description,
        "status": position.status.value,
        **{p.value: f"{plain(leg.size)} {leg.outcome}" for p, leg in legs.items()},
        "paid": position.paid if paid is None else paid,
        "at_least": position.locked_profit,
    }


def problems(url: str) -> list[str]:
    """Return the problems of a database; empty when it is intact."""
    from dutchbook.operations import audit
    from dutchbook.persistence.log import verify

    database = Database.at(url)
    database.check("paper")
    stored = audit.kept(database)
    found = database.read(lambda read: verify.problems(read, stored.anchors))
    return [*database.torn(), *database.damage(), *stored.problems, *found]


def upgrade(url: str) -> str:
    """Bring a database's schema up to this program's; return what was done.

    Raises:
        StorageError: There is none, it is another program's, or newer than this program.
    """
    database = Database.at(url)
    if database.absent:
        raise StorageError(f"{database.shown}: there is no such file; dutchbook run makes one")
    database.upgrade()
    return f"{database.shown}: its schema is {newest(MIGRATIONS)}, as this program's"


def prune(url: str, years: int) -> int:
    """Delete book snapshots older than `years`; return the number deleted.

    One that is exactly that old stays.
    """
    database = Database.at(url)
    database.check("paper")
    return database.prune(_years_before(SystemClock().now(), years))


def _years_before(now: datetime, years: int) -> datetime:
    """Return the same day and time of an earlier year; of 29 February, maybe the 28th."""
    try:
        return now.replace(year=now.year - years)
    except ValueError:
        return now.replace(year=now.year - years, day=28)


def move_cash(url: str, platform: str, amount: str, note: str, *, out: bool) -> dict[str, str]:
    """Book a deposit or a withdrawal of dollars; return the balance afterwards."""
    from dutchbook.application.capital.risk import RiskManager
    from dutchbook.domain.capital.limits import RiskLimits
    from dutchbook.platforms.paper.wallet import ACCOUNTS

    if platform not in {each.value for each in Platform}:
        raise InvalidInput("platform", platform, "kalshi or polymarket")
    dollars = money(amount)
    if dollars <= 0:
        raise InvalidInput("amount", amount, "above zero")

    async def work(journal: Journal) -> dict[str, str]:
        clock, ids = SystemClock(), RandomIds()
        committer = Committer(journal, clock, ids)
        risk = RiskManager(journal, committer, clock, ids, RiskLimits(), ACCOUNTS)
        await risk.capital.load()
        move = risk.cash.withdraw if out else risk.cash.deposit
        await move(Platform(platform), Money(dollars), note)
        balance = risk.capital.balance(Platform(platform))
        return {
            name: as_json(getattr(balance, name)) for name in ("free", "reserved", "committed")
        }

    return opened(url, work, alone=True)


def decide_pair(url: str, pair_id: str, rationale: str, *, approve: bool) -> None:
    """Approve a pair, or revoke its approval.

    Raises:
        UnknownId: There is no such pair.
        InvalidInput: The rationale is too short.
    """
    meaningful(rationale)

    async def work(journal: Journal) -> None:
        clock = SystemClock()
        committer = Committer(journal, clock, RandomIds())
        await pairs.decide_pair(journal, committer, clock, pair_id, rationale, approve=approve)

    opened(url, work, alone=True)


def pair_in_full(url: str, pair_id: str) -> dict[str, Any]:
    """Return both contracts of a pair, and which of their facts differ.

    Raises:
        UnknownId: There is no such pair.
    """
    return reading(url, lambda journal: pairs.pair_in_full(journal, pair_id))


def known_pairs(url: str) -> Rows:
    """Return every pair, and whether its approval is valid."""
    return reading(url, pairs.pair_rows)


def add_pairs(url: str, path: Path, settings: Settings) -> list[str]:
    """Add the pairs of a file, not approved; a missing database is created.

    Returns their ids.

    Raises:
        FactsError: The file is missing, malformed or impossible; nothing is stored.
    """
    contracts, wishes = read_tables(path, TABLES)
    file = PairFile.read(str(path), contracts, wishes, settings.divergence.probabilities())

    async def work(journal: Journal) -> list[str]:
        clock = SystemClock()
        committer = Committer(journal, clock, RandomIds())
        return [m.match_id for m in await pairs.add_pairs(journal, committer, clock, file)]

    database = Database.at(url)
    if database.absent:
        file.matched({})  # a rejected file must not create a database
    database.prepare("paper")
    return opened(url, work, alone=True)

"""Read model of what a whole run is compared by with another run of the same tape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from dutchbook.application.views.attributions import attributions, total
from dutchbook.application.views.result import unsure_pairs
from dutchbook.domain.capital.ledger import Bucket
from dutchbook.domain.events import SingleLegExposure
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.pair_trades.attribution import Attribution
from dutchbook.domain.positions.result import result_of
from dutchbook.domain.values.units import MICRO, ZERO, Money
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import OPEN_POSITIONS

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that bought something.

    Attributes:
        pair_id: Its pair.
        at: When its execution began, UTC.
        kept: What it has brought, in dollars; see `Attribution.kept`.
    """

    pair_id: str
    at: datetime
    kept: Money


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run came to, in dollars.

    Attributes:
        worst: The result if every open pair resolves alike in the worse way; see `Result`.
        best: The same in the better way.
        closed: Profit of what has closed.
        locked: Profit of what is open and hedged, once both contracts of a pair pay alike.
        open_positions: Positions that are open at the end.
        dollar_days: Money in use times the days for which it was, until the cash of what is
            still open is there; rounded to 10⁻⁶.
        entries: Positions that were opened.
        hedged: Entries of them that ended with both legs.
        exposures: Times that a leg was left without its counterpart, by an entry or later.
        unhedged: What the contracts without a counterpart have cost that are left at the end.
        in_use: Money in what is open at the end: the most that can still be lost.
        parts: Where the edge of all executions went.
    """

    worst: Money
    best: Money
    closed: Money
    locked: Money
    open_positions: int
    dollar_days: Decimal
    entries: int
    hedged: int
    exposures: int
    unhedged: Money
    in_use: Money
    parts: Attribution

    @property
    def per_thousand(self) -> Decimal:
        """Dollars at worst by a thousand dollars in use for a day, rounded to 10⁻⁶."""
        return per_thousand(self.worst, self.dollar_days)


def per_thousand(dollars: Decimal, dollar_days: Decimal) -> Decimal:
    """Return dollars by a thousand dollar-days, rounded to 10⁻⁶; 0 if none was in use."""
    return _micro(1_000 * dollars / dollar_days) if dollar_days else Decimal(0)


async def measured(journal: Journal, cash: Mapping[str, datetime]) -> Measured:
    """Return what the runs on a database came to.

    Args:
        journal: The database.
        cash: When the cash of each pair is there.
    """
    held = [OPEN_POSITIONS.value(row) for row in await journal.rows("open_positions")]
    result = result_of(held, await unsure_pairs(journal))
    ends = [cash[each.pair_id] for each in held if each.closed_at is None]
    phases = {r["execution_id"]: r["phase"] for r in await journal.rows("executions")}
    accounts = await journal.rows("accounts")
    exposed = await journal.rows("audit_log", {"name": SingleLegExposure.wire})
    return Measured(
        worst=result.worst,
        best=result.best,
        closed=result.closed,
        locked=result.locked,
        open_positions=result.open_positions,
        dollar_days=_micro(_used(await journal.rows("ledger_entries"), ends)),
        entries=len(held),
        hedged=sum(phases[each.execution_id] == Phase.HEDGED for each in held),
        exposures=len(exposed),
        unhedged=result.at_risk,
        in_use=Money(sum((row["committed"] for row in accounts), start=Decimal(0))),
        parts=total(await attributions(journal)),
    )


async def entries(journal: Journal) -> list[Entry]:
    """Return the entries of a database, oldest first, with what each of them has kept."""
    found = await attributions(journal)
    opened = {row["execution_id"] for row in await journal.rows("open_positions")}
    rows = await journal.rows("executions", None, ("started_at", "execution_id"))
    return [
        Entry(row["pair_id"], row["started_at"], found[row["execution_id"]].kept)
        for row in rows
        if row["execution_id"] in opened & found.keys()
    ]


def _used(rows: Iterable[Mapping[str, Any]], ends: list[datetime]) -> Decimal:
    """Return committed dollars times days, until the cash of all that is open has come."""
    committed: Decimal = ZERO
    total_used = Decimal(0)
    last: datetime | None = None
    moved = [each for each in rows if each["bucket"] == Bucket.COMMITTED]
    for entry in sorted(moved, key=lambda each: each["booked_at"]):
        if last is not None:
            total_used += committed * _days(entry["booked_at"] - last)
        committed += entry["amount"]
        last = entry["booked_at"]
    if ends and last is not None:
        total_used += committed * _days(max(*ends, last) - last)
    return total_used


def _days(span: timedelta) -> Decimal:
    return Decimal(span // timedelta(microseconds=1)) / (DAY // timedelta(microseconds=1))


def _micro(number: Decimal) -> Decimal:
    return number.quantize(MICRO, ROUND_HALF_EVEN)

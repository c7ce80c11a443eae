"""Lists of a database's records, as far as a person wants to see them.

What is not wanted is left out by the database: a log of a million entries costs no more than
the part of it that is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dutchbook.errors import InvalidInput, UnknownId
from dutchbook.operations.requests import Rows, reading
from dutchbook.ports.journal import Among, Between, StoredJournal

SHOWN = 20
"""Rows of a table for people, unless more are asked for."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
PERIOD = re.compile(r"(\d{1,9})([smhd])")
WHEN = "a time such as 2026-07-05T18:00, or 30m, 2h or 3d before the newest"
Condition = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a list are wanted.

    Attributes:
        last: How many of the newest; None for all.
        since: From when on, as `instant` reads it; empty for all.
        pair: Of which pair; empty for all.
    """

    last: int | None = None
    since: str = ""
    pair: str = ""


def for_people(wanted: Wanted) -> Wanted:
    """Return what a table shows: the newest `SHOWN` rows unless more are asked for."""
    return replace(wanted, last=wanted.last or SHOWN)


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows of a list, oldest first, and how many there are before them."""

    rows: Rows
    earlier: int


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: the rows of a table.

    Attributes:
        table: The table.
        order: The columns that order it, from the oldest row.
        at: The column that tells when a row came about.
        of_pair: Returns the condition for the rows of a pair.
    """

    table: str
    order: tuple[str, ...]
    at: str
    of_pair: Condition


def _column(pair: str) -> Mapping[str, Any]:
    return {"pair_id": pair}


def _named(pair: str) -> Mapping[str, Any]:
    """Return the condition that a log entry is about a pair, or an execution on it."""
    mine = {"pair_id": pair}
    return {"correlation_id": Among("executions", "execution_id", mine, (pair,))}


def _booked(pair: str) -> Mapping[str, Any]:
    """Return the condition that a posting is for a reservation or a position of a pair."""
    mine = {"pair_id": pair}
    executions = {"execution_id": Among("executions", "execution_id", mine)}
    positions = Among("open_positions", "position_id", mine)
    return {"reference": Among("reservations", "reservation_id", executions, (positions,))}


ORDERS = Listing("orders", ("created_at", "order_id"), "created_at", _column)
OPPORTUNITIES = Listing(
    "opportunities", ("detected_at", "opportunity_id"), "detected_at", _column
)
EXECUTIONS = Listing("executions", ("started_at", "execution_id"), "started_at", _column)
POSITIONS = Listing("open_positions", ("opened_at", "position_id"), "opened_at", _column)
EVENTS = Listing("audit_log", ("sequence",), "occurred_at", _named)
LEDGER = Listing("ledger_entries", ("booked_at", "entry_id"), "booked_at", _booked)
LISTINGS = {
    "orders": ORDERS,
    "executions": EXECUTIONS,
    "opportunities": OPPORTUNITIES,
    "events": EVENTS,
    "ledger": LEDGER,
}
"""Those that a command of the same name shows as they are stored."""


def listed(url: str, listing: Listing, wanted: Wanted) -> Listed:
    """Return the wanted rows of a list.

    Raises:
        InvalidInput: `since` is no time.
        UnknownId: There is no such pair.
    """

    async def work(journal: StoredJournal) -> Listed:
        where = await _where(journal, listing, wanted)
        rows = await journal.rows(
            listing.table, where, listing.order, descending=True, limit=wanted.last
        )
        all_of_them = wanted.last is None or len(rows) < wanted.last
        total = len(rows) if all_of_them else await journal.count(listing.table, where)
        return Listed(rows[::-1], total - len(rows))

    return reading(url, work)


async def _where(journal: StoredJournal, listing: Listing, wanted: Wanted) -> Mapping[str, Any]:
    where: dict[str, Any] = {}
    if wanted.pair:
        if not await journal.count("contract_matches", {"match_id": wanted.pair}):
            raise UnknownId("pair", wanted.pair)
        where |= listing.of_pair(wanted.pair)
    if wanted.since:
        newest = await journal.rows(
            listing.table, where, (listing.at,), descending=True, limit=1
        )
        first = instant(wanted.since, newest[0][listing.at] if newest else None)
        where[listing.at] = Between(first)
    return where


def instant(text: str, newest: datetime | None) -> datetime | None:
    """Return the instant that a person named.

    Args:
        text: An ISO 8601 date or time, UTC unless it says its zone, or a period such as 30m.
        newest: When the newest row came about, from which a period counts back.

    Returns:
        None if it is a period and there is no row.

    Raises:
        InvalidInput: It is neither, or out of the range of dates.
    """
    try:
        if period := PERIOD.fullmatch(text):
            back = timedelta(**{UNITS[period[2]]: int(period[1])})
            return newest - back if newest else None
        named = datetime.fromisoformat(text)
        zoned = named if named.tzinfo else named.replace(tzinfo=UTC)
        return zoned.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("--since", text, WHEN) from None

"""Rows back into domain values: what a new run takes up from the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import Event, Stamp, decode
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.fold import Merge, Payout
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.errors import InvalidInput, StorageError
from dutchbook.ports.journal import Between, Journal
from dutchbook.ports.tables.table import Row


async def undelivered(journal: Journal) -> list[tuple[int, Event]]:
    """Return every event of the outbox with its place in the log, in order.

    Raises:
        StorageError: One that this program does not know, or a log without it.
    """
    waiting = [row["sequence"] for row in await journal.rows("outbox", None, ("sequence",))]
    if not waiting:
        return []
    lot = {"sequence": Between(waiting[0], waiting[-1])}
    entries = {row["sequence"]: row for row in await journal.rows("audit_log", lot)}
    found = []
    for sequence in waiting:
        if sequence not in entries:
            raise StorageError(f"event {sequence} waits in the outbox and is not in the log")
        try:
            found.append((sequence, event_of(entries[sequence])))
        except InvalidInput as error:
            raise StorageError(f"event {sequence} cannot be delivered: {error}") from error
    return found


def event_of(row: Row) -> Event:
    """Read an event from its row of the log."""
    stamp = Stamp(
        row["event_id"], row["occurred_at"], row["correlation_id"], row["causation_id"]
    )
    return decode(row["name"], json.loads(row["payload"]), stamp)


def grouped(rows: list[dict[str, Any]], column: str) -> dict[str, list[dict[str, Any]]]:
    """Return rows by what they have in a column; those with nothing there are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row[column] is not None:
            found.setdefault(row[column], []).append(row)
    return found


def payment_of(row: Row) -> Merge | Payout:
    """Read a merge or a payout whose cash has come."""
    platform = Platform(row["platform"])
    if row["kind"] == "merge":
        return Merge(platform, Quantity(row["size"]), row["paid_at"])
    return Payout(platform, row["yes_pays"], row["paid_at"])


def reservation_of(
    rows: Sequence[Row], pair_id: str, accounts: Mapping[Platform, AccountKey]
) -> Reservation:
    """Read what stands reserved for one order, on whichever platforms."""
    first = rows[0]
    platforms = {str(key): platform for platform, key in accounts.items()}
    amounts = {platforms[row["account_id"]]: Money(row["amount"]) for row in rows}
    return Reservation(first["reservation_id"], first["execution_id"], pair_id, amounts, 0)

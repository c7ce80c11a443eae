"""The audit log as a history, which services follow again at a start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dutchbook.domain.events import Event
from dutchbook.errors import Damaged
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.table import Row


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log; `facts` are its payload, whichever program wrote it."""

    sequence: int
    at: datetime
    name: str
    facts: Mapping[str, Any]
    event_id: str
    causation_id: str | None


async def logged(journal: Journal, *kinds: type[Event]) -> list[Entry]:
    """Return the entries of some kinds of events, oldest first."""
    found = [
        _entry(row)
        for kind in kinds
        for row in await journal.rows("audit_log", {"name": kind.wire}, ("sequence",))
    ]
    return sorted(found, key=lambda entry: entry.sequence)


async def logged_about(journal: Journal, correlation_id: str) -> list[Entry]:
    """Return the entries that belong together, such as those of an execution, oldest first."""
    mine = {"correlation_id": correlation_id}
    return [_entry(row) for row in await journal.rows("audit_log", mine, ("sequence",))]


def _entry(row: Row) -> Entry:
    try:
        facts = json.loads(row["payload"])
    except ValueError as error:
        raise Damaged(f"entry {row['sequence']} of the log", error) from error
    return Entry(
        row["sequence"],
        row["occurred_at"],
        row["name"],
        facts,
        row["event_id"],
        row["causation_id"],
    )

"""The audit chain.

Every committed event as one canonical line, each bound to the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from dutchbook.domain.events import Event, as_json
from dutchbook.ports import Insert

GENESIS = "0" * 64
OUTBOX_LOT = 64
"""The outbox forgets what was delivered in lots of this many events, and when it is closed."""
_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
Head = tuple[int, str]
"""The sequence and the hash of the newest row."""


def chained(events: Iterable[Event], head: Head) -> tuple[list[Insert], Head]:
    """Return the rows of `events` after `head`, in log and outbox, and the new head."""
    sequence, previous = head
    rows = []
    for event in events:
        sequence += 1
        row = audit_row(event, sequence, previous)
        previous = row["hash"]
        rows.append(Insert("audit_log", row))
        rows.append(Insert("outbox", {"sequence": sequence, "name": event.wire}))
    return rows, (sequence, previous)


def audit_row(event: Event, sequence: int, previous: str) -> dict[str, Any]:
    """Return the row of `audit_log` for an event that follows the row with hash `previous`."""
    row = {
        "sequence": sequence,
        "event_id": event.stamp.event_id,
        "name": event.wire,
        "occurred_at": event.stamp.occurred_at,
        "correlation_id": event.stamp.correlation_id,
        "causation_id": event.stamp.causation_id,
        "payload": canonical(event.payload()),
    }
    return row | {"previous_hash": previous, "hash": link(row, previous)}


def link(row: dict[str, Any], previous: str) -> str:
    """Return the hash of an audit row (without its own hashes) after `previous`."""
    return hashlib.sha256((previous + canonical(as_json(row))).encode()).hexdigest()


def canonical(value: Any) -> str:
    """Write JSON the one way that is hashed.

    Sorted keys, no spaces, no escapes but JSON's own.
    """
    return _json.encode(value)

"""The audit chain.

Every committed event as one canonical line, each bound to the one before.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from dutchbook.domain.events import Event, as_json

GENESIS = "0" * 64


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
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

"""The audit chain: one row for each committed event, linked to the previous row by its hash.

The last event of a batch records what the batch changed, so that the log alone rebuilds the
tables (I-26) and a manually altered row is found by comparison.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dutchbook.domain.events import Event
from dutchbook.persistence.tables.codes import encode_instant, fit

GENESIS = "0" * 64
OUTBOX_LOT = 64
"""Delivered events are deleted from the outbox in lots of this size, and at close."""
_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
Head = tuple[int, str]
"""Sequence and hash of the newest row."""


class Entry(NamedTuple):
    """One row of the log, as stored and in column order.

    See `statements.changes_text` for `changes`.
    """

    sequence: int
    event_id: str
    name: str
    occurred_at: int
    correlation_id: str
    causation_id: str | None
    payload: str
    changes: str | None
    previous_hash: str
    hash: str


def chained(
    events: Sequence[Event], head: Head, changes: str | None = None
) -> tuple[list[Entry], Head]:
    """Return the entries of `events` after `head`, and the new head.

    `changes` is what the batch changed; the last event records it.
    """
    sequence, previous = head
    entries = []
    last = sequence + len(events)
    for event in events:
        sequence += 1
        entry = _entry(event, sequence, previous, changes if sequence == last else None)
        previous = entry.hash
        entries.append(entry)
    return entries, (sequence, previous)


def _entry(event: Event, sequence: int, previous: str, changes: str | None) -> Entry:
    stamp = event.stamp
    body = (
        sequence,
        fit(stamp.event_id),
        event.wire,
        encode_instant(stamp.occurred_at),
        fit(stamp.correlation_id),
        fit(stamp.causation_id) if stamp.causation_id is not None else None,
        canonical(event.payload()),
        changes,
    )
    return Entry(*body, previous, link(*body, previous))


def link(
    sequence: int,
    event_id: str,
    name: str,
    occurred_at: int,
    correlation_id: str,
    causation_id: str | None,
    payload: str,
    changes: str | None,
    previous: str,
) -> str:
    """Return the hash of an entry that follows the one with hash `previous`.

    SHA-256 over its fields, joined by a unit separator, which no field contains: ids are ours,
    and JSON escapes it. An absent field is empty, and `occurred_at` is in microseconds.
    """
    text = (
        f"{previous}\x1f{sequence}\x1f{event_id}\x1f{name}\x1f{occurred_at}\x1f{correlation_id}"
        f"\x1f{causation_id or ''}\x1f{payload}\x1f{changes or ''}"
    )
    return hashlib.sha256(text.encode()).hexdigest()


def link_stored(row: Mapping[str, Any], previous: str) -> str:
    """Return the hash that a stored row of `audit_log` must have after `previous`."""
    return link(
        row["sequence"],
        row["event_id"],
        row["name"],
        row["occurred_at"],
        row["correlation_id"],
        row["causation_id"],
        row["payload"],
        row["changes"],
        previous,
    )


def canonical(value: Any) -> str:
    """Return canonical JSON, the only form that is hashed.

    Sorted keys, no spaces, no escapes other than JSON's own; see `fit` for what cannot be kept.
    """
    return fit(_json.encode(value))

"""The chain of the audit log and the heads that are kept of it (I-26).

As `docs/architecture.md` has it. An entry's hash is SHA-256, in hexadecimal, over the UTF-8 of
the previous entry's hash, its sequence, event id, name, moment in microseconds, correlation
id, causation id, payload and changes, with a unit separator (U+001F) between them; what is
absent is empty. The first entry has number 1 and follows sixty-four zeros. A line of the file
of heads is ``SEQUENCE HASH TIME DIGEST``, where the digest is SHA-256 over the line before it,
zeros for the first; a line with sequence 0 names the owner of the lines after it, which is
SHA-256 over the identity of a database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

ZEROS = "0" * 64
FIELDS = (
    "sequence", "event_id", "name", "occurred_at", "correlation_id", "causation_id", "payload",
    "changes",
)  # fmt: skip
ABSENT = ("causation_id", "changes")
"""Fields that may be absent, and are then NULL: an empty text would have the same hash."""
Row = Mapping[str, Any]


def hash_of(entry: Row, previous: str) -> str:
    """Return the hash that an entry must have if it follows one with the hash `previous`."""
    fields = [previous, *("" if entry[name] is None else str(entry[name]) for name in FIELDS)]
    return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()


def chain(log: Iterable[Row]) -> Iterator[str]:
    """Check that every entry of a log is what was written, and follows the one before.

    Args:
        log: Stored rows of `audit_log`, in order.
    """
    previous = ZEROS
    for number, entry in enumerate(log, start=1):
        name = entry["sequence"]
        if name != number:
            yield f"I-26 entry {name} stands at place {number}"
        if entry["previous_hash"] != previous:
            yield f"I-26 entry {name} does not follow the one before"
        if any(entry[field] == "" for field in ABSENT):
            yield f"I-26 entry {name} has an empty text where nothing was written"
        if entry["hash"] != hash_of(entry, entry["previous_hash"]):
            yield f"I-26 entry {name} is not what was written"
        previous = entry["hash"]


def heads(log: Iterable[Row], kept: bytes, identity: str) -> Iterator[str]:
    """Check that the log goes through every head that was kept of this database.

    Args:
        log: Stored rows of `audit_log`.
        kept: The file of heads; a last line without an end was never written in full.
        identity: The identity of the database, empty if it has none.
    """
    mine = hashlib.sha256(identity.encode()).hexdigest() if identity else ZEROS
    owner, previous = ZEROS, ZEROS
    found: dict[int, str] = {}
    for number, line in enumerate(kept.split(b"\n")[:-1], start=1):
        fields = line.decode(errors="replace").split(" ")
        if len(fields) != 4 or not fields[0].isdecimal():
            yield f"I-26 line {number} of the kept heads is not what was written"
            continue
        sequence, head, _, digest = fields
        if digest != previous:
            yield f"I-26 line {number} of the kept heads does not follow the one before"
        previous = hashlib.sha256(line).hexdigest()
        if sequence == "0":
            if head == owner == mine:
                found.clear()  # restored from before them
            owner = head
        elif owner == mine:
            found[int(sequence)] = head
    hashes = {entry["sequence"]: entry["hash"] for entry in log}
    if not found:
        yield "I-26 no head of the log was kept"
    for number, head in found.items():
        if hashes.get(number) != head:
            yield f"I-26 entry {number} is not the one whose head was kept"

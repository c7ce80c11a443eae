"""Storage for audit log heads outside the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the audit log that was stored outside the database.

    Attributes:
        sequence: Sequence number of the entry.
        hash: Hash of the entry, which covers every entry up to it.
        where: When and where the anchor was stored, as text for people.
    """

    sequence: int
    hash: str
    where: str


class Anchors(Protocol):
    """Stores audit log heads of one database, so that a rewritten log is detected.

    Each method raises `StorageError` when the store cannot be read or written.
    """

    async def last(self) -> Anchor | None:
        """Return the newest anchor of this database, or None if there is none."""
        ...

    async def keep(self, sequence: int, head: str) -> None:
        """Store one more head."""
        ...

"""Where heads of the log are kept outside the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the audit log that was written down outside the database.

    Attributes:
        sequence: The entry.
        hash: Its hash, which stands for every entry up to it.
        told: When and where it was kept, for people.
    """

    sequence: int
    hash: str
    told: str


class Anchors(Protocol):
    """Where heads of the audit log are kept, so that a log written anew is found.

    Each method raises `StorageError` when the place cannot be read or written.
    """

    async def begin(self) -> None:
        """Note that a database was made: what was anchored before is of another."""

    async def last(self) -> Anchor | None:
        """Return the newest anchor of this database, None where there is none."""
        ...

    async def keep(self, sequence: int, head: str) -> None:
        """Keep one more."""
        ...


# Platforms
# ---------------------------------------------------------------------------------------

"""The journal: all writes of one decision as one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from dutchbook.domain.events import Event


@dataclass(frozen=True, slots=True)
class Insert:
    """One new row. Values are domain values: decimals, UTC instants, enums, text, JSON."""

    table: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Update:
    """Change exactly one row: the one with `key`, if it still matches `guard`.

    Attributes:
        table: Name of the table.
        key: Primary key of the row.
        guard: Columns and the values that they must have now.
        put: Columns and their new values.
        add: Numeric columns and what to add to them; commutes with other writers.
        at_most: Groups of numeric columns and the bound on their sum after this update.
    """

    table: str
    key: Mapping[str, Any]
    guard: Mapping[str, Any] = field(default_factory=dict)
    put: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, Any] = field(default_factory=dict)
    at_most: Mapping[tuple[str, ...], int] = field(default_factory=dict)


Write = Insert | Update


@dataclass(frozen=True, slots=True)
class Batch:
    """All rows of one decision, stored atomically.

    A batch touches each row at most once, so that one SQL statement can write it whole.
    `events` become rows of the outbox and of the audit log, chained in commit order. Their ids
    are chosen before the commit and unique in the log, so that a batch whose commit got no
    answer can be looked up there by the id of its last event.
    """

    writes: tuple[Write, ...] = ()
    events: tuple[Event, ...] = ()

    def __add__(self, other: Batch) -> Batch:
        return Batch(self.writes + other.writes, self.events + other.events)

    def __bool__(self) -> bool:
        return bool(self.writes or self.events)


@dataclass(frozen=True, slots=True)
class Between:
    """Condition on a number or an instant: from `first` to `last`, both included.

    None leaves a side open. With an end, a row without a value does not meet it.
    """

    first: Any = None
    last: Any = None


@dataclass(frozen=True, slots=True)
class Prefix:
    """Condition on a column of text: it starts with `text`, letter case included."""

    text: str


@dataclass(frozen=True, slots=True)
class Among:
    """Condition on a column: it has a value of another table's column, or meets one of `also`.

    Attributes:
        table: The other table.
        column: Its column.
        where: Which of its rows, as in `Journal.rows`.
        also: Further values, or conditions.
    """

    table: str
    column: str
    where: Mapping[str, Any]
    also: tuple[Any, ...] = ()


class Access(Enum):
    """How a database is opened.

    `ALONE`: exclusively; a second exclusive open is rejected. `TAKING_OVER`: exclusively,
    despite the locks that a frozen engine still holds; its lease was taken, and its writes are
    rejected.
    """

    SHARED = "shared"
    ALONE = "alone"
    TAKING_OVER = "taking over"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of a commit: audit sequence and chain hash of its last event (or of the head)."""

    sequence: int
    head: str


class Journal(Protocol):
    """Durable storage for the engine.

    `commit` returns once the batch is durable; batches are applied in call order. It raises
    `Conflict` when a guard, a uniqueness constraint or a check fails, and then nothing in the
    batch is stored; `Unanswered` when the database does not answer, and then the next call
    connects anew; `StorageError` when it fails.
    """

    async def commit(self, batch: Batch) -> Receipt:
        """Store a batch atomically."""
        ...

    async def rows(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] = (),
        *,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the matching rows as domain values.

        Args:
            table: Name of the table.
            where: Columns, and the value of each; or `Between`, `Prefix`, `Among`, or None for
                no value.
            order_by: Columns to order by.
            descending: Whether all of them are ordered from the largest to the smallest.
            limit: Return at most this many rows, the first in this order.
        """
        ...

    async def delivered(self, sequence: int) -> None:
        """Record that all events up to `sequence` reached the subscribers."""

    async def close(self) -> None:
        """Close the database."""
        ...


class Connection(Journal, Protocol):
    """A journal that is one connection to a database, which can break."""

    async def open(self) -> None:
        """Open the database."""
        ...

    def misplaced(self) -> str | None:
        """Return what happened to the database's file if it is not where it was; else None."""
        ...

    async def close(self, *, fenced_off: bool = False) -> None:
        """Close the database; if `fenced_off`, write nothing any more."""
        ...


class StoredJournal(Journal, Protocol):
    """The journal of a database, which may be larger than what a person wants to see."""

    async def count(self, table: str, where: Mapping[str, Any] | None = None) -> int:
        """Return the number of matching rows; see `Journal.rows`."""
        ...


class Subscriber(Protocol):
    """Receives committed events in order, at least once."""

    def __call__(self, event: Event, sequence: int) -> None:
        """Handle one event; `sequence` is its place in the audit log, 0 if in-process only."""
        ...

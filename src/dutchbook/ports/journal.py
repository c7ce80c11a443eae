"""The journal: the hot writes of a decision as one batch."""

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
    """Change exactly one row: the one with `key`, if it still looks like `guard`.

    Attributes:
        table: Where.
        key: The primary key.
        guard: Columns and the values that they must have now.
        put: Columns and their new values.
        add: Numeric columns and what to add to them; commutes with other writers.
        at_most: Groups of numeric columns whose sum, after this update, may not exceed a bound.
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
    """All rows of one decision: they are kept together or not at all.

    A batch touches a row at most once, so that one SQL statement can carry the whole of it.
    `events` become rows of the audit log, chained in the order of commits, and of the outbox.
    """

    writes: tuple[Write, ...] = ()
    events: tuple[Event, ...] = ()

    def __add__(self, other: Batch) -> Batch:
        return Batch(self.writes + other.writes, self.events + other.events)

    def __bool__(self) -> bool:
        return bool(self.writes or self.events)


class Access(Enum):
    """How a database is opened.

    Alone: a second that asks for it is refused. Taking over: alone, in spite of the locks that
    a frozen engine still holds; the lease was taken from it, and its writes are refused.
    """

    SHARED = "shared"
    ALONE = "alone"
    TAKING_OVER = "taking over"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of a commit: the audit sequence and chain hash of its last event (or the head)."""

    sequence: int
    head: str


class Journal(Protocol):
    """Durable storage for the engine.

    `commit` returns once the batch is durable; batches are applied in the order of their calls.
    It raises `Conflict` when a guard, a uniqueness or a check refuses, and then nothing of the
    batch is kept; `StorageError` when the database fails.
    """

    async def commit(self, batch: Batch) -> Receipt:
        """Keep a batch, whole or not at all."""
        ...

    async def rows(
        self, table: str, where: Mapping[str, Any] | None = None, order_by: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Return the rows that match, in domain values."""
        ...

    async def delivered(self, sequence: int) -> None:
        """Note that all events up to `sequence` reached the subscribers."""

    async def close(self) -> None:
        """Let go of the database."""
        ...


class Subscriber(Protocol):
    """Someone who hears committed events, in order, at least once."""

    def __call__(self, event: Event, sequence: int) -> None:
        """Hear one event; `sequence` is its place in the audit log, 0 for in-process ones."""
        ...

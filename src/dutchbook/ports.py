"""What the shell must provide to the engine: platforms, a journal, a clock, ids.

Application services know these protocols and no adapter; `bootstrap` joins the two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from dutchbook.domain.contract import Outcome, Platform
from dutchbook.domain.events import Event
from dutchbook.domain.order import Finality, Order
from dutchbook.domain.risk import Approved
from dutchbook.domain.units import Money, Price, Quantity

# Time and identity -------------------------------------------------------------------------------


class Clock(Protocol):
    """Time, real or virtual. Instants are UTC."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    async def sleep_until(self, instant: datetime) -> None: ...


class Ids(Protocol):
    """Where ids come from; seeded in replay and tests."""

    def new(self, kind: str) -> str: ...


# The journal: the hot writes of a decision as one batch --------------------------------------------


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

    async def commit(self, batch: Batch) -> Receipt: ...

    async def rows(
        self, table: str, where: Mapping[str, Any] | None = None, order_by: Sequence[str] = ()
    ) -> list[dict[str, Any]]: ...

    async def delivered(self, sequence: int) -> None:
        """Note that all events up to `sequence` reached the subscribers."""

    async def close(self) -> None: ...


# Platforms ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FillReport:
    """A trade of ours as its platform reports it; price in dollars of the outcome."""

    platform: Platform
    platform_order_id: str
    client_order_id: str | None
    trade_id: str
    price: Price
    size: Quantity
    fee: Money
    finality: Finality
    matched_at: datetime


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What a platform says of one order: its id, its fills so far, what still works."""

    platform_order_id: str
    fills: tuple[FillReport, ...]
    working: Quantity
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class PlatformBalance:
    """Cash that a platform shows, in dollars: spendable, and held against working orders."""

    available: Money
    held: Money


class PlatformGateway(Protocol):
    """One platform's trading side. Only an `Approved` order is accepted.

    `submit` raises `PlatformRejected` (a listed refusal, final), `OutcomeUnknown` (anything else:
    ask, never resend) or `NotSent` (no byte left).
    """

    platform: Platform

    async def submit(self, order: Approved[Order]) -> OrderReport: ...

    async def find_order(self, client_order_id: str) -> OrderReport | None:
        """Ask for an order. None means "not seen", which proves nothing."""

    async def cancel(self, platform_order_id: str) -> OrderReport: ...

    async def balance(self) -> PlatformBalance: ...

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]: ...

    def reports(self) -> AsyncIterator[FillReport]:
        """Fills and their settlement as they become known; each may come more than once."""


class Subscriber(Protocol):
    """Someone who hears committed events, in order, at least once."""

    def __call__(self, event: Event, sequence: int) -> None: ...

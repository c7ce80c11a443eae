"""What the shell must provide to the engine: platforms, a journal, a clock, ids.

Application services know these protocols and no adapter; `bootstrap` joins the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol, TypeVar

from dutchbook.domain import reconciliation
from dutchbook.domain.book import Levels
from dutchbook.domain.contract import Outcome, Platform
from dutchbook.domain.events import Event
from dutchbook.domain.order import Order
from dutchbook.domain.risk import Approved, Grade
from dutchbook.domain.settlement import Result
from dutchbook.domain.units import Money, Quantity
from dutchbook.ports.anchors import Anchor as Anchor
from dutchbook.ports.anchors import Anchors as Anchors

T = TypeVar("T")

# Time and identity
# -------------------------------------------------------------------------------


class Clock(Protocol):
    """Time, real or virtual. Instants are UTC."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Wait for an instant; none if it is past."""
        ...


class TimeSource(Protocol):
    """A server that knows the time."""

    async def offset_ms(self) -> Decimal:
        """Return our clock less the server's, in milliseconds.

        Raises:
            TimeUnknown: It did not answer, or not in a way that makes sense.
        """
        ...


class Ids(Protocol):
    """Where ids come from; seeded in replay and tests."""

    def new(self, kind: str, owner: str) -> str:
        """Return an id that was not returned before.

        Args:
            kind: What it is for.
            owner: The id of what it belongs to. Ids of one owner and kind differ by their count
                alone, so that one more or less of them renames nothing else.
        """
        ...


class Chance(Protocol):
    """Seeded draws of whole numbers."""

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        ...

    def one_in(self, chances: int) -> bool:
        """Return True once in `chances` draws on average."""
        ...

    def choice(self, options: Sequence[int]) -> int:
        """Return one of `options`."""
        ...

    def bell(self, spread: int) -> int:
        """Return a whole number around zero, rarely beyond twice `spread`."""
        ...


class Turnstile(Protocol):
    """How persistence code awaits a driver, on any loop."""

    async def drive(self, job: Callable[[], Awaitable[T]]) -> T:
        """Run `job`, which awaits nothing but its driver, and return its result.

        A caller that is cancelled leaves the job to finish: a cancelled commit may still
        happen.
        """
        ...

    def begin(self, job: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Run `job` likewise, for nobody who waits; keep what is returned until it is done."""
        ...


# The journal: the hot writes of a decision as one batch
# --------------------------------------------


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


# What is kept outside the database
# -----------------------------------------------------------------


FillReport = reconciliation.FillReport
"""A trade of ours as its platform reports it."""
ListedOrder = reconciliation.ListedOrder
"""An order in the account's list."""
NamedCash = reconciliation.NamedCash
"""One movement of cash that a platform names."""


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


@dataclass(frozen=True, slots=True)
class BookReport:
    """One whole book as its platform shows it, in YES terms.

    Prices in 10⁻⁴ dollars, sizes in 10⁻⁶ contracts, best first.
    """

    contract_id: str
    bids: Levels
    asks: Levels


class PlatformGateway(Protocol):
    """One platform's trading side. Only an `Approved` order is accepted.

    `submit` raises `PlatformRejected` (a listed refusal, final), `OutcomeUnknown` (anything
    else: ask, never resend) or `NotSent` (no byte left).
    """

    platform: Platform

    async def submit(self, order: Approved[Order]) -> OrderReport:
        """Send an order once."""
        ...

    async def find_order(self, client_order_id: str) -> OrderReport | None:
        """Ask for an order. None means "not seen", which proves nothing."""

    def arrives_until(self, order: Order) -> datetime | None:
        """Return after when an order that was sent can no longer be accepted.

        Its signature or its own expiry has then run out. None where nothing ends it.
        """

    async def reads_as_of(self) -> datetime | None:
        """Return how new the platform says its answers are, None where it does not say."""

    async def cancel(self, platform_order_id: str) -> OrderReport:
        """Remove what still works of an order."""
        ...

    async def balance(self) -> PlatformBalance:
        """Return the cash that the platform shows."""
        ...

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return the contracts that the platform shows, by contract and outcome."""
        ...

    async def orders(self) -> Sequence[ListedOrder]:
        """Return every order of the account that still works, whoever sent it.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer, or not every page of it was read.
        """
        ...

    async def movements(self) -> Sequence[NamedCash]:
        """Return the movements of cash that the platform names, trades and fees left out.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer, or not every page of it was read.
        """
        ...

    async def books(self, contract_ids: Sequence[str]) -> Sequence[BookReport]:
        """Ask for whole books, all in one go: one by one they would be of different times.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def ping(self) -> None:
        """Ask for something small, to see whether the platform answers.

        Raises:
            NotSent: It cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return the final results among these contracts, by id; one still open is not in it.

        A winner is never inferred: not from a price, nor from a proposal that can be disputed.

        Raises:
            NotSent: The platform cannot be reached.
            OutcomeUnknown: It gave no trustworthy answer.
        """
        ...

    async def merge(self, contract_id: str, size: Quantity) -> None:
        """Turn `size` YES and as many NO of a contract into a dollar each.

        Raises:
            PlatformRejected: A refusal; nothing was merged.
            NotSent: No byte left.
            OutcomeUnknown: Anything else; look at `positions` before it is asked for again.
        """

    async def redeem(self, contract_id: str) -> None:
        """Collect what a resolved contract pays for all that we hold of it.

        Raises:
            PlatformRejected: A refusal; nothing was paid.
            NotSent: No byte left.
            OutcomeUnknown: Anything else; `results` tells whether its cash came.
        """

    def reports(self) -> AsyncIterator[FillReport]:
        """Fills and their settlement as they become known; each may come more than once."""


@dataclass(frozen=True, slots=True)
class HaltNote:
    """A halt that was written where the database did not answer."""

    grade: Grade
    cancel_all: bool
    rationale: str
    requested_by: str


class HaltFile(Protocol):
    """Where a person halts trading when the database does not answer."""

    def standing(self) -> HaltNote | None:
        """Return the halt that was left there, if any; what cannot be read is a halt."""
        ...

    def clear(self, note: HaltNote) -> None:
        """Remove a halt that the database holds by now, unless another took its place."""
        ...


class Subscriber(Protocol):
    """Someone who hears committed events, in order, at least once."""

    def __call__(self, event: Event, sequence: int) -> None:
        """Hear one event; `sequence` is its place in the audit log, 0 for in-process ones."""
        ...

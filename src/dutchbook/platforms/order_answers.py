"""What a platform's answer to an order means: one table per platform, one pure lookup.

An answer is a status and a body. A table lists the answers that the platform documents. Any
other answer leaves the outcome unknown: silence, a truncated body, a number where text belongs,
or an undocumented status. Only a request of which no byte was sent is `NOT_SENT`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache

from dutchbook.domain.execution.order import Order, TimeInForce, Totals
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.fees import FeeSchedule
from dutchbook.domain.values.units import (
    NOTHING,
    Quantity,
    from_e4,
    from_e6,
    price,
    signed,
    to_e4,
    to_e6,
)
from dutchbook.errors import InvalidInput, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.account import Listing
from dutchbook.ports.orders import FillReport, OrderReport

LONGEST_TEXT = 1_000
"""Longest message text that is compared, in characters; no documented one has 200."""
NO_MATCH = "no_match"
"""Our reason for an order that the platform rejected because it matched nothing."""
IMMEDIATE = (TimeInForce.FOK, TimeInForce.IOC)


@dataclass(frozen=True, slots=True)
class Answer:
    """A platform's answer: `status` None if none came, `left` False if no byte was sent."""

    status: int | None
    body: bytes = b""
    left: bool = True

    def __post_init__(self) -> None:
        assert self.left or self.status is None, "nothing answers what was not sent"


SILENCE = Answer(None)
NEVER_LEFT = Answer(None, left=False)


class Family(StrEnum):
    """How an answer is handled: proceed, wait, final, query and never resend, may retry."""

    ACCEPTED = "accepted"
    DELAYED = "delayed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Said:
    """The parts of a body that a table compares: the platform's code and text."""

    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a platform's table.

    Attributes:
        statuses: The HTTP statuses that the row applies to.
        family: What such an answer means for the order.
        reason: Our name for it, short and stable: it is stored, counted and shown.
        source: The page, its section and its date.
        code: The platform's complete code; None matches any.
        text: The platform's complete text, with `{name}` for what varies; None matches any.
    """

    statuses: tuple[int, ...]
    family: Family
    reason: str
    source: str
    code: str | None = None
    text: str | None = None

    def matches(self, status: int, said: Said | None) -> bool:
        """Return whether the row matches; one with neither code nor text matches any body."""
        if status not in self.statuses:
            return False
        if self.code is None and self.text is None:
            return True
        if said is None or len(said.text) > LONGEST_TEXT:
            return False
        named = self.code is None or said.code == self.code
        return named and (self.text is None or bool(_pattern(self.text).fullmatch(said.text)))


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of a platform, of which the first match counts, and the reader of its bodies.

    `read` is total: it returns None for a body in no documented form.
    """

    platform: Platform
    rows: tuple[Row, ...]
    read: Callable[[Answer], Said | None]

    def row(self, reason: str) -> Row:
        """Return the first row with our `reason`."""
        found = next((row for row in self.rows if row.reason == reason), None)
        assert found is not None, f"{self.platform} has no answer that we call {reason}"
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means, our reason, and the row that matched (None: unlisted)."""

    family: Family
    reason: str
    row: Row | None = None

    def insist(self, platform: Platform) -> None:
        """Raise unless the order was accepted, at once or for later.

        Raises:
            PlatformRejected: The platform gave a listed rejection.
            OutcomeUnknown: The outcome is not known.
            NotSent: No byte was sent.
        """
        match self.family:
            case Family.ACCEPTED | Family.DELAYED:
                return
            case Family.REJECTED:
                raise PlatformRejected(platform, self.reason)
            case Family.NOT_SENT:
                raise NotSent(platform, self.reason)
            case Family.UNKNOWN:
                raise OutcomeUnknown(platform, self.reason)


def classify(table: Table, answer: Answer) -> Verdict:
    """Return what `answer` means. Total over all statuses and bytes."""
    if not answer.left:
        return Verdict(Family.NOT_SENT, "no_byte_left")
    if answer.status is None:
        return Verdict(Family.UNKNOWN, "no_answer")
    said = table.read(answer)
    for row in table.rows:
        if row.matches(answer.status, said):
            return Verdict(row.family, row.reason, row)
    kind = "unreadable" if said is None else "unlisted"
    return Verdict(Family.UNKNOWN, f"{kind}_answer_{answer.status}")


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Compile a table's text: each `{name}` matches anything within a line."""
    pieces = re.split(r"\{\w+\}", text)
    return re.compile(".*?".join(re.escape(piece) for piece in pieces))


# What is known about an order when an answer is decoded
# ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """An order of ours whose answers are decoded.

    Attributes:
        order: The order as it was sent.
        fees: The contract's fee schedule, for a platform that does not state what it charged.
    """

    order: Order
    fees: FeeSchedule | None

    @property
    def immediate(self) -> bool:
        """Whether no part of the order may rest."""
        return self.order.time_in_force in IMMEDIATE


@dataclass(frozen=True, slots=True)
class Placed:
    """What one answer states about an order, before its trades are read.

    Attributes:
        platform_order_id: The platform's id.
        working: Contracts that can still fill.
        stated: The totals that it states.
        least: Minimum total of contracts over the order's trades, if they are all listed.
        trades: Trade ids that must be among those read.
    """

    platform_order_id: str
    working: Quantity
    stated: Totals | None = None
    least: Quantity = NOTHING
    trades: tuple[str, ...] = ()


def combined(sent: Sent, placed: Placed, fills: Listing[FillReport]) -> OrderReport:
    """Combine an answer about an order with its trades, which were read separately.

    Reads lag behind writes (docs.kalshi.com quick start: 0.3 to 1 s), so the trades may show
    less than the answer states. Where it states their cost, that is enough.

    Raises:
        OutcomeUnknown: A trade is missing whose cost is not stated, or an order that may not
            rest still works. Query it again.
    """
    platform = sent.order.platform
    seen = {fill.trade_id for fill in fills.items}
    total = sum((fill.size for fill in fills.items), start=Decimal(0))
    named = seen.issuperset(placed.trades)
    listed = fills.complete and total >= placed.least and named
    if not listed and (placed.stated is None or placed.stated.cost is None):
        raise OutcomeUnknown(platform, "trades_not_all_read")
    if sent.immediate and placed.working:
        raise OutcomeUnknown(platform, "still_working")
    return OrderReport(
        placed.platform_order_id,
        fills.items,
        placed.working,
        stated=placed.stated,
        whole=listed and not placed.working,
    )


def page(platform: Platform, answer: Answer) -> bytes:
    """Return the body of a successful read.

    Raises:
        OutcomeUnknown: The read failed, for whatever reason.
    """
    if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
        status = answer.status or "silence"
        raise OutcomeUnknown(platform, f"the question was answered by {status}")
    return answer.body


# Numbers in messages
# ---------------------------------------------------------------------------------------


def read_count(text: str, field: str) -> Quantity:
    """Parse a number of contracts, zero or more, exact to 10⁻⁶.

    Raises:
        InvalidInput: NaN, infinity, a negative or absurd number, or text that is no number.
    """
    number = signed(text, field=field)
    if number < 0:
        raise InvalidInput(field, text, "zero or more")
    return Quantity(from_e6(to_e6(number)))


def read_price(text: str, field: str) -> Decimal:
    """Parse a price strictly between 0 and 1 dollar, exact to 10⁻⁴."""
    return from_e4(to_e4(price(text, field=field)))

"""What a platform's answer to an order amounts to: one table a platform, one pure lookup.

An answer is a status and a body. A table lists what the platform's pages say of such answers;
whatever it does not list leaves the outcome unknown, whether that is silence, a torn body, a
number where text belongs, or a status that nobody wrote about. Only an answer that was never
possible, because no byte of the request left, is `NOT_SENT`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache

from dutchbook.domain.execution.order import Order, TimeInForce
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
from dutchbook.ports.gateway import FillReport, OrderReport

LONGEST_TEXT = 1_000
"""Characters of a message that are compared; no documented one has 200."""
NO_MATCH = "no_match"
"""Our word for the refusal of an order that met nothing, where the platform gives one."""
IMMEDIATE = (TimeInForce.FOK, TimeInForce.IOC)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` None is silence, and `left` False that no byte of ours left."""

    status: int | None
    body: bytes = b""
    left: bool = True

    def __post_init__(self) -> None:
        assert self.left or self.status is None, "nothing answers what was not sent"


SILENCE = Answer(None)
NEVER_LEFT = Answer(None, left=False)


class Family(StrEnum):
    """How an answer is handled: go on, final, ask and never resend, may be tried again."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Said:
    """What a body says as far as a table needs it: the platform's code, and its text."""

    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a platform's table.

    Attributes:
        statuses: The HTTP statuses that it holds for.
        family: What such an answer means for the order.
        reason: Our word for it, short and stable: it is stored, counted and shown.
        source: The page, its section and its date.
        code: The platform's code, whole; None where it gives none.
        text: The platform's text, whole, with `{name}` for what varies; None for any text.
    """

    statuses: tuple[int, ...]
    family: Family
    reason: str
    source: str
    code: str | None = None
    text: str | None = None

    def matches(self, status: int, said: Said | None) -> bool:
        """Tell whether an answer is this row's; one with neither code nor text takes any."""
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
    """All rows of a platform, the first that matches counts, and how its bodies are read.

    `read` is total: None is a body that says nothing which the pages describe.
    """

    platform: Platform
    rows: tuple[Row, ...]
    read: Callable[[Answer], Said | None]

    def row(self, reason: str) -> Row:
        """Return the first row with this reason of ours."""
        found = next((row for row in self.rows if row.reason == reason), None)
        assert found is not None, f"{self.platform} has no answer that we call {reason}"
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means, our word for why, and the row that says so (None: unlisted)."""

    family: Family
    reason: str
    row: Row | None = None

    def insist(self, platform: Platform) -> None:
        """Return if the order was accepted.

        Raises:
            PlatformRejected: A listed refusal.
            OutcomeUnknown: Nobody knows.
            NotSent: No byte left.
        """
        match self.family:
            case Family.ACCEPTED:
                return
            case Family.REJECTED:
                raise PlatformRejected(platform, self.reason)
            case Family.NOT_SENT:
                raise NotSent(platform, self.reason)
            case Family.UNKNOWN:
                raise OutcomeUnknown(platform, self.reason)


def classify(table: Table, answer: Answer) -> Verdict:
    """Return what `answer` means. Total: there is a verdict for every status and all bytes."""
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
    """Read a text of a table: each `{name}` stands for anything on its line."""
    pieces = re.split(r"\{\w+\}", text)
    return re.compile(".*?".join(re.escape(piece) for piece in pieces))


# What is known of an order when an answer about it is read
# ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """An order of ours as its gateway remembers it.

    Attributes:
        order: What was sent.
        fees: The contract's schedule, for a platform that does not state what it charged.
        platform_order_id: Its id there, where that is known before sending (Polymarket).
    """

    order: Order
    fees: FeeSchedule | None
    platform_order_id: str | None = None

    @property
    def immediate(self) -> bool:
        """Whether nothing of it may rest."""
        return self.order.time_in_force in IMMEDIATE


@dataclass(frozen=True, slots=True)
class Placed:
    """What one answer says of an order, its trades not yet read.

    Attributes:
        platform_order_id: The platform's id.
        working: Contracts that can still fill; None where the answer does not tell.
        least: Contracts that its trades must add up to, at the least.
        trades: Trade ids that must be among those read.
    """

    platform_order_id: str
    working: Quantity | None
    least: Quantity = NOTHING
    trades: tuple[str, ...] = ()


def complete(sent: Sent, placed: Placed, fills: tuple[FillReport, ...]) -> OrderReport:
    """Join an answer about an order with its trades, which were read separately.

    Reads lag behind writes (docs.kalshi.com quick start: 0.3 to 1 s), so what was read may be
    less than what was told.

    Raises:
        OutcomeUnknown: A trade is missing, or what may not rest still works: ask again.
    """
    platform = sent.order.platform
    seen = {fill.trade_id for fill in fills}
    total = sum((fill.size for fill in fills), start=Decimal(0))
    if total < placed.least or not seen.issuperset(placed.trades):
        raise OutcomeUnknown(platform, "trades_not_all_read")
    if placed.working is None or (sent.immediate and placed.working):
        raise OutcomeUnknown(platform, "still_working")
    return OrderReport(placed.platform_order_id, fills, placed.working)


def page(platform: Platform, answer: Answer) -> bytes:
    """Return the body of a read that succeeded.

    Raises:
        OutcomeUnknown: It did not: what is not known stays unknown, whatever the reason.
    """
    if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
        status = answer.status or "silence"
        raise OutcomeUnknown(platform, f"the question was answered by {status}")
    return answer.body


# Numbers of the wire
# ---------------------------------------------------------------------------------------


def read_count(text: str, field: str) -> Quantity:
    """Read contracts, zero or more, exact to 10⁻⁶.

    Raises:
        InvalidInput: NaN, infinities, negative or absurd numbers, text that is none.
    """
    number = signed(text, field=field)
    if number < 0:
        raise InvalidInput(field, text, "zero or more")
    return Quantity(from_e6(to_e6(number)))


def read_price(text: str, field: str) -> Decimal:
    """Read a price strictly between 0 and 1 dollar, exact to 10⁻⁴."""
    return from_e4(to_e4(price(text, field=field)))

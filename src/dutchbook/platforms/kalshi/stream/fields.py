"""What all messages of Kalshi's stream share: the envelope, and how values are written.

Sources: docs.kalshi.com, AsyncAPI 2.0.0 as of 2026-10-26; recordings of 2026-04 to 2026-08.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from dutchbook.domain.values.units import E4, money, to_e6
from dutchbook.errors import InvalidInput
from dutchbook.platforms.kalshi.book_codec import PRICES, SIZES, Texts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Count: TypeAlias = Annotated[int, Meta(ge=0, lt=2**62)]
Number: TypeAlias = Annotated[int, Meta(ge=1, lt=2**62)]
Millis: TypeAlias = Annotated[int, Meta(ge=1_262_304_000_000, le=4_102_444_800_000)]
"""Milliseconds since 1970, from 2010 to 2100."""
Seconds: TypeAlias = Annotated[int, Meta(ge=1_262_304_000, le=4_102_444_800)]
"""Seconds since 1970, from 2010 to 2100."""
Way: TypeAlias = Literal["yes", "no"]
BookSide: TypeAlias = Literal["bid", "ask"]
WAYS: dict[str, str] = {"bid": "yes", "ask": "no"}
"""The side of the book that an order stands on, and what it gains from (order_direction)."""


def _quote(text: str) -> int:
    number = Decimal(text)
    return int(number) * E4 if number in (0, 1) else PRICES[text]


QUOTES = Texts(_quote, "dollars")
"""Prices from 0 to 1 dollar, both included, in 10⁻⁴ dollars."""
MICROS = Texts(lambda text: to_e6(money(text)), "dollars")
"""Amounts of dollars of either sign, in 10⁻⁶ dollars."""


def instant(ms: int) -> datetime:
    """Return the instant of milliseconds since 1970, UTC and exact."""
    return EPOCH + timedelta(milliseconds=ms)


def rfc3339(text: str) -> datetime:
    """Return the instant that a text states, UTC.

    Raises:
        InvalidInput: It is not one, or has no time zone.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("ts", text, "an instant") from None
    if found.tzinfo is None:
        raise InvalidInput("ts", text, "an instant with a time zone")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("ts", text, "an instant of this age") from None


def above_zero(text: str, field: str) -> int:
    """Return a number of contracts, in 10⁻⁶ contracts.

    Raises:
        InvalidInput: It is not above zero.
    """
    size = SIZES[text]
    if size <= 0:
        raise InvalidInput(field, text, "above zero")
    return size


def one_way(book_side: str, outcome_side: str) -> None:
    """Check that both statements of a direction agree.

    Raises:
        InvalidInput: They contradict one another.
    """
    if WAYS[book_side] != outcome_side:
        raise InvalidInput("outcome_side", outcome_side, f"that of a {book_side}")

"""How a value of each kind is stored, the same on every database; standard library only.

The journals encode with these, and so do the column types of `models`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, NamedTuple

from dutchbook.domain.events import as_json
from dutchbook.domain.values.units import from_e6
from dutchbook.ports.tables.column import Kind

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
HALF = re.compile("[\0\ud800-\udfff]")
"""Characters that no column holds: NUL, and half of a pair of UTF-16."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LARGEST = 2**63 - 1
"""Largest integer that a column of either database holds."""
SIX = Decimal(6)
EXACT = Context(prec=60, Emax=40, Emin=-40, traps=[Inexact, InvalidOperation, Overflow])
"""Enough digits for any column; a result that would be rounded is rejected instead."""


class Code(NamedTuple):
    """Conversion of a value to what a driver stores, and back."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def encode_text(value: Any) -> Any:
    """Return plain text that every database holds; see `fit`.

    An enumeration member is a subclass of str, which drivers treat differently.

    Raises:
        ValueError: No text.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004 - one kind
    return fit(str.__str__(value))


def fit(text: str) -> str:
    """Return a text with what no column holds shown as U+FFFD: NUL and half characters.

    A text is for people, and ids are ours or were checked: what came with it must not be lost
    for such a character.
    """
    if text.isascii():
        return text.replace("\0", REPLACEMENT) if "\0" in text else text
    return HALF.sub(REPLACEMENT, text)


def encode_micros(value: Decimal | int) -> int:
    """Return an exact decimal in millionths; anything finer is rejected, never rounded.

    Raises:
        ValueError: A binary fraction, not a number, finer than 10⁻⁶, or beyond 64 bits.
    """
    if type(value) is not Decimal:
        value = _exact(value)
    try:
        scaled = int(EXACT.to_integral_exact(EXACT.scaleb(value, SIX)))
    except (Inexact, InvalidOperation):
        raise ValueError(f"{value} is finer than 0.000001") from None
    except (OverflowError, ValueError, Overflow):
        raise ValueError(f"{value} is not a number that a column holds") from None
    if not -LARGEST <= scaled <= LARGEST:
        raise ValueError(f"{value} is not a number that a column holds")
    return scaled


def _exact(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise ValueError(f"{value!r} is not an exact decimal")  # noqa: TRY004 - one kind
    return Decimal(value)


def encode_whole(value: Any) -> int:
    """Return an integer that fits into 64 bits.

    Raises:
        ValueError: No integer, or beyond 64 bits.
    """
    if not isinstance(value, int) or not -LARGEST <= value <= LARGEST:
        raise ValueError(f"{value!r} is not a whole number that a column holds")
    return value


def encode_instant(value: datetime) -> int:
    """Return microseconds since 1970, UTC; a time without a zone is rejected.

    Exact, ordered, the same on every database.
    """
    if value.tzinfo is None:
        raise ValueError(f"{value} does not say its zone")
    return (value - EPOCH) // MICROSECOND


def decode_instant(value: int) -> datetime:
    """Return the instant in UTC."""
    return EPOCH + timedelta(microseconds=value)


def encode_json(value: Any) -> str:
    """Return canonical text; decimals and instants inside become text.

    It is ASCII: what no column holds is escaped.
    """
    return json.dumps(as_json(value), sort_keys=True, separators=(",", ":"))


CODES: dict[Kind, Code] = {
    Kind.TEXT: Code(encode_text, _same),
    Kind.MICROS: Code(encode_micros, from_e6),
    Kind.INSTANT: Code(encode_instant, decode_instant),
    # The numbers of a stored document are integers, since decimals are text.
    Kind.JSON: Code(encode_json, json.loads),
    Kind.WHOLE: Code(encode_whole, _same),
    # SQLite stores 0 or 1.
    Kind.YES_NO: Code(_same, bool),
    Kind.RAW: Code(_same, _same),
}
"""The conversion of each kind of column."""

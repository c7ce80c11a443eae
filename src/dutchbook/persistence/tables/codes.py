"""How a value of each kind is stored, the same on every database; standard library only.

The journals encode with these, and so do the column types of `models`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any

from dutchbook.domain.events import as_json
from dutchbook.domain.values.units import from_e6
from dutchbook.ports.tables.column import Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LARGEST = 2**63 - 1
"""Largest integer that a column of either database holds."""
SIX = Decimal(6)
EXACT = Context(prec=60, Emax=40, Emin=-40, traps=[Inexact, InvalidOperation, Overflow])
"""Enough digits for any column; a result that would be rounded is rejected instead."""


class Code:
    """Conversion of a value to what a driver stores, and back."""

    def encode(self, value: Any) -> Any:
        """Turn a domain value into what the driver stores."""
        return value

    def decode(self, value: Any) -> Any:
        """Turn what the driver returned into the domain value."""
        return value


class Text(Code):
    """Text."""

    def encode(self, value: Any) -> Any:
        """Return plain text.

        An enumeration member is a subclass of str, which drivers treat differently.
        """
        return str.__str__(value) if isinstance(value, str) else value


class Micros(Code):
    """An exact decimal as an integer of 10⁻⁶; anything finer is rejected, never rounded."""

    def encode(self, value: Decimal | int) -> int:
        """Return millionths.

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

    def decode(self, value: int) -> Decimal:
        """Return the decimal."""
        return from_e6(value)


def _exact(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise ValueError(f"{value!r} is not an exact decimal")  # noqa: TRY004 - one kind
    return Decimal(value)


class Instant(Code):
    """An instant as microseconds since 1970, UTC.

    Exact, ordered, the same on every database.
    """

    def encode(self, value: datetime) -> int:
        """Return microseconds; a time without a zone is rejected."""
        if value.tzinfo is None:
            raise ValueError(f"{value} does not say its zone")
        return (value - EPOCH) // MICROSECOND

    def decode(self, value: int) -> datetime:
        """Return the instant in UTC."""
        return EPOCH + timedelta(microseconds=value)


class Json(Code):
    """A JSON document as canonical text."""

    def encode(self, value: Any) -> str:
        """Return canonical text; decimals and instants inside become text."""
        return json.dumps(as_json(value), sort_keys=True, separators=(",", ":"))

    def decode(self, value: str) -> Any:
        """Return the document; its numbers are integers, since decimals are text."""
        return json.loads(value)


class YesNo(Code):
    """True or false."""

    def decode(self, value: int) -> bool:
        """Return a bool; SQLite stores 0 or 1."""
        return bool(value)


CODES: dict[Kind, Code] = {
    Kind.TEXT: Text(),
    Kind.MICROS: Micros(),
    Kind.INSTANT: Instant(),
    Kind.JSON: Json(),
    Kind.WHOLE: Code(),
    Kind.YES_NO: YesNo(),
    Kind.RAW: Code(),
}
"""The conversion of each kind of column."""

"""SQLAlchemy column types that mean the same on every database.

Big integers, text and booleans underneath; `codes` defines how values are stored.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from dutchbook.persistence.tables import codes


class Coded(codes.Code, TypeDecorator[Any]):
    """A column whose values are encoded the same way for every driver.

    Tables are STRICT on SQLite, so that no column stores a value of another kind; a strict
    table has only INTEGER for integers.
    """

    impl: Any = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column's type on `dialect`."""
        if dialect.name == "sqlite" and not isinstance(self.impl_instance, Text):
            return dialect.type_descriptor(Integer())
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Encode for SQLAlchemy."""
        assert dialect is not None, "a dialect binds"
        return None if value is None else self.encode(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Decode for SQLAlchemy."""
        assert dialect is not None, "a dialect returns"
        return None if value is None else self.decode(value)


class Micros(codes.Micros, Coded):
    """An exact decimal as an integer of 10⁻⁶; anything finer is rejected, never rounded."""

    impl = BigInteger
    cache_ok = True


class Instant(codes.Instant, Coded):
    """An instant as microseconds since 1970, UTC."""

    impl = BigInteger
    cache_ok = True


class Json(codes.Json, Coded):
    """A JSON document as canonical text."""

    impl = Text
    cache_ok = True


class Whole(codes.Whole, Coded):
    """An integer of 64 bits: counts, versions, sequences."""

    impl = BigInteger
    cache_ok = True


class YesNo(codes.YesNo, Coded):
    """True or false."""

    impl = Boolean
    cache_ok = True

"""Base class and column types of every table, and the constraints derived from its rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import (
    CheckConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.schema import SchemaItem

from dutchbook.persistence.tables.rules import TABLES
from dutchbook.persistence.tables.types import Instant, Json, Micros, Whole, YesNo

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Amount = Annotated[Decimal, mapped_column(Micros)]
MaybeAmount = Annotated[Decimal | None, mapped_column(Micros)]
Time = Annotated[datetime, mapped_column(Instant)]
MaybeTime = Annotated[datetime | None, mapped_column(Instant)]
Document = Annotated[Any, mapped_column(Json)]
Words = Annotated[str, mapped_column(Text)]
MaybeWords = Annotated[str | None, mapped_column(Text)]
Count = Annotated[int, mapped_column(Whole)]
MaybeCount = Annotated[int | None, mapped_column(Whole)]
Flag = Annotated[bool, mapped_column(YesNo)]


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=NAMES)


def ruled(table: str, **words: Iterable[str]) -> tuple[SchemaItem, ...]:
    """Return the constraints of a table: its key, its lower bounds, its closed sets of words.

    Args:
        table: Its name in `TABLES`.
        words: Columns and the words that they allow.
    """
    rules = TABLES[table]
    found: list[SchemaItem] = [PrimaryKeyConstraint(*rules.key)]
    found += [UniqueConstraint(*columns) for columns in rules.unique]
    found += [
        CheckConstraint(f"{column} >= 0", name=f"{column}_floor") for column in rules.floor
    ]
    for column, admitted in words.items():
        listed = ", ".join(f"'{word}'" for word in sorted(str(each) for each in admitted))
        found.append(CheckConstraint(f"{column} IN ({listed})", name=f"{column}_word"))
    if rules.resolved_once:
        resolved = "status = 'reserved' OR committed + fees + released = amount"
        found.append(CheckConstraint(resolved, name="resolved_whole"))
    return tuple(found)


def words(enum: type[StrEnum]) -> list[str]:
    """Return the words of an enumeration."""
    return [member.value for member in enum]

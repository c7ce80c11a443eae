"""Kinds of settings: every number has a least and a greatest value, both allowed.

A decimal has at most six decimals, since the records hold nothing finer. So an open bound is
one millionth further in: above 0 is from `LEAST`, below 1 is up to `BELOW_ONE`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

from dutchbook.domain.values.units import LARGEST, plain

PLACES = 6
NUMBER = "a number"
LEAST = Decimal("0.000001")
BELOW_ONE = Decimal("0.999999")
DOLLARS = LARGEST
DAY, YEAR = 86_400, 31_536_000
"""Seconds."""
DAY_MS = 1_000 * DAY
MANY = 1_000_000
"""Times: more than any queue, rate or count of this program needs."""


class Section(BaseModel):
    """A table of the settings file; unknown keys are rejected.

    A default is checked as well: another setting may bound it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_number(cls, value: Any, info: Any) -> Any:
        """Reject a truth value where a number belongs: it would count as 0 or 1."""
        if isinstance(value, bool) and bounds(cls.model_fields[info.field_name]):
            raise ValueError(NUMBER)
        return value


def whole(default: int | None, least: int, most: int, description: str) -> Any:
    """Return a setting that is a whole number from `least` to `most`."""
    return Field(default, ge=least, le=most, description=description)


def exact(
    default: Decimal | str | None, least: Decimal | int, most: Decimal | int, description: str
) -> Any:
    """Return a setting that is an exact decimal from `least` to `most`."""
    return Field(
        None if default is None else Decimal(default),
        ge=Decimal(least),
        le=Decimal(most),
        decimal_places=PLACES,
        description=description,
    )


def word(default: str, *words: str, description: str) -> Any:
    """Return a setting that is one of some words."""
    return Field(default, pattern=f"^({'|'.join(words)})$", description=description)


def bounds(field: FieldInfo) -> tuple[Decimal, Decimal] | None:
    """Return the least and the greatest value of a setting; None where it is no number."""
    least = [each.ge for each in field.metadata if isinstance(each, Ge)]
    most = [each.le for each in field.metadata if isinstance(each, Le)]
    if not least or not most:
        return None
    return Decimal(str(least[0])), Decimal(str(most[0]))


def words(field: FieldInfo) -> tuple[str, ...]:
    """Return the words that a setting may be; empty where it may be any text."""
    patterns = [found for each in field.metadata if (found := getattr(each, "pattern", None))]
    return tuple(patterns[0][2:-2].split("|")) if patterns else ()


def allowed(field: FieldInfo) -> str:
    """Return what a setting may be, in words; "a text" where any will do."""
    if field.annotation is bool:
        return "true or false"
    if listed := words(field):
        return f"one of {', '.join(listed)}"
    limits = bounds(field)
    if limits is None:
        return "a text"
    span = f"from {plain(limits[0])} to {plain(limits[1])}"
    if field.annotation in (Decimal, Decimal | None):
        return f"a number {span} with at most {PLACES} decimals"
    return f"a whole number {span}"

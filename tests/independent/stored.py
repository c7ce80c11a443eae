"""Rows in the form in which a database stores them, and amounts in dollars.

A database stores amounts and sizes in whole millionths, moments in microseconds since 1970
(UTC), and flags as 0 or 1. Rows in memory hold decimals, moments and flags instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, list[Any]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNFIT = re.compile("[\0\ud800-\udfff]")
"""Characters that no database holds; each is stored as U+FFFD."""
AMOUNTS = frozenset((
    "amount", "committed", "fee", "fees", "fill_cost", "fill_size", "free", "price", "released",
    "reserved", "reserved_capital", "size", "stated", "stated_cost", "stated_fees",
    "total_capital_deployed", "working_size",
))  # fmt: skip
"""Columns of amounts and sizes that the oracles read; each has one meaning in every table."""


def plain(value: Any) -> Any:
    """Return a value of a row in memory as it is stored; documents stay as they are."""
    if isinstance(value, str):
        text = str.__str__(value)
        return text if text.isascii() and "\0" not in text else UNFIT.sub("\ufffd", text)
    if isinstance(value, Decimal):
        scaled = value.scaleb(6)
        assert scaled == int(scaled), f"{value} is finer than a millionth"
        return int(scaled)
    if isinstance(value, datetime):
        return (value - EPOCH) // MICROSECOND
    return value


def as_stored(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows from memory as a database stores them."""
    return [{name: plain(value) for name, value in row.items()} for row in rows]


def in_dollars(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return stored rows with their amounts and sizes as decimals; prices are dollars too."""
    return [
        {
            name: Decimal(value).scaleb(-6) if name in AMOUNTS and value is not None else value
            for name, value in row.items()
        }
        for row in rows
    ]

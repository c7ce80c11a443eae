"""Verifies a database a second time, from its rows and the heads kept of its log.

What `dutchbook db verify` promises, by code that shares nothing with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from independent import capital, replay, states
from independent.chain import chain, heads
from independent.exposures import exposures
from independent.stored import in_dollars

TABLES = ("audit_log", "system_metadata", *replay.KEYS)
"""Tables that are read."""
Row = Mapping[str, Any]


def problems(tables: Mapping[str, Iterable[Row]]) -> Iterator[str]:
    """Yield what is wrong, one line each, beginning with its invariant.

    Args:
        tables: The rows of every table in `TABLES`, as stored.
    """
    log = sorted(tables["audit_log"], key=lambda row: int(row["sequence"]))
    money = {name: in_dollars(tables[name]) for name in replay.KEYS}
    yield from chain(log)
    yield from replay.differences(log, tables)
    yield from capital.conservation(money)
    yield from capital.reservations(money)
    yield from states.orders(money)
    yield from exposures(log)
    begun = any(row["key"] == "runs" for row in tables["system_metadata"])
    if begun and not log:
        yield "I-26 a run began on this database, and its log is empty"


def kept(tables: Mapping[str, Iterable[Row]], file: bytes) -> Iterator[str]:
    """Yield what is wrong with the heads of the log in a file outside the database."""
    named = {row["key"]: row["value"] for row in tables["system_metadata"]}
    yield from heads(tables["audit_log"], file, named.get("identity", ""))

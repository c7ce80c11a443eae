"""Operator commands as rows: written by any process, carried out by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dutchbook.application.records.lease import ENGINE, TABLE
from dutchbook.domain.capital.limits import Grade
from dutchbook.domain.positions.exposure import ACTIONS
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.ports.tables.table import Row
from dutchbook.ports.time import Clock

COMMANDS = "operator_commands"
HALT, WIND_DOWN = "halt", "wind_down"
HALTING = (HALT, WIND_DOWN)
"""Commands that halted the lease already when they were written."""
SENDING = (*ACTIONS, "override", WIND_DOWN)
"""Commands that lead to orders. They expire: prices do not stay what a person saw."""
EXPIRY = timedelta(minutes=15)


def command_row(
    command_id: str,
    name: str,
    arguments: Mapping[str, Any],
    rationale: str,
    by: str,
    clock: Clock,
    expiry: timedelta | None = EXPIRY,
) -> dict[str, Any]:
    """Return the row of `operator_commands` for a person's command.

    `expiry`: how long an engine may carry it out, if it leads to orders; None for ever.
    """
    now = clock.now()
    expires = now + expiry if name in SENDING and expiry is not None else None
    return {
        "command_id": command_id,
        "name": name,
        "arguments": dict(arguments),
        "rationale": rationale or None,
        "requested_by": by,
        "requested_at": now,
        "expires_at": expires,
        "taken_at": None,
        "answered_at": None,
        "answer": None,
    }


def expired(row: Row, now: datetime) -> str | None:
    """Return that a command is not carried out any more, None if it may be."""
    until = row["expires_at"]
    if until is None or now < until:
        return None
    when = until.isoformat(sep=" ", timespec="seconds")
    return f"it expired at {when}, before an engine carried it out"


def taken(row: Row, now: datetime) -> Update:
    """Return the update with which an engine takes a command, to carry it out next.

    It conflicts if the command was answered, withdrawn or taken since it was read.
    """
    guard = {"answered_at": None, "taken_at": row["taken_at"]}
    return Update(COMMANDS, {"command_id": row["command_id"]}, guard, {"taken_at": now})


def withdrawn(row: Row, now: datetime, by: str, rationale: str, halt_id: str) -> Batch:
    """Return the batch that withdraws a command; it conflicts if an engine took it since.

    What a wind-down has halted stays halted: a halt named `halt_id` replaces it, and a person
    lifts that by its name.
    """
    why = f"withdrawn by {by}" + (f": {rationale}" if rationale else "")
    answer = {"answered_at": now, "answer": {"done": False, "why": why}}
    guard = {"answered_at": None, "taken_at": row["taken_at"]}
    change = Update(COMMANDS, {"command_id": row["command_id"]}, guard, answer)
    if row["name"] != WIND_DOWN:
        return Batch((change,))
    halt = {
        **row,
        "command_id": halt_id,
        "name": HALT,
        "arguments": {},
        "rationale": f"{row['rationale'] or 'no rationale'} (a wind-down, {why})",
        "expires_at": None,
        "taken_at": None,
    }
    return Batch((change, Insert(COMMANDS, halt)))


def halting(lease: Mapping[str, Any], grade: Grade) -> Update:
    """Return the update that halts the lease from another process; a stronger halt stays."""
    return Update(
        TABLE,
        ENGINE,
        guard={"halted": lease["halted"]},
        put={"halted": max(int(grade), lease["halted"])},
        add={"halts": 1},
    )

"""Operator commands as rows: written by any process, carried out by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dutchbook.application.records.lease import ENGINE, TABLE
from dutchbook.domain.capital.limits import Grade
from dutchbook.ports.journal import Update
from dutchbook.ports.time import Clock


def command_row(
    command_id: str,
    name: str,
    arguments: Mapping[str, Any],
    rationale: str,
    by: str,
    clock: Clock,
) -> dict[str, Any]:
    """Return the row of `operator_commands` for a person's command."""
    return {
        "command_id": command_id,
        "name": name,
        "arguments": dict(arguments),
        "rationale": rationale or None,
        "requested_by": by,
        "requested_at": clock.now(),
        "answered_at": None,
        "answer": None,
    }


def halting(lease: Mapping[str, Any], grade: Grade) -> Update:
    """Return the update that halts the lease from another process; a stronger halt stays."""
    return Update(
        TABLE,
        ENGINE,
        guard={"halted": lease["halted"]},
        put={"halted": max(int(grade), lease["halted"])},
        add={"halts": 1},
    )

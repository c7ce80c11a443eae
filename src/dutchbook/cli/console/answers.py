"""Answers to commands, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]
SHORT = 8
"""Characters of an id that are shown; commands accept them."""


def answered(name: str, request: Row) -> str:
    """Return what became of a command that is not about one position."""
    answer = request["answer"]
    if answer is None:
        halted = "Halted: no entry from now on. " if name == "wind_down" else ""
        return f"{halted}{late(request)}"
    if not answer.get("done"):
        code = f" ({answer['code']})" if answer.get("code") else ""
        return f"not done: {answer.get('why') or 'no reason given'}{code}"
    match name:
        case "resume" if "pair" in answer:
            return f"{answer['pair']} is traded again"
        case "resume":
            left = ", ".join(answer["reasons_left"])
            return f"cleared; still halted: {left}" if left else "cleared; trading goes on"
        case "override":
            return f"granted for the next execution of {answer['pair']}"
        case "wind_down":
            return "no entry from now on; every position is being exited, then the engine stops"
        case "reconcile":
            return "being compared; `dutchbook discrepancies` shows what differs"
        case _:
            return "done"


def late(request: Row) -> str:
    """Return when a command without an answer is carried out, and how it is taken back."""
    if request["engine"]:
        when = f"the engine {request['engine']} has not answered yet: it is done when the"
        when += " engine comes to it"
    else:
        when = "no engine runs: it is done at the next start"
    if expires := request["expires_at"]:
        when += f", before {instant(expires)}"
    command = request["command"][:SHORT]
    return f"Asked for, and {when}. To take it back: dutchbook commands withdraw {command}"


def instant(value: datetime | str) -> str:
    """Return an instant in UTC, to the second."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def waiting(row: Row) -> str:
    """Return one command that waits for an engine, in a line."""
    arguments = ", ".join(f"{name} {value}" for name, value in row["arguments"].items())
    what = f"{row['name'].replace('_', '-')} {arguments}".rstrip()
    asked = f"asked for at {instant(row['requested_at'])} by {row['requested_by']}"
    until = "never expires"
    if row["expired"]:
        until = row["expired"]
    elif row["expires_at"]:
        until = f"expires at {instant(row['expires_at'])}"
    begun = f"; taken at {instant(row['taken_at'])}" if row["taken_at"] else ""
    return f"{row['command_id'][:SHORT]}  {what}: {asked}; {until}{begun}"
